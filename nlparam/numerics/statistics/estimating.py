r"""Corrected weights: what a model's weights would be if every text had the better answers that only some have.

The weights $\theta$ of a model whose loss is a mean over texts solve $\frac1N \sum_i m(\theta; D_i, y_i) = 0$, with
$m$ the gradient of the loss of one text. With answers in layers (see `correction`) every component of $m$ is a mean to
be corrected like a share:

$$\sum_\ell \frac{1}{|S_\ell|} \sum_{i \in S_\ell} \left(\Lambda_\ell\, H^{-1} m(\theta; D_{\ell i}, y_i)
- \Lambda_{\ell-1} H^{-1} m(\theta; D_{\ell-1,i}, y_i)\right) + H^{-1} \nabla r(\theta) = 0,$$

with $r$ what in the loss does not depend on the texts (the ridge), $H$ the Hessian, and diagonal $\Lambda$ with entries
in [0, 1] that give each weight the least variance (PPI++, arXiv 2311.01453; $\Lambda = 1$ is DSL, arXiv 2306.04746).
The covariance is the sandwich of the influences of the texts, HC1 or with clusters CR3, and what imagined answers add.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from nlparam.numerics.core._types import Data, Weights
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.statistics.correction import (
    PRIOR,
    Levels,
    checked_design,
    checked_layers,
    clustered_sums,
    influences,
    level,
    tuned_weights,
)
from nlparam.numerics.statistics.text_losses import text_losses

# The variance of a weight of which the answers say nothing.
UNSAID = 1e12
_ANSWERS_PER_WEIGHT = 2
# A weight that rests on fewer texts than this has no error that could be estimated.
_TEXTS_PER_WEIGHT = 3
_MOST_STEPS = 50
# Directions less curved than this, relative to the most curved one, change nothing: such as the same number added to
# the intercepts of all classes.
_FLAT = 1e-10
# Relative to its greatest eigenvalue, what a least one is by rounding alone: such a matrix is singular.
_ROUNDING = 1e-14


class Estimated(NamedTuple):
    """Corrected weights: `value` and `weight`, `(n_weights,)`, `covariance`, `(n_weights, n_weights)`, all finite.

    `freedom` are the degrees of freedom for Student's t. `weight` says how much the layer below the best one counts for
    each, 0 to 1. Where `determined`, `(n_weights,)`, is false, nothing can be said of a weight from these answers: its
    variance is `UNSAID`, and `reason` says why; it is empty otherwise.
    """

    value: np.ndarray
    covariance: np.ndarray
    freedom: float
    n_answers: int
    weight: np.ndarray
    determined: np.ndarray
    reason: str


def model_weights(
    model: AbstractPredicateModel,
    weights: Weights,
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]],
    data: Data = None,
    *,
    inclusion: Sequence[np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
) -> Estimated:
    """The corrected weights of a model, in the order of `ravel_pytree(weights)`.

    **Arguments:** `weights`, where the search begins: the fitted ones; `data`, as the model's `prepare` gives them, for
    all texts; the rest as for `corrected_weights`.

    Raises `ModelError` if the loss is not a mean over texts, each by itself, plus what does not depend on the texts.
    """
    stack = checked_layers(layers)
    with jax.enable_x64(True):
        whole = np.where(np.isfinite(stack[0]), stack[0], 0.0)
        losses, penalty, start = text_losses(model, weights, whole, data)
        return corrected_weights(losses, list(stack), start, penalty=penalty, inclusion=inclusion, clusters=clusters)


def corrected_weights(
    losses: Callable[[Array, Array, Array], Array],
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]],
    start: Array | np.ndarray,
    *,
    penalty: Callable[[Array], Array] | None = None,
    inclusion: Sequence[np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
) -> Estimated:
    """The weights of any loss that is a mean over texts.

    **Arguments:** `losses(theta, denotations, rows)`, in JAX, gives the loss of each text, `(n_rows,)`, from
    `(n_weights,)` weights, `(n_rows, n_predicates)` denotations and the numbers of the texts; `layers`, `inclusion` and
    `clusters` as for `corrected_means`, where a text has the answers of a layer if it has those to all predicates;
    `start`, `(n_weights,)`; `penalty`, what the loss has beside the mean over texts.

    Where the corrected equations cannot be solved the best layer alone is used (`weight` is 0).

    Raises `ValueError` for shapes and probabilities that do not fit, and where no text has answers to all predicates.
    """
    stack = checked_layers(layers)
    chances, codes = checked_design(stack.shape, inclusion, clusters)
    levels = level(np.asarray(np.isfinite(stack).all(axis=2)), chances)
    if not levels.held[0].any():
        raise ValueError("got no text with answers to all predicates, expected at least one: judge some texts")
    with jax.enable_x64(True):
        problem = _Problem(losses, penalty or _nothing, [stack[number] for number in levels.layers], levels)
        return _solve(problem, np.asarray(start, np.float64), codes)


def _nothing(theta):
    return 0.0 * theta[0]


class _Problem(NamedTuple):
    """The corrected equations: losses, penalty, the layers that are used, and which texts count in which."""

    losses: Callable
    penalty: Callable
    layers: list[np.ndarray]
    levels: Levels

    def texts(self, number: int) -> tuple[np.ndarray, int]:
        """The texts of a level, and how many they are: the first is repeated, so that few functions are compiled."""
        texts = np.flatnonzero(self.levels.held[number])
        n = len(texts)
        return np.concatenate([texts, np.full(-n % _PADDED, texts[0])]), n

    def slope(self, number: int, theta: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The weighted sum of the losses with the answers of one level, its gradient and its Hessian."""
        texts, n = self.texts(number)
        weights = np.where(np.arange(len(texts)) < n, shares[texts], 0.0)
        parts = _slope(self.losses, theta, self.layers[number][texts], texts, weights)
        return float(parts[0]), np.asarray(parts[1]), np.asarray(parts[2])

    def rest(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The same of the penalty."""
        parts = _rest(self.penalty, theta)
        return float(parts[0]), np.asarray(parts[1]), np.asarray(parts[2])

    def differences(self) -> list[np.ndarray]:
        """For each level the shares of the texts in its mean, minus those in what takes it back a level higher."""
        shares = self.levels.shares
        return [*(shares[:-1] - shares[1:]), shares[-1]]

    def gradients(self, number: int, theta: np.ndarray) -> Float[np.ndarray, "n_texts n_weights"]:
        """The gradient of each text of a level; 0 for other texts."""
        texts, n = self.texts(number)
        found = np.zeros((self.levels.held.shape[1], len(theta)))
        found[texts[:n]] = _gradients(self.losses, theta, self.layers[number][texts], texts)[:n]
        return found


# So many texts say what imagined ones would do.
_ENOUGH = 4096
_PADDED = 64
# Of a Hessian as many columns are computed at once as keep intermediate arrays small.
_AT_ONCE = 1 << 18


@eqx.filter_jit
def _slope(losses, theta, denotations, rows, shares):
    def total(point):
        return shares @ losses(point, denotations, rows)

    return _derivatives(total, theta, max(_AT_ONCE // max(len(rows), 1), 1))


@eqx.filter_jit
def _rest(penalty, theta):
    return _derivatives(penalty, theta, 1)


def _derivatives(function, theta, at_once):
    gradient = jax.grad(function)
    columns = jax.lax.map(
        lambda direction: jax.jvp(gradient, (theta,), (direction,))[1],
        jnp.eye(len(theta)),
        batch_size=min(at_once, len(theta)),
    )
    return function(theta), gradient(theta), columns


@eqx.filter_jit
def _gradients(losses, theta, denotations, rows):
    def one(parts):
        denotation, row = parts
        return jax.grad(lambda point: losses(point, denotation[None], row[None])[0])(theta)

    return jax.lax.map(one, (denotations, rows), batch_size=4096)


def _solve(problem: _Problem, start: np.ndarray, codes: np.ndarray | None) -> Estimated:
    levels, n_answers = problem.levels, problem.levels.n_answers
    basis = _identified(problem, start)
    if n_answers < _ANSWERS_PER_WEIGHT * basis.shape[1]:
        return _unsaid(start, n_answers, f"{n_answers} answers are too few for {basis.shape[1]} weights")
    theta = _minimise(problem, 0, start, basis)
    solved = None if theta is None else _corrected(problem, theta, basis)
    if solved is None:
        alone = _Problem(problem.losses, problem.penalty, problem.layers[-1:], level(levels.held[-1:]))
        if not levels.disjoint:
            alone = alone._replace(levels=Levels([0], levels.held[-1:], levels.shares[-1:], False))
        problem, theta = alone, _minimise(alone, 0, start, basis)
        solved = None if theta is None else _corrected(problem, theta, basis)
    if solved is None:
        return _unsaid(start, n_answers, f"no weights fit the {n_answers} answers")
    clustered = _covariance(problem, solved, basis, codes)
    if clustered is None:
        return _unsaid(solved.theta, n_answers, "the answers are of fewer than two clusters")
    covariance, freedom = clustered
    determined, reason = _determined(problem, solved, basis)
    covariance[~determined] = covariance[:, ~determined] = 0.0
    covariance[~determined, ~determined] = UNSAID
    return Estimated(solved.theta, covariance, freedom, n_answers, solved.weight, determined, reason)


def _covariance(problem: _Problem, solved: "_Solved", basis: np.ndarray, codes) -> tuple[np.ndarray, float] | None:
    """The sandwich, and its degrees of freedom; `None` where fewer than two clusters have answers."""
    clustered = clustered_sums(solved.influence, problem.levels, codes)
    if clustered is None:
        return None
    sums, freedom = clustered
    n_answers, spent = problem.levels.n_answers, basis.shape[1]
    sandwich = sums.T @ sums * (n_answers / (n_answers - spent))  # HC1
    return sandwich + _imagined(problem, solved, basis), min(freedom, float(n_answers - spent))


def _imagined(problem: _Problem, solved: "_Solved", basis: np.ndarray) -> np.ndarray:
    """What `PRIOR` imagined texts of which one layer alone says that a predicate holds, and as many of which the other
    does, add to the covariance: layers that agree about five texts of a rare predicate may differ about the sixth.
    """
    added = np.zeros((len(solved.theta),) * 2)
    onwards = basis @ np.linalg.inv(solved.curvature) @ basis.T @ solved.scaling
    below = np.concatenate([np.zeros((1, len(solved.theta))), solved.weights[:-1]])
    # With many texts the lowest level adds next to nothing.
    for number in range(min(1, len(problem.layers) - 1), len(problem.layers)):
        texts, n = problem.texts(number)
        texts, n = texts[:_ENOUGH], min(n, _ENOUGH)
        size = 1 / np.sum(problem.levels.shares[number] ** 2)
        scale = np.outer(solved.weights[number], solved.weights[number]) + np.outer(below[number], below[number])
        for predicate in range(problem.layers[number].shape[1]):
            sides = np.repeat(problem.layers[number][None, texts], 2, axis=0)
            sides[0, :, predicate], sides[1, :, predicate] = 0.0, 1.0
            without, holding = (_gradients(problem.losses, solved.theta, side, texts)[:n] for side in sides)
            change = np.asarray(holding - without) @ onwards.T
            added += PRIOR * scale * (change.T @ change) / n / size**2
    return added


class _Solved(NamedTuple):
    """`curvature` is that of the corrected equations, in the coordinates of the basis."""

    theta: np.ndarray
    influence: np.ndarray
    weight: np.ndarray
    curvature: np.ndarray
    scaling: np.ndarray
    weights: np.ndarray


def _unsaid(theta: np.ndarray, n_answers: int, reason: str) -> Estimated:
    n, nothing = len(theta), np.zeros(len(theta), bool)
    reason = f"cannot be said from these answers: {reason}"
    return Estimated(theta, np.eye(n) * UNSAID, 1.0, n_answers, np.zeros(n), nothing, reason)


def _identified(problem: _Problem, start: np.ndarray) -> Float[np.ndarray, "n_weights n_identified"]:
    """Directions of the weights that change the losses: at 0, where classes are equally likely, or at the start."""
    shares = problem.levels.shares[0]
    hessian = sum(problem.slope(0, point, shares)[2] for point in (np.zeros_like(start), start))
    values, vectors = np.linalg.eigh(hessian)
    return vectors[:, values > _FLAT * max(values.max(initial=0.0), 1e-300)]


def _minimise(problem: _Problem, number: int, start: np.ndarray, basis: np.ndarray) -> np.ndarray | None:
    """The weights that one level alone would give, by Newton's method; `None` where it does not end."""
    shares = problem.levels.shares[number]

    def evaluate(theta):
        return [a + b for a, b in zip(problem.slope(number, theta, shares), problem.rest(theta), strict=True)]

    theta = start
    value, gradient, hessian = evaluate(theta)
    for _ in range(_MOST_STEPS):
        curvature = basis.T @ hessian @ basis
        step = -basis @ np.linalg.lstsq(curvature, basis.T @ gradient, rcond=1e-12)[0]
        promised = -float(gradient @ step)
        if not np.isfinite(promised) or promised < 0:
            return None
        if promised < 1e-14 * max(abs(value), 1.0):
            return theta + step
        length = 1.0
        while length > 1e-6:
            tried = evaluate(theta + length * step)
            if np.isfinite(tried[0]) and tried[0] <= value - 1e-4 * length * promised:
                break
            length /= 2
        else:
            return None
        theta, (value, gradient, hessian) = theta + length * step, tried
    return None


def _corrected(problem: _Problem, theta: np.ndarray, basis: np.ndarray) -> _Solved | None:
    """Solves the corrected equations, with weights tuned at the start and again at the first solution."""
    shares, solved = problem.levels.shares[0], None
    for _ in range(2 if len(problem.layers) > 1 else 1):
        hessian = basis.T @ (problem.slope(0, theta, shares)[2] + problem.rest(theta)[2]) @ basis
        if not _regular(np.linalg.eigvalsh(hessian)):
            return None
        scaling = basis @ np.linalg.solve(hessian, basis.T)
        values = [problem.gradients(number, theta) @ scaling for number in range(len(problem.layers))]
        solved = _root(problem, theta, basis, scaling, tuned_weights(values, problem.levels))
        if solved is None:
            return None
        theta = solved.theta
    return solved


def _regular(eigenvalues: np.ndarray) -> bool:
    """Whether all are positive, the least of them by more than rounding."""
    return not eigenvalues.size or bool(eigenvalues.min() > _ROUNDING * max(eigenvalues.max(), 0.0))


def _root(problem: _Problem, theta, basis, scaling, weights) -> _Solved | None:
    differences = problem.differences()

    def evaluate(point):
        slopes = [problem.slope(number, point, shares) for number, shares in enumerate(differences)]
        _, gradient, hessian = problem.rest(point)
        total, jacobian = scaling @ gradient, scaling @ hessian
        for weight, (_, g, h) in zip(weights, slopes, strict=True):
            total, jacobian = total + weight * (scaling @ g), jacobian + weight[:, None] * (scaling @ h)
        return basis.T @ total, basis.T @ jacobian @ basis

    equations, jacobian = evaluate(theta)
    for _ in range(_MOST_STEPS):
        # A product of two positive definite matrices, where all is well: not symmetric, but of positive eigenvalues.
        if not _regular(np.linalg.eigvals(jacobian).real):
            return None
        step = -np.linalg.solve(jacobian, equations)
        length, worst = 1.0, np.abs(equations).max(initial=0.0)
        if worst < 1e-10 * (1 + np.abs(theta).max(initial=0.0)):
            return _at(problem, theta, basis, scaling, weights, jacobian)
        while True:
            tried = evaluate(theta + length * (basis @ step))
            if np.isfinite(tried[0]).all() and np.abs(tried[0]).max() < (1 - 1e-4 * length) * worst:
                break
            length /= 2
            if length < 1e-6:
                return None
        theta, (equations, jacobian) = theta + length * (basis @ step), tried
    return None


def _at(problem: _Problem, theta, basis, scaling, weights, jacobian) -> _Solved:
    values = [problem.gradients(number, theta) @ scaling for number in range(len(problem.layers))]
    influence = influences(values, problem.levels, weights)[1]
    influence = np.linalg.solve(jacobian, basis.T @ influence.T).T @ basis.T
    weight = weights[-2] if len(weights) > 1 else np.zeros(len(theta))
    return _Solved(theta, influence, weight, jacobian, scaling, weights)


def _determined(problem: _Problem, solved: _Solved, basis: np.ndarray) -> tuple[np.ndarray, str]:
    """Of which weights the answers say something, and why not of the others."""
    n_top = len(problem.layers) - 1
    here = basis.T @ problem.slope(n_top, solved.theta, problem.levels.shares[-1])[2] @ basis
    whole = basis.T @ problem.slope(0, solved.theta, problem.levels.shares[0])[2] @ basis + here
    rest = basis.T @ problem.rest(solved.theta)[2] @ basis
    ratios, directions = scipy.linalg.eigh(here, whole + rest)
    loads = (basis @ directions) ** 2
    never = loads[:, ratios < 1e-6].sum(axis=1) > 0.5 * loads.sum(axis=1)
    gradients = problem.gradients(n_top, solved.theta)
    # Gradients of one sign: a predicate that never meets a class. Only the ridge keeps such weights finite.
    one_sided = np.abs(gradients.sum(axis=0)) > 0.99 * np.maximum(np.abs(gradients).sum(axis=0), 1e-300)
    gradients = gradients @ basis @ np.linalg.pinv(here + rest, 1e-9) @ basis.T
    squares = gradients**2
    alone = squares.sum(axis=0) ** 2 < _TEXTS_PER_WEIGHT * (squares**2).sum(axis=0)
    undetermined = one_sided | never | alone
    if not undetermined.any():
        return ~undetermined, ""
    which = ", ".join(str(number) for number in np.flatnonzero(undetermined))
    n = problem.levels.n_answers
    return ~undetermined, f"cannot be said from {n} answers: too few of them bear on the weights {which}"
