"""The algorithms of `benchmarks.optimizer` written plainly in NumPy, SciPy and PyTorch: what nlparam must not be slower
than. Each returns what it reached, so that like is compared with like.
"""

import numpy as np
import scipy.linalg
import scipy.optimize

from benchmarks.commands import kmeans


def cluster_directions(embeddings: np.ndarray, n_predicates: int, *, temperature: float, seed: int, tolerance: float):
    """L-BFGS on the directions of a relaxed clustering, from k-means++ seeds moved by three steps of k-means."""
    n_texts = len(embeddings)
    centres = _seeded(embeddings, n_predicates, seed)

    def loss(flat):
        raw = flat.reshape(centres.shape).astype(np.float32)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        unit = raw / lengths
        scores = embeddings @ unit.T / temperature
        largest = scores.max(axis=0)
        exponentials = np.exp(scores - largest)
        sums = exponentials.sum(axis=0)
        density = np.concatenate([scores - largest - np.log(sums), np.full((n_texts, 1), -np.log(n_texts))], axis=1)
        choice = density.argmax(axis=1)
        value = -density[np.arange(n_texts), choice].mean()
        members = np.eye(n_predicates + 1, dtype=np.float32)[choice][:, :-1]
        slope = exponentials / sums * members.sum(axis=0) - members
        gradient = slope.T @ embeddings / (temperature * n_texts)
        gradient = (gradient - unit * (gradient * unit).sum(axis=1, keepdims=True)) / lengths
        return float(value), gradient.ravel().astype(np.float64)

    return _lbfgs(loss, centres.ravel(), tolerance).fun


def series_directions(embeddings: np.ndarray, n_predicates: int, *, smoothness: float, seed: int, target: float):
    """Joint L-BFGS on directions and whitened weights of a time series, gradients by PyTorch, until `target`."""
    import torch

    n_texts, embed_dim = embeddings.shape
    centres = _seeded(embeddings, n_predicates, seed)
    coupling = 2 * smoothness / ((n_texts - 1) * n_predicates)
    on_torch = torch.from_numpy(embeddings)
    held = float(np.var(embeddings @ centres.T, axis=0).mean()) / n_texts
    bands = np.full((2, n_texts), -coupling)
    bands[1] = held + 2 * coupling
    bands[1, [0, -1]] = held + coupling
    factor = scipy.linalg.cholesky_banded(bands)
    size = n_predicates * embed_dim

    def loss(flat):
        directions = torch.tensor(flat[:size].reshape(n_predicates, embed_dim), dtype=torch.float32, requires_grad=True)
        whitened = flat[size:].reshape(n_texts, n_predicates)
        weights = torch.tensor(
            scipy.linalg.solve_banded((0, 1), factor, whitened), dtype=torch.float32, requires_grad=True
        )
        denotations = on_torch @ (directions / directions.norm(dim=1, keepdim=True)).T
        fit = torch.logsumexp(weights @ denotations.T, 1).mean() - (weights * denotations).sum() / n_texts
        value = fit + coupling / 2 * (weights[1:] - weights[:-1]).square().sum()
        value.backward()
        assert directions.grad is not None
        assert weights.grad is not None
        lower = np.stack([factor[1], np.append(factor[0, 1:], 0.0)])
        back = scipy.linalg.solve_banded((1, 0), lower, weights.grad.numpy().astype(np.float64))
        return float(value.detach()), np.concatenate([directions.grad.numpy().ravel(), back.ravel()])

    return _lbfgs(loss, np.concatenate([centres.ravel(), np.zeros(n_texts * n_predicates)]), 0.0, target).fun


def series_weights(denotations: np.ndarray, *, smoothness: float, start: np.ndarray | None = None) -> tuple:
    """Newton's method with a banded Cholesky factor, for binary denotations with one text per step.

    **Returns:** the weights, the loss, and the norm of the gradient.
    """
    n_texts, n_predicates = denotations.shape
    coupling = 2 * smoothness / ((n_texts - 1) * n_predicates)
    patterns, counts = np.unique(denotations, axis=0, return_counts=True)
    log_counts = np.log(counts)
    products = (patterns[:, :, None] * patterns[:, None, :]).reshape(len(patterns), -1)
    weights = np.zeros_like(denotations) if start is None else start.copy()
    gradient = np.full_like(weights, np.inf)

    def evaluate(weights):
        scores = weights @ patterns.T + log_counts
        largest = scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores - largest)
        sums = exponentials.sum(axis=1, keepdims=True)
        drift = np.diff(weights, axis=0)
        value = np.mean(np.log(sums[:, 0]) + largest[:, 0] - (weights * denotations).sum(axis=1))
        return value + coupling / 2 * (drift**2).sum(), exponentials / sums, drift

    value, probabilities, drift = evaluate(weights)
    for _ in range(50):
        mean = probabilities @ patterns
        gradient = (mean - denotations) / n_texts
        gradient[:-1] -= coupling * drift
        gradient[1:] += coupling * drift
        if np.linalg.norm(gradient) < 1e-8:
            break
        second = (probabilities @ products).reshape(n_texts, n_predicates, n_predicates)
        covariance = (second - mean[:, :, None] * mean[:, None, :]) / n_texts
        ties = np.full(n_texts, 2 * coupling)
        ties[[0, -1]] = coupling
        bands = np.zeros((n_predicates + 1, n_texts * n_predicates))
        for i in range(n_predicates):
            bands[0, i::n_predicates] = covariance[:, i, i] + ties + 1e-12
            for j in range(i):
                bands[i - j, j::n_predicates] = covariance[:, i, j]
        bands[n_predicates, : n_predicates * (n_texts - 1)] = -coupling
        move = scipy.linalg.solveh_banded(bands, gradient.ravel(), lower=True).reshape(weights.shape)
        length = 1.0
        while True:
            candidate, new_probabilities, new_drift = evaluate(weights - length * move)
            if candidate <= value or length < 1e-6:
                break
            length /= 2
        weights, value, probabilities, drift = weights - length * move, candidate, new_probabilities, new_drift
    return weights, value, float(np.linalg.norm(gradient))


def _seeded(embeddings: np.ndarray, n_predicates: int, seed: int) -> np.ndarray:
    """Unit vectors: three steps of k-means from k-means++ seeds."""
    centres = kmeans(embeddings, n_predicates, seed=seed, n_init=1, max_iter=3).cluster_centers_
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


def _lbfgs(loss, start, tolerance, target=-np.inf):
    def stop(intermediate_result):
        if intermediate_result.fun <= target:
            raise StopIteration

    options = {"maxiter": 200, "ftol": tolerance, "gtol": 0.0}
    given = {"jac": True, "method": "L-BFGS-B", "callback": stop, "options": options}
    return scipy.optimize.minimize(loss, start.astype(np.float64), **given)
