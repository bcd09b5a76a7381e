"""Calibration of a judge: probabilities that mean what they say, and the curve that shows whether they do."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import expit

from nlparam.numerics.heads.head import log_odds_of

Labels: TypeAlias = Float[np.ndarray, " n_labels"]

# The belief, in labels, that the judge needs no correction: a handful of labels must not turn it round.
_PRIOR = 4.0
_N_FOLDS = 5


class Calibration(NamedTuple):
    """Corrected log-odds are `slope * log-odds + offset` (Platt 1999); the default leaves them as they are."""

    slope: float = 1.0
    offset: float = 0.0

    def apply(self, probabilities: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Corrected probabilities; `nan` stays `nan`."""
        return expit(self.slope * log_odds_of(probabilities) + self.offset)


class Reliability(NamedTuple):
    """The reliability curve: in each bin of equal width, the mean probability and the share of labels that are true.

    `counts` are the labels in each bin, `predicted` and `observed` are `nan` in an empty one. `ece` is the expected
    calibration error, the mean of `|predicted - observed|` weighted by `counts` (Naeini et al. 2015).
    """

    predicted: Float[np.ndarray, " n_bins"]
    observed: Float[np.ndarray, " n_bins"]
    counts: Int[np.ndarray, " n_bins"]
    ece: float


def fit_calibration(probabilities: Labels, labels: Labels) -> Calibration:
    """The correction under which the labels are most likely; labels may be soft (in [0, 1]).

    Raises `ValueError` if there are no labels, or they are not of one shape.
    """
    probabilities, labels = _checked(probabilities, labels)
    log_odds = log_odds_of(probabilities)

    def objective(parameters):
        log_slope, offset = parameters
        z = np.exp(log_slope) * log_odds + offset
        error = expit(z) - labels
        prior = _PRIOR * (log_slope**2 + offset**2) / 2
        gradient = [np.exp(log_slope) * error @ log_odds + _PRIOR * log_slope, error.sum() + _PRIOR * offset]
        return np.sum(np.logaddexp(0, z) - labels * z) + prior, np.asarray(gradient)

    found: Any = minimize(objective, np.zeros(2), jac=True, method="BFGS")
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]))


def reliability(probabilities: Labels, labels: Labels, *, n_bins: int = 10) -> Reliability:
    """The reliability curve of probabilities against labels, and its expected calibration error."""
    probabilities, labels = _checked(probabilities, labels)
    bins = np.minimum((probabilities * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(bins, probabilities, n_bins) / counts
        observed = np.bincount(bins, labels, n_bins) / counts
    gaps = np.abs(predicted - observed)[counts > 0]
    return Reliability(predicted, observed, counts, float(gaps @ counts[counts > 0] / len(labels)))


def cross_calibrated(
    probabilities: Labels, labels: Labels, groups: Int[np.ndarray, " n_labels"], *, seed: int = 0
) -> Labels:
    """Each probability corrected by a calibration fitted without its group (its text), in five folds.

    What `reliability` says of these is what to expect of labels that were not used.
    """
    probabilities, labels = _checked(probabilities, labels)
    distinct, group = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(distinct))[group] % min(_N_FOLDS, max(len(distinct), 1))
    corrected = probabilities.copy()
    for left_out in np.unique(fold):
        others = fold != left_out
        if others.any():
            fitted = fit_calibration(probabilities[others], labels[others])
            corrected[~others] = fitted.apply(probabilities[~others])
    return corrected


def _checked(probabilities, labels) -> tuple[np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    if probabilities.shape != labels.shape or probabilities.ndim != 1 or not len(labels):
        raise ValueError(
            f"got {probabilities.shape} probabilities and {labels.shape} labels, expected as many of each, at least one"
        )
    return probabilities, labels
