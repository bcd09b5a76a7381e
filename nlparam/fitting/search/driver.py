"""What the strategies of a search share: directions, proposals, judgments, selection, and the trace."""

import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.goal import Affinity, Sayings
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.pool import Pool
from nlparam.errors import LanguageModelError
from nlparam.fitting.records import TraceEntry
from nlparam.fitting.search.options import SearchOptions
from nlparam.fitting.search.twins import twin
from nlparam.fitting.wishes import Barrier, Wishes
from nlparam.language.features import NgramFeatures
from nlparam.language.merging import Merger
from nlparam.language.propose import AbstractProposer
from nlparam.language.propose.both import in_turn
from nlparam.numerics.core.cover import correlations, facility_location
from nlparam.numerics.core.device import place_texts, to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.relax import relax
from nlparam.numerics.core.sample import judging_order
from nlparam.numerics.core.select import Selection, select, slot_losses
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

# Screening takes this share of the judgments at most, but has no candidate judged on fewer texts.
_SCREENING_SHARE, _LEAST_SCREENED = 0.5, 8
# A candidate judged on fewer times as many texts as those of the screening is no rival of one that was judged in full.
_TELLING_RIVALS = 2
# The shares of the texts that half-spaces are tried with.
_SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class Directions(NamedTuple):
    """Unit vectors in place of predicates, `(n_slots, embed_dim)`, and the loss with them."""

    vectors: np.ndarray
    loss: float


class Search:
    """One run of the search. The parts it combines are given; it owns the pool and the trace.

    `run_search` leaves what is done with them to a strategy, `by_columns` or `by_coordinates`. `locked` are the columns
    of the pool that are chosen whatever else is; they take the first slots.
    """

    def __init__(
        self,
        model: AbstractPredicateModel,
        corpus: Corpus,
        embeddings: np.ndarray,
        data: Any,
        *,
        goal: str,
        ngrams: NgramFeatures,
        ngram_features: np.ndarray,
        proposer: AbstractProposer,
        judge: AbstractJudge,
        options: SearchOptions,
        costs: Costs,
        meter: Meter,
        progress: Progress,
        seed: int,
        merger: Merger | None = None,
        affinity: Affinity | None = None,
        sayings: Sayings | None = None,
        wishes: Wishes | None = None,
        barrier: Barrier | None = None,
    ):
        self.wishes = Wishes() if wishes is None else wishes
        self.barrier, self.locked = barrier, list[int]()
        self.model, self.corpus, self.data = model, corpus, data
        # Heads give chances; a language model that is believed says yes or no.
        self.choosing = model.for_chances() if options.correct_bias else model
        self.embeddings, self.ngrams, self.ngram_features = embeddings, ngrams, ngram_features
        self.goal, self.proposer, self.judge, self.options = goal, proposer, judge, options
        self.costs, self.meter, self.progress = costs, meter, progress
        self.merger, self.affinity, self.sayings = merger, affinity, sayings
        self.key, self.rng = jax.random.key(seed), np.random.default_rng(seed)
        # Shared with NumPy on a CPU (the matrix is aligned), spread over the devices where there are several.
        self.spread_embeddings = place_texts(corpus.spread(embeddings))
        self.twins: set[int] = set()
        self.trace: list[TraceEntry] = []
        self.began = time.perf_counter()

    def start(self) -> np.ndarray:
        """Relaxes all slots and makes the pool; `(n_distinct, n_slots)` relaxed scores. No language model is asked."""
        directions = self.directions()
        self.record("relaxation" if self.options.relaxation else "random directions", directions.loss, ())
        self.features = TextFeatures(self.ngrams, directions.vectors)
        scores = self.embeddings @ directions.vectors.T
        features = self.features.of(self.embeddings, self.ngram_features)
        guesses = (
            None if self.affinity is None else functools.partial(self.affinity.guesses, n_features=features.shape[1])
        )
        self.pool = Pool(
            self.corpus.distinct,
            features,
            self.judge,
            correct_bias=self.options.correct_bias,
            max_judgments=self.options.max_judgments,
            meter=self.meter,
            guess=None if guesses is None else lambda predicates: guesses(np.arange(len(features)), predicates),
            stated=None if self.sayings is None else self.sayings.of,
        )
        self.order = judging_order(scores, rng=self.rng)
        self.locked = self.pool.add(self.wishes.locked)
        return scores

    @property
    def n_open(self) -> int:
        """How many slots are not locked."""
        return self.model.n_predicates - len(self.wishes.locked)

    def lock(self) -> np.ndarray | None:
        """Judges what is locked; `(n_distinct, n_slots)` relaxed scores of the slots beside it, `None` if it fills all.

        Raises `LanguageModelError` if a locked predicate has too few answers.
        """
        self.judge_on((self.locked, self.rows_in_full))
        missing = [self.pool.predicates[column] for column in self.locked if column not in self.pool.usable()]
        if missing:
            budget = f"the budget is spent, {self.meter.spent}" if self.meter.spent is not None else "judgments failed"
            raise LanguageModelError(
                f"the locked predicate {missing[0]!r} has too few usable judgments ({budget}): allow more, or do not "
                "lock it"
            )
        if not self.n_open:
            return None
        return self.embeddings @ self.directions(self.denotations(self.locked)).vectors.T

    @property
    def n_screening(self) -> int:
        """On how many texts every candidate is judged: of many candidates on fewer, so that judgments are left."""
        asked = min(len(self.corpus.distinct), self.options.n_screened * self.model.n_predicates)
        if self.options.max_judgments is None or not self.pool.predicates:
            return asked
        affordable = int(_SCREENING_SHARE * self.options.max_judgments / len(self.pool.predicates))
        return max(min(asked, affordable), min(asked, _LEAST_SCREENED))

    @property
    def rows_in_full(self) -> np.ndarray:
        """The texts on which a chosen predicate is judged."""
        return self.order[: self.options.n_judged or len(self.corpus.distinct)]

    def directions_ahead(self) -> np.ndarray:
        """The directions of a model with more predicates: what else there is to be found beside the best of them."""
        wider = dataclasses.replace(self.model, n_predicates=self.options.n_ahead * self.model.n_predicates)
        return self.directions(model=wider).vectors

    def directions(self, fixed: np.ndarray | None = None, model: AbstractPredicateModel | None = None) -> Directions:
        """Directions of all slots, or of those that are left beside some `fixed` denotations, `(n_texts, n_fixed)`."""
        with self.costs.stage("relaxation"), self.progress.task("relaxing", None):
            self.key, key = jax.random.split(self.key)
            model = self.model if model is None else model
            data, n_texts = self.data, len(self.spread_embeddings)
            if n_texts < len(self.corpus):
                # The few texts that do not divide evenly among the devices are left out of the relaxation.
                model, data = model.subsample(data, jnp.arange(n_texts), len(self.corpus))
            kept = None if fixed is None else to_device(fixed[:n_texts], self.spread_embeddings.dtype)
            if not self.options.relaxation:
                return _random_directions(model, self.spread_embeddings, data, kept, key)
            relaxation = relax(
                model,
                self.spread_embeddings,
                data,
                fixed=kept,
                n_restarts=self.options.n_restarts,
                batch_size=self.options.n_relaxed,
                key=key,
            )
            return Directions(np.asarray(relaxation.directions), float(relaxation.loss))

    def directions_beside(self, chosen: Sequence[int], slots: Iterable[int]) -> np.ndarray:
        """For each of some slots the direction that is missing beside the other predicates, `(n_slots, embed_dim)`."""
        denotations = self.denotations(chosen)
        return np.stack([self.directions(np.delete(denotations, slot, axis=1)).vectors[-1] for slot in slots])

    def price(self, chosen: Sequence[int], slot: int, direction: np.ndarray) -> float:
        """The loss with the half-space of a direction in a slot that does best there: all texts above some score.

        Its denotations are as far from 0 and 1 as those of the predicate that is there: a language model that is never
        quite sure would not be surer of another.
        """
        with self.costs.stage("selection"), self.progress.task("selecting", None):
            there, scores = self.denotations(chosen), self.embeddings @ direction
            sure = there[:, slot][there[:, slot] > 0.5], there[:, slot][there[:, slot] <= 0.5]
            yes, no = sure[0].mean() if len(sure[0]) else 1.0, sure[1].mean() if len(sure[1]) else 0.0
            halves = np.where(scores[:, None] >= np.quantile(scores, 1 - np.asarray(_SHARES)), yes, no)
            columns = self._as_array(np.concatenate([there, self.corpus.spread(halves)], axis=1))
            losses = slot_losses(self.choosing, columns, self.data, chosen=range(len(chosen)), slot=slot)
            return float(losses[len(chosen) : -1].min())

    def rivals(self, selection: Selection) -> list[int]:
        """For each slot the best candidate that was not judged in full, if it does no worse than what was chosen would
        if that had been judged on the same texts alone.

        A candidate is compared by cautious denotations, so that few judgments are a handicap. Where the language model
        is not believed (`correct_bias`), all are compared by their heads, and there is none.
        """
        if self.pool.correct_bias:
            return []
        found: dict[int, None] = {}
        chosen = selection.chosen.tolist()
        open_ones = [c for c in self.usable_columns() if not self.pool.is_judged(c, self.rows_in_full)]
        there = self.denotations(chosen, self.pool.cautious_denotations)
        for slot, column in enumerate(chosen):
            losses = selection.swap_losses[slot, open_ones]
            if column < 0 or column in self.locked or not np.isfinite(losses).any():
                continue
            rival = open_ones[int(np.argmin(losses))]
            rows = np.flatnonzero(self.pool.asked[:, rival] & self.pool.asked[:, column])
            if len(rows) < _TELLING_RIVALS * self.n_screening:
                continue
            alike = self.corpus.spread(self.pool.cautiously_as_if(column, rows))[:, None]
            columns = self._as_array(np.concatenate([there, alike], axis=1))
            handicapped = slot_losses(self.choosing, columns, self.data, chosen=range(len(chosen)), slot=slot)[-2]
            if losses.min() <= handicapped:
                found[rival] = None
        return list(found)

    def denotations(self, chosen: Sequence[int], of: Callable[[list[int]], np.ndarray] | None = None) -> np.ndarray:
        """`(n_texts, n_slots)` denotations of the chosen columns, 0 for an empty slot (-1); `of` denotes columns."""
        of = self.pool.denotations if of is None else of
        denotations = np.zeros((len(self.corpus), len(chosen)))
        if filled := [slot for slot, column in enumerate(chosen) if column >= 0]:
            denotations[:, filled] = self.corpus.spread(of([chosen[slot] for slot in filled]))
        return denotations

    def propose_for(self, scores: np.ndarray) -> list[int]:
        """Adds the proposals for every slot to the pool and returns the new columns."""
        with self.costs.stage("proposing"):
            _, passed = self._proposed(scores)
            return self.pool.add(self._different(passed, scores.shape[1]))

    def propose_again(self, scores: np.ndarray, n_each: int) -> list[list[int]]:
        """Adds at most `n_each` new proposals for every slot to the pool and returns the new columns of each slot.

        Those are kept of which it is likely, by embeddings, that they hold where the scores are high.
        """
        with self.costs.stage("proposing"):
            proposals, passed = self._proposed(scores)
            if self.merger is not None:
                passed = self.merger.merge(passed, taken=self.pool.predicates).predicates
            added, left = [], set(passed)
            for proposed, column in zip(proposals, scores.T, strict=True):
                there = [predicate for predicate in proposed if predicate in left]
                if self.affinity is not None and len(there) > n_each:
                    guessed = self.affinity.scores(np.arange(len(column)), there)
                    alike = correlations(np.column_stack([guessed, column]))[:-1, -1]
                    there = [there[n] for n in np.argsort(-alike, kind="stable").tolist()]
                added.append(self.pool.add(there[:n_each]))
                left -= set(there[:n_each])
            return added

    def _proposed(self, scores: np.ndarray) -> tuple[list[list[str]], list[str]]:
        """What is proposed for every slot, and what of it answers the goal, the best of every slot first: so a budget
        that ends early has seen these."""
        avoid = [*self.pool.predicates, *self.wishes.excluded]
        proposals = self.proposer.propose(self.corpus.distinct, scores, goal=self.goal, avoid=avoid, rng=self.rng)
        self.pool.left = max(self.pool.left - self.proposer.n_read, 0)
        proposed = in_turn(proposals)
        return proposals, proposed if self.barrier is None else self.barrier.passed(proposed)

    def _different(self, predicates: list[str], n_slots: int) -> list[str]:
        """Those that say something new; of many the first, and then those that lie nearest to the texts."""
        if self.merger is None:
            return predicates
        predicates = self.merger.merge(predicates, taken=self.pool.predicates).predicates
        # No more than can be screened; with few judgments left, few.
        affordable = _SCREENING_SHARE * self.pool.left / _LEAST_SCREENED
        most = int(min(self.options.n_candidates * n_slots, max(affordable, n_slots + 1)))
        if self.affinity is None or len(predicates) <= most:
            return predicates[:most]
        # The first are the general and the frequent ones; nearest to the texts would be the most specific.
        scores = self.affinity.scores(np.arange(len(self.corpus.distinct)), predicates)
        kept = facility_location(scores, most, fixed=range(most // 2))
        return [predicates[n] for n in sorted(kept.tolist())]

    def judge_on(self, *parts: tuple[Sequence[int], np.ndarray], kept: int = 0) -> None:
        """Judges columns on texts, for each part some columns on some texts, together and as far as the budget goes.

        Of the judgments that are left, `kept` are not used.
        """
        with self.costs.stage("judging"):
            pairs = {(int(row), column): None for columns, rows in parts for row in rows for column in columns}
            # Text by text, so that a budget that ends early has seen every column.
            rank = {int(row): number for number, row in enumerate(self.order)}
            ordered = np.asarray(sorted(pairs, key=lambda pair: (rank[pair[0]], pair[1])), dtype=int).reshape(-1, 2)
            ordered = ordered[~self.pool.asked[ordered[:, 0], ordered[:, 1]]]
            self.pool.judge_pairs(ordered[: int(min(max(self.pool.left - kept, 0), len(ordered)))])

    def usable_columns(self) -> list[int]:
        """The columns that can be chosen. Raises `LanguageModelError` if there are none."""
        columns = [column for column in self.pool.usable() if column not in self.twins]
        if not columns:
            budget = f", the budget is spent: {self.meter.spent}" if self.meter.spent is not None else ""
            raise LanguageModelError(
                f"none of the {len(self.pool.predicates)} candidate predicates has enough usable judgments "
                f"({self.costs.judgments_asked + self.costs.judgments_served} in all, {self.costs.failures} calls "
                f"failed{budget}): allow more judgments, or use a model that answers yes or no"
            )
        return columns

    def select(self, start: Sequence[int] | None, *, among: Collection[int] | None = None) -> Selection:
        """The best set of columns, of some or all, sought from `start` too; positions are columns of the pool.

        Of two that say the same of the texts one is left out for good, and the choice made again.
        """
        with self.costs.stage("selection"), self.progress.task("selecting", None):
            while True:
                columns = [c for c in self.usable_columns() if among is None or c in among]
                denotations = self.pool.cautious_denotations(columns)
                selection = self._select_among(columns, denotations, start)
                superfluous = self._twin(selection, columns, denotations)
                if superfluous is None:
                    return selection
                self.twins.add(superfluous)
                start = [column if column != superfluous else -1 for column in selection.chosen.tolist()]

    def _select_among(self, columns: list[int], denotations: np.ndarray, start: Sequence[int] | None) -> Selection:
        self.key, key = jax.random.split(self.key)
        position = {column: number for number, column in enumerate(columns)}
        selection = select(
            self.choosing,
            self._as_array(self.corpus.spread(denotations)),
            self.data,
            start=None if start is None else np.asarray([position.get(c, -1) for c in start]),
            fixed=[position[column] for column in self.locked],
            key=key,
        )
        # From positions among the usable columns to columns of the pool.
        swap_losses = np.full((self.model.n_predicates, len(self.pool.predicates)), np.inf)
        swap_losses[:, columns] = selection.swap_losses
        chosen = np.asarray([columns[c] if c >= 0 else -1 for c in selection.chosen])
        return selection._replace(chosen=chosen, swap_losses=swap_losses)

    def _twin(self, selection: Selection, columns: list[int], denotations: np.ndarray) -> int | None:
        """A chosen column that another candidate makes superfluous, as far as both were judged in full.

        A user's own list is left alone, and so is what is locked.
        """
        if self.merger is None:
            return None
        judged = [number for number, c in enumerate(columns) if self.pool.is_judged(c, self.rows_in_full)]
        return twin(selection, [columns[number] for number in judged], denotations[:, judged], kept=self.locked)

    def losses_in(self, chosen: Sequence[int], slot: int) -> tuple[list[int], np.ndarray]:
        """The columns that could be in a slot, -1 for none, and the loss with each of them there."""
        with self.costs.stage("selection"), self.progress.task("selecting", None):
            columns = self.usable_columns()
            position = {column: number for number, column in enumerate(columns)}
            losses = slot_losses(
                self.choosing,
                self._as_array(self.corpus.spread(self.pool.cautious_denotations(columns))),
                self.data,
                chosen=[position.get(column, -1) for column in chosen],
                slot=slot,
            )
            return [*columns, -1], losses

    def _as_array(self, denotations: np.ndarray) -> jax.Array:
        return to_device(denotations, self.spread_embeddings.dtype)

    def record(self, step: str, loss: float, chosen: Sequence[int]) -> None:
        """Adds an entry to the trace."""
        predicates = tuple(self.pool.predicates[c] for c in chosen if c >= 0)
        n_candidates = len(self.pool.predicates) if chosen else 0
        judgments = self.costs.judgments_asked + self.costs.judgments_served
        seconds = time.perf_counter() - self.began
        self.trace.append(TraceEntry(step, loss, predicates, n_candidates, judgments, seconds))


def _random_directions(model, embeddings, data, fixed, key) -> Directions:
    """Directions drawn at random from the sphere in place of relaxed ones."""
    n_fixed = 0 if fixed is None else fixed.shape[1]
    vectors = jax.random.normal(key, (model.n_predicates - n_fixed, embeddings.shape[1]), embeddings.dtype)
    vectors /= jnp.linalg.norm(vectors, axis=1, keepdims=True)
    denotations = model.link(embeddings @ vectors.T)
    if fixed is not None:
        denotations = jnp.concatenate([fixed, denotations], axis=1)
    return Directions(np.asarray(vectors), float(model.profile_loss(denotations, data)))
