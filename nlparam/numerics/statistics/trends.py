r"""Trends: does a curve rise or fall, and does it change at all?

Each question has its test, with the standard errors of the curve (`curves`). *Rising* and *falling* is a t test of the
slope of the line through the shares; *changed* is Welch's (1951) analysis of variance, which has power for shapes that
a line misses. The tests of one predicate share its level of significance by weights (Bonferroni), most of it for the
line, so that together they claim no more than one would; predicates are corrected for their number.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from nlparam.numerics.statistics.curves import Curves, contrasted
from nlparam.numerics.statistics.effects import correct_p_values


class Verdict(enum.StrEnum):
    """What can be claimed of a curve."""

    RISING = "rising"
    FALLING = "falling"
    CHANGED = "changed"
    NOTHING = "nothing found"


class Trends(NamedTuple):
    """One entry for each predicate, `(K,)`.

    `change` is how much the line through the curve rises from the first stratum to the last, with its interval from
    `low` to `high`. `p_value` is that of no change of any kind, `adjusted` the same, corrected for the number of
    predicates: what `verdicts` rest on. `reasons` say why nothing could be found, where there are too few answers.
    `of_line` is the p-value of the line alone, as it counts in `p_value`.
    """

    verdicts: tuple[Verdict, ...]
    change: Float[np.ndarray, " n_predicates"]
    low: Float[np.ndarray, " n_predicates"]
    high: Float[np.ndarray, " n_predicates"]
    p_value: Float[np.ndarray, " n_predicates"]
    adjusted: Float[np.ndarray, " n_predicates"]
    reasons: tuple[str, ...]
    of_line: Float[np.ndarray, " n_predicates"]


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
    n_strata = len(curve.value)
    slope = contrasted(curve, _slope(_checked(times, n_strata)), confidence=confidence)
    of_slope = 2 * scipy.stats.t.sf(np.abs(slope.value) / np.maximum(slope.standard_error, 1e-12), slope.freedom)
    of_slope = np.where([bool(reason) for reason in curve.reasons], 1.0, of_slope)
    p_values = np.stack([of_slope / 0.8, _welch(curve) / 0.2])
    p_value = np.clip(p_values.min(axis=0), 1e-300, 1.0)
    found = Trends((), slope.value, slope.low, slope.high, p_value, p_value, curve.reasons, p_values[0])
    return claimed([found], level=level, correction=correction)[0]


def claimed(found: Sequence[Trends], *, level: float = 0.05, correction: str = "bh") -> list[Trends]:
    """Trends of several groups of texts with verdicts that allow for all groups and predicates together.

    **Arguments:** as `trends` takes them.
    """
    adjusted = np.asarray(correct_p_values(np.concatenate([one.p_value for one in found]).tolist(), correction))
    ends = np.cumsum([len(one.p_value) for one in found])[:-1]
    return [
        one._replace(adjusted=part, verdicts=_verdicts(one, part, level))
        for one, part in zip(found, np.split(adjusted, ends), strict=True)
    ]


def _verdicts(one: Trends, adjusted: np.ndarray, level: float) -> tuple[Verdict, ...]:
    # The line says the direction where its own p-value passes the cut that the correction left to this predicate.
    cut = level * one.p_value / adjusted
    direction = [Verdict.RISING if value > 0 else Verdict.FALLING for value in one.change]
    said = [direction[k] if one.of_line[k] <= cut[k] else Verdict.CHANGED for k in range(len(adjusted))]
    return tuple(verdict if adjusted[k] <= level else Verdict.NOTHING for k, verdict in enumerate(said))


def _welch(curve: Curves) -> np.ndarray:
    """The p-value of equal values of all strata, for each predicate."""
    n, p_values = curve.value.shape[0], []
    for k, reason in enumerate(curve.reasons):
        value, covariance = curve.unclipped[:, k], curve.covariance[k]
        precision = np.linalg.pinv(covariance, hermitian=True)
        ones = precision.sum(axis=1)
        centred = value - ones @ value / ones.sum()
        weights = 1 / np.maximum(np.diag(covariance), 1e-12)
        spread = float(np.sum((1 - weights / weights.sum()) ** 2 / curve.freedom[:, k]))
        f = float(centred @ precision @ centred) / (n - 1) / (1 + 2 * (n - 2) / (n**2 - 1) * spread)
        below = min((n**2 - 1) / (3 * spread), float(curve.shared_freedom[k]))
        p_values.append(1.0 if reason else float(scipy.stats.f.sf(max(f, 0.0), n - 1, below)))
    return np.asarray(p_values)


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
