"""Coordinates in which a log density looks like a standard Gaussian near its peak: a sampler then takes large steps."""

import abc
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nlparam.numerics.core._types import Key, Scalar, Weights
from nlparam.numerics.core.device import to_device

# Up to this many weights the Hessian is held and decomposed as a whole.
_MOST_DENSE = 1000
# Products with the Hessian that are computed together.
_TOGETHER = 8
# Random vectors from which a diagonal is estimated.
_PROBES = 100
# A curvature below this share of the largest is noise, or a direction that goes uphill.
_LEAST_SHARE = 1e-12

LogDensity = Callable[[Float[Array, " n_weights"]], Scalar]


class AbstractWhitening(eqx.Module):
    """A linear map from coordinates `z` to weights; `z` is about standard Gaussian where the weights are posterior."""

    @abc.abstractmethod
    def __call__(self, z: Float[Array, " n_weights"]) -> Float[Array, " n_weights"]:
        """The weights, as one vector, at the coordinates `z`."""


class DenseWhitening(AbstractWhitening):
    """`centre + scale @ z`."""

    centre: Float[Array, " n_weights"]
    scale: Float[Array, "n_weights n_weights"]

    def __call__(self, z):
        return self.centre + self.scale @ z


class DiagonalWhitening(AbstractWhitening):
    """`centre + scale * z`."""

    centre: Float[Array, " n_weights"]
    scale: Float[Array, " n_weights"]

    def __call__(self, z):
        return self.centre + self.scale * z


class ChainWhitening(AbstractWhitening):
    r"""For a chain of steps whose precision is block tridiagonal, $L L^\top$: the centre plus $L^{-\top} z$.

    `inverses[t]` is the inverse of the block $L_{tt}$, `below[t]` the block $L_{t,t-1}$, the first of them zero. One
    pass back over the chain: time and memory are linear in its length.
    """

    centre: Float[Array, " n_weights"]
    inverses: Float[Array, "n_steps block block"]
    below: Float[Array, "n_steps block block"]

    def __call__(self, z):
        n_steps, block, _ = self.inverses.shape

        def back(following, step):
            inverse, below, target = step
            value = (target - following) @ inverse
            return value @ below, value

        start = jnp.zeros(block, z.dtype)
        _, values = jax.lax.scan(back, start, (self.inverses, self.below, z.reshape(n_steps, block)), reverse=True)
        return self.centre + values.ravel()


def whiten(log_density: LogDensity, weights: Weights, *, key: Key) -> AbstractWhitening:
    """Coordinates for `log_density`, a function of the vector of `weights`, from its curvature at these weights.

    With up to 1,000 weights from the whole Hessian. With more: if the weights are one array of steps
    `(n_steps, ...)` of which only neighbours interact, from its blocks; otherwise from an estimate of its diagonal.
    Not for use under `jit`: which of these it is depends on values.
    """
    centre = as_vector(weights)
    if len(centre) <= _MOST_DENSE:
        return _dense(log_density, centre)
    leaves = [leaf for leaf in jax.tree.leaves(weights) if leaf.size]
    if len(leaves) == 1 and leaves[0].ndim > 1 and len(leaves[0]) > 2:
        chain, error = _chain(log_density, centre, math.prod(leaves[0].shape[1:]), key)
        # NaN where the blocks are not positive definite, and then the comparison fails too.
        if bool(error < 1e-6):
            return chain
    return _diagonal(log_density, centre, key)


def as_vector(weights: Weights) -> Float[Array, " n_weights"]:
    """All weights as one vector, in the order of `ravel_pytree`, which compiles every step of it."""
    return to_device(np.concatenate([np.zeros(0), *(np.ravel(leaf) for leaf in jax.tree.leaves(weights))]))


def _products(log_density, centre, vectors):
    """Minus the Hessian at `centre` times each row of `vectors`."""

    def product(vector):
        return -jax.jvp(jax.grad(log_density), (centre,), (vector,))[1]

    return jax.lax.map(product, vectors, batch_size=min(_TOGETHER, len(vectors)))


@eqx.filter_jit
def _dense(log_density, centre):
    hessian = _products(log_density, centre, jnp.eye(len(centre), dtype=centre.dtype))
    values, axes = jnp.linalg.eigh((hessian + hessian.T) / 2)
    return DenseWhitening(centre, axes * _scales(values))


@eqx.filter_jit
def _diagonal(log_density, centre, key):
    signs = jax.random.rademacher(key, (_PROBES, len(centre)), centre.dtype)
    diagonal = jnp.mean(signs * _products(log_density, centre, signs), axis=0)
    return DiagonalWhitening(centre, _scales(diagonal))


@eqx.filter_jit
def _chain(log_density, centre, block, key):
    """The whitening by blocks, and how far a product with the blocks is from one with the Hessian."""
    n_steps = len(centre) // block
    colour = jnp.arange(n_steps) % 3
    # One probe touches every third step: no two of these are neighbours of one step, so the answers do not mix.
    probes = (colour == jnp.arange(3)[:, None])[:, None, :, None] * jnp.eye(block, dtype=centre.dtype)[:, None, :]
    answers = _products(log_density, centre, probes.reshape(3 * block, -1)).reshape(3, block, n_steps, block)
    steps = jnp.arange(n_steps)
    blocks = jnp.swapaxes(answers[colour, :, steps], 1, 2)
    below = jnp.swapaxes(answers[jnp.roll(colour, 1), :, steps], 1, 2).at[0].set(0.0)

    vector = jax.random.normal(key, centre.shape, centre.dtype)
    rows = vector.reshape(n_steps, block)
    by_blocks = jnp.einsum("tij,tj->ti", blocks, rows)
    by_blocks += jnp.einsum("tij,tj->ti", below, jnp.roll(rows, 1, axis=0))
    by_blocks += jnp.roll(jnp.einsum("tji,tj->ti", below, rows), -1, axis=0)
    exact = _products(log_density, centre, vector[None])[0]

    identity = jnp.eye(block, dtype=centre.dtype)

    def factor(inverse_before, step):
        here, below_here = step
        lower = below_here @ inverse_before.T
        root = jnp.linalg.cholesky((here + here.T) / 2 - lower @ lower.T)
        inverse = jax.scipy.linalg.solve_triangular(root, identity, lower=True)
        return inverse, (inverse, lower)

    _, (inverses, lowers) = jax.lax.scan(factor, identity, (blocks, below))
    error = jnp.linalg.norm(by_blocks.ravel() - exact) / jnp.linalg.norm(exact) + 0.0 * jnp.sum(inverses)
    return ChainWhitening(centre, inverses, lowers), error


def _scales(curvatures):
    """One over the square root; a direction that curves upwards is scaled by how strongly it curves."""
    sizes = jnp.abs(curvatures)
    return 1 / jnp.sqrt(jnp.maximum(sizes, _LEAST_SHARE * jnp.max(sizes)))
