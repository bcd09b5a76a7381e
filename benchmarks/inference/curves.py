"""Curves: shares over twelve steps of time, as people see them, from 150 labels."""

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, counted, interval, scenario
from benchmarks.inference.worlds import answered, some
from nlparam.numerics.statistics.curves import change, curves
from nlparam.numerics.statistics.trends import Verdict, trends

_N_STEPS, _N_TEXTS, _N_LABELS = 12, 2400, 150


@scenario("curve", "rising from .10 to .40, the judge right for 85%", name="curve-85", right=(0.85, 0.85))
@scenario("curve", "rising from .10 to .40, the judge right for 95%", name="curve-95", right=(0.95, 0.95))
@scenario("curve", "rising from .10 to .40, the judge errs more and more", name="curve-unequal", right=(0.95, 0.8))
def curve(rng, right, *, naive=False):
    """`right` for the first step and the last; 150 labels at random over the steps."""
    step = rng.integers(_N_STEPS, size=_N_TEXTS)
    shares = np.linspace(0.1, 0.4, _N_STEPS)
    people = rng.random((_N_TEXTS, 1)) < shares[step][:, None]
    correct = np.linspace(right[0], right[1], _N_STEPS)[step][:, None]
    judge = answered(rng, people, correct, correct)
    if naive:
        n, said = np.bincount(step, minlength=_N_STEPS), np.bincount(step, judge[:, 0], minlength=_N_STEPS)
        rates = said / n
        return counted(shares, said, n, figures={"change": float(rates[-1] - rates[0])})
    found = curves([judge.astype(float), some(rng, people, _N_LABELS)], step, _N_STEPS, confidence=LEVEL)
    by = change(found, [0], [_N_STEPS - 1], confidence=LEVEL)
    held = interval(0.3, by.low[0], by.high[0])
    return Found(
        interval(shares, found.low[:, 0], found.high[:, 0]) + held,
        float(np.mean(found.high - found.low)),
        unsaid=int(np.sum((found.low <= 0) & (found.high >= 1))),
        figures={"change": float(by.value[0]), "change_covered": float(held[0])},
    )


@scenario("curve", "trends of 4 predicates, the judge errs more and more", name="trend-unequal", right=(0.95, 0.8))
@scenario("curve", "trends of 4 predicates, the judge right for 85%", name="trend-85", right=(0.85, 0.85))
def trend(rng, right, *, planted=False):
    """Flat curves. Planted: the first rises by .30; 150 labels."""
    step = rng.integers(_N_STEPS, size=_N_TEXTS)
    shares = np.tile([0.25, 0.1, 0.25, 0.5], (_N_STEPS, 1))
    if planted:
        shares[:, 0] += np.linspace(-0.15, 0.15, _N_STEPS)
    people = rng.random((_N_TEXTS, 4)) < shares[step]
    correct = np.linspace(right[0], right[1], _N_STEPS)[step][:, None]
    judge = answered(rng, people, correct, correct)
    curve = curves([judge.astype(float), some(rng, people, _N_LABELS)], step, _N_STEPS, confidence=LEVEL)
    verdicts = trends(curve, level=CLAIMED_AT, confidence=LEVEL).verdicts
    claimed = [one is not Verdict.NOTHING for one in verdicts]
    return Found(claimed=verdicts[0] in (Verdict.RISING, Verdict.CHANGED) if planted else any(claimed))
