"""Coordinates in which a density is nearly standard Gaussian: dense, of a chain, and of the diagonal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from nlparam.numerics.solvers.whiten import ChainWhitening, DenseWhitening, DiagonalWhitening, whiten


def gaussian(precision):
    return lambda vector: -vector @ precision @ vector / 2


def spread_of(whitening, size):
    """The covariance of the weights where the coordinates are standard Gaussian."""
    columns = jax.vmap(whitening)(jnp.eye(size)) - whitening(jnp.zeros(size))
    return columns.T @ columns


def test_coordinates_whiten_a_gaussian(rng):
    with jax.enable_x64(True):
        square = rng.normal(size=(6, 6))
        precision = jnp.asarray(square @ square.T + 0.1 * np.eye(6))
        dense = whiten(gaussian(precision), jnp.ones(6), key=jax.random.key(0))
        assert isinstance(dense, DenseWhitening)
        np.testing.assert_allclose(spread_of(dense, 6), np.linalg.inv(precision), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_coordinates_of_a_chain_and_of_what_is_none(rng, monkeypatch):
    monkeypatch.setattr("nlparam.numerics.solvers.whiten._MOST_DENSE", 20)
    with jax.enable_x64(True):
        n_steps, block = 20, 3
        shape = (n_steps, block)
        here = rng.normal(size=(n_steps, block, block))
        here = here @ here.transpose(0, 2, 1) + 0.5 * np.eye(block)
        between = rng.normal(size=(n_steps - 1, block, block))

        def chain(vector):
            rows = vector.reshape(shape)
            drift = jnp.diff(rows, axis=0) + 0.1 * jnp.einsum("tij,tj->ti", between, rows[1:])
            return -jnp.einsum("ti,tij,tj->", rows, here, rows) / 2 - 10 * jnp.sum(drift**2)

        start = jnp.zeros(shape)
        found = whiten(chain, start, key=jax.random.key(0))
        assert isinstance(found, ChainWhitening)
        exact = np.linalg.inv(-jax.hessian(chain)(ravel_pytree(start)[0]))
        np.testing.assert_allclose(spread_of(found, n_steps * block), exact, atol=1e-9)

        # Steps that interact with others than their neighbours: only the diagonal is used, and is right.
        scales = jnp.asarray(rng.uniform(0.5, 2, n_steps * block))
        other = whiten(lambda v: -jnp.sum((scales * v) ** 2) / 2 - 1e-4 * jnp.sum(v) ** 2, start, key=jax.random.key(0))
        assert isinstance(other, DiagonalWhitening)
        np.testing.assert_allclose(other.scale, 1 / scales, rtol=0.05)
