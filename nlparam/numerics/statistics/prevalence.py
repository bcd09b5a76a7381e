r"""Prevalence: for what share of a population a predicate holds, from a head's denotations and a few judgments.

The head denotes all $N$ texts ($f_i$, 1 where the predicate holds); the language model judged $n$ of them, drawn at
random ($y_i$). The share for which the language model would say yes is estimated by

$$\hat\theta = \lambda \frac1N \sum_{i=1}^N f_i + \frac1n \sum_{i \in S} (y_i - \lambda f_i),$$

the difference estimator of survey sampling, or prediction-powered inference (Angelopoulos et al., 2023). The second
term takes back what the head gets wrong. With $\lambda$ the regression of $y$ on $f$ it is never less precise than the
judged sample alone (PPI++, arXiv 2311.01453). Its variance, over the texts as a sample of a population and the judged
ones as a sample of the texts, is $\sigma_y^2 / N + (1/n - 1/N) \sigma_{y - \lambda f}^2$. With nothing judged the share
is the head's own ($y = f$, $n = N$).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from nlparam.numerics.statistics.correction import corrected_means
from nlparam.numerics.statistics.rates import newcombe, wilson

# Fewer judgments than this say too little to correct a head by.
LEAST_JUDGED = 10


class Prevalence(NamedTuple):
    """A `share`, its confidence interval from `low` to `high`, and its `standard_error`.

    `corrected` says whether it is the language model's, estimated from `n_judged` texts, or the head's own. It is
    people's if it was estimated from `n_labelled` texts. `n_clusters` is how many clusters the texts come in, 0 where
    each stands for itself.
    """

    share: float
    low: float
    high: float
    standard_error: float
    corrected: bool
    n_judged: int
    n_clusters: int = 0
    n_labelled: int = 0

    @property
    def target(self) -> str:
        """Whose share it is: "people", "judge" (the language model) or "head"."""
        return "people" if self.n_labelled else "judge" if self.corrected else "head"

    @property
    def freedom(self) -> float:
        """The degrees of freedom of the standard error."""
        return max(self.n_clusters - 1.0, 1.0) if self.n_clusters else math.inf


class Drift(NamedTuple):
    """The `difference` of two prevalences (later minus earlier), its interval, and a two-sided `p_value`."""

    difference: float
    low: float
    high: float
    p_value: float


def prevalence(
    denoted: Bool[np.ndarray, " n_texts"],
    judged: Int[np.ndarray, " n_judged"] | None = None,
    answers: Bool[np.ndarray, " n_judged"] | None = None,
    *,
    people: Float[np.ndarray, " n_texts"] | None = None,
    clusters: Int[np.ndarray, " n_texts"] | None = None,
    confidence: float = 0.95,
) -> Prevalence:
    """The share of texts for which a predicate holds.

    The interval is Wilson's, with the number of texts that would give the variance above. Two imagined texts, of which
    the language model alone says yes to one and the head alone to the other, enter the variance (without the head they
    are the imagined 0 and 1 of Agresti and Caffo, 2000): a head that agrees in all of 30 judgments is not thereby known
    perfect.

    With clusters the variance is so many times larger as that of sums over clusters is than that of texts one by one
    (at least as large), and the number of texts is corrected for the few degrees of freedom (Korn and Graubard, 1998).
    One cluster says nothing: the interval is [0, 1].

    **Arguments:** `denoted`, for which texts the head says it holds; `judged`, indices of a random sample of them, and
    `answers`, whether the language model says it holds for these. With fewer than `LEAST_JUDGED` of them (and not all
    judged) the share is the head's own. `people`, 1 where people say that it holds, 0 where not and `nan` where nobody
    said; with `LEAST_JUDGED` of them the share is as people see it (`nlparam.numerics.statistics.correction`, three
    layers). `clusters`, whole numbers that are equal for texts that belong together, such
    as those of one thread.

    Raises `ValueError` if there are no texts.
    """
    f = np.asarray(denoted, dtype=np.float64)
    if len(f) == 0:
        raise ValueError("got no texts, expected at least one")
    n_judged = 0 if judged is None else len(judged)
    if people is not None and np.isfinite(people).sum() >= LEAST_JUDGED:
        return _as_people_see_it(f, judged, answers, people, clusters, confidence)
    corrected = judged is not None and answers is not None and n_judged >= min(LEAST_JUDGED, len(f))
    if corrected:
        y = np.asarray(answers, dtype=np.float64)
        share, variance, power = _difference_estimate(f, f[judged], y)
        influence = power * (f - f.mean()) / len(f)
        remainder = y - power * f[judged]
        influence[judged] += (remainder - remainder.mean()) / n_judged
    else:
        share, variance = float(f.mean()), _spread(np.append(f, [0.0, 1.0])) / (len(f) + 2)
        influence = (f - share) / len(f)
    # As the variance has the imagined texts, the share that it is compared with has them too.
    n_used = n_judged if corrected else len(f)
    shrunk = (share * n_used + 1) / (n_used + 2)
    if clusters is None:
        interval = wilson(share, shrunk * (1 - shrunk) / variance, confidence)
        return Prevalence(share, *interval, variance**0.5, corrected, n_judged)
    n_clusters = len(np.unique(clusters))
    if n_clusters == 1:
        return Prevalence(share, 0.0, 1.0, 1.0, corrected, n_judged, 1)
    variance *= _design_effect(influence, clusters)
    found = Prevalence(share, 0.0, 1.0, variance**0.5, corrected, n_judged, n_clusters)
    quantiles = scipy.stats.norm.ppf(0.5 + confidence / 2) / scipy.stats.t.ppf(0.5 + confidence / 2, found.freedom)
    low, high = wilson(share, shrunk * (1 - shrunk) / variance * float(quantiles) ** 2, confidence)
    return found._replace(low=low, high=high)


def _as_people_see_it(f, judged, answers, people, clusters, confidence) -> Prevalence:
    layers, n_judged = [f, people], 0 if judged is None else len(judged)
    if n_judged >= LEAST_JUDGED:
        said = np.full(len(f), np.nan)
        said[judged] = answers
        layers.insert(1, said)
    found = corrected_means([layer[:, None] for layer in layers], clusters=clusters, confidence=confidence)
    share, error, low, high, n_labelled = (float(part[0]) for part in found[:5])
    n_clusters = 0 if clusters is None else len(np.unique(clusters[np.isfinite(people)]))
    return Prevalence(share, low, high, error, True, n_judged, n_clusters, int(n_labelled))


def _difference_estimate(f: np.ndarray, f_judged: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The share, its variance, and the weight of the head."""
    n_texts, n = len(f), len(y)
    imagined_y, imagined_f = np.append(y, [1.0, 0.0]), np.append(f_judged, [0.0, 1.0])
    variance_f = _spread(imagined_f)
    covariance = float(np.mean((imagined_y - imagined_y.mean()) * (imagined_f - imagined_f.mean())))
    power = float(np.clip(covariance / variance_f, 0.0, 1.0))
    share = float(np.clip(power * f.mean() + np.mean(y - power * f_judged), 0.0, 1.0))
    remaining = _spread(imagined_y - power * imagined_f)
    # All judged: only the population is uncertain.
    variance = _spread(imagined_y) / (n_texts + 2) + max(1 / (n + 2) - 1 / (n_texts + 2), 0.0) * remaining
    return share, variance, power


def _design_effect(influence: np.ndarray, clusters: np.ndarray) -> float:
    """How many times larger clusters make the variance of a sum, at least 1.

    Where the summands say nothing (all alike), each cluster counts as one text.
    """
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(codes)
    alone = float(np.sum(influence**2))
    if alone == 0.0:
        return len(influence) / len(sizes)
    together = len(sizes) / (len(sizes) - 1) * float(np.sum(np.bincount(codes, weights=influence) ** 2))
    return max(together / alone, 1.0)


def _spread(values: np.ndarray) -> float:
    return float(np.var(values))


def drift(before: Prevalence, after: Prevalence) -> Drift:
    """How a prevalence changed between two samples, with Newcombe's interval (1998, method 10).

    Where a share is the head's own the p-value is 1: that a head says yes more often is no change of the texts. The
    test is that of Welch and Satterthwaite. The samples are taken as independent; where clusters go on from one to
    the other, interval and p-value are too large rather than too small.
    """
    difference, low, high = newcombe(after[:3], before[:3])
    if not (before.corrected and after.corrected):
        return Drift(difference, low, high, 1.0)
    variances = np.square([before.standard_error, after.standard_error])
    freedom = variances.sum() ** 2 / max(float(variances**2 @ [1 / before.freedom, 1 / after.freedom]), 1e-300)
    p_value = float(2 * scipy.stats.t.sf(abs(difference) / math.sqrt(variances.sum()), freedom))
    return Drift(difference, low, high, min(p_value, 1.0))


def random_sample(n_texts: int, n_judged: int | None, *, seed: int) -> Int[np.ndarray, " n_judged"]:
    """Texts to judge, drawn without replacement: indices in ascending order; all of them for `None`.

    Under the same seed a larger sample of the same texts holds the smaller one, so that what was judged is of use.
    """
    order = np.random.default_rng([seed, n_texts]).permutation(n_texts)
    return np.sort(order[: n_texts if n_judged is None else n_judged])


def holding(path_denotations: Sequence[np.ndarray], threshold: float = 0.5) -> Bool[np.ndarray, " n_texts"]:
    """Where every predicate of a path holds; `nan` does not."""
    return np.logical_and.reduce([np.asarray(column) >= threshold for column in path_denotations])
