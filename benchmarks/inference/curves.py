"""What changes: shares over twelve steps of time from 150 labels, and updates of a taxonomy with new texts."""

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, counted, interval, scenario
from benchmarks.simulated import answered, correlated, some
from nlparam.numerics.statistics.curves import change, curves
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.prevalence import Prevalence, drift, prevalence
from nlparam.numerics.statistics.selection import look_level
from nlparam.numerics.statistics.trends import Verdict, trends

ROW = "update"
_N_NODES, _EFFECT = 6, 0.2
_RATES = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.4])


def changed(shares: list[tuple[Prevalence, Prevalence]], truth: np.ndarray, *, planted: bool, level: float) -> Found:
    """What is claimed of pairs of shares, before and now; `truth` are the true changes."""
    drifts = [drift(before, now) for before, now in shares]
    claims = correct_p_values([one.p_value for one in drifts], "bh") <= level
    low, high = np.array([one.low for one in drifts]), np.array([one.high for one in drifts])
    corrected = all(before.corrected and now.corrected for before, now in shares)
    return Found(
        interval(truth, low, high) if corrected else [],
        float(np.mean(high - low)) if corrected else None,
        claimed=bool(claims[0]) if planted else bool(claims.any()),
    )


def _all_judged(said: np.ndarray, **options: np.ndarray) -> Prevalence:
    return prevalence(said, np.arange(len(said)), said, confidence=LEVEL, **options)


def _truth(planted: bool) -> np.ndarray:
    return np.array([_EFFECT, *[0.0] * (_N_NODES - 1)]) * planted


@scenario(ROW, "the head says yes more often to new texts, nothing judged", name="update-heads", n_judged=0)
@scenario(ROW, "the head says yes more often to new texts, 60 judged", name="update-heads-60", n_judged=60)
@scenario(ROW, "the head says yes more often to new texts, 250 judged", name="update-heads-250", n_judged=250)
def heads(rng, n_judged, *, planted=False):
    """700 texts before and 500 new ones."""
    truth, shares = _truth(planted), []
    for k in range(_N_NODES):
        pair = []
        for n_texts, shift, right_no in ((700, 0.0, 0.95), (500, truth[k], 0.87)):
            said = rng.random(n_texts) < _RATES[k] + shift
            head = answered(rng, said, 0.85, right_no)
            sample = rng.permutation(n_texts)[:n_judged]
            pair.append(prevalence(head, sample, said[sample], confidence=LEVEL))
        shares.append((pair[0], pair[1]))
    return changed(shares, truth, planted=planted, level=CLAIMED_AT)


@scenario(ROW, "threads of 10 to 25 texts, all judged", name="update-threads")
def threads(rng, *, planted=False, naive=False):
    """40 threads before, 30 new ones; intraclass correlation .1."""
    truth, kinds = _truth(planted), []
    for n_threads in (40, 30):
        kinds.append(np.repeat(np.arange(n_threads), rng.integers(10, 26, n_threads)))
    shares = []
    for k in range(_N_NODES):
        pair = []
        for thread, shift in zip(kinds, (0.0, truth[k]), strict=True):
            said = correlated(rng, thread, _RATES[k] + shift, 0.1)
            pair.append(_all_judged(said, **({} if naive else {"clusters": thread})))
        shares.append((pair[0], pair[1]))
    return changed(shares, truth, planted=planted, level=CLAIMED_AT)


@scenario(ROW, "four looks, 150 new texts judged more each time", name="update-looks")
def looks(rng, *, planted=False, naive=False):
    """The same 400 texts before at every look. Claimed is what any look claims."""
    truth, claimed = _truth(planted), False
    before = rng.random((400, _N_NODES)) < _RATES
    new = rng.random((600, _N_NODES)) < _RATES + truth
    for look in range(1, 5):
        now = new[: 150 * look]
        shares = [(_all_judged(before[:, k]), _all_judged(now[:, k])) for k in range(_N_NODES)]
        level = CLAIMED_AT if naive else look_level(look, level=CLAIMED_AT)
        claimed |= bool(changed(shares, truth, planted=planted, level=level).claimed)
    return Found(claimed=claimed)


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
