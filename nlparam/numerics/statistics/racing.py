"""Racing: candidates are judged on more and more texts, and those that cannot win any more leave early.

Successive elimination (Even-Dar, Mannor and Mansour, 2006): after every lap a candidate is out once each of `n_kept`
others is better by a confidence bound of the difference. Nothing is claimed from a race, so a bound that is sometimes
wrong costs a candidate now and then, and no validity; D5 (arXiv 2302.14233) waits for intervals of level 1 - 1e-5,
which takes hundreds of judgments. A predicate that holds for hardly any text has a small standard error, and leaves
first.
"""

from typing import NamedTuple

import numpy as np
import scipy

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.effects import Effect, contrasts

# How many texts a predicate must hold for, and for how many it must not, to be compared with another.
_LEAST_SIDE = 5


class Standing(NamedTuple):
    """Where a candidate stands: the group for which its effect is largest, and that effect."""

    towards: int
    effect: Effect


def laps(n_most: int, n_first: int) -> list[int]:
    """After how many texts of each group the candidates are compared: `n_first`, and twice as many each time."""
    stops = []
    n = n_first
    while n < n_most:
        stops.append(n)
        n *= 2
    return [*stops, n_most]


def standing(values: np.ndarray, groups: np.ndarray, n_groups: int, *, confidence: float) -> Standing:
    """The standing of one candidate by its answers, `(n,)`, `nan` where there is none."""
    effects = contrasts(values, groups, n_groups, confidence=confidence)
    towards = int(np.argmax([effect.effect if np.isfinite(effect.effect) else -np.inf for effect in effects]))
    return Standing(towards, effects[towards])


def least_gap(failure_probability: float) -> float:
    """How many standard errors behind another a candidate counts as worse, if it may do so wrongly that often.

    Raises `ValueError` unless it is between 0 and 1.
    """
    check_fractions(failure_probability=failure_probability)
    return float(scipy.stats.norm.isf(failure_probability))


def still_racing(effects: np.ndarray, errors: np.ndarray, n_kept: int, gap: float) -> np.ndarray:
    """`(n_candidates,)`, false for those that are behind each of `n_kept` others by `gap` standard errors.

    **Arguments:** `effects` and their standard `errors`, `(n_candidates,)`. Effects are taken to be independent: that
    they are of the same texts seldom makes them more different.
    """
    if len(effects) <= n_kept:
        return np.ones(len(effects), dtype=bool)
    best = np.argsort(-effects, kind="stable")[:n_kept]
    with np.errstate(invalid="ignore"):
        behind = effects[best][None, :] - effects[:, None] > gap * np.hypot(errors[:, None], errors[best][None, :])
    return np.logical_not(behind.all(axis=1))


def alike(values: np.ndarray, least: float) -> np.ndarray:
    """`(n_candidates,)`, for each candidate the first before it whose answers correlate at least `least` with its own.

    -1 where there is none, or where too few texts are for or against to tell. One that is itself alike to another is
    nobody's predecessor.

    **Arguments:** `values`, `(n_texts, n_candidates)`, the best candidate first, `nan` where there is no answer.
    """
    found = np.full(values.shape[1], -1)
    for later in range(1, values.shape[1]):
        first = (n for n in range(later) if found[n] < 0 and _correlation(values[:, n], values[:, later]) >= least)
        found[later] = next(first, -1)
    return found


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if not (_tells(first) and _tells(second)):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _tells(values: np.ndarray) -> bool:
    """Whether enough texts are on either side: two rare predicates that hold for the same one text are not the same."""
    if len(values) == 0:
        return False
    n_high = int((values > (values.min() + values.max()) / 2).sum())
    return min(n_high, len(values) - n_high) >= _LEAST_SIDE
