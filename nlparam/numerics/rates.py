r"""Rates: how often something holds, how two rates differ, and how sure that is.

Intervals of one rate are Wilson's, those of a difference of two Newcombe's (1998, method 10), which is made of the
former. Tests are exact: a rate of an evaluation often rests on a few dozen outputs.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Int


class Rate(NamedTuple):
    """`hits` of `n`: the `rate`, `nan` where `n` is 0, and its confidence interval from `low` to `high`."""

    hits: int
    n: int
    rate: float
    low: float
    high: float


class RateDifference(NamedTuple):
    """A rate minus another: the `difference`, its confidence interval, and the p-value of no difference.

    `test` names how the p-value was found.
    """

    difference: float
    low: float
    high: float
    p_value: float
    test: str


def rate(hits: int, n: int, *, confidence: float = 0.95) -> Rate:
    """A rate with Wilson's interval.

    ```pycon
    >>> "{0.rate:.2f} [{0.low:.3f}, {0.high:.3f}]".format(rate(8, 10))
    '0.80 [0.490, 0.943]'

    ```

    Raises `ValueError` unless `0 <= hits <= n`.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"got {hits} hits of {n}, expected between 0 and {n}")
    if n == 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    interval = scipy.stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return Rate(hits, n, hits / n, float(interval.low), float(interval.high))


def difference(first: Rate, second: Rate, *, confidence: float = 0.95) -> RateDifference:
    """`first` minus `second`, for independent samples: Newcombe's interval, Fisher's exact test.

    Where a sample is empty nothing is known: the interval is [-1, 1] and the p-value 1.
    """
    if min(first.n, second.n) == 0:
        return RateDifference(float("nan"), -1.0, 1.0, 1.0, "none")
    a, b = rate(first.hits, first.n, confidence=confidence), rate(second.hits, second.n, confidence=confidence)
    down = np.hypot(a.rate - a.low, b.high - b.rate)
    up = np.hypot(a.high - a.rate, b.rate - b.low)
    gap = a.rate - b.rate
    table = [[a.hits, a.n - a.hits], [b.hits, b.n - b.hits]]
    tested: Any = scipy.stats.fisher_exact(table)
    return RateDifference(gap, max(gap - down, -1.0), min(gap + up, 1.0), float(tested.pvalue), "Fisher")


def stratified_p_value(
    hits: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"], strata: Int[np.ndarray, " n"]
) -> float:
    """The exact two-sided p-value of no difference between two groups within strata.

    Given how many hits and how many of either group a stratum has, the hits of the second group are hypergeometric if
    the groups do not matter. Their sum over the strata is the statistic (Mantel and Haenszel), and its distribution the
    convolution of theirs: what permuting the groups within each stratum in all ways would give. Strata with one group
    only say nothing; if all are such, it is 1.
    """
    codes = np.unique(strata, return_inverse=True)[1].reshape(-1)
    n, n_hits, n_second, both = (
        np.bincount(codes, weights=weights).astype(int)
        for weights in (np.ones(len(codes)), hits, second, hits & second)
    )
    mixed = (n_second > 0) & (n_second < n) & (n_hits > 0) & (n_hits < n)
    lowest, chances = 0, np.ones(1)
    for total, hit, drawn in zip(n[mixed], n_hits[mixed], n_second[mixed], strict=True):
        least, most = max(0, drawn - (total - hit)), min(hit, drawn)
        lowest += least
        chances = np.convolve(chances, scipy.stats.hypergeom.pmf(np.arange(least, most + 1), total, hit, drawn))
    away = np.abs(lowest + np.arange(len(chances)) - float((n_hits * n_second / n)[mixed].sum()))
    observed = abs(float(both[mixed].sum()) - float((n_hits * n_second / n)[mixed].sum()))
    return min(float(chances[away >= observed - 1e-9].sum()), 1.0)


def mcnemar(lost: int, gained: int) -> float:
    """McNemar's exact two-sided p-value, from how many pairs changed in either direction; 1 if none did.

    ```pycon
    >>> round(mcnemar(10, 2), 4)
    0.0386

    ```
    """
    return 1.0 if lost + gained == 0 else float(scipy.stats.binomtest(lost, lost + gained, 0.5).pvalue)


def paired_difference(
    before: Bool[np.ndarray, " n"],
    after: Bool[np.ndarray, " n"],
    clusters: Int[np.ndarray, " n"],
    *,
    confidence: float = 0.95,
    n_draws: int = 2_000,
    seed: int = 0,
) -> RateDifference:
    """The mean of `before - after` over pairs, with McNemar's test.

    The interval is a bootstrap of whole `clusters` (pairs that share one of their sides are not independent). The
    bootstrap knows nothing beyond the pairs that are there: where all clusters agree it is widened by a rule of three.
    """
    change = before.astype(float) - after.astype(float)
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    totals, sizes = np.bincount(codes, weights=change), np.bincount(codes)
    n = len(sizes)
    drawn = np.random.default_rng(seed).integers(n, size=(n_draws, n))
    means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    if np.ptp(totals / sizes) == 0:
        low, high = low - 3 / n, high + 3 / n
    p_value = mcnemar(int(np.sum(before & ~after)), int(np.sum(~before & after)))
    return RateDifference(float(change.mean()), max(float(low), -1.0), min(float(high), 1.0), p_value, "McNemar")
