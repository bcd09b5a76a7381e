"""Rates: how often something holds, how two rates differ, and how sure that is.

Intervals of one rate are Wilson's, those of a difference of two Newcombe's (1998, method 10). Tests are exact: a rate
of an evaluation often rests on a few dozen outputs. Outputs that come in clusters, such as several of one task, say
less than as many independent ones: intervals get a design effect (Kish), and tests leave clusters whole.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from nlparam.errors import check_fractions

Flags: TypeAlias = Bool[np.ndarray, " n"]
Codes: TypeAlias = Int[np.ndarray, " n"]

# Of a test by chance: its least p-value is 1 in 10,000.
_DRAWS, _ENOUGH = 9_999, 100
_MOST_AT_ONCE = 1 << 20  # random numbers in memory


class Rate(NamedTuple):
    """`hits` of `n`: the `rate`, `nan` where `n` is 0, and its confidence interval from `low` to `high`."""

    hits: int
    n: int
    rate: float
    low: float
    high: float


class RateDifference(NamedTuple):
    """The `difference` of two rates, its confidence interval, and the p-value of no difference, found by `test`."""

    difference: float
    low: float
    high: float
    p_value: float
    test: str


class Concord(NamedTuple):
    """The `share` of equal answers of two raters, and that `by_chance`: of two who answer as often, at random.

    `kappa` is Cohen's (1960), the share of what chance leaves open in which they agree: 1 for raters who always do, 0
    by chance; `None` where both always say the same, so that chance leaves nothing open.
    """

    share: float
    by_chance: float
    kappa: float | None


def concord(first: Flags, second: Flags) -> Concord:
    """How far two raters of the same `n` things agree.

    ```pycon
    >>> concord(np.arange(100) < 3, np.arange(100) < 0)
    Concord(share=0.97, by_chance=0.97, kappa=0.0)

    ```

    Raises `ValueError` for answers of different shapes, or none.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(f"got {first.shape} and {second.shape} answers, expected as many of each, at least one")
    share, one, other = float(np.mean(first == second)), float(np.mean(first)), float(np.mean(second))
    by_chance = one * other + (1 - one) * (1 - other)
    # Rounded: where nearly all answers are alike, the errors of floating point are all that is left.
    return Concord(
        share, by_chance, None if by_chance > 1 - 1e-12 else round((share - by_chance) / (1 - by_chance), 12)
    )


def rate(hits: int, n: int, *, confidence: float = 0.95, design_effect: float = 1.0, exact: bool = False) -> Rate:
    """A rate with Wilson's interval, or with `exact` that of Clopper and Pearson, as where a guarantee is checked.

    A design effect makes the sample of Wilson's interval so many times smaller.

    ```pycon
    >>> "{0.rate:.2f} [{0.low:.3f}, {0.high:.3f}]".format(rate(8, 10))
    '0.80 [0.490, 0.943]'

    ```

    Raises `ValueError` unless `0 <= hits <= n`, and for a confidence or a design effect that is none.
    """
    check_fractions(confidence=confidence)
    if not 0 < design_effect < math.inf:
        raise ValueError(f"got design_effect={design_effect}, expected a positive number")
    if not 0 <= hits <= n:
        raise ValueError(f"got {hits} hits of {n}, expected between 0 and {n}")
    if n == 0:
        return Rate(0, 0, float("nan"), 0.0, 1.0)
    if exact:
        return Rate(hits, n, hits / n, *scipy.stats.binomtest(hits, n).proportion_ci(confidence))
    return Rate(hits, n, hits / n, *wilson(hits / n, n / design_effect, confidence))


def wilson(share: float, n: float, confidence: float = 0.95, *, quantile: float | None = None) -> tuple[float, float]:
    """Wilson's interval of a share of `n` observations, which need not be a whole number.

    `quantile` takes the place of that of the normal distribution at the confidence.

    Raises `ValueError` for a share or a confidence that is not between 0 and 1, and for no observations.
    """
    check_fractions(confidence=confidence)
    if not (0 <= share <= 1 and n > 0):
        raise ValueError(f"got a share of {share} of {n} observations, expected one between 0 and 1 of more than 0")
    z = float(scipy.stats.norm.ppf(0.5 + confidence / 2)) if quantile is None else quantile
    n = max(n, 1e-9)  # next to nothing is known, and squares must not overflow
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / scale
    # At the ends rounding would leave the share outside of its interval.
    return max(min(centre - half, share), 0.0), min(max(centre + half, share), 1.0)


def newcombe(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """The first share minus the second, and its interval, from each share and its interval."""
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    gap, down, up = a - b, float(np.hypot(a - a_low, b_high - b)), float(np.hypot(a_high - a, b - b_low))
    return gap, max(gap - down, -1.0), min(gap + up, 1.0)


def design_effect(hits: Flags, clusters: Codes) -> float:
    """How many times larger clusters make the variance of a rate, at least 1 (Kish; Rao and Scott 1992).

    Where their residuals say nothing (one cluster, or all hits alike), each cluster counts as one.
    """
    totals, sizes = _sums(hits, clusters)
    n, n_clusters = int(sizes.sum()), len(sizes)
    if n == 0 or n == n_clusters:
        return 1.0
    share = totals.sum() / n
    if n_clusters == 1 or share in (0.0, 1.0):
        return n / n_clusters
    variance = n_clusters / (n_clusters - 1) * float(np.sum((totals - share * sizes) ** 2)) / n**2
    return max(variance / (share * (1 - share) / n), 1.0)


def difference(
    first: Rate, second: Rate, *, confidence: float = 0.95, design_effects: tuple[float, float] = (1.0, 1.0)
) -> RateDifference:
    """`first` minus `second`, for independent samples: Newcombe's interval, Fisher's exact test.

    The design effects are for the interval only. With an empty sample the difference is `nan`, the interval [-1, 1] and
    the p-value 1.
    """
    check_fractions(confidence=confidence)
    if min(first.n, second.n) == 0:
        return RateDifference(float("nan"), -1.0, 1.0, 1.0, "none")
    a, b = (
        rate(one.hits, one.n, confidence=confidence, design_effect=effect)
        for one, effect in zip((first, second), design_effects, strict=True)
    )
    tested: Any = scipy.stats.fisher_exact([[a.hits, a.n - a.hits], [b.hits, b.n - b.hits]])
    return RateDifference(*newcombe(a[2:], b[2:]), float(tested.pvalue), "Fisher")


def stratified_p_value(hits: Flags, second: Flags, strata: Codes) -> float:
    """The exact two-sided p-value of no difference between two groups within strata.

    Within a stratum the hits of the second group are hypergeometric if the groups do not matter. Their sum over the
    strata is the statistic (Mantel and Haenszel), its distribution the convolution of theirs: what all permutations of
    the groups within strata would give. Strata with one group say nothing; if all are such, it is 1.
    """
    n, n_hits, n_second, both = (part.astype(int) for part in _counts(hits, second, strata))
    mixed = (n_second > 0) & (n_second < n) & (n_hits > 0) & (n_hits < n)
    lowest, chances = 0, np.ones(1)
    for total, hit, drawn in zip(n[mixed], n_hits[mixed], n_second[mixed], strict=True):
        lowest += max(0, drawn - (total - hit))
        chances = np.convolve(chances, _hypergeometric(int(total), int(hit), int(drawn)))
    away = np.abs(lowest + np.arange(len(chances)) - float((n_hits * n_second / n)[mixed].sum()))
    observed = abs(float(both[mixed].sum()) - float((n_hits * n_second / n)[mixed].sum()))
    return min(float(chances[away >= observed - 1e-9].sum()), 1.0)


def _counts(hits, second, strata) -> list[np.ndarray]:
    """Of each stratum: how many there are, the hits, the second group, and the hits of the second group."""
    codes = np.unique(strata, return_inverse=True)[1].reshape(-1)
    return [np.bincount(codes, weights=weights) for weights in (np.ones(len(codes)), hits, second, hits & second)]


@functools.lru_cache(maxsize=4096)  # most strata are alike
def _hypergeometric(total: int, hit: int, drawn: int) -> np.ndarray:
    least, most = max(0, drawn - (total - hit)), min(hit, drawn)
    return scipy.stats.hypergeom.pmf(np.arange(least, most + 1), total, hit, drawn)


def swapped_p_value(hits: Flags, second: Flags, strata: Codes, *, seed: int = 0) -> float:
    """As `stratified_p_value`, where the members of a group within a stratum may be alike.

    The groups change places in whole strata, so that several outputs of one system for a task stay together. Up to
    9,999 random swaps give the distribution of the statistic of Mantel and Haenszel, which a swap turns around.
    """
    n, n_hits, n_second, both = _counts(hits, second, strata)
    parts = both - n_hits * n_second / n
    parts = parts[np.abs(parts) > 1e-12]

    def draw(rng: np.random.Generator, n_draws: int) -> np.ndarray:
        return np.abs((2.0 * rng.integers(2, size=(n_draws, len(parts))) - 1.0) @ parts)

    return _by_chance(abs(float(parts.sum())), draw, len(parts), seed)


def shuffled_p_value(hits: Flags, second: Flags, clusters: Codes, *, seed: int = 0) -> float:
    """The two-sided p-value of equal rates of two groups of clusters, such as systems that did different tasks.

    Clusters are given to the groups anew, up to 9,999 times, as many as each has. The statistic is the difference of
    the rates in standard errors, so that it holds for clusters of unequal size (Chung and Romano 2013). A cluster in
    both groups counts as one in each. With fewer than two clusters in a group it is 1.
    """
    codes = np.unique(np.stack([clusters, second]), axis=1, return_inverse=True)[1].reshape(-1)
    totals, sizes = _sums(hits, codes)
    of_second = np.bincount(codes, weights=second) > 0
    n_second = int(of_second.sum())
    if min(n_second, len(sizes) - n_second) < 2:
        return 1.0

    def draw(rng: np.random.Generator, n_draws: int) -> np.ndarray:
        places = np.argpartition(rng.random((n_draws, len(sizes))), n_second - 1, axis=1)[:, :n_second]
        chosen = np.zeros((n_draws, len(sizes)))
        np.put_along_axis(chosen, places, 1.0, axis=1)
        return _studentised(chosen, totals, sizes)

    observed = float(_studentised(of_second[None].astype(float), totals, sizes)[0])
    return _by_chance(observed, draw, len(sizes), seed)


def _studentised(chosen: Float[np.ndarray, "n_draws n_clusters"], totals, sizes) -> Float[np.ndarray, " n_draws"]:
    """The difference of two rates in standard errors, without its sign; 0 where there is no difference."""
    shares, variances = [], []
    products = np.stack([totals * totals, totals * sizes, sizes * sizes, totals, sizes], axis=1)
    for members in (chosen, 1.0 - chosen):
        squares, mixed, of_sizes, hits, n = (members @ products).T
        count = members.sum(axis=1)
        share = hits / n
        residuals = squares - 2 * share * mixed + share**2 * of_sizes
        shares.append(share)
        variances.append(count / (count - 1) * np.maximum(residuals, 0.0) / n**2)
    gap = np.abs(shares[0] - shares[1])
    # Where neither group varies within itself, any difference is beyond all that vary.
    return gap / np.sqrt(np.maximum(variances[0] + variances[1], 1e-18))


def _by_chance(observed: float, draw: Callable[[np.random.Generator, int], np.ndarray], width: int, seed: int) -> float:
    """The share of random statistics that are as large as the observed one, which counts among them.

    Draws end with the hundredth that is as large: a p-value above 0.01 needs no more (Besag and Clifford 1991).
    """
    rng = np.random.default_rng(seed)
    n = n_as_large = 0
    at_once = 256
    while n < _DRAWS:
        size = min(at_once, max(_MOST_AT_ONCE // max(width, 1), 1), _DRAWS - n)
        as_large = n_as_large + np.cumsum(draw(rng, size) >= observed - 1e-9 * max(observed, 1.0))
        if as_large[-1] >= _ENOUGH:
            return _ENOUGH / (n + 1 + int(np.searchsorted(as_large, _ENOUGH)))
        n, n_as_large, at_once = n + size, int(as_large[-1]), 4 * at_once
    return (1 + n_as_large) / (1 + _DRAWS)


def _sums(values: np.ndarray, clusters: Codes) -> tuple[np.ndarray, np.ndarray]:
    """The sum and the size of every cluster."""
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    return np.bincount(codes, weights=values), np.bincount(codes).astype(float)


def mcnemar(lost: int, gained: int) -> float:
    """McNemar's exact two-sided p-value, from how many pairs changed in either direction; 1 if none did.

    Raises `ValueError` for negative numbers.

    ```pycon
    >>> round(mcnemar(10, 2), 4)
    0.0386

    ```
    """
    if min(lost, gained) < 0:
        raise ValueError(f"got {lost} lost and {gained} gained, expected numbers of pairs")
    return 1.0 if lost + gained == 0 else float(scipy.stats.binomtest(lost, lost + gained, 0.5).pvalue)


def paired_difference(
    before: Flags,
    after: Flags,
    clusters: Codes,
    *,
    confidence: float = 0.95,
    n_draws: int = 2_000,
    seed: int = 0,
) -> RateDifference:
    """The mean of `before - after` over pairs, with McNemar's test.

    The interval is a bootstrap of whole `clusters` (pairs that share a side are not independent). Where all clusters
    agree, of which a bootstrap makes nothing, it is widened by a rule of three.

    Raises `ValueError` if there are no pairs.
    """
    check_fractions(confidence=confidence)
    if len(before) == 0:
        raise ValueError("got no pairs, expected at least one")
    change = before.astype(float) - after.astype(float)
    totals, sizes = _sums(change, clusters)
    n = len(sizes)
    drawn = np.random.default_rng(seed).integers(n, size=(n_draws, n))
    means = totals[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    if np.ptp(totals / sizes) == 0:
        low, high = low - 3 / n, high + 3 / n
    p_value = mcnemar(int(np.sum(before & ~after)), int(np.sum(~before & after)))
    return RateDifference(float(change.mean()), max(float(low), -1.0), min(float(high), 1.0), p_value, "McNemar")
