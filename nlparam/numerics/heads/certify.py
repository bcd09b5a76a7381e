"""The audit of a cascade: what is drawn, what it proves, and how far the head can be trusted."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.audit import (
    SidePlan,
    expected_bound,
    least_positives,
    most_errors,
    passing_chance,
    plan_side,
    tail,
)

# Regions that an audit may end with, from the one planned to wider and wider ones that are asked: what is left of the
# errors expected of the head.
SHRINKING = (1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.12, 0.06, 0.02)
EVERYTHING = len(SHRINKING)
_POSITIVES_SHARE = 0.1  # of the failure probability goes to the number of positives in a region not asked yet
_LIKELY = 0.9  # chance of passing from which a region wider than the planned one is tested at all
_CAUTION = 0.8  # of the positives that an audit is expected to prove are counted on


@dataclasses.dataclass(frozen=True)
class Target:
    """What the cascaded yes/no denotations must reach, against the language model asked for everything.

    `recall` and `precision` are pooled over the predicates, or with `each` those of every predicate;
    `failure_probability` is how often the audit may be wrong.
    """

    recall: float = 0.95
    precision: float = 0.95
    failure_probability: float = 0.1
    each: bool = False

    def __post_init__(self):
        check_fractions(recall=self.recall, precision=self.precision, failure_probability=self.failure_probability)

    def shared(self, n: int) -> "Target":
        """The target of each of `n` audits of which none may fail, where all together may fail as often as this."""
        return dataclasses.replace(self, failure_probability=self.failure_probability / n)

    def allowed(self, n_claimed: int, scale: float = 1.0) -> tuple[int, int]:
        """The most false "no" and false "yes" among answers of which `n_claimed` say yes.

        Recall is TP / (TP + FN) with TP = n_claimed - FP, at least `precision * n_claimed` if the precision is reached.
        `scale` multiplies both distances to 1.
        """
        recall, precision = 1 - scale * (1 - self.recall), 1 - scale * (1 - self.precision)
        return int(n_claimed * precision * (1 - recall) / recall), int(n_claimed * (1 - precision))


class Audit(NamedTuple):
    """All that is fixed before answers of the audit are seen; flat arrays over the pairs.

    `level` is -1 for pairs asked before, 0 for those asked in any case, else the first of the nested regions that
    contains the pair (see `SHRINKING`). `yes` is what the head says, `probabilities` how sure it is, `stratum` 0 for
    few and 1 for many expected errors, `rates[side, stratum]` the audit rates, `drawn` the sample, `cost` the calls
    expected.
    """

    level: Int[np.ndarray, " n_pairs"]
    stratum: Int[np.ndarray, " n_pairs"]
    yes: Bool[np.ndarray, " n_pairs"]
    probabilities: Float[np.ndarray, " n_pairs"]
    rates: Float[np.ndarray, "2 2"]
    drawn: Bool[np.ndarray, " n_pairs"]
    cost: float

    @property
    def wanted(self) -> Bool[np.ndarray, " n_pairs"]:
        """Pairs to ask at the stage of the audit."""
        return self.drawn | (self.level == 0)

    def draw(self, rng: np.random.Generator) -> "Audit":
        """The same plan with a sample of its own."""
        rates = self.rates[self.yes.astype(int), self.stratum]
        return self._replace(drawn=(self.level > 0) & (rng.random(len(rates)) < rates))


class Outcome(NamedTuple):
    """The level at which the audit ended, one of `n_levels` that it could have, and what it proves there."""

    level: int
    recall: float
    precision: float
    n_levels: int = EVERYTHING


def plan_audit(
    probabilities: Float[np.ndarray, " n_pairs"],
    answers: Int[np.ndarray, " n_pairs"],
    asked: Bool[np.ndarray, " n_pairs"],
    target: Target,
) -> Audit:
    """The plan of fewest expected calls, nothing drawn yet.

    **Arguments:** `probabilities` of yes by the head; `answers`, 1 yes, 0 no, -1 not answered; `asked`, pairs that are
    not asked again.
    """
    yes = probabilities > 0.5
    errors = np.minimum(probabilities, 1 - probabilities)
    n_claimed = int(np.sum(answers == 1) + np.sum(probabilities[~asked]))
    alpha = (1 - _POSITIVES_SHARE) * target.failure_probability
    level, stratum = np.full(len(yes), -1), np.zeros(len(yes), dtype=np.int64)
    rates, cost = np.ones((2, 2)), 0.0
    for side, n_allowed in enumerate(target.allowed(n_claimed)):
        pairs = np.flatnonzero(~asked & (yes == bool(side)))
        pairs = pairs[np.argsort(errors[pairs], kind="stable")]
        plan = plan_side(errors[pairs], n_allowed, alpha)
        level[pairs] = _levels(errors[pairs], plan)
        stratum[pairs[plan.n_low :]] = 1
        rates[side] = plan.rates
        cost += plan.cost
    return Audit(level, stratum, yes, probabilities, rates, np.zeros(len(yes), dtype=bool), cost)


def _levels(errors, plan: SidePlan) -> np.ndarray:
    levels = np.zeros(len(errors), dtype=np.int64)
    expected = np.cumsum(errors[: plan.n_kept])
    last = plan.n_kept
    for level, share in enumerate(SHRINKING[1:], start=1):
        kept = int(np.searchsorted(expected, share * expected[-1], side="right")) if last else 0
        levels[kept:last] = level
        last = min(kept, last)
    levels[:last] = EVERYTHING
    return levels


def certify(audit: Audit, answers: Int[np.ndarray, " n_pairs"], target: Target) -> Outcome:
    """Tests the regions from the widest to the planned one and ends before the first that fails.

    A false certificate needs the first false hypothesis of the sequence to be rejected, so the number of regions needs
    no correction. That hypothesis is false in its recall or in its precision, each tested at the whole level.
    """
    alpha = (1 - _POSITIVES_SHARE) * target.failure_probability
    reached, sequence = EVERYTHING, _sequence(audit, answers, target, alpha)
    for level in sequence:
        if not _holds(audit, answers, level, target.allowed(_claimed(audit, answers, level, target)), alpha):
            break
        reached = level
    if reached == EVERYTHING:
        return Outcome(reached, 1.0, 1.0, len(sequence))
    scale = 1.0
    if reached == 0:  # no test has failed yet: the sequence goes on with stricter targets
        n_claimed = _claimed(audit, answers, 0, target)
        for stricter in np.linspace(0.98, 0.0, 50):
            if not _holds(audit, answers, 0, target.allowed(n_claimed, stricter), alpha):
                break
            scale = float(stricter)
    return Outcome(reached, 1 - scale * (1 - target.recall), 1 - scale * (1 - target.precision), len(sequence))


def _sequence(audit, answers, target, alpha) -> list[int]:
    """The levels to test, from the widest to the planned one, without those that the audit is not likely to pass.

    Where the head is nearly perfect the audit is thin, and proves too few positives in a wide region: that would end
    the sequence before the planned one, which needs no such proof. What is left out must be fixed before the audit's
    answers are seen, as the order is: it depends on the plan and on answers asked in any case.
    """
    errors = np.minimum(audit.probabilities, 1 - audit.probabilities)
    tested = []
    for level in range(EVERYTHING - 1, 0, -1):
        chance = 1.0
        for side, n_allowed in enumerate(target.allowed(_expected_claimed(audit, answers, level, target))):
            pairs = (audit.level > level) & (audit.yes == bool(side))
            sizes = np.bincount(audit.stratum[pairs], minlength=2)
            means = np.bincount(audit.stratum[pairs], errors[pairs], minlength=2)
            chance *= passing_chance(means, audit.rates[side], sizes, n_allowed + 1, alpha) if sizes.any() else 1.0
        if chance >= _LIKELY:
            tested.append(level)
    return [*tested, 0]


def _expected_claimed(audit, answers, level, target) -> int:
    """What `_claimed` would be if the draw and its answers were as the head expects, and a little worse."""
    extra = (audit.level > 0) & (audit.level <= level)
    rates = audit.rates[audit.yes[extra].astype(int), audit.stratum[extra]]
    known = int(np.sum((answers == 1) & (audit.level <= 0))) + int(np.sum(audit.yes & (audit.level > level)))
    expected = audit.probabilities[extra]
    alpha = _POSITIVES_SHARE * target.failure_probability
    return known + int(_CAUTION * expected_bound(rates, expected, alpha)) if extra.any() else known


def _holds(audit, answers, level, allowed, alpha) -> bool:
    return all(
        tail(found, audit.rates[side], sizes, n_allowed + 1) <= alpha
        for side, n_allowed in enumerate(allowed)
        for found, sizes in [_found(audit, answers, audit.level > level, side)]
    )


def _found(audit, answers, region, side):
    """Errors found in each stratum of one side of a region that the head answers, and the sizes of the strata."""
    pairs = region & (audit.yes == bool(side))
    wrong = pairs & audit.drawn & (answers == 1 - side)
    return tuple(np.bincount(audit.stratum[mask], minlength=2) for mask in (wrong, pairs))


def _claimed(audit, answers, level, target) -> int:
    """At least so many pairs are claimed to be positive if the audit ends at `level`."""
    known = int(np.sum((answers == 1) & (audit.level <= 0)))
    head = int(np.sum(audit.yes & (audit.level > level)))
    extra = (audit.level > 0) & (audit.level <= level)
    positive = extra & audit.drawn & (answers == 1)
    rates = audit.rates[audit.yes[positive].astype(int), audit.stratum[positive]]
    expected = float(np.sum(audit.probabilities[extra]))
    return known + head + least_positives(rates, expected, _POSITIVES_SHARE * target.failure_probability)


class Agreement(NamedTuple):
    """Bounds of recall and precision."""

    recall: float
    precision: float


def agreement(
    audit: Audit,
    answers: Int[np.ndarray, " n_pairs"],
    outcome: Outcome,
    which: Bool[np.ndarray, " n_pairs"],
    alpha: float,
) -> Agreement:
    """Bounds for some of the pairs, for instance those of one predicate; both hold with probability `1 - alpha`.

    Corrected for both sides, and for the number of regions that the audit could have ended with.
    """
    level = outcome.level
    left = which & (audit.level > level) & ~audit.drawn
    claimed = int(np.sum(which & (answers == 1)) + np.sum(left & audit.yes))
    missed, wrong = (
        most_errors(found, audit.rates[side], sizes, alpha / (2 * outcome.n_levels)) - int(found.sum())
        for side in (0, 1)
        for found, sizes in [_found(audit, answers, which & (audit.level > level), side)]
    )
    right = max(claimed - wrong, 0)
    recall = right / (right + missed) if right + missed else 1.0
    return Agreement(recall, right / claimed if claimed else 1.0)


def errors_left(audit: Audit, answers: Int[np.ndarray, " n_pairs"], level: int) -> float:
    """The estimated number of pairs left to the head in which the language model would answer otherwise."""
    wrong = (audit.level > level) & audit.drawn & (answers >= 0) & (answers != audit.yes)
    rates = audit.rates[audit.yes[wrong].astype(int), audit.stratum[wrong]]
    return float(np.sum(1 / rates - 1))
