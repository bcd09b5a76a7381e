"""Racing: candidates are judged on more and more texts, and those that cannot win any more leave early.

Successive elimination (Even-Dar, Mannor and Mansour, 2006): after every lap a candidate is out once the upper bound of
its effect is below the lower bounds of `n_kept` others. D5 (arXiv 2302.14233) does the same with intervals of level
1 - 1e-5.
"""

from typing import NamedTuple

import numpy as np

from nlparam.numerics.effects import Effect, contrasts


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


def bound_level(failure_probability: float, n_candidates: int, n_laps: int) -> float:
    """The level of each interval at which all of them together hold with probability 1 - `failure_probability`."""
    return 1 - failure_probability / max(n_candidates * n_laps, 1)


def still_racing(lows: np.ndarray, highs: np.ndarray, n_kept: int) -> np.ndarray:
    """`(n_candidates,)`, false for those whose upper bound is below the lower bounds of `n_kept` others."""
    if len(lows) <= n_kept:
        return np.ones(len(lows), dtype=bool)
    bar = np.sort(np.maximum(lows, 0.0))[-n_kept]
    return highs >= bar


def alike(values: np.ndarray, least: float) -> np.ndarray:
    """`(n_candidates,)`, for each candidate the first before it whose answers correlate at least `least` with its own.

    **Arguments:** `values`, `(n_texts, n_candidates)`, the best candidate first, `nan` where there is no answer.

    -1 for a candidate without such a predecessor. One that is itself alike to another is nobody's predecessor.
    """
    n_candidates = values.shape[1]
    found = np.full(n_candidates, -1)
    for later in range(1, n_candidates):
        for earlier in range(later):
            if found[earlier] < 0 and _correlation(values[:, earlier], values[:, later]) >= least:
                found[later] = earlier
                break
    return found


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 3 or np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
        return 0.0
    return float(np.corrcoef(first[known], second[known])[0, 1])
