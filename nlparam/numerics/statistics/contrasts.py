r"""Contrasts of groups whose texts belong together, or of which people labelled some.

The effect is that of `effects`, by least squares on the groups and the covariates. What differs is its error:

- **Clusters** (texts of an author, a thread, a speech) are the independent observations. The variance is CR2 (Bell and
  McCaffrey 2002), the degrees of freedom are Satterthwaite's for errors that are alike within clusters (Imbens and
  Kolesár 2016). Clusters may lie in one group or cross groups.
- **Labels** of people take the place of the judge's answers: each answer is replaced by the group's corrected share,
  plus what the text adds to its error (PPI++, `correction`). So a regression on these is right on average, whatever the
  judge's errors in each group (DSL, arXiv 2306.04746).
"""

import math
from typing import NamedTuple

import numpy as np

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.correction import influences, level, tuned_weights
from nlparam.numerics.statistics.effects import PRIOR, Effect, interval
from nlparam.numerics.statistics.strata import intraclass

# Fewer labels of a group say nothing of the judge's errors in it.
LEAST_LABELS = 10
# Of more clusters the correlation within them does not matter to the degrees of freedom.
_MANY = 200


class Contrast(NamedTuple):
    """An effect, or why there is none: `reason` is empty if it can be told."""

    effect: Effect
    reason: str


def robust_contrast(
    values: np.ndarray,
    groups: np.ndarray,
    n_groups: int,
    towards: int,
    *,
    covariates: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Contrast:
    """The effect for the group `towards`, with an error that is right for clusters and labels.

    **Arguments:** `values`, `(n,)` judged probabilities, `nan` where unknown; `groups`, `(n,)` integers in
    `range(n_groups)`; `covariates`, `(n, n_covariates)` without a constant; `clusters`, `(n,)` integers, equal where
    texts belong together; `labels`, `(n,)` in [0, 1], `nan` for texts without one. The labelled texts are taken for a
    random sample of those of their group. `confidence`, the level of the interval.

    Where it cannot be told (fewer than two clusters, or ten labels, in a group; too many covariates) the standard error
    is infinite, the interval [-1, 1], the p-value 1, and `reason` says why. Raises `ValueError` for arrays of other
    shapes, and for fewer than two groups.
    """
    if n_groups < 2 or not 0 <= towards < n_groups:
        raise ValueError(f"got n_groups={n_groups} and towards={towards}, expected two groups or more, and one of them")
    share = np.full(n_groups, -1.0 / (n_groups - 1))
    share[towards] = 1.0
    return _linear(values, groups, share, covariates, clusters, labels, confidence)


def robust_share(
    values: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """The share of one group and its confidence interval, [0, 1] where it cannot be told; see `robust_contrast`.

    Raises `ValueError` if there is no answer at all.
    """
    if not np.isfinite(values).any():
        raise ValueError(f"got {len(values)} texts without an answer, expected at least one answer")
    found = _linear(values, np.zeros(len(values), int), np.ones(1), None, clusters, labels, confidence).effect
    share = found.effect if math.isfinite(found.effect) else float(np.nanmean(values))
    share = min(max(share, 0.0), 1.0)
    return share, min(max(found.low, 0.0), share), max(found.high, share)


def _linear(values, groups, share, covariates, clusters, labels, confidence) -> Contrast:
    """The contrast `share`, `(n_groups,)`, of the groups at equal covariates."""
    check_fractions(confidence=confidence)
    shape, n_groups = np.shape(values), len(share)
    for name, array in (("groups", groups), ("clusters", clusters), ("labels", labels)):
        if array is not None and np.shape(array) != shape:
            raise ValueError(f"got {name} of shape {np.shape(array)}, expected {shape}: one for each value")
    known = np.isfinite(values)
    values, groups = np.asarray(values, np.float64)[known], groups[known]
    columns = np.zeros((len(values), 0)) if covariates is None else covariates[known]
    codes = np.arange(len(values)) if clusters is None else np.unique(clusters[known], return_inverse=True)[1]
    if np.bincount(groups, minlength=n_groups).min() < 2:
        return _unknown(math.nan, "too few judgments were answered")
    outcomes, labelled = values, np.ones(len(values), dtype=bool)
    if labels is None:
        added = _imagined_answers(values, groups, n_groups, codes)
    else:
        labelled = np.isfinite(labels[known])
        fewest = int(np.bincount(groups[labelled], minlength=n_groups).min())
        if fewest < LEAST_LABELS:
            return _unknown(math.nan, f"cannot be said from {fewest} labels of a group: expected {LEAST_LABELS}")
        outcomes, added = _corrected(values, labels[known], groups, n_groups)
    design = np.column_stack([np.eye(n_groups)[groups], columns - columns.mean(axis=0)])
    basis, gradient, effect = _solve(design, outcomes, share)
    # From a cluster without a label nothing is learned of the judge's errors.
    n_clusters = np.asarray([len(np.unique(codes[labelled & (groups == group)])) for group in range(n_groups)])
    if n_clusters.min() < 2:
        return _unknown(effect, f"cannot be said from {n_clusters.min()} cluster of a group: expected 2 and more")
    if len(values) < 2 * design.shape[1]:
        return _unknown(
            effect, f"cannot be said from {len(values)} texts with {columns.shape[1]} columns to adjust for"
        )
    residuals = outcomes - basis @ (basis.T @ outcomes)
    variance, freedom = _clustered(residuals, basis, gradient, codes)
    freedom = min(freedom, _welch(share, outcomes, groups, codes, n_clusters - 1.0))
    if freedom < 1:
        return _unknown(effect, f"cannot be said from {len(np.unique(codes))} clusters with these covariates")
    variance += float(share**2 @ added)
    return Contrast(interval(float(np.clip(effect, -1, 1)), math.sqrt(variance), freedom, confidence), "")


def _unknown(effect: float, reason: str) -> Contrast:
    return Contrast(Effect(effect, math.inf, -1.0, 1.0, 1.0), reason)


def _solve(design: np.ndarray, outcomes: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """An orthonormal basis of the design, the weight of each outcome in the effect, and the effect."""
    left, sizes, right = np.linalg.svd(design, full_matrices=False)
    kept = sizes > 1e-10 * sizes[0]
    basis = left[:, kept]
    weights = np.concatenate([share, np.zeros(design.shape[1] - len(share))])
    gradient = basis @ ((right[kept] @ weights) / sizes[kept])
    return basis, gradient, float(gradient @ outcomes)


def _clustered(
    residuals: np.ndarray, basis: np.ndarray, gradient: np.ndarray, codes: np.ndarray
) -> tuple[float, float]:
    """The CR2 variance of an effect, and Satterthwaite's degrees of freedom of it."""

    def of_clusters(columns: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(codes, weights=column) for column in columns.T], axis=1)

    # (I - H)^(-1/2) of the rows of a cluster, where H = Q Q' of their part Q of the basis, by the eigenvalues of Q'Q.
    rank = basis.shape[1]
    grams = of_clusters((basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)).reshape(-1, rank, rank)
    values, vectors = np.linalg.eigh(grams)
    values = np.clip(values, 0.0, 1.0)
    # A cluster that alone decides a coefficient has no residual there.
    scale = np.where(values < 1 - 1e-8, 1 / np.sqrt(np.maximum(1 - values, 1e-8)), 0.0) - 1
    scale = np.where(values > 1e-8, scale / np.maximum(values, 1e-8), 0.5)
    turned = np.einsum("cij,ci->cj", vectors, of_clusters(basis * gradient[:, None]))
    part = gradient + np.einsum("ni,ni->n", basis, np.einsum("cij,cj->ci", vectors, scale * turned)[codes])
    influences = np.bincount(codes, weights=part * residuals)
    squares, sums = np.bincount(codes, weights=part**2), np.bincount(codes, weights=part)
    projections = of_clusters(basis * part[:, None])
    variance = float(influences @ influences)
    if len(squares) > _MANY:
        overlap = projections.T @ projections
        trace = float(squares.sum() - np.trace(overlap))
        norm = np.sum(squares**2) - 2 * squares @ np.sum(projections**2, axis=1) + np.sum(overlap**2)
        return variance, trace**2 / max(float(norm), 1e-300)
    alike = _alike(residuals, codes)
    between = np.diag(sums) - of_clusters(basis) @ projections.T
    moment = (1 - alike) * (np.diag(squares) - projections @ projections.T) + alike * between.T @ between
    return variance, float(np.trace(moment)) ** 2 / max(float(np.sum(moment**2)), 1e-300)


def _alike(residuals: np.ndarray, codes: np.ndarray) -> float:
    """The correlation of residuals within clusters, 0 to 1; 1 where nothing is known of it."""
    return intraclass(residuals - residuals.mean(), np.zeros(len(codes), int), codes)[0]


def _welch(share: np.ndarray, outcomes: np.ndarray, groups: np.ndarray, codes: np.ndarray, freedoms: np.ndarray):
    """Welch's degrees of freedom, by how much the clusters of each group vary."""
    parts = np.zeros(len(share))
    for group, weight in enumerate(share):
        members = groups == group
        left = outcomes[members] - outcomes[members].mean()
        parts[group] = weight**2 * np.sum(np.bincount(codes[members], weights=left) ** 2) / len(left) ** 2
    if parts.sum() == 0:
        return float(freedoms.min())
    return float(parts.sum() ** 2 / np.sum(parts**2 / freedoms))


def _imagined_answers(values: np.ndarray, groups: np.ndarray, n_groups: int, codes: np.ndarray) -> np.ndarray:
    """What an imagined 0 and an imagined 1 add to the variance of the mean of each group; see `effects`.

    They count as two of as many independent answers as the texts are worth (Kish's design effect). Where the answers of
    a group are all alike, the texts of a cluster are worth one.
    """
    added = np.zeros(n_groups)
    for group in range(n_groups):
        mine, of_cluster = values[groups == group], codes[groups == group]
        n, sizes = len(mine), np.bincount(of_cluster).astype(np.float64)
        left = mine - mine.mean()
        spread = float(left @ left) / n
        worth = n / (1 + _alike(left, of_cluster) * (float(sizes @ sizes) / n - 1))
        n_with, mean_with = worth + 2 * PRIOR, (worth * mine.mean() + PRIOR) / (worth + 2 * PRIOR)
        squares = worth * (spread + mine.mean() ** 2) + PRIOR
        with_imagined = max(squares - n_with * mean_with**2, 0.0) / ((n_with - 1) * n_with)
        least = PRIOR / 2 / ((n_with - 1) * n_with)
        added[group] = max(with_imagined - spread / max(worth - 1, 1.0), least)
    return added


def _corrected(values, labels, groups, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes in the place of the answers, whose mean in each group is its corrected share; and what imagined
    disagreements of judge and people add to its variance.
    """
    outcomes, added = np.zeros(len(values)), np.zeros(n_groups)
    for group in range(n_groups):
        rows = np.flatnonzero(groups == group)
        layers = [values[rows][:, None], labels[rows][:, None]]
        levels = level(np.isfinite(np.column_stack(layers)).T)
        chosen = [layers[number] for number in levels.layers]
        weights = tuned_weights(chosen, levels)
        share, influence = influences(chosen, levels, weights)
        outcomes[rows] = share[0] + len(rows) * influence[:, 0]
        has_label = np.isfinite(labels[rows])
        weight = float(weights[-2, 0]) if len(weights) > 1 else 0.0
        differences = labels[rows][has_label] - weight * values[rows][has_label]
        n_with = len(differences) + 1.0
        # One text of which people alone say yes, and one of which the judge alone does, each counted half.
        second = float(differences @ differences) + (1 + weight**2) / 2
        first = float(differences.sum()) + (1 - weight) / 2
        added[group] = (second - first**2 / n_with) / ((n_with - 2) * n_with) - differences.var() / len(differences)
    return outcomes, np.maximum(added, 0.0)
