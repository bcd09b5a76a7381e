"""Dividing one node: slots, candidates, judgments, and the children that are chosen."""

import dataclasses
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from nlparam.costs import Costs
from nlparam.denoter import TextFeatures
from nlparam.hierarchy import HOLDS, STOPS, Division
from nlparam.language.phrasing import ParallelForm
from nlparam.models import Clustering
from nlparam.numerics.cover import correlations, select_cover
from nlparam.numerics.divide import Gain, held_out_gain, jointly, matched, near_the_best, shifted
from nlparam.numerics.head import Head
from nlparam.numerics.relax import relax
from nlparam.numerics.sample import judging_order
from nlparam.pool import Pool
from nlparam.run import Run
from nlparam.taxonomies.affinity import Affinity
from nlparam.taxonomies.options import TaxonomyOptions
from nlparam.taxonomies.proposing import LEAST_STATED, NodeProposer, Statements

# The slots of a node are relaxed on so many of its texts, or on so many draws from them: with two sizes alone, two
# functions are compiled for the whole tree.
_RELAXED = (2048, 256)
_N_SLOTS, _N_RESTARTS = 8, 4
# The cover of a node is chosen on at most so many of its texts.
_MOST_COVERED = 4096
# What a small node gets at least.
_LEAST_CANDIDATES, _LEAST_SCREENED, _LEAST_JUDGED = 12, 16, 64
# Rounds of selecting and judging in full what was selected.
_MOST_ROUNDS = 4
# Fewer statements than these say nothing of the number of children: the texts themselves are asked instead.
_LEAST_TARGETS = 16
_MOST_TARGETS = 512
# Divisions that cover fewer of the texts are passed over where another, as likely, covers so many.
_WELL_COVERED = 0.9


@dataclasses.dataclass(frozen=True)
class Known:
    """A predicate whose judgments on some texts are known, `{text: probability}`: what a refit starts from."""

    predicate: str
    answers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Considered:
    """A candidate over the distinct texts of a node; see `nlparam.hierarchy.Candidate`."""

    predicate: str
    denotations: np.ndarray
    judged: np.ndarray
    answers: np.ndarray
    same_as: str | None = None


@dataclasses.dataclass(frozen=True)
class Divided:
    """What dividing a node ended with.

    `predicates` are the children's, `judged_as` as the language model judged them, `denotations` `(n_rows, n_children)`
    over the node's distinct texts. Without children `stopped` says why.
    """

    predicates: list[str]
    judged_as: list[str]
    denotations: np.ndarray
    agreement: list[float]
    considered: list[Considered]
    divisions: list[Division]
    directions: np.ndarray
    head: Head | None
    stopped: STOPS | None
    partial: bool
    costs: Costs


class Effort(NamedTuple):
    """How many candidates a node has, on how many texts they are judged, and those that are chosen."""

    n_candidates: int
    n_screened: int
    n_judged: int


def efforts(n_rows: int, n_all: int, options: TaxonomyOptions) -> Effort:
    """What a node of `n_rows` of `n_all` texts gets; see `TaxonomyOptions`."""
    share = (n_rows / n_all) ** 0.5
    n_screened = min(n_rows, max(_LEAST_SCREENED, round(options.n_screened * share)))
    n_judged = n_rows
    if options.n_judged is not None:
        n_judged = max(min(_LEAST_JUDGED, options.n_judged), round(options.n_judged * share))
    n_candidates = max(min(_LEAST_CANDIDATES, options.n_candidates), round(options.n_candidates * share))
    return Effort(n_candidates, n_screened, min(n_judged, n_rows))


class _Choice(NamedTuple):
    columns: list[int]
    divisions: list[Division]


@dataclasses.dataclass
class Divider:
    """Divides nodes of one tree. `represented` and `shared` are of all distinct texts: what is relaxed, and what all
    heads see (`nlparam.denoter.TreeDenoter`). `n_slots` are relaxed for a node, by default as many as it may have
    children."""

    run: Run
    proposer: NodeProposer
    parallel: ParallelForm
    statements: Statements
    affinity: Affinity
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
        before = dataclasses.replace(self.run.costs, seconds={}, stages={})
        began = self.run.meter.seconds
        divided = self._divide(np.asarray(rows), list(path), locked, excluded, pool)
        costs = _difference(self.run.costs, before)
        costs.seconds["dividing"] = self.run.meter.seconds - began
        return dataclasses.replace(divided, costs=costs)

    def _divide(self, rows, path, locked, excluded, given) -> Divided:
        run, options = self.run, self.options
        rng = np.random.default_rng([run.seed, zlib.crc32("\n".join(path).encode())])
        effort = efforts(len(rows), len(self.represented), options)
        directions = self._directions(rows, rng)
        scores = self.represented[rows] @ directions.T
        features = TextFeatures(run.ngrams, directions)
        seen = np.concatenate([self.shared[rows], features.memberships(self.represented[rows])], axis=1)
        n_features = seen.shape[1]
        pool = Pool(
            [run.corpus.distinct[row] for row in rows.tolist()],
            seen,
            run.judge,
            correct_bias=options.correct_bias,
            max_judgments=None,
            meter=run.meter,
            guess=lambda predicates: self.affinity.guesses(rows, predicates, n_features),
        )
        fixed = self._add(pool, locked)
        same_as: dict[str, str] = {}
        if given is not None:
            barred = {predicate.casefold() for predicate in excluded}
            self._add(pool, [one for one in given if _predicate(one).casefold() not in barred])
        elif run.meter.spent is None:
            with run.costs.stage("proposing"):
                self._state_more(rows, rng)
                taken = [*excluded, *(pool.predicates[column] for column in fixed)]
                proposed = self.proposer.propose(
                    rows, scores, path=path, excluded=taken, n_candidates=effort.n_candidates, rng=rng
                )
            pool.add(proposed.predicates)
            same_as = proposed.same_as
        order = judging_order(scores, rng=rng)
        # What is judged is to be of the texts that answers are known of.
        order = order[np.argsort(-np.isfinite(pool.answers[order]).sum(axis=1), kind="stable")]
        self._judge(pool, range(len(pool.predicates)), order[: effort.n_screened])
        choice, partial = self._settle(pool, rows, order[: effort.n_judged], path, fixed)
        return self._ended(pool, rows, directions, choice, fixed, partial, same_as)

    def _add(self, pool: Pool, predicates: Iterable[str | Known]) -> list[int]:
        """Adds predicates and what is known of them to the pool; their columns."""
        position = {text: number for number, text in enumerate(pool.texts)}
        columns = []
        for one in predicates:
            predicate = _predicate(one)
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
        with self.run.costs.stage("relaxation"), self.run.search.progress.task("relaxing", None):
            key = jax.random.key(int(rng.integers(2**31)))
            embeddings = jnp.asarray(self.represented[sample])
            found = relax(Clustering(n_predicates=n_slots), embeddings, n_restarts=_N_RESTARTS, key=key)
            return np.asarray(found.directions)

    def _state_more(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        n_missing = min(LEAST_STATED, len(rows)) - sum(row in self.statements.paths for row in rows.tolist())
        if n_missing > 0:
            unstated = [row for row in rng.permutation(rows).tolist() if row not in self.statements.paths]
            self.statements.state(np.asarray(unstated[:n_missing], dtype=int))

    def _judge(self, pool: Pool, columns: Iterable[int], rows: np.ndarray) -> None:
        with self.run.costs.stage("judging"):
            pool.judge_columns(list(columns), rows)

    def _settle(self, pool: Pool, rows, order, path: Sequence[str], fixed: list[int]) -> tuple[_Choice, bool]:
        """Selects, judges in full what was selected, and selects again, until all that is selected is judged in full.

        The choice, and whether the budget kept something from being judged.
        """
        choice = self._select(pool, rows, path, fixed)
        for _ in range(_MOST_ROUNDS):
            open_ones = [column for column in choice.columns if not pool.is_judged(column, order)]
            if not open_ones or pool.spent:
                break
            self._judge(pool, open_ones, order)
            choice = self._select(pool, rows, path, fixed)
        open_ones = [column for column in choice.columns if not pool.is_judged(column, order)]
        if open_ones and not pool.spent:
            # Still not settled: what is chosen now is judged, and stays.
            self._judge(pool, open_ones, order)
        return choice, any(not pool.is_judged(column, order) for column in choice.columns)

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
        weights = self.run.corpus.multiplicity[rows].astype(float)
        options = self.options
        return first + jointly(
            shifted(denotations, first),
            weights,
            uncovered=options.uncovered,
            overlap=options.overlap,
            most_share=options.most_share,
        )

    def _select(self, pool: Pool, rows: np.ndarray, path: Sequence[str], fixed: list[int]) -> _Choice:
        """The best cover by each number of children, and of these the one that held-out texts are likeliest under."""
        usable = pool.usable()
        missing = [column for column in fixed if column not in usable]
        if len(usable) < 2:
            return _Choice(missing + usable if fixed else [], [])
        with self.run.costs.stage("selection"):
            denotations = self.denotations(pool, usable)
            covers = self._covers(denotations, rows, [usable.index(c) for c in fixed if c in usable])
            if not covers:
                return _Choice(fixed, [])
            if len(covers) == 1:
                return _Choice([*missing, *(usable[c] for c in covers[0])], [])
            positions, targets = self._targets(rows, path)
            gains = [held_out_gain(denotations[positions][:, cover], targets, seed=self.run.seed) for cover in covers]
            divisions = [
                Division(len(cover), gain.mean, gain.standard_error) for cover, gain in zip(covers, gains, strict=True)
            ]
            best = _well_covered(denotations, covers, gains)
        return _Choice([*missing, *(usable[c] for c in covers[best])], divisions)

    def _covers(self, denotations: np.ndarray, rows: np.ndarray, locked: list[int]) -> list[list[int]]:
        """The best choice of each number of children; where none is possible, the best of at most so many."""
        options, (least, most) = self.options, self.children
        weights = self.run.corpus.multiplicity[rows].astype(float)
        correlation = correlations(denotations, weights)
        sample = np.arange(len(rows))
        if len(rows) > _MOST_COVERED:
            sample = np.random.default_rng(self.run.seed).choice(len(rows), _MOST_COVERED, replace=False)
        holds = denotations[sample] >= HOLDS

        def cover(n_children: int, *, exactly: bool) -> list[int]:
            return select_cover(
                holds,
                n_children,
                uncovered=options.uncovered,
                overlap=options.overlap,
                exactly=exactly,
                least_share=options.least_share,
                most_share=options.most_share,
                weights=weights[sample],
                locked=locked,
                max_correlation=options.max_correlation,
                correlation=correlation,
            ).tolist()

        covers = []
        for n_children in range(max(least, len(locked)), max(most, len(locked)) + 1):
            try:
                covers.append(cover(n_children, exactly=True))
            except ValueError:  # no choice of so many fulfils the bounds, so none of more does
                break
        if not covers:
            at_most = cover(max(least, len(locked)), exactly=False)
            return [at_most] if len(at_most) > 1 or locked else []
        return covers

    def _targets(self, rows: np.ndarray, path: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """What a division is to explain: positions in `rows`, and where the statements of these texts lie."""
        stated = np.asarray(self.statements.usable(rows), dtype=int)
        named = self.proposer.named(rows[stated], path) if len(stated) else []
        kept = [number for number, names in enumerate(named) if names]
        if len(kept) >= _LEAST_TARGETS:
            phrases = [", ".join(named[number]) for number in kept]
            distinct = list(dict.fromkeys(phrases))
            embedded = dict(zip(distinct, self.run.embedder.embed(distinct), strict=True))
            return stated[kept], np.stack([embedded[phrase] for phrase in phrases])
        positions = np.random.default_rng(self.run.seed).permutation(len(rows))[:_MOST_TARGETS]
        return positions, self.represented[rows[positions]]

    def _ended(self, pool: Pool, rows, directions, choice: _Choice, fixed, partial: bool, same_as) -> Divided:
        usable = pool.usable()
        chosen = self._holding(pool, [column for column in choice.columns if column in usable], rows, fixed)
        everything = self.denotations(pool, usable) if usable else np.zeros((len(rows), 0))
        head, agreement, denotations = None, [], np.zeros((len(rows), 0))
        if chosen:
            fitted = pool.head(chosen)
            shifts = self.shifts(pool, chosen, rows)
            denotations = pool.denotations(chosen)
            denotations = shifted(denotations, shifts) if self.options.correct_bias else denotations
            head = Head(
                fitted.head.coefficients * fitted.head.slope,
                fitted.head.intercepts * fitted.head.slope - shifts,
                1.0,
                fitted.head.thresholds,
            )
            agreement = [
                float(np.mean((left_out > expit(shift)) == (corrected > 0.5)))
                for left_out, corrected, shift in zip(fitted.left_out, fitted.corrected, shifts, strict=True)
            ]
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
            agreement=agreement,
            considered=self._considered(pool, usable, everything, chosen, same_as),
            divisions=choice.divisions,
            directions=directions,
            head=head,
            stopped=stopped,
            partial=partial and bool(chosen),
            costs=Costs(),
        )

    def _holding(self, pool: Pool, columns: list[int], rows: np.ndarray, fixed: list[int]) -> list[int]:
        """Those of some siblings that hold for a text at least, and those that are fixed."""
        if not columns:
            return []
        holds = shifted(pool.denotations(columns), self.shifts(pool, columns, rows)) >= HOLDS
        kept = [c for n, c in enumerate(columns) if holds[:, n].any() or c in fixed]
        return kept if len(kept) > 1 or fixed else []

    def _considered(self, pool: Pool, usable, denotations, chosen, same_as) -> list[Considered]:
        correlation = correlations(denotations) if len(usable) else np.zeros((0, 0))
        considered = []
        for column, predicate in enumerate(pool.predicates):
            judged = pool.judged(column)
            twin, values = None, np.zeros(0, np.float32)
            if column in usable:
                position = usable.index(column)
                values = denotations[:, position].astype(np.float32)
                if column not in chosen:
                    alike = [c for c in chosen if correlation[position, usable.index(c)] > self.options.max_correlation]
                    twin = pool.predicates[alike[0]] if alike else None
            considered.append(Considered(predicate, values, judged.rows, judged.probabilities, twin))
        nothing = np.zeros(0, int), np.zeros(0, np.float32)
        considered += [Considered(merged, np.zeros(0, np.float32), *nothing, kept) for merged, kept in same_as.items()]
        return considered


def _well_covered(denotations: np.ndarray, covers: list[list[int]], gains: list[Gain]) -> int:
    """Of the divisions that are not clearly worse than the likeliest: the smallest that covers the texts well, else the
    one that covers most of them."""
    coverage = [float((denotations[:, cover] >= HOLDS).any(axis=1).mean()) for cover in covers]
    eligible = near_the_best(gains)
    return next((n for n in eligible if coverage[n] >= _WELL_COVERED), max(eligible, key=lambda n: coverage[n]))


def _predicate(one: str | Known) -> str:
    return one.predicate if isinstance(one, Known) else one


def _difference(after: Costs, before: Costs) -> Costs:
    names = [field.name for field in dataclasses.fields(Costs) if field.name not in ("seconds", "stages")]
    return Costs(**{name: getattr(after, name) - getattr(before, name) for name in names})
