"""Means and variances within strata, of samples whose texts may be unequally likely and come in clusters."""

from typing import NamedTuple

import numpy as np

# Fewer answers than this, in all strata together, say nothing about the errors of the layer below.
LEAST_ANSWERS = 10
# The pooled residual variance counts as much as this many answers of a stratum.
PRIOR_ANSWERS = 12.0
# Of imagined residuals, the sum of squares: a judge that agreed in all answers is not thereby known perfect.
_IMAGINED = 0.5


class PhaseSample(NamedTuple):
    """The texts that one layer is known for, one phase of the sampling: their `rows`, `strata`, weights that sum to 1
    within a stratum, how many there are, and the sum of squared weights, of each stratum."""

    rows: np.ndarray
    strata: np.ndarray
    weights: np.ndarray
    n: np.ndarray
    squares: np.ndarray

    def means(self, values: np.ndarray) -> np.ndarray:
        """Of each stratum, 0 for one without texts."""
        return np.bincount(self.strata, self.weights * values, len(self.n))

    def centred(self, values: np.ndarray) -> np.ndarray:
        return values - self.means(values)[self.strata]

    def together(self, clusters: np.ndarray | None) -> np.ndarray:
        """`(n_strata, n_strata)`: of the means of a variable of variance 1, alike in a cluster."""
        if clusters is None:
            return np.diag(self.squares)
        from scipy.sparse import csr_array

        codes = clusters[self.rows]
        table = csr_array((self.weights, (codes, self.strata)), shape=(int(clusters.max()) + 1, len(self.n)))
        return (table.T @ table).toarray()


def phase_sample(rows, strata, n_strata, inclusion) -> PhaseSample:
    """The texts `rows`, weighted by how unlikely they were to be drawn (Hajek)."""
    within = strata[rows]
    weights = np.ones(len(rows)) if inclusion is None else 1.0 / inclusion[rows]
    totals = np.bincount(within, weights, n_strata)
    weights = weights / totals[within]
    return PhaseSample(
        rows,
        within,
        weights,
        np.bincount(within, minlength=n_strata),
        np.bincount(within, weights**2, n_strata),
    )


def cluster_freedom(strata: np.ndarray, clusters: np.ndarray) -> int:
    """How many differences between clusters are left once those between strata are taken out.

    It is 0 where no stratum has two clusters, and no cluster is in two strata.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    clusters, strata = (np.unique(codes, return_inverse=True)[1].reshape(-1) for codes in (clusters, strata))
    n_clusters, n_strata = int(clusters.max(initial=-1)) + 1, int(strata.max(initial=-1)) + 1
    size = n_strata + n_clusters
    graph = coo_array((np.ones(len(strata)), (strata, n_strata + clusters)), shape=(size, size))
    return n_clusters - connected_components(graph, directed=False)[0]


def intraclass(residuals: np.ndarray, strata: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """The intraclass correlation of residuals from means of strata, between 0 and 1, and its degrees of freedom.

    From an analysis of variance (Donner 1986). It is 1 where `cluster_freedom` is 0: then nothing can be said of it.
    """
    clusters = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(clusters).astype(float)
    n, n_clusters, freedom = len(residuals), len(sizes), cluster_freedom(strata, clusters)
    if freedom < 1:
        return 1.0, 1.0
    if n == n_clusters:
        return 0.0, float(freedom)
    means = np.bincount(clusters, residuals) / sizes
    between = float(sizes @ means**2) / freedom
    within = float(np.sum((residuals - means[clusters]) ** 2)) / (n - n_clusters)
    typical = (n - float(sizes @ sizes) / n) / max(n_clusters - 1, 1)
    total = between + (typical - 1) * within
    # Where all answers are alike but for rounding, they say nothing either.
    return (float(np.clip((between - within) / total, 0.0, 1.0)) if total > 1e-12 else 1.0), float(freedom)


class Spread(NamedTuple):
    """A variance within strata, `(n_strata,)`, with its degrees of freedom; the intraclass correlation with its own."""

    variance: np.ndarray
    freedom: np.ndarray
    correlation: float = 0.0
    correlation_freedom: float = 1.0

    def of_means(self, sample: PhaseSample, clusters: np.ndarray | None) -> np.ndarray:
        """`(2, n_strata, n_strata)`: the covariance of the means of independent texts, and what clusters add to it."""
        alone = np.diag(self.variance * sample.squares)
        if clusters is None or self.correlation == 0.0:
            return np.stack([alone, np.zeros_like(alone)])
        scale = np.sqrt(np.outer(self.variance, self.variance))
        return np.stack([alone, self.correlation * (scale * sample.together(clusters) - alone)])


def slope(sample: PhaseSample, layer: np.ndarray, answers: np.ndarray) -> float:
    """Of the answers on the layer within strata, between 0 and 1; 0 where the layer does not vary."""
    weights = sample.weights * sample.n[sample.strata]
    x, y = sample.centred(layer), sample.centred(answers)
    squares = float(weights @ x**2)
    return float(np.clip(weights @ (x * y) / squares, 0.0, 1.0)) if squares > 0 else 0.0


def spread_of_residuals(values: np.ndarray, sample: PhaseSample, clusters) -> Spread:
    """The variance of each stratum, shrunken to the mean variance.

    One degree of freedom is spent on the slope. Where nearly every stratum has a single answer, the corrections are
    taken for equal, and what differs for noise.
    """
    centred, freedom = sample.centred(values), np.maximum(sample.n - 1, 0)
    # As the weights are squared in the variance of a mean, so are they here.
    squares = np.bincount(sample.strata, sample.weights**2 * centred**2, len(sample.n))
    squares = squares / np.maximum(sample.squares, 1e-300) * sample.n
    total = int(freedom.sum()) - 1
    if total < LEAST_ANSWERS:
        total, centred = max(len(values) - 2, 1), values - values.mean()
        squares, freedom = np.zeros(len(sample.n)), np.zeros(len(sample.n), int)
        pooled = (float(centred @ centred) + _IMAGINED) / (total + _IMAGINED)
    else:
        pooled = (float(squares.sum()) + _IMAGINED) / (total + _IMAGINED)
    prior = min(PRIOR_ANSWERS, total)
    variance = (prior * pooled + squares) / (prior + freedom)
    correlation = (0.0, 1.0) if clusters is None else intraclass(centred, sample.strata, clusters[sample.rows])
    return Spread(variance, np.asarray(prior + freedom, float), *correlation)


def spread_of_answers(answers, last: PhaseSample, layer, sample: PhaseSample, clusters) -> Spread:
    """Of the answers themselves: as of a yes or no that is as often yes, or less for answers in between."""
    mean = last.means(answers)
    binary = float(last.n @ (mean * (1 - mean)))
    within = last.centred(answers)
    ratio = min(float(within @ within) / binary, 1.0) if binary > 0 else 1.0
    share = (mean * last.n + 2 * float(answers.mean())) / (last.n + 2)
    share = (share * (last.n + 2) + 1) / (last.n + 4)
    variance = ratio * share * (1 - share)
    freedom = np.full(len(last.n), float(len(answers)))
    if clusters is None:
        return Spread(variance, freedom)
    correlations = [intraclass(within, last.strata, clusters[last.rows])]
    if sample is not last:
        correlations.append(intraclass(sample.centred(layer[sample.rows]), sample.strata, clusters[sample.rows]))
    return Spread(variance, freedom, *max(correlations))


def variance_between(means: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """The variance of means between strata beyond their own (moments), and its degrees of freedom."""
    if len(means) < 2:
        return 0.0, 1.0
    return max(float(np.var(means, ddof=1) - variances.mean()), 0.0), len(means) - 1.0
