"""GoalEx (arXiv 2305.13749): propose predicates from random texts, assign texts to all, select by integer programme.

Prompting is the first step alone: predicates from a language model that is shown random texts, without any model.
"""

import dataclasses

import numpy as np

from benchmarks.experiments.arms.shared import fitted, judged_clusters, options_with, proposer_of
from benchmarks.experiments.base import SEARCH_ALONE, AbstractArm, Outcome, Problem
from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.pool import Pool
from nlparam.errors import LanguageModelError
from nlparam.fitting.setup import FitRun, prepared
from nlparam.language.propose import AbstractProposer
from nlparam.numerics.core.cover import select_cover

# A batch gives three to five predicates; batches that have to be asked for are asked for together.
_PER_BATCH = 3
_MOST_TRIES = 8


@dataclasses.dataclass
class RandomTexts(AbstractProposer):
    """Shows another proposer random texts as if they were high, until there are `n_wanted` predicates.

    What the texts score plays no part, so the predicates are those that the language model finds in the corpus under
    the goal alone. All are proposed as one slot, in the order in which they came.
    """

    proposer: AbstractProposer
    n_wanted: int

    def __post_init__(self):
        self.identity = f"random-{self.n_wanted} {self.proposer.identity}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del scores
        found: dict[str, str] = {}
        for _ in range(_MOST_TRIES):
            missing = self.n_wanted - len(found)
            if missing <= 0:
                break
            random = rng.standard_normal((len(texts), -(-missing // _PER_BATCH)))
            there = [*avoid, *found.values()]
            for batch in self.proposer.propose(texts, random, goal=goal, avoid=there, rng=rng):
                for predicate in batch:
                    found.setdefault(predicate.casefold(), predicate)
        return [list(found.values())[: self.n_wanted]]


@dataclasses.dataclass(frozen=True)
class Prompting(AbstractArm):
    """As many predicates as the model has, from random texts; they are judged and denoted as in a fit."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(
            problem,
            predicates=None,
            proposer=lambda engine: RandomTexts(proposer_of(problem, engine), problem.model.n_predicates),
            options=options_with(problem, n_rounds=0),
        )


@dataclasses.dataclass(frozen=True)
class Goalex(AbstractArm):
    """Propose, assign, select.

    The language model proposes from random batches of texts under the goal, each text is assigned to the proposals that
    hold for it, and those are selected that leave the fewest texts without a cluster, or in several.

    **Arguments:** `n_proposals`, in each round, by default three per cluster but at least 8 (the paper has 30 to 50);
    `n_assigned`, on how many random texts each proposal is judged, by default as many as a fit judges for a predicate,
    or more where the limit on the judgments allows it, the learned head denoting the others; `uncovered` and `overlap`,
    the price of a text without a cluster and of each cluster beyond the first (the paper's mu and lambda);
    `most_share`, of the texts that one cluster may have (0.4 in the paper's code), more only where too few proposals
    have less; `n_rounds`, of which those after the first propose from the texts that no chosen predicate holds for (5
    in the paper); `committed`, whether the language model says in the end which one cluster fits each text best.
    """

    n_proposals: int | None = None
    n_assigned: int | None = None
    uncovered: float = 1.0
    overlap: float = 0.5
    most_share: float = 0.4
    n_rounds: int = 1
    committed: bool = False

    def run(self, problem: Problem) -> Outcome:
        # No part of GoalEx looks at embeddings: the goal representation would be paid for and not used.
        settings = SEARCH_ALONE | {**problem.settings, "representation": "embedding"}
        dataset = problem.dataset
        with prepared(problem.model, dataset.texts, dataset.data, goal=dataset.goal, **settings) as run:
            embeddings, distinct = run.search.embeddings, run.corpus.distinct
            # Without a relaxation there is one slot to which every text belongs, and the head sees no memberships.
            features = TextFeatures(run.ngrams, np.zeros((1, embeddings.shape[1])))
            options = run.search.options
            pool = Pool(
                distinct,
                features.of(embeddings, run.ngram_features),
                run.judge,
                correct_bias=options.correct_bias,
                max_judgments=options.max_judgments,
                meter=run.meter,
            )
            chosen, open_rows = list[int](), np.arange(len(distinct))
            rng = np.random.default_rng(run.seed)
            for _ in range(self.n_rounds):
                if len(open_rows) < 2 or pool.spent:
                    break
                self._propose_and_assign(run, pool, open_rows, rng)
                usable = pool.usable()
                if not usable:
                    raise LanguageModelError(
                        f"none of the {len(pool.predicates)} predicates that were proposed has enough usable "
                        "judgments: allow more judgments, or use a model that answers yes or no"
                    )
                with run.costs.stage("selection"):
                    denotations = pool.denotations(usable)
                    chosen = [usable[number] for number in self._selected(run, denotations)]
                open_rows = np.flatnonzero((pool.denotations(chosen) <= 0.5).all(axis=1))
            outcome = judged_clusters(problem, run, pool, chosen, features, committed=self.committed)
        return dataclasses.replace(outcome, notes={"n_candidates": float(len(pool.predicates))})

    def _propose_and_assign(self, run: FitRun, pool: Pool, rows: np.ndarray, rng: np.random.Generator) -> None:
        """Adds predicates that are proposed from some of the texts, and judges them on random texts."""
        n_wanted, options = self.n_proposals or max(3 * run.model.n_predicates, 8), run.search.options
        texts = [str(pool.texts[row]) for row in rows.tolist()]
        with run.costs.stage("proposing"):
            (proposals,) = RandomTexts(run.search.proposer, n_wanted).propose(
                texts, np.zeros((len(texts), 1)), goal=run.search.goal, avoid=pool.predicates, rng=rng
            )
        columns = pool.add(proposals)
        n_assigned = self.n_assigned or options.n_judged or len(pool.texts)
        if self.n_assigned is None and options.max_judgments is not None:
            # The arms are compared at the same number of judgments; what a fit spends on its search is spent here.
            n_assigned = max(n_assigned, options.max_judgments // (max(len(columns), 1) * self.n_rounds))
        with run.costs.stage("judging"):
            pool.judge_columns(columns, rng.permutation(len(pool.texts))[:n_assigned])

    def _selected(self, run: FitRun, denotations: np.ndarray) -> list[int]:
        n_selected = min(run.model.n_predicates, denotations.shape[1])
        holds = denotations > 0.5
        most_share = max(self.most_share, float(np.sort(holds.mean(axis=0))[n_selected - 1]))
        chosen = select_cover(holds, n_selected, uncovered=self.uncovered, overlap=self.overlap, most_share=most_share)
        return chosen.tolist()
