"""The loss of a model as a mean over texts: what each text adds by itself, and what does not depend on the texts."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data, Denotations, Weights
from nlparam.numerics.core.model import AbstractPredicateModel


def text_losses(
    model: AbstractPredicateModel, weights: Weights, denotations: np.ndarray, data: Data
) -> tuple["TextLosses", "Penalty", Array]:
    """The losses of single texts, the penalty beside them, and the weights as one vector, all with 64 bits.

    Call it under `jax.enable_x64(True)`. Raises `ModelError` unless the loss is the penalty of the model and a mean
    over texts, each by itself.
    """
    if not all(jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) for leaf in jax.tree.leaves(weights)):
        raise ModelError(f"got {type(model).__name__}, whose weights are no real numbers: correct its shares instead")
    start, restore = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), weights))
    whole = jnp.asarray(denotations)
    losses = TextLosses(model, jax.tree.map(_double, data), restore, len(whole))
    _check(losses, whole, start)
    return losses, Penalty(losses), start


class TextLosses(eqx.Module):
    """The loss of each text by itself, `(theta, denotations, rows) -> (n_rows,)`."""

    model: AbstractPredicateModel
    data: Data
    restore: Callable = eqx.field(static=True)
    n_texts: int = eqx.field(static=True)

    def __call__(self, theta, denotations, rows):
        def one(denotation, row):
            point, data = self.restore(theta), self._of(row)
            return self.model.loss(point, denotation[None], data) - self.model.penalty(point, 1, data)

        return jax.vmap(one)(denotations, rows)

    def _of(self, row):
        def take(leaf):
            return leaf[row][None] if self._belongs(leaf) else leaf

        return jax.tree.map(take, self.data)

    def _belongs(self, leaf) -> bool:
        return jnp.ndim(leaf) > 0 and leaf.shape[0] == self.n_texts


class Penalty(eqx.Module):
    """What the loss of all texts has beside the mean of their losses."""

    losses: TextLosses

    def __call__(self, theta):
        losses = self.losses
        return losses.model.penalty(losses.restore(theta), losses.n_texts, losses.data)


def _check(losses: TextLosses, denotations: Denotations, start: Array) -> None:
    """Compares the loss of all texts with the mean of their losses, at two points and for three matrices."""
    rng = np.random.default_rng(0)
    # By NumPy: each operation of JAX would be compiled for itself.
    whole = np.asarray(denotations)
    points = [np.asarray(start) + 0.1 * rng.standard_normal(start.shape) for _ in range(2)]
    matrices = [whole, whole[rng.permutation(losses.n_texts)], 1.0 - whole]
    values = np.asarray([[_whole_and_mean(losses, point, matrix) for matrix in matrices] for point in points])
    if not np.isfinite(values).all():
        raise ModelError("got a loss of single texts that is no finite number, expected one: weights are not corrected")
    if np.abs(values[..., 0] - values[..., 1]).max() > 1e-8 * (1 + np.abs(values[..., 0]).max()):
        raise ModelError(
            f"got {type(losses.model).__name__}, whose loss is not its penalty and a mean over single texts; expected "
            "one such as Regression or Classification: correct its shares or curves instead"
        )


@eqx.filter_jit
def _whole_and_mean(losses: TextLosses, point, matrix):
    weights = losses.restore(point)
    whole = losses.model.loss(weights, matrix, losses.data)
    whole = whole - losses.model.penalty(weights, losses.n_texts, losses.data)
    return whole, jnp.mean(losses(point, matrix, jnp.arange(losses.n_texts)))


def _double(leaf):
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
