"""GoalEx (arXiv 2305.13749): propose predicates from random texts, assign texts to all, select by integer programme."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from benchmarks.experiments.arms.prompting import RandomTexts
from benchmarks.experiments.base import SEARCH_ALONE, AbstractArm, Outcome, Problem
from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.pool import Pool
from nlparam.errors import LanguageModelError
from nlparam.fitting.setup import FitRun, prepared
from nlparam.numerics.core.cover import select_cover
from nlparam.numerics.core.model import AbstractPredicateModel


@dataclasses.dataclass(frozen=True)
class Goalex(AbstractArm):
    """Propose, assign, select, once.

    The language model proposes from random batches of texts under the goal, each text is assigned to the proposals that
    hold for it, and those are selected that leave the fewest texts without a cluster, or in several.

    **Arguments:** `n_proposals`, in all, by default three per cluster but at least 8 (the paper has 30 to 50);
    `n_assigned`, on how many random texts each proposal is judged, by default as many as a fit judges for a predicate,
    or more where the limit on the judgments allows it, the learned head denoting the others; `uncovered` and `overlap`,
    the price of a text without a cluster and of each cluster beyond the first (the paper's mu and lambda);
    `most_share`, of the texts that one cluster may have (0.4 in the paper's code), more only where too few proposals
    have less.
    """

    n_proposals: int | None = None
    n_assigned: int | None = None
    uncovered: float = 1.0
    overlap: float = 0.5
    most_share: float = 0.4

    def run(self, problem: Problem) -> Outcome:
        # No part of GoalEx looks at embeddings: the goal representation would be paid for and not used.
        settings = SEARCH_ALONE | {**problem.settings, "representation": "embedding"}
        dataset = problem.dataset
        with prepared(problem.model, dataset.texts, dataset.data, goal=dataset.goal, **settings) as run:
            pool, usable = self._assigned(run)
            denotations = pool.denotations(usable)
            with run.costs.stage("selection"):
                chosen = self._selected(run, denotations)
        predicates = [pool.predicates[usable[number]] for number in chosen]
        columns = run.corpus.spread(denotations[:, chosen])
        assignments = _partition(run.model, columns, run.data, run.corpus.blank)
        return Outcome(predicates, columns, run.costs, assignments, notes={"n_candidates": float(len(pool.predicates))})

    def _assigned(self, run: FitRun) -> tuple[Pool, list[int]]:
        """The proposals, judged, and those of them that can be denoted."""
        rng = np.random.default_rng(run.seed)
        n_wanted = self.n_proposals or max(3 * run.model.n_predicates, 8)
        proposer, distinct = RandomTexts(run.search.proposer, n_wanted), run.corpus.distinct
        options = run.search.options
        with run.costs.stage("proposing"):
            (proposals,) = proposer.propose(distinct, np.zeros((len(distinct), 1)), goal=run.search.goal, rng=rng)
        embeddings = run.search.embeddings
        # Without a relaxation there is one slot to which every text belongs, and the head sees no memberships.
        features = TextFeatures(run.ngrams, np.zeros((1, embeddings.shape[1])))
        pool = Pool(
            distinct,
            features.of(distinct, embeddings),
            run.judge,
            correct_bias=options.correct_bias,
            max_judgments=options.max_judgments,
            meter=run.meter,
        )
        columns = pool.add(proposals)
        n_assigned = self.n_assigned or options.n_judged or len(distinct)
        if self.n_assigned is None and options.max_judgments is not None:
            # The arms are compared at the same number of judgments; what a fit spends on its search is spent here.
            n_assigned = max(n_assigned, options.max_judgments // max(len(columns), 1))
        with run.costs.stage("judging"):
            pool.judge_columns(columns, rng.permutation(len(distinct))[:n_assigned])
        usable = pool.usable()
        if not usable:
            raise LanguageModelError(
                f"none of the {len(pool.predicates)} predicates that were proposed has enough usable judgments: allow "
                "more judgments, or use a model that answers yes or no"
            )
        return pool, usable

    def _selected(self, run: FitRun, denotations: np.ndarray) -> list[int]:
        n_selected = min(run.model.n_predicates, denotations.shape[1])
        holds = denotations > 0.5
        most_share = max(self.most_share, float(np.sort(holds.mean(axis=0))[n_selected - 1]))
        chosen = select_cover(holds, n_selected, uncovered=self.uncovered, overlap=self.overlap, most_share=most_share)
        return chosen.tolist()


def _partition(model: AbstractPredicateModel, denotations: np.ndarray, data, blank: np.ndarray) -> np.ndarray | None:
    """The column of every text, for a model that is a partition: of several that hold, the most specific."""
    if not model.assigns_texts:
        return None
    model = dataclasses.replace(model, n_predicates=denotations.shape[1])
    weights = model.fit_weights(jnp.asarray(denotations), data)
    return np.where(blank, -1, np.asarray(model.predict(weights, jnp.asarray(denotations))))
