r"""Corrected shares: what the better answers to a few texts say about the worse answers to all of them.

The answers to a predicate come in layers, from the cheapest to the one that is wanted: the head's for all texts, the
judge's for some of them, those of people for some of these. With $D_\ell$ the answers of layer $\ell$, and $S_\ell$ the
texts whose best answer is of that layer, a share is estimated by

$$\hat\theta = \sum_\ell \frac{1}{|S_\ell|}
\sum_{i \in S_\ell} (\lambda_\ell D_{\ell i} - \lambda_{\ell-1} D_{\ell-1,i}),
\qquad \lambda_{\mathrm{best}} = 1, \quad \lambda_{-1} = 0,$$

which is right on average whatever the weights $\lambda$ in [0, 1]. They are those of least variance: with two layers
this is the PPI++ estimator (arXiv 2311.01453), with three its repetition. Where texts had unequal chances of an answer,
layer $\ell$ is averaged over all texts that have it, each weighted by the inverse of its chance (Hajek). The share is
that of the population from which the texts were drawn.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.rates import wilson

# How many imagined answers of 1, and as many of 0, enter the variance of a share.
PRIOR = 0.5
# A level of fewer texts has no variance.
_LEAST = 2


class Corrected(NamedTuple):
    """Corrected shares with their intervals, each `(n_predicates,)` and finite.

    `n_answers` of the best layer are used. `weight` is that of the layer below: how much it counts, 0 to 1. Where an
    interval is [0, 1], the answers say nothing; `standard_error` is then 0.5, the most that a share can have.
    """

    value: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_answers: np.ndarray
    weight: np.ndarray


class Levels(NamedTuple):
    """Which layers are used for which texts.

    `layers`, the numbers of the layers that are used, the best last; `held`, `(n_levels, n_texts)`, whether a text has
    the answers of this level and of all below; `shares`, of the same shape, the share of each text in the mean of the
    level, rows adding up to 1; `disjoint`, whether each text counts in one level only.
    """

    layers: list[int]
    held: np.ndarray
    shares: np.ndarray
    disjoint: bool

    @property
    def n_answers(self) -> int:
        return int(self.held[-1].sum())


def corrected_means(
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]] | Float[np.ndarray, "n_layers n_texts n_predicates"],
    *,
    inclusion: Sequence[np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
    confidence: float = 0.9,
    prior: float = PRIOR,
) -> Corrected:
    """The share of texts for which each predicate holds, as the best layer would say.

    **Arguments:** `layers`, answers in [0, 1] from the cheapest layer to the one that is wanted, `nan` where a text has
    none; each layer is known for a random part of the texts that have the one below. `inclusion`, for each layer after
    the first the probability with which each text was to get its answer, `(n_texts,)`, in (0, 1]; equal chances
    without. `clusters`, `(n_texts,)` values: texts of equal value belong together. `prior`, how many imagined answers
    of 1 and of 0 enter the variance: a layer that agrees in 30 texts is not thereby known to be perfect.

    The interval is Wilson's for the number of texts that would give the variance, with the quantile of Student. With
    `prior=0` it is the published one of PPI++, symmetric and normal, and may leave [0, 1]. Clusters give the
    cluster-robust variance of the jackknife (CR3), and degrees of freedom by the number of clusters with answers. With
    fewer than two answers or clusters the interval is [0, 1].

    Raises `ValueError` for shapes that do not fit, answers or probabilities outside of their range, and a predicate
    without any answer.
    """
    stack = checked_answers(layers)
    chances, codes = checked_design(stack.shape, inclusion, clusters)
    check_fractions(confidence=confidence)
    if not (np.isfinite(prior) and prior >= 0):
        raise ValueError(f"got prior={prior}, expected a number of answers, at least 0")
    columns = [_share(stack[:, :, k], chances, codes, confidence, prior) for k in range(stack.shape[2])]
    value, error, low, high, n_answers, weight = np.asarray(columns, np.float64).reshape(-1, 6).T
    return Corrected(value, error, low, high, n_answers.astype(int), weight)


def _share(answers, chances, codes, confidence, prior) -> tuple[float, float, float, float, int, float]:
    levels = level(np.isfinite(answers), chances)
    values = [answers[number][:, None] for number in levels.layers]
    if levels.n_answers == 0:
        best = [layer for layer in answers if np.isfinite(layer).any()]
        if not best:
            raise ValueError("got a predicate without any answer, expected at least one: judge some texts")
        return float(np.nanmean(best[-1])), 0.5, 0.0, 1.0, 0, 0.0
    weights = tuned_weights(values, levels)
    total, influence = influences(values, levels, weights)
    value, weight = float(np.clip(total[0], 0.0, 1.0)), float(weights[-2, 0]) if len(weights) > 1 else 0.0
    clustered = clustered_sums(influence, levels, codes)
    if levels.n_answers < _LEAST or clustered is None:
        return value, 0.5, 0.0, 1.0, levels.n_answers, weight
    sums, freedom = clustered
    variance = float(np.sum(sums**2))
    if prior == 0:
        half = float(ndtri((1 + confidence) / 2)) * variance**0.5
        return float(total[0]), variance**0.5, total[0] - half, total[0] + half, levels.n_answers, weight
    parts, added, freedoms = _imagined(values, levels, weights[:, 0], prior)
    variance += max(added, 0.0)
    if codes is None:
        freedom = parts.sum() ** 2 / np.sum(parts**2 / freedoms)
    quantile = float(stdtrit(freedom, (1 + confidence) / 2))
    low, high = _wilson(value, variance, levels.n_answers, prior, quantile)
    return value, min(variance**0.5, 0.5), low, high, levels.n_answers, weight


def _imagined(values, levels: Levels, weights: np.ndarray, prior: float) -> tuple[np.ndarray, float, np.ndarray]:
    """The variance of each level with the imagined answers, what they add in all, and degrees of freedom.

    Imagined are texts of which one layer alone says yes: to half of them the better layer, to half the worse one.
    """
    below = np.concatenate([[0.0], weights[:-1]])
    parts, added, freedoms = [], 0.0, []
    for number, share in enumerate(levels.shares):
        of_level = share > 0
        d = weights[number] * values[number][of_level, 0]
        if number:
            d = d - below[number] * values[number - 1][of_level, 0]
        share = share[of_level]
        mean = share @ d
        spread, n = share @ (d - mean) ** 2, 1 / (share @ share)
        n_with = n + 2 * prior
        first = n * mean + prior * (weights[number] - below[number])
        second = n * (spread + mean**2) + prior * (weights[number] ** 2 + below[number] ** 2)
        # One more degree is spent on the weight of the layer below.
        freedom = max(n_with - 1 - (number > 0), prior)
        part = max(second - first**2 / n_with, 0.0) / (freedom * n_with)
        parts.append(part)
        added += part - spread / n
        freedoms.append(freedom)
    return np.asarray(parts), added, np.asarray(freedoms)


def _wilson(value: float, variance: float, n_answers: int, prior: float, quantile: float) -> tuple[float, float]:
    # As the variance has the imagined answers, the share that it is compared with has them too.
    shrunk = (value * n_answers + prior) / (n_answers + 2 * prior)
    return wilson(value, shrunk * (1 - shrunk) / max(variance, 1e-300), quantile=quantile)


def level(known: np.ndarray, inclusion: Sequence[np.ndarray] | None = None) -> Levels:
    """Arranges texts in levels by the layers they have, `(n_layers, n_texts)` booleans.

    A text counts up to the first layer it lacks. A layer that fewer than two texts have as their best says nothing and
    is left out; so is the one below the best, where the best is seldom known along with it.
    """
    layers = list(range(len(known)))
    while True:
        held = np.logical_and.accumulate(known[layers], axis=0)
        counts = held.sum(axis=1)
        if len(layers) == 1:
            break
        if counts[-1] < _LEAST and known[layers[-1]].sum() > counts[-1]:
            del layers[-2]
            continue
        thin = np.flatnonzero(counts[:-1] - counts[1:] < _LEAST)
        if len(thin) == 0:
            break
        del layers[thin[0]]
    if inclusion is None:
        shares = held & ~np.concatenate([held[1:], np.zeros_like(held[:1])])
        shares = shares.astype(np.float64)
    else:
        chances = [np.ones(known.shape[1]), *inclusion]
        shares = np.stack([held[row] / chances[layer] for row, layer in enumerate(layers)])
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return Levels(layers, held, shares, inclusion is None)


def tuned_weights(values: Sequence[np.ndarray], levels: Levels) -> Float[np.ndarray, "n_levels n_columns"]:
    """The weights of least variance of each level for each column, in [0, 1]; that of the best level is 1.

    **Arguments:** `values`, for each level the `(n_texts, n_columns)` numbers whose mean is sought, of any value where
    a text is not of the level or a higher one.
    """
    n, n_columns = len(values), values[0].shape[1]
    gram = np.zeros((n_columns, n, n))
    if levels.disjoint:
        sizes = levels.shares.astype(bool).sum(axis=1)
        for row, (value, held) in enumerate(zip(values, levels.held, strict=True)):
            if row < n - 1:
                above = values[row + 1][levels.held[row + 1]]
                here = value[levels.held[row + 1]]
                gram[:, row, row] = (1 / sizes[row] + 1 / sizes[row + 1]) * value[held].var(axis=0, ddof=1)
                covariance = np.mean((above - above.mean(axis=0)) * (here - here.mean(axis=0)), axis=0)
                gram[:, row, row + 1] = gram[:, row + 1, row] = -covariance / sizes[row + 1]
    else:
        parts = np.stack([_parts(values, levels, row) for row in range(n)], axis=2)
        gram = np.einsum("ikl,ikm->klm", parts, parts)
    weights = np.ones((n, n_columns))
    for column in range(n_columns):
        # Where a layer does not vary, its weight does not matter and the least one is 0.
        solved = np.linalg.lstsq(gram[column, :-1, :-1], -gram[column, :-1, -1], rcond=1e-9)[0] if n > 1 else []
        weights[:-1, column] = np.clip(solved, 0.0, 1.0)
    return weights


def influences(
    values: Sequence[np.ndarray], levels: Levels, weights: np.ndarray
) -> tuple[Float[np.ndarray, " n_columns"], Float[np.ndarray, "n_texts n_columns"]]:
    """The corrected means, and what each text adds to their errors: the variance is the sum of its squares."""
    total = np.zeros(values[0].shape[1])
    for row, value in enumerate(values):
        total = total + weights[row] * _mean(value, levels.shares[row])
        if row + 1 < len(values):
            total = total - weights[row] * _mean(value, levels.shares[row + 1])
    return total, sum((weights[row] * _parts(values, levels, row) for row in range(len(values))), np.zeros(1))


def _parts(values, levels: Levels, row: int) -> np.ndarray:
    """What each text adds to the error of the terms with the values of one level, before their weight."""
    value = values[row]
    parts = _centred(value, levels.shares[row])
    return parts - _centred(value, levels.shares[row + 1]) if row + 1 < len(values) else parts


def _mean(value: np.ndarray, share: np.ndarray) -> np.ndarray:
    return share[share > 0] @ value[share > 0]


def _centred(value: np.ndarray, share: np.ndarray) -> np.ndarray:
    centred = np.zeros(value.shape)
    centred[share > 0] = share[share > 0, None] * (value[share > 0] - _mean(value, share))
    return centred


def clustered_sums(influence: np.ndarray, levels: Levels, codes: np.ndarray | None) -> tuple[np.ndarray, float] | None:
    r"""Sums of influences over clusters, scaled such that the sum of their squares is the variance, and its degrees of
    freedom. The influences as they are without clusters; `None` where fewer than two clusters have answers.

    A cluster with the share $s$ of the answers has drawn the estimate towards itself: its sum is divided by $1 - s$, as
    the jackknife does (CR3). Clusters of unequal size count as $1 / \sum s^2$ equal ones.
    """
    if codes is None:
        return influence, float(levels.n_answers - 1)
    shares = np.bincount(codes, weights=levels.shares[-1])
    if np.count_nonzero(shares) < _LEAST:
        return None
    sums = np.stack([np.bincount(codes, weights=column) for column in influence.T], axis=1)
    return sums / (1 - shares[:, None]), max(1 / float(shares @ shares) - 1, 1.0)


def checked_layers(layers: Sequence[np.ndarray] | np.ndarray) -> Float[np.ndarray, "n_layers n_texts n_predicates"]:
    """The layers as one array. Raises `ValueError` if they are none, or do not have one shape."""
    arrays = [np.asarray(layer, dtype=np.float64) for layer in layers]
    shapes = [array.shape for array in arrays]
    if not arrays or len(set(shapes)) > 1 or arrays[0].ndim != 2 or len(arrays[0]) == 0:
        raise ValueError(f"got layers of shapes {shapes}, expected one or more of one shape (n_texts, n_predicates)")
    stack = np.stack(arrays)
    if np.isinf(stack).any():
        raise ValueError("got infinite answers, expected numbers, and nan where there is none")
    return stack


def checked_answers(layers: Sequence[np.ndarray] | np.ndarray) -> Float[np.ndarray, "n_layers n_texts n_predicates"]:
    """The layers as one array. Raises `ValueError` as `checked_layers` does, and for answers outside of [0, 1]."""
    stack = checked_layers(layers)
    if np.nanmin(stack, initial=0.0) < 0 or np.nanmax(stack, initial=0.0) > 1:
        raise ValueError(f"got answers from {np.nanmin(stack)} to {np.nanmax(stack)}, expected between 0 and 1")
    return stack


def checked_design(
    shape: tuple[int, ...], inclusion: Sequence[np.ndarray] | None, clusters: np.ndarray | None
) -> tuple[list[np.ndarray] | None, np.ndarray | None]:
    """Inclusion probabilities, and numbers of the clusters. Raises `ValueError` if they do not fit the layers."""
    n_layers, n_texts, _ = shape
    chances = None if inclusion is None else [np.asarray(chance, dtype=np.float64) for chance in inclusion]
    if chances is not None:
        if len(chances) != n_layers - 1 or any(chance.shape != (n_texts,) for chance in chances):
            got = [chance.shape for chance in chances]
            raise ValueError(f"got inclusion of shapes {got}, expected {n_layers - 1} of shape ({n_texts},)")
        if not all(((chance > 0) & (chance <= 1)).all() for chance in chances):
            raise ValueError("got inclusion probabilities that are 0, above 1 or nan, expected them in (0, 1]")
    return chances, None if clusters is None else numbered_clusters(clusters, n_texts)


def numbered_clusters(clusters: np.ndarray, n_texts: int) -> Int[np.ndarray, " n_texts"]:
    """Clusters as whole numbers from 0. Raises `ValueError` for another number of values than texts."""
    if np.shape(clusters) != (n_texts,):
        raise ValueError(f"got clusters of shape {np.shape(clusters)}, expected one value per text, ({n_texts},)")
    return np.unique(clusters, return_inverse=True)[1].reshape(-1)
