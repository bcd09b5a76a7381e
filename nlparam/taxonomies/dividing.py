"""Dividing one node: slots, candidates, judgments, and the children that are chosen."""

import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.goal import Sayings
from nlparam.denotation.pool import Pool
from nlparam.denotation.session import Run
from nlparam.language.phrasing import ParallelForm
from nlparam.models import Clustering
from nlparam.numerics.core.cover import correlations
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.divide import Gain, HeldOut, matched, near_the_best, shifted
from nlparam.numerics.core.relax import relax
from nlparam.numerics.core.sample import judging_order
from nlparam.numerics.heads.goal_map import GoalMap
from nlparam.numerics.heads.head import Head
from nlparam.runtime.costs import Costs, add_counts
from nlparam.taxonomies.divided import Divided, Known, agreement, predicate_of
from nlparam.taxonomies.options import Effort, TaxonomyOptions, efforts
from nlparam.taxonomies.proposing import LEAST_STATED, NodeProposer
from nlparam.taxonomies.records import HOLDS, STOPS, Candidate, Division
from nlparam.taxonomies.siblings import WELL_COVERED, Siblings

# The slots of a node are relaxed on so many of its texts, or on so many draws from them: with two sizes alone, two
# functions are compiled for the whole tree.
_RELAXED = (2048, 256)
_N_RESTARTS = 4
# Rounds of selecting and judging in full what was selected.
_MOST_ROUNDS = 4
# Fewer statements than these say nothing of the number of children: the texts themselves are asked instead.
_LEAST_TARGETS = 40
_MOST_TARGETS = 512
# A gap of fewer texts is left.
_LEAST_LEFT = 16


class _Choice(NamedTuple):
    """The columns of the children, the divisions that were compared, and the columns of all that are as likely."""

    columns: list[int]
    divisions: list[Division]
    rivals: list[int]


@dataclasses.dataclass
class _Node:
    """A node while it is divided: its texts, with scores of the slots, and its candidates.

    `fixed` are columns of the pool that are children, whatever else is; `barred` predicates that are not proposed.
    `order` are positions in `rows`, those that are to be judged first being first.
    """

    rows: np.ndarray
    path: list[str]
    scores: np.ndarray
    pool: Pool
    fixed: list[int]
    barred: list[str]
    effort: Effort
    rng: np.random.Generator
    order: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, int))
    same_as: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def judged(self) -> np.ndarray:
        """What is judged in full of a child."""
        return self.order[: self.effort.n_judged]


@dataclasses.dataclass
class Divider:
    """Divides nodes of one tree. `represented` and `shared` are of all distinct texts: what is relaxed (by way of the
    `goal_map`, if there is one), and what all heads see (`nlparam.denotation.denoter.TreeDenoter`). `n_slots` are
    relaxed for a node, by default as many as it may have children."""

    run: Run
    proposer: NodeProposer
    parallel: ParallelForm
    goal_map: GoalMap | None
    represented: np.ndarray
    shared: np.ndarray
    options: TaxonomyOptions
    children: tuple[int, int]
    n_slots: int | None = None

    def divide(
        self,
        rows: np.ndarray,
        path: Sequence[str] = (),
        *,
        locked: Sequence[str | Known] = (),
        excluded: Sequence[str] = (),
        pool: Sequence[str | Known] | None = None,
    ) -> Divided:
        """Finds the children of a node.

        **Arguments:**

        - `rows`: the distinct texts of the node; `path`, the predicates from the first level down to it.
        - `locked`: predicates that are children, whatever else is.
        - `excluded`: predicates that are not.
        - `pool`: candidates besides those that are locked; nothing is then proposed.

        What is known of a predicate (`Known`) is not judged again.
        """
        before, began = dataclasses.asdict(self.run.costs), self.run.meter.seconds
        divided = self._divide(np.asarray(rows), list(path), locked, excluded, pool)
        counted = add_counts(dataclasses.asdict(self.run.costs), before, -1)
        timed = {"seconds": {"dividing": self.run.meter.seconds - began}, "stages": {}}
        return dataclasses.replace(divided, costs=Costs.from_dict(counted | timed))

    def features(self, rows: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """What the head of a node with these directions sees of some texts."""
        memberships = TextFeatures(self.run.ngrams, directions).memberships(self.represented[rows])
        return np.concatenate([self.shared[rows], memberships], axis=1)

    def _divide(self, rows, path, locked, excluded, given) -> Divided:
        run, options = self.run, self.options
        rng = np.random.default_rng([run.seed, zlib.crc32("\n".join(path).encode())])
        effort = efforts(len(rows), len(self.represented), options)
        directions = self._directions(rows, rng)
        scores = self.represented[rows] @ directions.T
        seen = self.features(rows, directions)
        texts = {run.corpus.distinct[row]: row for row in rows.tolist()}
        paths = self.proposer.statements.paths
        sayings = Sayings(run.stored_embedder, lambda text: paths.get(texts[text], ()))
        pool = Pool(
            list(texts),
            seen,
            run.judge,
            correct_bias=options.correct_bias,
            max_judgments=None,
            meter=run.meter,
            guess=lambda predicates: self.proposer.affinity.guesses(rows, predicates, seen.shape[1]),
            stated=sayings.of if options.correct_bias else None,
        )
        node = _Node(rows, path, scores, pool, self._add(pool, locked), list(excluded), effort, rng)
        if given is not None:
            barred = {predicate.casefold() for predicate in excluded}
            self._add(pool, [one for one in given if predicate_of(one).casefold() not in barred])
        elif run.meter.spent is None:
            self._propose(node, np.arange(len(rows)), effort.n_candidates)
        order = judging_order(scores, rng=rng)
        # What is judged is to be of the texts that answers are known of.
        node.order = order[np.argsort(-np.isfinite(pool.answers[order]).sum(axis=1), kind="stable")]
        self._judge(pool, range(len(pool.predicates)), node.order[: effort.n_screened])
        choice = self._settle(node)
        if given is None:
            choice = self._fill(node, choice)
        return self._ended(node, directions, choice)

    def _propose(self, node: _Node, positions: np.ndarray, n_candidates: int) -> None:
        """Adds candidates for some texts of a node to its pool."""
        rows = node.rows[positions]
        with self.run.costs.stage("proposing"):
            self._state_more(rows, node.rng)
            proposed = self.proposer.propose(
                rows,
                node.scores[positions],
                path=node.path,
                excluded=[*node.barred, *node.pool.predicates],
                n_candidates=n_candidates,
                rng=node.rng,
            )
        node.pool.add(proposed.predicates)
        node.same_as |= proposed.same_as

    def _fill(self, node: _Node, choice: _Choice) -> _Choice:
        """Where the children leave a gap, seeks candidates for the texts in it, once, and chooses again."""
        if not choice.columns or len(choice.columns) >= self.children[1] or node.pool.spent:
            return choice
        left = np.flatnonzero(~self._holds(node, choice.columns).any(axis=1))
        if len(left) < max(_LEAST_LEFT, (1 - WELL_COVERED) * len(node.rows)):
            return choice
        n_before, n_screened = len(node.pool.predicates), node.effort.n_screened
        self._propose(node, left, node.effort.n_sought)
        # Judged half on texts of the gap: a few percent of the node would else hardly be seen.
        inside = node.rng.permutation(left)[: n_screened // 2]
        screened = np.unique(np.concatenate([node.order[:n_screened], inside]))
        self._judge(node.pool, range(n_before, len(node.pool.predicates)), screened)
        return choice if len(node.pool.predicates) == n_before else self._settle(node)

    def _add(self, pool: Pool, predicates: Iterable[str | Known]) -> list[int]:
        """Adds predicates and what is known of them to the pool; their columns."""
        position = {text: number for number, text in enumerate(pool.texts)}
        columns = []
        for one in predicates:
            predicate = predicate_of(one)
            pool.add([predicate])
            column = [p.casefold() for p in pool.predicates].index(predicate.casefold())
            columns.append(column)
            for text, probability in one.answers.items() if isinstance(one, Known) else ():
                if text in position:
                    pool.answers[position[text], column] = probability
                    pool.asked[position[text], column] = True
        return list(dict.fromkeys(columns))

    def _directions(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The slots of a node."""
        n_sample = next((size for size in _RELAXED if size <= len(rows)), _RELAXED[-1])
        n_slots = min(self.n_slots or self.children[1], len(rows) // 2)
        sample = rng.choice(rows, n_sample, replace=n_sample > len(rows))
        with self.run.costs.stage("relaxation"), self.run.progress.task("relaxing", None):
            key = jax.random.key(int(rng.integers(2**31)))
            embeddings = to_device(self.represented[sample])
            found = relax(Clustering(n_predicates=n_slots), embeddings, n_restarts=_N_RESTARTS, key=key)
            return np.asarray(found.directions)

    def _state_more(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        statements = self.proposer.statements
        n_missing = min(LEAST_STATED, len(rows)) - sum(row in statements.paths for row in rows.tolist())
        if n_missing > 0:
            unstated = [row for row in rng.permutation(rows).tolist() if row not in statements.paths]
            statements.state(np.asarray(unstated[:n_missing], dtype=int))

    def _judge(self, pool: Pool, columns: Iterable[int], rows: np.ndarray) -> None:
        with self.run.costs.stage("judging"):
            pool.judge_columns(list(columns), rows)

    def _settle(self, node: _Node) -> _Choice:
        """Selects, judges what was selected, and selects again, until what is selected is judged.

        First all divisions that are as likely are judged to the half, which tells most of them apart, and with one pass
        over the texts; then what is chosen is judged in full.
        """
        choice = self._select(node)
        if choice.rivals and not node.pool.spent:
            self._judge(node.pool, choice.rivals, node.order[: node.effort.n_half])
            choice = self._select(node)
        for _ in range(_MOST_ROUNDS):
            open_ones = self._open(node, choice)
            if not open_ones or node.pool.spent:
                break
            self._judge(node.pool, open_ones, node.judged)
            choice = self._select(node)
        if not node.pool.spent:
            # Still not settled: what is chosen now is judged, and stays.
            self._judge(node.pool, self._open(node, choice), node.judged)
        return choice

    def _open(self, node: _Node, choice: _Choice) -> list[int]:
        """What is chosen and not yet judged in full."""
        return [column for column in choice.columns if not node.pool.is_judged(column, node.judged)]

    def denotations(self, pool: Pool, columns: Sequence[int]) -> np.ndarray:
        """`(n_rows, n_columns)` denotations, by which a predicate holds for as many texts as they sum up to."""
        denotations = pool.denotations(columns)
        return shifted(denotations, matched(denotations)) if self.options.correct_bias else denotations

    def shifts(self, pool: Pool, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """What is subtracted from the log-odds of siblings: their bias, looked at together."""
        if not self.options.correct_bias:
            return np.zeros(len(columns))
        denotations = pool.denotations(columns)
        first = matched(denotations)
        return first + self._siblings(shifted(denotations, first), rows).shifts()

    def _siblings(self, denotations: np.ndarray, rows: np.ndarray) -> Siblings:
        return Siblings(denotations, self.run.corpus.multiplicity[rows].astype(float), self.options)

    def _select(self, node: _Node) -> _Choice:
        """The best division by each number of children; of these one that held-out texts are as likely under as any."""
        pool, rows, fixed = node.pool, node.rows, node.fixed
        usable = pool.usable()
        missing = [column for column in fixed if column not in usable]
        if len(usable) < 2:
            return _Choice(missing + usable if fixed else [], [], [])
        with self.run.costs.stage("selection"):
            denotations = self.denotations(pool, usable)
            siblings = self._siblings(denotations, rows)
            locked = [usable.index(c) for c in fixed if c in usable]
            positions, targets = self._targets(rows, node.path)
            held_out, there = HeldOut(targets, seed=self.run.seed), denotations[positions]

            def gain(division: list[int]) -> Gain:
                uncovered = ~(there[:, division] >= HOLDS).any(axis=1)
                return Gain(held_out.gain(there[:, division]).per_text - self.options.uncovered * uncovered)

            found = siblings.of_each_number(gain, *self.children, locked=locked)
            if not found:
                return _Choice(fixed, [], [])
            if len(found) == 1:
                return _Choice([*missing, *(usable[c] for c in found[0][0])], [], [])
            chosen, gains = zip(*found, strict=True)
            divisions = [Division(len(children), gain.mean, gain.standard_error) for children, gain in found]
            likely = near_the_best(gains)
            best = siblings.best([chosen[number] for number in likely])
        rivals = dict.fromkeys(usable[c] for number in likely for c in chosen[number])
        return _Choice([*missing, *(usable[c] for c in best)], divisions, list(rivals))

    def _targets(self, rows: np.ndarray, path: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """What a division is to explain: positions in `rows`, and where the statements of these texts lie."""
        stated = np.asarray(self.proposer.statements.usable(rows), dtype=int)
        named = self.proposer.named(rows[stated], path) if len(stated) else []
        kept = [number for number, names in enumerate(named) if names]
        if len(kept) >= _LEAST_TARGETS:
            phrases = [", ".join(named[number]) for number in kept]
            distinct = list(dict.fromkeys(phrases))
            embedded = dict(zip(distinct, self.run.stored_embedder.embed(distinct), strict=True))
            return stated[kept], np.stack([embedded[phrase] for phrase in phrases])
        positions = np.random.default_rng(self.run.seed).permutation(len(rows))[:_MOST_TARGETS]
        return positions, self.represented[rows[positions]]

    def _ended(self, node: _Node, directions: np.ndarray, choice: _Choice) -> Divided:
        pool, rows, fixed = node.pool, node.rows, node.fixed
        # Whether the budget kept something from being judged.
        partial = bool(self._open(node, choice))
        usable = pool.usable()
        chosen = self._holding(node, [column for column in choice.columns if column in usable])
        everything = self.denotations(pool, usable) if usable else np.zeros((len(rows), 0))
        head, agrees, denotations = None, [], np.zeros((len(rows), 0))
        if chosen:
            fitted = pool.head(chosen)
            shifts = self.shifts(pool, chosen, rows)
            denotations = pool.denotations(chosen)
            denotations = shifted(denotations, shifts) if self.options.correct_bias else denotations
            head = Head.joined([fitted.head])
            head = head._replace(intercepts=head.intercepts - shifts)
            agrees = agreement(fitted, shifts)
        judged_as = [pool.predicates[column] for column in chosen]
        predicates = judged_as
        if len(chosen) > 1 and self.run.meter.spent is None:
            with self.run.costs.stage("phrasing"):
                predicates = self.parallel.rephrase(judged_as, fixed=[column in fixed for column in chosen])
        stopped = None
        if not chosen:
            stopped = STOPS.budget_spent if self.run.meter.spent is not None else STOPS.nothing_usable
        return Divided(
            predicates=list(predicates),
            judged_as=judged_as,
            denotations=denotations.astype(np.float32),  # as they are kept, so that who is under a child is, too
            agreement=agrees,
            considered=self._considered(node, usable, everything, chosen),
            divisions=choice.divisions,
            directions=directions,
            head=head,
            stopped=stopped,
            partial=partial and bool(chosen),
        )

    def _considered(
        self, node: _Node, usable: Sequence[int], denotations: np.ndarray, chosen: Sequence[int]
    ) -> list[Candidate]:
        """All candidates of a node: those of the pool, and those that were merged into one of them before.

        `denotations` are those of the `usable` columns of the pool. One that is not chosen because it is correlated
        with one that is, is the same as that.
        """
        pool, nothing = node.pool, np.zeros(0, np.float32)
        correlation = correlations(denotations) if len(usable) else np.zeros((0, 0))
        position = {column: number for number, column in enumerate(usable)}
        seen = []
        for column, predicate in enumerate(pool.predicates):
            judged, twin, values = pool.judged(column), None, nothing
            if column in position:
                number = position[column]
                values = denotations[:, number].astype(np.float32)
                if column not in chosen:
                    near = (one for one in chosen if correlation[number, position[one]] > self.options.max_correlation)
                    twin = next((pool.predicates[one] for one in near), None)
            seen.append(Candidate(predicate, values, judged.rows, judged.probabilities, same_as=twin))
        merged = node.same_as.items()
        return seen + [Candidate(one, nothing, np.zeros(0, int), nothing, same_as=kept) for one, kept in merged]

    def _holding(self, node: _Node, columns: list[int]) -> list[int]:
        """Those of some siblings that hold for a text at least, and those that are fixed."""
        if not columns:
            return []
        holds = self._holds(node, columns)
        kept = [c for n, c in enumerate(columns) if holds[:, n].any() or c in node.fixed]
        return kept if len(kept) > 1 or node.fixed else []

    def _holds(self, node: _Node, columns: Sequence[int]) -> np.ndarray:
        """`(n_rows, n_columns)`: which texts are under which of some siblings."""
        return shifted(node.pool.denotations(columns), self.shifts(node.pool, columns, node.rows)) >= HOLDS
