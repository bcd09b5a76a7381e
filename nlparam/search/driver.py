"""The search for predicates: relax, propose, judge, select, and again (column generation).

Relaxing asks which direction in embedding space the model is missing, a proposer turns directions into candidate
predicates (columns), judging fills the columns, and selection keeps the best. A candidate that does not matter is
never judged on more than the few texts of the screening.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlparam.budget import Meter
from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.denoter import TextFeatures
from nlparam.errors import LanguageModelError
from nlparam.language.judge import AbstractJudge
from nlparam.language.propose import AbstractProposer
from nlparam.numerics.device import place_texts
from nlparam.numerics.model import AbstractPredicateModel
from nlparam.numerics.relax import Relaxation, relax
from nlparam.numerics.sample import judging_order
from nlparam.numerics.select import Selection, select
from nlparam.pool import Pool
from nlparam.progress import Progress
from nlparam.search.options import SearchOptions
from nlparam.solution import RESULTS, TraceEntry


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search ends with: the pool, the chosen columns of it, and how it got there."""

    pool: Pool
    chosen: list[int]
    loss: float
    features: TextFeatures
    trace: list[TraceEntry]
    result: RESULTS


class Search:
    """One run of the search. The parts it combines are given; it owns the pool and the trace."""

    def __init__(
        self,
        model: AbstractPredicateModel,
        corpus: Corpus,
        embeddings: np.ndarray,
        data: Any,
        *,
        goal: str,
        proposer: AbstractProposer,
        judge: AbstractJudge,
        options: SearchOptions,
        costs: Costs,
        meter: Meter,
        progress: Progress,
        seed: int,
    ):
        self.model, self.corpus, self.data = model, corpus, data
        self.embeddings = embeddings
        self.goal, self.proposer, self.judge, self.options = goal, proposer, judge, options
        self.costs, self.meter, self.progress = costs, meter, progress
        self.key, self.rng = jax.random.key(seed), np.random.default_rng(seed)
        # Shared with NumPy on a CPU (the matrix is aligned), spread over the devices where there are several.
        self.spread_embeddings = place_texts(corpus.spread(embeddings))
        self.trace: list[TraceEntry] = []
        self.began = time.perf_counter()

    def start(self, ngrams) -> np.ndarray:
        """Relaxes all slots and makes the pool; `(n_distinct, n_slots)` relaxed scores. No language model is asked."""
        relaxation = self._relax()
        self._record("relaxation", float(relaxation.loss), ())
        directions = np.asarray(relaxation.directions)
        self.features = TextFeatures(ngrams, directions)
        scores = self.embeddings @ directions.T
        self.pool = Pool(
            self.corpus.distinct,
            self.features.of(self.corpus.distinct, self.embeddings),
            self.judge,
            correct_bias=self.options.correct_bias,
            max_judgments=self.options.max_judgments,
            meter=self.meter,
        )
        self.order = judging_order(scores, rng=self.rng)
        return scores

    def run(self, ngrams) -> Found:
        """Runs the search. Raises `LanguageModelError` if nothing usable is ever proposed."""
        self.propose_for(self.start(ngrams))
        if not self.pool.predicates:
            if self.meter.spent is not None:
                raise LanguageModelError(
                    f"the budget is spent ({self.meter.spent}) before a predicate was proposed: allow more"
                )
            raise LanguageModelError(
                f"the language model {self.judge.identity.split()[0]!r} proposed no usable predicate: "
                "try a stronger model, another proposer or a plainer goal"
            )
        self._judge(range(len(self.pool.predicates)), self.order[: self.n_screening])
        chosen, selection = self._settle(None)
        self._record("selection", selection.loss, chosen)
        result = RESULTS.rounds_spent
        for number in range(1, self.options.n_rounds + 1):
            if self.pool.spent:
                break
            before = selection.loss
            any_new, chosen, selection = self._refine(chosen, selection)
            self._record(f"refinement {number}", selection.loss, chosen)
            if not any_new:
                result = RESULTS.nothing_usable
                break
            if selection.loss > before - self.options.tolerance:
                result = RESULTS.converged
                break
        if self.pool.spent:
            result = RESULTS.budget_spent
        return Found(self.pool, [c for c in chosen if c >= 0], selection.loss, self.features, self.trace, result)

    @property
    def n_screening(self) -> int:
        """On how many texts every candidate is judged."""
        return min(len(self.corpus.distinct), self.options.n_screened * self.model.n_predicates)

    def _relax(self, fixed: np.ndarray | None = None) -> Relaxation:
        with self.costs.stage("relaxation"), self.progress.task("relaxing", None):
            self.key, key = jax.random.split(self.key)
            model, data, n_texts = self.model, self.data, len(self.spread_embeddings)
            if n_texts < len(self.corpus):
                # The few texts that do not divide evenly among the devices are left out of the relaxation.
                model, data = model.subsample(data, jnp.arange(n_texts), len(self.corpus))
            relaxation = relax(
                model,
                self.spread_embeddings,
                data,
                fixed=None if fixed is None else jnp.asarray(fixed[:n_texts], self.spread_embeddings.dtype),
                n_restarts=self.options.n_restarts,
                batch_size=self.options.n_relaxed,
                key=key,
            )
            return jax.block_until_ready(relaxation)

    def propose_for(self, scores: np.ndarray) -> list[int]:
        """Adds the proposals for every slot to the pool and returns the new columns."""
        with self.costs.stage("proposing"):
            proposals = self.proposer.propose(
                self.corpus.distinct, scores, goal=self.goal, avoid=self.pool.predicates, rng=self.rng
            )
        # Round-robin over the slots, so that a budget that ends early has seen the best of every slot.
        depth = max((len(slot) for slot in proposals), default=0)
        return self.pool.add([slot[rank] for rank in range(depth) for slot in proposals if rank < len(slot)])

    def _judge(self, columns: Sequence[int], rows: np.ndarray) -> None:
        with self.costs.stage("judging"):
            self.pool.judge_columns(columns, rows)

    def _select(self, start: Sequence[int] | None) -> Selection:
        with self.costs.stage("selection"), self.progress.task("selecting", None):
            self.key, key = jax.random.split(self.key)
            columns = self.pool.usable()
            if not columns:
                raise LanguageModelError(
                    f"none of the {len(self.pool.predicates)} candidate predicates has enough usable judgments "
                    f"({self.costs.judgments_asked + self.costs.judgments_served} in all, {self.costs.failures} calls "
                    f"failed{self._budget()}): allow more judgments, or use a model that answers yes or no"
                )
            position = {column: number for number, column in enumerate(columns)}
            denotations = self.corpus.spread(self.pool.denotations(columns))
            selection = select(
                self.model,
                jnp.asarray(denotations, self.spread_embeddings.dtype),
                self.data,
                start=None if start is None else np.asarray([position.get(c, -1) for c in start]),
                key=key,
            )
            # From positions among the usable columns to columns of the pool.
            swap_losses = np.full((self.model.n_predicates, len(self.pool.predicates)), np.inf)
            swap_losses[:, columns] = selection.swap_losses
            chosen = np.asarray([columns[c] if c >= 0 else -1 for c in selection.chosen])
            return selection._replace(chosen=chosen, swap_losses=swap_losses)

    def _budget(self) -> str:
        return f", the budget is spent: {self.meter.spent}" if self.meter.spent is not None else ""

    def _settle(self, start: Sequence[int] | None) -> tuple[list[int], Selection]:
        """Selects, and judges in full what was selected or came close, until nothing of it is left to be judged."""
        rows = self.order[: self.options.n_judged or len(self.corpus.distinct)]
        selection = self._select(start)
        while True:
            chosen = [c for c in selection.chosen.tolist() if c >= 0]
            close = selection.contenders(self.options.contention)[: self.model.n_predicates]
            incomplete = [c for c in chosen + close if not self.pool.is_judged(c, rows)]
            if not incomplete or self.pool.spent:
                return selection.chosen.tolist(), selection
            self._judge(incomplete, rows)
            selection = self._select(selection.chosen.tolist())

    def _refine(self, chosen: list[int], selection: Selection) -> tuple[bool, list[int], Selection]:
        """Looks for better predicates in place of the least useful ones, the others being fixed."""
        denotations = self.corpus.spread(self.pool.denotations([max(c, 0) for c in chosen]))
        denotations[:, [c < 0 for c in chosen]] = 0.0
        least_useful = np.argsort(selection.costs, kind="stable")[: self.options.n_slots_refined]
        directions = [
            np.asarray(self._relax(np.delete(denotations, slot, axis=1)).directions[-1]) for slot in least_useful
        ]
        scores = self.embeddings @ np.stack(directions).T
        new = self.propose_for(scores)
        if not new:
            return False, chosen, selection
        # Half of the screening texts are those that the others were screened on, half are high for the new directions.
        n_screening = self.n_screening
        high = np.argsort(-scores.max(axis=1), kind="stable")[: n_screening - n_screening // 2]
        self._judge(new, np.unique(np.concatenate([self.order[: n_screening // 2], high])))
        return True, *self._settle(chosen)

    def _record(self, step: str, loss: float, chosen: Sequence[int]) -> None:
        predicates = tuple(self.pool.predicates[c] for c in chosen if c >= 0)
        n_candidates = len(self.pool.predicates) if chosen else 0
        judgments = self.costs.judgments_asked + self.costs.judgments_served
        seconds = time.perf_counter() - self.began
        self.trace.append(TraceEntry(step, loss, predicates, n_candidates, judgments, seconds))
