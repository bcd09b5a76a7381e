r"""Curves: shares by time step, node or group, corrected by few answers, most of which lie in other steps.

A cheap layer $f$, such as a head or a judge, is known for all texts, the answers $D$ for a random sample of them. In
step $s$ of $N_s$ texts, $n_s$ of them answered, the share is estimated by stratified prediction-powered inference
(arXiv 2406.04291),

$$\hat\theta_s = \lambda \bar f_s + \frac{1}{n_s} \sum_{i \in s} (D_i - \lambda f_i), \quad
\mathrm{Var}\,\hat\theta_s = \frac{\sigma^2_{D,s}}{N_s} + \Big(\frac{1}{n_s} - \frac{1}{N_s}\Big) \sigma^2_{r,s} .$$

With a dozen answers a step, two parts are shared among the steps. The weight $\lambda$ is the slope of $D$ on $f$
within steps. The residual variance $\sigma^2_{r,s}$ is shrunken to its mean over the steps, and the degrees of freedom
of the t interval grow accordingly (Smyth 2004, limma). A step without any answer takes the mean correction of the
others, and its standard error has the variance of corrections between steps.

More layers are more phases of the same kind. Texts of one cluster are equally correlated, within and between steps, by
an intraclass correlation from an analysis of variance; where it cannot be estimated, each cluster counts as one text.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.correction import checked_answers, numbered_clusters
from nlparam.numerics.statistics.strata import (
    LEAST_ANSWERS,
    PRIOR_ANSWERS,
    PhaseSample,
    cluster_freedom,
    phase_sample,
    slope,
    spread_of_answers,
    spread_of_residuals,
    variance_between,
)

# A stratum without answers takes the correction of the others where there are at least so many of them.
_LEAST_STRATA = 3
_LARGEST_ERROR = 0.5  # of anything in [0, 1]
_MOST_FREEDOM = 1e6
_ONE_CLUSTER = "cannot be said: no stratum has two clusters, so that how much clusters differ is not known"


class Curves(NamedTuple):
    """Shares by stratum and predicate, each `(n_strata, K)`: `value`, its `standard_error`, and the interval from `low`
    to `high`, which belongs to `value`.

    `unclipped` is `value` before it was cut to [0, 1]: changes and trends are taken of it. `freedom` are the degrees of
    freedom of the standard error; `n_answers` the answers of the best layer; `pooled` says where a stratum had none and
    took the correction of the others. `shrunken` is a point estimate of less expected error over all strata together
    (`shrink`); it has no interval. `covariance`, `(K, n_strata, n_strata)`, is that of the values, and
    `shared_freedom`, `(K,)`, bounds the degrees of freedom of any contrast of them. `reasons`, one for each predicate,
    is empty, or says why its intervals are the whole range.
    """

    value: Float[np.ndarray, "n_strata n_predicates"]
    unclipped: Float[np.ndarray, "n_strata n_predicates"]
    standard_error: Float[np.ndarray, "n_strata n_predicates"]
    low: Float[np.ndarray, "n_strata n_predicates"]
    high: Float[np.ndarray, "n_strata n_predicates"]
    freedom: Float[np.ndarray, "n_strata n_predicates"]
    n_answers: Int[np.ndarray, "n_strata n_predicates"]
    pooled: Bool[np.ndarray, "n_strata n_predicates"]
    shrunken: Float[np.ndarray, "n_strata n_predicates"]
    covariance: Float[np.ndarray, "n_predicates n_strata n_strata"]
    shared_freedom: Float[np.ndarray, " n_predicates"]
    reasons: tuple[str, ...]


class Change(NamedTuple):
    """By how much shares changed, each `(K,)`: `value` (later minus earlier), its `standard_error`, its interval from
    `low` to `high`, and its degrees of `freedom`."""

    value: Float[np.ndarray, " n_predicates"]
    standard_error: Float[np.ndarray, " n_predicates"]
    low: Float[np.ndarray, " n_predicates"]
    high: Float[np.ndarray, " n_predicates"]
    freedom: Float[np.ndarray, " n_predicates"]


def curves(
    layers: Sequence[np.ndarray],
    strata: np.ndarray,
    n_strata: int,
    *,
    inclusion: Sequence[np.ndarray | None] | np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    confidence: float = 0.9,
) -> Curves:
    """The share of the texts of each stratum for which each predicate holds, by the best layer.

    **Arguments:** `layers`, arrays `(n_texts, K)` of answers in [0, 1], `nan` where not known, the cheapest first and
    the one wanted last. A text counts for a layer only where all layers below know it. `strata`, `(n_texts,)` integers
    in `range(n_strata)`; `inclusion`, `(n_texts,)` probabilities with which texts were drawn for the last layer, or a
    sequence with one such array for each layer (`None`: all texts of a stratum were equally likely); `clusters`,
    `(n_texts,)`, one value per text, equal for texts that belong together; `confidence`, the level of the intervals.

    The interval is [0, 1] with fewer than `LEAST_ANSWERS` answers, unless all texts are answered; in strata without
    texts; and everywhere if each stratum is one cluster, as with one speech a year. Raises `ValueError` for other
    shapes or values.
    """
    given = list(checked_answers(layers))
    strata, chances = _checked(given, strata, n_strata, inclusion)
    check_fractions(confidence=confidence)
    clusters = None if clusters is None else numbered_clusters(clusters, len(strata))
    columns = [
        _curve([layer[:, k] for layer in given], strata, n_strata, chances, clusters, confidence)
        for k in range(given[0].shape[1])
    ]
    *fields, covariances, shared, reasons = zip(*columns, strict=True)
    arrays = [*(np.stack(field, axis=1) for field in fields), np.stack(covariances), np.asarray(shared)]
    return Curves(*arrays, reasons)  # pyright: ignore[reportCallIssue]


def change(curve: Curves, earlier: Sequence[int], later: Sequence[int], *, confidence: float = 0.9) -> Change:
    """The mean share of the strata `later` minus that of the strata `earlier`.

    Raises `ValueError` where either is empty or out of range. Where an interval of the curve is the whole range for
    want of answers, so is that of the change, [-1, 1].
    """
    n_strata = curve.value.shape[0]
    contrast = np.zeros(n_strata)
    for members, sign in ((later, 1.0), (earlier, -1.0)):
        if len(members) == 0 or not all(0 <= s < n_strata for s in members):
            raise ValueError(f"got the strata {list(members)}, expected at least one, each in range({n_strata})")
        contrast[list(members)] += sign / len(members)
    return contrasted(curve, contrast, confidence=confidence)


def contrasted(curve: Curves, contrast: Float[np.ndarray, " n_strata"], *, confidence: float = 0.9) -> Change:
    """A contrast of the strata: their sum with weights that add up to 0.

    The degrees of freedom are Satterthwaite's. The interval is the whole range where answers are wanting.
    """
    value = contrast @ curve.unclipped
    variance = np.einsum("s,kst,t->k", contrast, curve.covariance, contrast)
    parts = contrast[:, None] ** 2 * curve.standard_error**2
    freedom = parts.sum(axis=0) ** 2 / np.maximum((parts**2 / curve.freedom).sum(axis=0), 1e-300)
    error, freedom = np.sqrt(np.maximum(variance, 0.0)), np.clip(freedom, 1.0, curve.shared_freedom)
    half, most = scipy.stats.t.ppf(0.5 + confidence / 2, freedom) * error, np.abs(contrast).sum() / 2
    unknown = np.asarray([bool(reason) for reason in curve.reasons])
    low, high = np.maximum(value - half, -most), np.minimum(value + half, most)
    low, high = np.where(unknown, -most, np.minimum(low, value)), np.where(unknown, most, np.maximum(high, value))
    return Change(value, error, low, high, freedom)


def shrink(
    value: Float[np.ndarray, " n"],
    variance: Float[np.ndarray, " n"],
    target: Float[np.ndarray, " n"],
    shared: np.ndarray | float = 0.0,
) -> Float[np.ndarray, " n"]:
    """Many estimates, each drawn towards its target by `variance / (omega + variance)`.

    `omega` minimises an unbiased estimate of the total squared error (prediction-powered adaptive shrinkage,
    arXiv 2502.14166): where targets are far from the estimates, little is drawn. `shared` is the covariance of estimate
    and target, `(n,)`.
    """
    omega = np.append(np.geomspace(1e-6, 1e3, 200), np.inf)[:, None] * max(float(np.mean(variance)), 1e-12)
    kept = np.where(np.isinf(omega), 1.0, 1.0 / (1.0 + variance / np.where(np.isinf(omega), 1.0, omega)))
    risk = (2 * kept - 1) * variance + 2 * (1 - kept) * shared + ((1 - kept) * (value - target)) ** 2
    best = kept[np.argmin(risk.sum(axis=1))]
    return best * value + (1 - best) * target


def _curve(layers, strata, n_strata, inclusion, clusters, confidence) -> tuple:
    """The fields of `Curves` of one predicate."""
    samples: list[PhaseSample] = []
    known = np.ones(len(strata), bool)
    for layer, chances in zip(layers, inclusion, strict=True):
        known = known & np.isfinite(layer)
        samples.append(phase_sample(np.flatnonzero(known), strata, n_strata, chances))
    last = samples[-1]
    answers = layers[-1][last.rows]
    if len(answers) < min(LEAST_ANSWERS, len(strata)):
        return _unknown(layers[0], samples[0], last)
    value, covariance, parts = np.zeros(n_strata), np.zeros((n_strata, n_strata)), []
    below, sample_below = np.zeros(len(strata)), None
    for layer, sample in zip(layers, samples, strict=True):
        lifted = layer if sample is last else slope(last, layer[last.rows], answers) * layer
        if sample_below is None:
            spread = spread_of_answers(answers, last, layer, sample, clusters)
            own = spread.of_means(sample, clusters)
        else:
            spread = spread_of_residuals(answers - below[last.rows], last, clusters)
            own = spread.of_means(sample, clusters) - spread.of_means(sample_below, clusters)
        mean = sample.means((lifted - below)[sample.rows])
        missing = sample.n == 0
        share = np.where(missing[:, None], sample.n / sample.n.sum(), np.eye(n_strata))
        own[:, missing], own[:, :, missing] = 0.0, 0.0
        alone, added = share @ own @ share.T
        between, between_freedom = variance_between(mean[~missing], np.diag(own[0])[~missing])
        of_others = np.sum((sample.n / sample.n.sum()) ** 2)
        unseen = between * (np.outer(missing, missing) * of_others + np.diag(missing))
        value, covariance = value + share @ mean, covariance + alone + added + unseen
        parts += [(alone, spread.freedom), (added, spread.correlation_freedom), (unseen, between_freedom)]
        below, sample_below = lifted, sample
    if clusters is not None:
        # Differences of two phases may be a little less than nothing.
        sizes, axes = np.linalg.eigh(covariance)
        covariance = (axes * np.maximum(sizes, 0.0)) @ axes.T
    variance = np.maximum(np.diag(covariance), 1e-12)
    own_freedom = [np.diag(part) ** 2 / freedom for part, freedom in parts]
    freedom = np.maximum(variance**2 / np.maximum(np.sum(own_freedom, axis=0), 1e-300), 1.0)
    freedom = np.minimum(freedom, _MOST_FREEDOM)
    unclipped, value = value, np.clip(value, 0.0, 1.0)
    low, high = _interval(value, variance, freedom, last.n, confidence)
    alike = clusters is not None and cluster_freedom(strata, clusters) < 1 and len(np.unique(clusters)) < len(strata)
    unsaid = alike | (samples[0].n == 0) | ((last.n == 0) & (np.sum(last.n > 0) < _LEAST_STRATA))
    error = np.where(unsaid, _LARGEST_ERROR, np.sqrt(variance))
    covariance[np.diag_indices(n_strata)] = error**2
    # Clusters add to all strata by one correlation. The other parts are each stratum's own, or from many answers.
    of_clusters = [(np.trace(part) / np.trace(covariance)) ** 2 / freedom for part, freedom in parts[1::3]]
    shared = float(np.clip(1 / max(sum(of_clusters), 1e-300), 1.0, _MOST_FREEDOM))
    return (
        value,
        unclipped,
        error,
        np.where(unsaid, 0.0, low),
        np.where(unsaid, 1.0, high),
        freedom,
        last.n,
        last.n == 0,
        np.clip(shrink(value, variance, *_target(layers, samples, value, variance)), 0.0, 1.0),
        covariance,
        shared,
        _ONE_CLUSTER if alike else "",
    )


def _target(layers, samples, value, variance) -> tuple[np.ndarray, np.ndarray]:
    """What the shares of the strata are shrunken to, and its covariance with them.

    The first layer with the mean correction of all strata; with one layer, the mean of the strata.
    """
    first, last = samples[0], samples[-1]
    of_all = last.n / last.n.sum()
    if len(layers) == 1:
        return np.full(len(value), float(of_all @ value)), of_all * variance
    correction = last.means((layers[-1] - layers[0])[last.rows])
    cheap = np.where(first.n > 0, first.means(layers[0][first.rows]), float(of_all @ value))
    together = last.means(last.centred(layers[-1][last.rows]) * last.centred(layers[0][last.rows]))
    return cheap + float(of_all @ correction), of_all * variance + np.maximum(together, 0.0) * first.squares


def _unknown(layer, sample, last) -> tuple:
    n = len(last.n)
    overall = float(layer[sample.rows].mean()) if len(sample.rows) else 0.5
    value = np.clip(np.where(sample.n > 0, sample.means(layer[sample.rows]), overall), 0.0, 1.0)
    reason = f"cannot be said from {len(last.rows)} answers: at least {LEAST_ANSWERS} are needed"
    error = np.full(n, _LARGEST_ERROR)
    return (
        value,
        value,
        error,
        np.zeros(n),
        np.ones(n),
        np.ones(n),
        last.n,
        last.n == 0,
        value,
        np.diag(error**2),
        1.0,
        reason,
    )


def _interval(value, variance, freedom, n, confidence) -> tuple[np.ndarray, np.ndarray]:
    """The middle between the t interval and Wilson's of as many texts as would give the variance.

    The variance of a residual is neither equal in all strata, as the one takes it, nor proportional to that of a share,
    as the other does. Each alone covered too little or too much where shares are small.
    """
    quantile = scipy.stats.t.ppf(0.5 + confidence / 2, freedom)
    overall = float(value @ n) / n.sum()
    # As the variance is shrunken to the mean of all strata, so is the share that it is compared with.
    shrunk = (value * n + overall * PRIOR_ANSWERS + 1) / (n + PRIOR_ANSWERS + 2)
    ratio = quantile**2 * variance / (shrunk * (1 - shrunk))
    half = np.sqrt(ratio * value * (1 - value) + ratio**2 / 4)
    low, high = ((value + ratio / 2 + sign * half) / (1 + ratio) for sign in (-1, 1))
    error = quantile * np.sqrt(variance)
    low, high = (low + value - error) / 2, (high + value + error) / 2
    return np.clip(np.minimum(low, value), 0.0, 1.0), np.clip(np.maximum(high, value), 0.0, 1.0)


def _checked(layers, strata, n_strata, inclusion):
    n_texts, strata = len(layers[0]), np.asarray(strata)
    if strata.shape != (n_texts,) or strata.dtype.kind not in "iu" or strata.min() < 0 or strata.max() >= n_strata:
        raise ValueError(f"got strata of shape {strata.shape}, expected {n_texts} integers in range({n_strata})")
    if inclusion is None or isinstance(inclusion, np.ndarray):
        inclusion = [None] * (len(layers) - 1) + [inclusion]
    if len(inclusion) != len(layers):
        raise ValueError(
            f"got {len(inclusion)} inclusion probabilities for {len(layers)} layers, expected one for each"
        )
    for layer, chances in zip(layers, inclusion, strict=True):
        if chances is None:
            continue
        if chances.shape != (n_texts,):
            raise ValueError(f"got inclusion probabilities of shape {chances.shape}, expected ({n_texts},)")
        of_known = chances[np.isfinite(layer).any(axis=1)]
        if not (np.all(of_known > 0) and np.all(of_known <= 1)):
            raise ValueError("got an inclusion probability that is not in (0, 1], expected them for all texts answered")
    return strata.astype(np.int64), inclusion
