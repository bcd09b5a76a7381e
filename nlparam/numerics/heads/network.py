"""The network of the joint head and its training. Flax takes half a second to import: import this in functions."""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

N_INPUTS = 7
EVERY = 10  # steps between the moments at which training may stop
_RANK = 4
_WIDTH = 16
_RATE, _DECAY = 3e-3, 0.1


class Network(nnx.Module):
    """The correction to the ridge head's log-odds; zero before training."""

    def __init__(self, n_axes: int, embed_dim: int, *, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(N_INPUTS, _WIDTH, rngs=rngs)
        self.out = nnx.Linear(_WIDTH, 1, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.text = nnx.Linear(n_axes, _RANK, use_bias=False, rngs=rngs)
        self.predicate = nnx.Linear(embed_dim, _RANK, use_bias=False, rngs=rngs)
        self.scale = nnx.Param(jnp.zeros(()))

    def __call__(self, inputs, axes, predicates, columns):
        """Log-odds of pairs: `inputs` `(n, 7)`, `axes` `(n, n_axes)`, `columns` `(n,)`, rows of `predicates`."""
        bent = self.out(jnp.tanh(self.hidden(inputs)))[:, 0]
        bilinear = jnp.sum(self.text(axes) * self.predicate(predicates)[columns], axis=1)
        return jnp.exp(self.scale[...]) * inputs[:, 0] + bent + 0.3 * bilinear


class Batch(NamedTuple):
    """Judged pairs, padded to one of few lengths, so that few programs are compiled; padding is in fold -1."""

    inputs: Any
    axes: Any
    targets: Any
    columns: Any
    folds: Any

    @classmethod
    def padded(cls, inputs, axes, columns, targets, folds):
        length = 512 * 2 ** math.ceil(max(math.log2(len(folds) / 512), 0))

        def pad(array, value=0):
            widths = [(0, length - len(array))] + [(0, 0)] * (array.ndim - 1)
            return np.pad(array, widths, constant_values=value)

        inputs, axes, targets = (pad(np.asarray(a, dtype=np.float32)) for a in (inputs, axes, targets))
        return cls(inputs, axes, targets, pad(columns.astype(np.int32)), pad(folds.astype(np.int32), -1))


@functools.partial(jax.jit, static_argnums=4)
def train(batch: Batch, predicates, held_out, keys, n_checks):
    """Trains all members at once.

    Returns, for each of `n_checks` moments, the parameters, the log-odds of each pair by the members that leave it out,
    and the loss of those. One moment is chosen for all members: a single fold is too small to choose by.
    """
    n_axes, embed_dim = batch.axes.shape[1], predicates.shape[1]
    graph, _ = nnx.split(Network(n_axes, embed_dim, rngs=nnx.Rngs(0)))
    optim = optax.adamw(_RATE, weight_decay=_DECAY)

    def create(key):
        return nnx.state(Network(n_axes, embed_dim, rngs=nnx.Rngs(key)))

    def predict(state):
        return nnx.merge(graph, state)(batch.inputs, batch.axes, predicates, batch.columns)

    def loss(state, fold):
        used = ((batch.folds != fold) & (batch.folds >= 0)).astype(batch.targets.dtype)
        losses = optax.sigmoid_binary_cross_entropy(predict(state), batch.targets)
        return jnp.sum(losses * used) / jnp.maximum(jnp.sum(used), 1)

    def step(_, carry):
        state, moments = carry
        gradients = jax.vmap(jax.grad(loss))(state, held_out)
        updates, moments = jax.vmap(optim.update)(gradients, moments, state)
        return optax.apply_updates(state, updates), moments

    out = (held_out[:, None] == batch.folds).astype(batch.targets.dtype)
    real = (batch.folds >= 0).astype(batch.targets.dtype)

    def check(carry, _):
        state = carry[0]
        left_out = jnp.sum(jax.vmap(predict)(state) * out, axis=0) / jnp.maximum(jnp.sum(out, axis=0), 1)
        losses = optax.sigmoid_binary_cross_entropy(left_out, batch.targets)
        return jax.lax.fori_loop(0, EVERY, step, carry), (state, left_out, jnp.sum(losses * real) / jnp.sum(real))

    state = jax.vmap(create)(keys)
    _, checks = jax.lax.scan(check, (state, jax.vmap(optim.init)(state)), length=n_checks)
    return checks


def members_at(states, moment: int) -> dict[str, np.ndarray]:
    """The parameters of all members at one of the moments that `train` returns, by name."""
    return {"/".join(map(str, path)): np.asarray(leaf[...][moment]) for path, leaf in nnx.to_flat_state(states)}


def average(members: Mapping[str, np.ndarray], inputs, axes, predicates, columns) -> np.ndarray:
    """The mean log-odds of pairs over the members."""
    state = nnx.from_flat_state({tuple(name.split("/")): nnx.Param(jnp.asarray(a)) for name, a in members.items()})
    return np.asarray(_average(state, inputs, axes, predicates, columns))


@jax.jit
def _average(members, inputs, axes, predicates, columns):
    graph, _ = nnx.split(Network(axes.shape[1], predicates.shape[1], rngs=nnx.Rngs(0)))
    predicted = jax.vmap(lambda state: nnx.merge(graph, state)(inputs, axes, predicates, columns))(members)
    return jnp.mean(predicted, axis=0)
