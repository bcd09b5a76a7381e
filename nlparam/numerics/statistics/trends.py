r"""Trends: does a curve rise or fall, does it change at all, and do the curves of two groups differ?

Each question has its test, with the standard errors of the curve (`curves`). *Rising* and *falling* is a t test of the
slope of the line through the shares; *changed* is Welch's (1951) analysis of variance, which has power for shapes that
a line misses. The tests of one predicate share its level of significance by weights (Bonferroni), most of it for the
line, so that together they claim no more than one would; predicates are corrected for their number.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from nlparam.numerics.statistics.curves import Curves, linear
from nlparam.numerics.statistics.effects import correct_p_values


class Verdict(enum.StrEnum):
    """What can be claimed of a curve, or of how the curve of a second group differs from that of a first.

    `RISING` and `FALLING` of two groups: the second rises more, or less, than the first. `DIFFERENT`: in another way.
    """

    RISING = "rising"
    FALLING = "falling"
    CHANGED = "changed"
    HIGHER = "higher"
    LOWER = "lower"
    DIFFERENT = "different"
    NOTHING = "nothing found"


class Trends(NamedTuple):
    """One entry for each predicate, `(K,)`.

    `change` is how much the line through the curve rises from the first stratum to the last, with its interval from
    `low` to `high`. `p_value` is that of no change of any kind, `adjusted` the same, corrected for the number of
    predicates: what `verdicts` rest on. `reasons` say why nothing could be found, where there are too few answers.
    """

    verdicts: tuple[Verdict, ...]
    change: Float[np.ndarray, " n_predicates"]
    low: Float[np.ndarray, " n_predicates"]
    high: Float[np.ndarray, " n_predicates"]
    p_value: Float[np.ndarray, " n_predicates"]
    adjusted: Float[np.ndarray, " n_predicates"]
    reasons: tuple[str, ...]


class GroupTrends(NamedTuple):
    """One entry for each predicate, `(K,)`: the curve of a second group less that of a first.

    `difference` is that of their means over the strata, `change` how much more the line of the second rises; each with
    its interval. The rest is as in `Trends`.
    """

    verdicts: tuple[Verdict, ...]
    difference: Float[np.ndarray, " n_predicates"]
    difference_low: Float[np.ndarray, " n_predicates"]
    difference_high: Float[np.ndarray, " n_predicates"]
    change: Float[np.ndarray, " n_predicates"]
    low: Float[np.ndarray, " n_predicates"]
    high: Float[np.ndarray, " n_predicates"]
    p_value: Float[np.ndarray, " n_predicates"]
    adjusted: Float[np.ndarray, " n_predicates"]
    reasons: tuple[str, ...]


def trends(
    curve: Curves,
    times: Sequence[float] | np.ndarray | None = None,
    *,
    level: float = 0.05,
    confidence: float = 0.9,
    correction: str = "bh",
) -> Trends:
    """Whether the curve of each predicate rises, falls, or changes.

    **Arguments:** `times`, `(n_strata,)`, of the strata, in ascending order, by default equally spaced; `level`, the
    share of false claims, over all predicates as `correction` ("bh", "by", "holm") bounds it; `confidence`, of the
    interval of a change.

    Raises `ValueError` for fewer than two strata, or times that do not ascend.
    """
    n_strata, n_predicates = curve.value.shape
    weights = _slope(_checked(times, n_strata))
    slope = _tested(curve, np.eye(n_strata), weights, confidence)
    any_change = _welch(curve, np.eye(n_strata))
    p_values = np.stack([slope.p_value / 0.8, any_change / 0.2])
    p_value = np.clip(p_values.min(axis=0), 1e-300, 1.0)
    adjusted = correct_p_values(p_value.tolist(), correction)
    # The line says the direction where its own p-value passes the cut that the correction left to this predicate.
    cut = level * p_value / adjusted
    found = [_direction(slope.value[k]) if p_values[0, k] <= cut[k] else Verdict.CHANGED for k in range(n_predicates)]
    verdicts = tuple(one if adjusted[k] <= level else Verdict.NOTHING for k, one in enumerate(found))
    return Trends(verdicts, slope.value, slope.low, slope.high, p_value, adjusted, curve.reasons)


def group_trends(
    curve: Curves,
    first: Sequence[int],
    second: Sequence[int],
    times: Sequence[float] | np.ndarray | None = None,
    *,
    level: float = 0.05,
    confidence: float = 0.9,
    correction: str = "bh",
) -> GroupTrends:
    """Whether the curves of two groups differ.

    **Arguments:** `curve`, of both groups, estimated together, so that corrections are shared: each stratum is one
    group at one step; `first` and `second`, the strata of either group, step by step. The rest as for `trends`.

    Raises `ValueError` unless both have as many steps, at least two.
    """
    n_strata, n_predicates = curve.value.shape
    if len(first) != len(second) or not all(0 <= s < n_strata for s in (*first, *second)):
        raise ValueError(f"got {len(first)} and {len(second)} strata, expected as many, each in range({n_strata})")
    steps = _checked(times, len(first))
    differences = np.zeros((len(first), n_strata))
    differences[np.arange(len(first)), list(second)] += 1.0
    differences[np.arange(len(first)), list(first)] -= 1.0
    slope = _tested(curve, differences, _slope(steps), confidence)
    mean = _tested(curve, differences, np.full(len(first), 1 / len(first)), confidence)
    p_values = np.stack([mean.p_value / 0.45, slope.p_value / 0.45, _welch(curve, differences) / 0.1])
    p_value = np.clip(p_values.min(axis=0), 1e-300, 1.0)
    adjusted = correct_p_values(p_value.tolist(), correction)
    verdicts = []
    for k in range(n_predicates):
        kind = int(np.argmin(p_values[:, k]))
        higher = Verdict.HIGHER if mean.value[k] > 0 else Verdict.LOWER
        found = (higher, _direction(slope.value[k]), Verdict.DIFFERENT)[kind]
        verdicts.append(found if adjusted[k] <= level else Verdict.NOTHING)
    fields = mean.value, mean.low, mean.high, slope.value, slope.low, slope.high
    return GroupTrends(tuple(verdicts), *fields, p_value, adjusted, curve.reasons)


class _Tested(NamedTuple):
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray


def _tested(curve: Curves, rows: np.ndarray, weights: np.ndarray, confidence: float) -> _Tested:
    """A weighted sum of `rows` of contrasts of the strata."""
    contrast = weights @ rows
    value = contrast @ curve.unclipped
    error, freedom = (part[0] for part in linear(curve, contrast[None]))
    unknown = np.asarray([bool(reason) for reason in curve.reasons])
    half = scipy.stats.t.ppf(0.5 + confidence / 2, freedom) * error
    p_value = 2 * scipy.stats.t.sf(np.abs(value) / np.maximum(error, 1e-12), freedom)
    most = np.abs(contrast)[contrast != 0].sum() / 2 if abs(contrast.sum()) < 1e-9 else 1.0
    low, high = np.maximum(value - half, -most), np.minimum(value + half, most)
    return _Tested(
        value,
        np.where(unknown, -most, np.minimum(low, value)),
        np.where(unknown, most, np.maximum(high, value)),
        np.where(unknown, 1.0, p_value),
    )


def _welch(curve: Curves, rows: np.ndarray) -> np.ndarray:
    """The p-value of equal values of `rows` of contrasts, for each predicate."""
    n, p_values = len(rows), []
    for k, reason in enumerate(curve.reasons):
        value, covariance = rows @ curve.unclipped[:, k], rows @ curve.covariance[k] @ rows.T
        precision = np.linalg.pinv(covariance, hermitian=True)
        ones = precision.sum(axis=1)
        centred = value - ones @ value / ones.sum()
        weights = 1 / np.maximum(np.diag(covariance), 1e-12)
        freedom = 1 / (rows**2 @ (1 / curve.freedom[:, k]) / (rows**2).sum(axis=1))
        spread = float(np.sum((1 - weights / weights.sum()) ** 2 / freedom))
        f = float(centred @ precision @ centred) / (n - 1) / (1 + 2 * (n - 2) / (n**2 - 1) * spread)
        below = min((n**2 - 1) / (3 * spread), float(curve.shared_freedom[k]))
        p_values.append(1.0 if reason else float(scipy.stats.f.sf(max(f, 0.0), n - 1, below)))
    return np.asarray(p_values)


def _direction(value: float) -> Verdict:
    return Verdict.RISING if value > 0 else Verdict.FALLING


def _slope(times: np.ndarray) -> np.ndarray:
    """The weights that give what the line of least squares rises from the first time to the last."""
    centred = times - times.mean()
    return centred / (centred @ centred) * (times[-1] - times[0])


def _checked(times, n: int) -> np.ndarray:
    if n < 2:
        raise ValueError(f"got {n} strata, expected at least 2: a curve of one value has no trend")
    values = np.arange(n, dtype=float) if times is None else np.asarray(times, np.float64)
    if values.shape != (n,) or not np.all(np.diff(values) > 0) or not np.isfinite(values).all():
        raise ValueError(f"got times of shape {values.shape}, expected {n} finite numbers that ascend")
    return values
