r"""Corrected weights: what a model's weights would be if every text had the better answers that only some have.

The weights $\theta$ of a model whose loss is a mean over texts solve $\frac1N \sum_i m(\theta; D_i, y_i) = 0$, with
$m$ the gradient of the loss of one text. With answers in layers (see `correction`) every component of $m$ is a mean to
be corrected like a share:

$$\sum_\ell \frac{1}{|S_\ell|} \sum_{i \in S_\ell} \left(\Lambda_\ell\, H^{-1} m(\theta; D_{\ell i}, y_i)
- \Lambda_{\ell-1} H^{-1} m(\theta; D_{\ell-1,i}, y_i)\right) + H^{-1} \nabla r(\theta) = 0,$$

with $r$ what in the loss does not depend on the texts (the ridge), $H$ the Hessian, and diagonal $\Lambda$ with entries
in [0, 1] that give each weight the least variance (PPI++, arXiv 2311.01453; $\Lambda = 1$ is DSL, arXiv 2306.04746).
The covariance is the sandwich of the influences of the texts.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data, Denotations, Weights
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.statistics.correction import (
    Levels,
    checked_design,
    checked_layers,
    clustered_sums,
    influences,
    level,
    tuned_weights,
)

# The variance of a weight of which the answers say nothing.
UNSAID = 1e12
_ANSWERS_PER_WEIGHT = 2
# A weight that rests on fewer texts than this has no error that could be estimated.
_TEXTS_PER_WEIGHT = 3
_MOST_STEPS = 50
# Directions less curved than this, relative to the most curved one, change nothing: such as the same number added to
# the intercepts of all classes.
_FLAT = 1e-10


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
    if not all(jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) for leaf in jax.tree.leaves(weights)):
        raise ModelError(f"got {type(model).__name__}, whose weights are no real numbers: correct its shares instead")
    with jax.enable_x64(True):
        start, restore = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), weights))
        data = jax.tree.map(_double, data)
        whole = jnp.asarray(np.where(np.isfinite(stack[0]), stack[0], 0.0))
        losses = _TextLosses(model, data, jnp.ones(()), restore, len(whole))
        losses, remainder = _split(losses, whole, start)
        return corrected_weights(losses, stack, start, remainder=remainder, inclusion=inclusion, clusters=clusters)


class _TextLosses(eqx.Module):
    """The loss of each text by itself, `(theta, denotations, rows) -> (n_rows,)`."""

    model: AbstractPredicateModel
    data: Data
    scale: Array
    restore: Callable = eqx.field(static=True)
    n_texts: int = eqx.field(static=True)

    def __call__(self, theta, denotations, rows):
        def one(denotation, row):
            return self.model.loss(self.restore(theta), denotation[None], self._of(row))

        return self.scale * jax.vmap(one)(denotations, rows)

    def _of(self, row):
        def take(leaf):
            return leaf[row][None] if self._belongs(leaf) else leaf

        return jax.tree.map(take, self.data)

    def _belongs(self, leaf) -> bool:
        return jnp.ndim(leaf) > 0 and leaf.shape[0] == self.n_texts


class _Remainder(eqx.Module):
    """What the loss of all texts has beside the mean of their losses."""

    losses: _TextLosses
    denotations: Array

    def __call__(self, theta):
        losses, rows = self.losses, jnp.arange(self.losses.n_texts)
        whole = losses.model.loss(losses.restore(theta), self.denotations, losses.data)
        return whole - jnp.mean(losses(theta, self.denotations, rows))


def _split(losses: _TextLosses, denotations: Denotations, start: Array) -> tuple[_TextLosses, _Remainder]:
    """The loss as a mean over texts and a remainder, after checking that the remainder depends on no text.

    A model may divide its loss by something of all texts, as a regression does by the variance of its numbers: the
    factor is found from what changes when the denotations do.
    """
    rng = np.random.default_rng(0)
    points = [start + 0.1 * jnp.asarray(rng.standard_normal(start.shape)) for _ in range(2)]
    matrices = [denotations, denotations[jnp.asarray(rng.permutation(losses.n_texts))], 1.0 - denotations]
    values = np.asarray([[_whole_and_mean(losses, point, matrix) for matrix in matrices] for point in points])
    if not np.isfinite(values).all():
        raise ModelError("got a loss of single texts that is no finite number, expected one: weights are not corrected")
    changes = (values[:, 1:] - values[:, :1]).reshape(-1, 2)
    squares = float(np.sum(changes[:, 1] ** 2))
    scale = float(np.sum(changes[:, 0] * changes[:, 1]) / squares) if squares > 0 else 0.0
    misfit = np.abs(changes[:, 0] - scale * changes[:, 1]).max()
    if not scale > 0 or misfit > 1e-7 * (np.abs(values[..., 0]).max() + np.abs(changes[:, 0]).max()):
        raise ModelError(
            f"got {type(losses.model).__name__}, whose loss is no mean over single texts; expected one such as of "
            "Regression or Classification: correct its shares or curves instead"
        )
    scaled = eqx.tree_at(lambda tree: tree.scale, losses, jnp.asarray(scale))
    return scaled, _Remainder(scaled, denotations)


@eqx.filter_jit
def _whole_and_mean(losses: _TextLosses, point, matrix):
    whole = losses.model.loss(losses.restore(point), matrix, losses.data)
    return whole, jnp.mean(losses(point, matrix, jnp.arange(losses.n_texts)))


def _double(leaf):
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def corrected_weights(
    losses: Callable[[Array, Array, Array], Array],
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]],
    start: Array,
    *,
    remainder: Callable[[Array], Array] | None = None,
    inclusion: Sequence[np.ndarray] | None = None,
    clusters: np.ndarray | None = None,
) -> Estimated:
    """The weights of any loss that is a mean over texts.

    **Arguments:** `losses(theta, denotations, rows)`, in JAX, gives the loss of each text, `(n_rows,)`, from
    `(n_weights,)` weights, `(n_rows, n_predicates)` denotations and the numbers of the texts; `layers`, `inclusion` and
    `clusters` as for `corrected_means`, where a text has the answers of a layer if it has those to all predicates;
    `start`, `(n_weights,)`; `remainder`, what the loss has beside the mean over texts.

    Where the corrected equations cannot be solved the best layer alone is used (`weight` is 0).

    Raises `ValueError` for shapes and probabilities that do not fit, and where no text has answers to all predicates.
    """
    stack = checked_layers(layers)
    chances, codes = checked_design(stack.shape, inclusion, clusters)
    levels = level(np.isfinite(stack).all(axis=2), chances)
    if not levels.held[0].any():
        raise ValueError("got no text with answers to all predicates, expected at least one: judge some texts")
    with jax.enable_x64(True):
        problem = _Problem(losses, remainder or _nothing, [stack[number] for number in levels.layers], levels)
        return _solve(problem, np.asarray(start, np.float64), codes)


def _nothing(theta):
    return 0.0 * theta[0]


class _Problem(NamedTuple):
    """The corrected equations: losses, remainder, the layers that are used, and which texts count in which."""

    losses: Callable
    remainder: Callable
    layers: list[np.ndarray]
    levels: Levels

    def texts(self, number: int) -> np.ndarray:
        return np.flatnonzero(self.levels.held[number])

    def slope(self, number: int, theta: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The weighted sum of the losses with the answers of one level, its gradient and its Hessian."""
        texts = self.texts(number)
        parts = _slope(self.losses, theta, self.layers[number][texts], texts, shares[texts])
        return float(parts[0]), np.asarray(parts[1]), np.asarray(parts[2])

    def rest(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The same of the remainder."""
        parts = _rest(self.remainder, theta)
        return float(parts[0]), np.asarray(parts[1]), np.asarray(parts[2])

    def differences(self) -> list[np.ndarray]:
        """For each level the shares of the texts in its mean, minus those in what takes it back a level higher."""
        shares = self.levels.shares
        return [*(shares[:-1] - shares[1:]), shares[-1]]

    def gradients(self, number: int, theta: np.ndarray) -> Float[np.ndarray, "n_texts n_weights"]:
        """The gradient of each text of a level; 0 for other texts."""
        texts = self.texts(number)
        found = np.zeros((self.levels.held.shape[1], len(theta)))
        found[texts] = _gradients(self.losses, theta, self.layers[number][texts], texts)
        return found


# Of a Hessian as many columns are computed at once as keep intermediate arrays small.
_AT_ONCE = 1 << 18


@eqx.filter_jit
def _slope(losses, theta, denotations, rows, shares):
    def total(point):
        return shares @ losses(point, denotations, rows)

    return _derivatives(total, theta, max(_AT_ONCE // max(len(rows), 1), 1))


@eqx.filter_jit
def _rest(remainder, theta):
    return _derivatives(remainder, theta, 1)


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
        alone = _Problem(problem.losses, problem.remainder, problem.layers[-1:], level(levels.held[-1:]))
        if not levels.disjoint:
            alone = alone._replace(levels=Levels([0], levels.held[-1:], levels.shares[-1:], False))
        problem, theta = alone, _minimise(alone, 0, start, basis)
        solved = None if theta is None else _corrected(problem, theta, basis)
    if solved is None:
        return _unsaid(start, n_answers, f"no weights fit the {n_answers} answers")
    clustered = clustered_sums(solved.influence, problem.levels, codes)
    if clustered is None:
        return _unsaid(solved.theta, n_answers, "the answers are of fewer than two clusters")
    sums, freedom = clustered
    spent = basis.shape[1]
    covariance = sums.T @ sums * (n_answers / (n_answers - spent))
    freedom = min(freedom, float(n_answers - spent))
    determined, reason = _determined(problem, solved, basis)
    covariance[~determined] = covariance[:, ~determined] = 0.0
    covariance[~determined, ~determined] = UNSAID
    return Estimated(solved.theta, covariance, freedom, n_answers, solved.weight, determined, reason)


class _Solved(NamedTuple):
    """`curvature` is that of the corrected equations in coordinates of the basis, `penalty` the remainder's part."""

    theta: np.ndarray
    influence: np.ndarray
    weight: np.ndarray
    curvature: np.ndarray
    penalty: np.ndarray


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
        if np.linalg.eigvalsh(hessian).min(initial=1.0) <= 0:
            return None
        scaling = basis @ np.linalg.solve(hessian, basis.T)
        values = [problem.gradients(number, theta) @ scaling for number in range(len(problem.layers))]
        solved = _root(problem, theta, basis, scaling, tuned_weights(values, problem.levels))
        if solved is None:
            return None
        theta = solved.theta
    return solved


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
        if np.linalg.eigvalsh(jacobian + jacobian.T).min(initial=1.0) <= 0:
            return None
        step = -np.linalg.solve(jacobian, equations)
        length, worst = 1.0, np.abs(equations).max(initial=0.0)
        done = worst < 1e-10 * (1 + np.abs(theta).max(initial=0.0))
        while not done:
            tried = evaluate(theta + length * (basis @ step))
            if np.isfinite(tried[0]).all() and np.abs(tried[0]).max() < (1 - 1e-4 * length) * worst:
                break
            length /= 2
            if length < 1e-6:
                return None
        if done:
            return _at(problem, theta, basis, scaling, weights, jacobian)
        theta, (equations, jacobian) = theta + length * (basis @ step), tried
    return None


def _at(problem: _Problem, theta, basis, scaling, weights, jacobian) -> _Solved:
    values = [problem.gradients(number, theta) @ scaling for number in range(len(problem.layers))]
    influence = influences(values, problem.levels, weights)[1]
    influence = np.linalg.solve(jacobian, basis.T @ influence.T).T @ basis.T
    penalty = basis.T @ scaling @ problem.rest(theta)[2] @ basis
    weight = weights[-2] if len(weights) > 1 else np.zeros(len(theta))
    return _Solved(theta, influence, weight, jacobian, penalty)


def _determined(problem: _Problem, solved: _Solved, basis: np.ndarray) -> tuple[np.ndarray, str]:
    """Of which weights the answers say something, and why not of the others."""
    by_ridge = np.diag(basis @ np.linalg.solve(solved.curvature, solved.penalty) @ basis.T)
    by_ridge = by_ridge > 0.5 * np.sum(basis**2, axis=1)
    n_top = len(problem.layers) - 1
    here = basis.T @ problem.slope(n_top, solved.theta, problem.levels.shares[-1])[2] @ basis
    whole = basis.T @ problem.slope(0, solved.theta, problem.levels.shares[0])[2] @ basis + here
    rest = basis.T @ problem.rest(solved.theta)[2] @ basis
    ratios, directions = scipy.linalg.eigh(here, whole + rest)
    loads = (basis @ directions) ** 2
    never = loads[:, ratios < 1e-6].sum(axis=1) > 0.5 * loads.sum(axis=1)
    gradients = problem.gradients(n_top, solved.theta) @ basis @ np.linalg.pinv(here + rest, 1e-9) @ basis.T
    squares = gradients**2
    alone = squares.sum(axis=0) ** 2 < _TEXTS_PER_WEIGHT * (squares**2).sum(axis=0)
    undetermined = by_ridge | never | alone
    if not undetermined.any():
        return ~undetermined, ""
    which = ", ".join(str(number) for number in np.flatnonzero(undetermined))
    n = problem.levels.n_answers
    return ~undetermined, f"cannot be said from {n} answers: too few of them bear on the weights {which}"
