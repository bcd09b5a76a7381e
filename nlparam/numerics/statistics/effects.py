r"""Effects: by how much more often a predicate holds in one group than in the others, and how sure that is.

Only judged probabilities of texts drawn at random from each group are used. The inference is thus design-based: no
model of the judge is needed, and the effect is that of the predicate *as this judge sees it*.

For group $g$ of $G$ the effect is the contrast $V_g = \bar D_g - \frac{1}{G - 1} \sum_{h \ne g} \bar D_h$, with two
groups the difference of means $V$ of D5 (arXiv 2302.14233). Standard error and degrees of freedom are those of Welch
and Satterthwaite, after an imagined 0 and an imagined 1 were added to each group (Agresti and Caffo, 2000). Without
these, 0 of 100 texts against 4 of 100 would be called significant, and a predicate that never holds would have no error
at all.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy

from nlparam.errors import check_fractions, check_one_of

CORRECTIONS = ("bh", "by", "holm")

# How many imagined answers of 0, and as many of 1, each group gets for its standard error.
PRIOR = 1.0


class Effect(NamedTuple):
    """By how much more often a predicate holds in a group than in the others, as a difference of shares.

    `effect` is in [-1, 1] (negative: less often), `low` and `high` its confidence interval, `standard_error` what it
    rests on, `p_value` two-sided, for the hypothesis of no difference.
    """

    effect: float
    standard_error: float
    low: float
    high: float
    p_value: float


class Moments(NamedTuple):
    """Mean, variance of the mean, and degrees of freedom of it, each `(n_groups,)`."""

    mean: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray


def moments(values: np.ndarray, groups: np.ndarray, n_groups: int, *, prior: float = PRIOR) -> Moments:
    """The moments of values in [0, 1], `(n,)`, in each of the groups, `(n,)` integers; `nan` values are left out.

    The variance is infinite for a group with fewer than two values.
    """
    known = np.isfinite(values)
    values, groups = np.asarray(values, np.float64)[known], groups[known]
    n = np.bincount(groups, minlength=n_groups).astype(np.float64)
    total = np.bincount(groups, weights=values, minlength=n_groups)
    squares = np.bincount(groups, weights=values**2, minlength=n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        n_with, mean_with = n + 2 * prior, (total + prior) / (n + 2 * prior)
        spread = np.maximum(squares + prior - n_with * mean_with**2, 0.0) / (n_with - 1)
        variance = np.where(n > 1, spread / n_with, np.inf)
    return Moments(mean, variance, np.maximum(n_with - 1, 1.0))


def contrast(
    values: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    towards: int,
    *,
    confidence: float = 0.95,
    prior: float = PRIOR,
) -> Effect:
    """The effect for the group `towards`: its mean minus the mean of the means of the others.

    **Arguments:** `values`, `(n,)` probabilities, `nan` for those unknown; `groups`, `(n,)` integers in
    `range(n_groups)`; `confidence`, the level of the interval; `prior`, see the module (0 gives Welch's test as it is).

    With fewer than two values in a group the interval is [-1, 1] and the p-value 1.
    """
    mean, variance, freedom = moments(values, groups, n_groups, prior=prior)
    share = np.full(n_groups, -1.0 / (n_groups - 1))
    share[towards] = 1.0
    parts = share**2 * variance
    if not np.isfinite(parts).all():
        effect = float(share @ mean) if np.isfinite(mean).all() else math.nan
        return Effect(effect, math.inf, -1.0, 1.0, 1.0)
    total = float(parts.sum())
    effect = float(share @ mean)
    if total == 0.0:  # only without the imagined answers
        return Effect(effect, 0.0, effect, effect, float(effect == 0.0))
    return interval(effect, math.sqrt(total), total**2 / float((parts**2 / freedom).sum()), confidence)


def contrasts(values: np.ndarray, groups: np.ndarray, n_groups: int, *, confidence: float) -> list[Effect]:
    """The effect for every group; with two groups they are one another's negatives."""
    return [contrast(values, groups, n_groups, g, confidence=confidence) for g in range(n_groups)]


def share(values: np.ndarray, *, confidence: float = 0.95, prior: float = PRIOR) -> tuple[float, float, float]:
    """The mean of values in [0, 1] and its confidence interval; `nan` values are left out.

    Raises `ValueError` where no value is known.
    """
    check_fractions(confidence=confidence)
    mean, variance, freedom = (float(part[0]) for part in moments(values, np.zeros(len(values), int), 1, prior=prior))
    if not math.isfinite(mean):
        raise ValueError("got no known values, expected at least one")
    if not math.isfinite(variance):
        return mean, 0.0, 1.0
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(variance)
    return mean, max(mean - half, 0.0), min(mean + half, 1.0)


def adjusted_contrast(
    values: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    towards: int,
    covariates: np.ndarray,
    *,
    confidence: float = 0.95,
) -> Effect:
    """The effect for the group `towards` among texts with equal covariates.

    The denotation is regressed on the groups and the covariates by least squares, a linear probability model, and the
    same contrast of the coefficients of the groups is taken. The standard error is HC3, which assumes neither equal
    variances nor that the line is right, plus what the imagined answers add to that of `contrast`, or vary by
    themselves if that is more.

    **Arguments:** `covariates`, `(n, n_covariates)`, without a constant. The rest as for `contrast`.

    Where the covariates leave nothing between the groups, as one that names the group, the interval is [-1, 1] and the
    p-value 1, as with too few texts.
    """
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning

    known = np.isfinite(values)
    values, groups, covariates = np.asarray(values, np.float64)[known], groups[known], covariates[known]
    crude = contrast(values, groups, n_groups, towards, confidence=confidence)
    # Fewer texts than twice the coefficients fit themselves.
    if not math.isfinite(crude.standard_error) or len(values) < 2 * (n_groups + covariates.shape[1]):
        return Effect(math.nan, math.inf, -1.0, 1.0, 1.0)
    centred = covariates - covariates.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-9 * (1 + np.abs(covariates).max(axis=0, initial=0.0))
    design = np.column_stack([np.eye(n_groups)[groups], centred[:, varies] / spread[varies]])
    weights = np.zeros(design.shape[1])
    weights[:n_groups] = -1.0 / (n_groups - 1)
    weights[towards] = 1.0
    if not np.allclose(weights @ np.linalg.pinv(design, 1e-9) @ design, weights, atol=1e-6):
        return Effect(math.nan, math.inf, -1.0, 1.0, 1.0)
    with warnings.catch_warnings():  # covariates that say the same do not change the effect
        warnings.simplefilter("ignore", SingularMatrixWarning)
        fitted = OLS(values, design).fit()
    # A text that alone decides a coefficient has leverage 1, and HC3 divides by zero.
    leverage = fitted.get_influence().hat_matrix_diag
    covariance = fitted.cov_HC3 if leverage.max() < 1 - 1e-8 else fitted.cov_HC1
    variance = float(weights @ covariance @ weights)
    bare = contrast(values, groups, n_groups, towards, prior=0.0).standard_error
    # Where covariates explain every answer, effect and residuals are rounding noise.
    n = np.bincount(groups, minlength=n_groups) + 2 * PRIOR
    least = float(weights[:n_groups] ** 2 @ (PRIOR / 2 / ((n - 1) * n)))
    variance += max(crude.standard_error**2 - bare**2, least)
    effect = float(weights @ np.asarray(fitted.params))
    return interval(effect, math.sqrt(variance), float(fitted.df_resid), confidence)


def interval(effect: float, standard_error: float, freedom: float, confidence: float) -> Effect:
    """An effect in [-1, 1] with the interval and the p-value of Student's t."""
    check_fractions(confidence=confidence)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, freedom)) * standard_error
    p_value = 2 * float(scipy.stats.t.sf(abs(effect) / standard_error, freedom))
    return Effect(effect, standard_error, max(effect - half, -1.0), min(effect + half, 1.0), min(p_value, 1.0))


def correct_p_values(p_values: Sequence[float], correction: str) -> np.ndarray:
    """P-values adjusted for how many there are.

    "bh" and "by" bound the false discovery rate (Benjamini-Hochberg, for tests that are independent or depend
    positively; Benjamini-Yekutieli, for any), "holm" the probability of a single false claim. Raises `ValueError` for
    another name, and for p-values that are none.
    """
    if not all(0 <= p_value <= 1 for p_value in p_values):
        raise ValueError(f"got p-values {list(p_values)}, expected numbers between 0 and 1")
    check_one_of(CORRECTIONS, correction=correction)
    if len(p_values) == 0:
        return np.zeros(0)
    given = np.asarray(p_values, dtype=np.float64)
    if correction != "holm":
        return np.asarray(scipy.stats.false_discovery_control(given, method=correction))
    order = np.argsort(given)
    adjusted = np.empty_like(given)
    adjusted[order] = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    return np.minimum(adjusted, 1.0)


def claimed_at(n_claims: int, n_tested: int, level: float, correction: str) -> float:
    """The p-value up to which a difference is claimed, where `n_claims` of `n_tested` are; see `correct_p_values`.

    Intervals of the claims at one minus this level cover all but the share `level` of them on average (the false
    coverage rate, Benjamini and Yekutieli 2005). Raises `ValueError` for another correction.
    """
    check_one_of(CORRECTIONS, correction=correction)
    if not 0 <= n_claims <= n_tested:
        raise ValueError(f"got {n_claims} claims of {n_tested} tested, expected between 0 and {n_tested}")
    if n_claims == 0:
        return level
    if correction == "holm":
        return level / (n_tested - n_claims + 1)
    harmonic = sum(1 / number for number in range(1, n_tested + 1)) if correction == "by" else 1.0
    return level * n_claims / n_tested / harmonic


def size_of_claim(effect: Effect, cut: float) -> float:
    """The size of a claimed effect, which is not exaggerated by having been claimed; 0 to the effect.

    Only effects with a p-value up to `cut` are claimed, so the claimed ones look larger than they are. This is the size
    of which the estimate is the median among those claimed (conditional on the claim, as Zhong and Prentice 2008, with
    the median in place of the mode). Raises `ValueError` for an effect that is not claimed, or is below 0.
    """
    from scipy.optimize import brentq

    if not (0 < effect.p_value + 1e-300 <= cut < 1 and effect.effect > 0):
        raise ValueError(
            f"got an effect of {effect.effect} with p={effect.p_value}, expected one above 0 with p up to {cut}"
        )
    found, least = (float(scipy.stats.norm.isf(max(p, 1e-300) / 2)) for p in (effect.p_value, cut))

    def excess(size: float) -> float:
        above: Any = scipy.stats.norm.logsf(np.asarray([found, least]) - size)
        return float(above[0] - above[1]) - math.log(0.5)

    if excess(0.0) >= 0:
        return 0.0
    size: Any = brentq(excess, 0.0, found + 1.0)
    return effect.effect * min(size / found, 1.0)


def auroc(scores: np.ndarray, members: np.ndarray) -> float:
    """The probability that a member's score is above a non-member's (ties count half); 0.5 where one side is empty.

    Raises `ValueError` for scores that are `nan`.
    """
    if np.isnan(scores).any():
        raise ValueError("got scores that are nan, expected numbers")
    first, second = scores[members], scores[~members]
    if len(first) == 0 or len(second) == 0:
        return 0.5
    return float(scipy.stats.mannwhitneyu(first, second).statistic) / (len(first) * len(second))


def welch_p_value(scores: np.ndarray, members: np.ndarray) -> float:
    """The two-sided p-value of Welch's test of any scores, of members against the others; 1 where it is undefined.

    Raises `ValueError` for scores that are not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("got scores that are not finite, expected numbers")
    first, second = scores[members], scores[~members]
    if min(len(first), len(second)) < 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return 1.0
    # From the moments: of values that are all alike `ttest_ind` warns.
    parts = [part for side in (first, second) for part in (np.mean(side), np.std(side, ddof=1), len(side))]
    tested: Any = scipy.stats.ttest_ind_from_stats(*parts, equal_var=False)
    return float(tested.pvalue)
