"""Precision and generality of explanations, with intervals (counterfactual simulatability, arXiv 2307.08678)."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.rates import rate

CONFIDENCE = 0.95
_RESAMPLES = 2000


class Measured(NamedTuple):
    """A value and its confidence interval; `nan` where nothing can be said."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> float:
        """The lower limit, 0 where nothing is known: what to compare by where one value rests on less than another."""
        return self.low if np.isfinite(self.low) else 0.0


NOTHING = Measured(np.nan, np.nan, np.nan)


def precision(inferred: np.ndarray, answered: np.ndarray, *, confidence: float = CONFIDENCE) -> Measured:
    """Of the counterfactuals from which something was inferred, the share for which the model answered that.

    **Arguments:** `inferred`, `(n_counterfactuals,)` the number of the answer, -1 where nothing can be inferred;
    `answered`, `(n_counterfactuals,)` the number of the model's answer. All `nan` if nothing was inferred.
    """
    simulatable = inferred >= 0
    return share(inferred[simulatable] == answered[simulatable], confidence=confidence)


def share(hits: np.ndarray, *, confidence: float = CONFIDENCE) -> Measured:
    """The share of true values among `(n,)` and Wilson's interval; all `nan` if there are none."""
    if len(hits) == 0:
        return NOTHING
    return Measured(*rate(int(np.sum(hits)), len(hits), confidence=confidence)[2:])


def generality(likeness: np.ndarray, *, confidence: float = CONFIDENCE) -> Measured:
    """How diverse counterfactuals are: 1 minus the mean similarity of two of them.

    **Arguments:** `likeness`, `(n, n)` similarities in [0, 1] of the simulatable counterfactuals, symmetric.

    The interval is that of the jackknife of this U-statistic with Student's t (Arvesen 1969), `nan` for fewer than
    three. With fewer than two counterfactuals an explanation says nothing beyond one input: its generality is 0.
    """
    check_fractions(confidence=confidence)
    n = len(likeness)
    if n < 2:
        return Measured(0.0, np.nan, np.nan)
    off_diagonal = likeness.sum(axis=1) - np.diag(likeness)
    total = off_diagonal.sum()
    value = 1 - total / (n * (n - 1))
    if n < 3:
        return Measured(float(value), np.nan, np.nan)
    without = 1 - (total - 2 * off_diagonal) / ((n - 1) * (n - 2))
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    return Measured(float(value), float(max(value - reach, 0.0)), float(min(value + reach, 1.0)))


def mean(values: np.ndarray, *, confidence: float = CONFIDENCE, seed: int = 0) -> Measured:
    """The mean of values in [0, 1], one for each explanation, and its bootstrap interval over explanations.

    The interval is BCa, at a level that is raised for few values as Student's t is ("expanded", Hesterberg 2015). `nan`
    values are left out. If all values are equal, it allows for the share of other explanations, with any value in [0,
    1], that `n` such draws leave possible. With one value there is no interval.
    """
    check_fractions(confidence=confidence)
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return NOTHING
    n, value = len(values), float(values.mean())
    if n == 1:
        return Measured(value, np.nan, np.nan)
    if np.ptp(values) < 1e-12:
        unseen = 1 - (1 - confidence) ** (1 / n)
        return Measured(value, value * (1 - unseen), value * (1 - unseen) + unseen)
    reach = stats.t.ppf((1 + confidence) / 2, n - 1)
    expanded = 1 - 2 * float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * reach))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BCa warns where resamples are all alike, and is then replaced below
        found = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=min(expanded, 1 - 1e-6),
            n_resamples=_RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    if not np.isfinite([low, high]).all():
        error = values.std(ddof=1) / np.sqrt(n) * reach
        low, high = max(value - error, 0.0), min(value + error, 1.0)
    return Measured(value, low, high)
