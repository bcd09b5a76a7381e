"""Updates of a taxonomy: heads that say yes more often, threads, and looking again with more texts."""

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, interval, scenario
from benchmarks.inference.worlds import answered, correlated
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.prevalence import Prevalence, drift, prevalence
from nlparam.numerics.statistics.selection import look_level

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
