"""Relaxation: predicates become unit vectors in embedding space, optimised by gradient descent."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from nlparam.numerics._types import Data, Denotations, Embeddings, Key, Scalar, Scores, Weights
from nlparam.numerics.model import AbstractPredicateModel
from nlparam.numerics.seeding import seed_directions


class Relaxation(NamedTuple):
    """The best point that a relaxation found.

    `directions` are unit vectors, `scores` their cosines with every text, `loss` the loss there; `restart_losses` what
    each restart reached; `steps` how many steps the longest took and `converged` whether the best one had stopped
    improving (rather than run out of steps).
    """

    directions: Float[Array, "n_slots embed_dim"]
    scores: Scores
    weights: Weights
    loss: Scalar
    restart_losses: Float[Array, " n_restarts"]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


def relax(
    model: AbstractPredicateModel,
    embeddings: Embeddings,
    data: Data = None,
    *,
    fixed: Denotations | None = None,
    n_restarts: int = 8,
    max_steps: int = 500,
    tolerance: float = 1e-5,
    patience: int = 20,
    optim: optax.GradientTransformation | None = None,
    key: Key,
) -> Relaxation:
    r"""Finds the directions $\theta_k$, $|\theta_k| = 1$, that minimise the loss of `link(embeddings @ directions.T)`.

    All slots of all restarts are optimised in one compiled call, which is reused for every corpus of the same shape
    (arXiv 2409.08466, section 4, relaxes one slot at a time). Restarts begin at k-means++ seeds.

    **Arguments:**

    - `embeddings`: `(n_texts, embed_dim)`, unit norm.
    - `fixed`: denotations of predicates that stay as they are; `model.n_predicates` minus their number is relaxed.
    - `n_restarts`, `max_steps`: how many starts, and the most steps each takes.
    - `tolerance`, `patience`: a restart has converged once the best loss gained less than `tolerance` in `patience`
      steps. The best point of each restart counts, not the last.
    - `optim`: an Optax optimiser, by default Adam with step size 0.1.
    """
    n_texts = embeddings.shape[0]
    if fixed is None:
        fixed = jnp.zeros((n_texts, 0), embeddings.dtype)
    n_slots = model.n_predicates - fixed.shape[1]
    if n_slots < 1:
        raise ValueError(f"{fixed.shape[1]} of {model.n_predicates} predicates are fixed: none is left to relax")
    optim = _default_optim() if optim is None else optax.with_extra_args_support(optim)
    return _relax(
        model,
        embeddings,
        fixed,
        data,
        jax.random.split(key, n_restarts),
        optim,
        n_slots,
        max_steps,
        patience,
        jnp.asarray(tolerance, embeddings.dtype),
    )


@functools.cache
def _default_optim() -> optax.GradientTransformationExtraArgs:
    # One object for the life of the process: a new one would be a new function to `jit`, and compile again.
    return optax.with_extra_args_support(optax.adam(0.1))


class _Params(NamedTuple):
    directions: Float[Array, "n_slots embed_dim"]
    weights: Weights  # None where the model has a closed form for them


class _Carry(NamedTuple):
    params: _Params
    state: Weights
    best_loss: Scalar
    best: _Params
    reference: Scalar  # the best loss at the last gain of more than `tolerance`
    since: Int[Array, ""]  # steps since then
    step: Int[Array, ""]


@eqx.filter_jit
def _relax(model, embeddings, fixed, data, keys, optim, n_slots, max_steps, patience, tolerance):
    explained = jnp.max(fixed, axis=1, initial=0.0)

    def denotations(params):
        return jnp.concatenate([fixed, model.link(embeddings @ _unit(params.directions).T)], axis=1)

    def weights_at(params):
        if model.closed_form_weights:
            return model.fit_weights(jax.lax.stop_gradient(denotations(params)), data)
        return params.weights

    def loss(params):
        return model.loss(weights_at(params), denotations(params), data)

    def start(key):
        directions = seed_directions(embeddings, n_slots, weight=1 - explained + 1e-3, key=key)
        params = _Params(directions, None)
        if model.closed_form_weights:
            return params
        return params._replace(weights=model.init_weights(denotations(params), data))

    def unfinished(carry):
        return (carry.step < max_steps) & (carry.since < patience)

    def descend(carry):
        value, gradient = jax.value_and_grad(loss)(carry.params)
        better = value < carry.best_loss
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), carry.params, carry.best)
        best_loss = jnp.minimum(value, carry.best_loss)
        gained = best_loss < carry.reference - tolerance
        updates, state = optim.update(gradient, carry.state, carry.params, value=value, grad=gradient, value_fn=loss)
        updated: Any = optax.apply_updates(carry.params, updates)
        directions, weights = updated
        params = _Params(_unit(directions), weights)
        since = jnp.where(gained, 0, carry.since + 1)
        reference = jnp.where(gained, best_loss, carry.reference)
        return _Carry(params, state, best_loss, best, reference, since, carry.step + 1)

    def restart(key):
        params = start(key)
        infinity = jnp.asarray(jnp.inf, embeddings.dtype)
        zero = jnp.asarray(0)
        carry = _Carry(params, optim.init(params), infinity, params, infinity, zero, zero)
        carry = jax.lax.while_loop(unfinished, descend, carry)
        return carry.best_loss, carry.best, carry.step, carry.since >= patience

    losses, params, steps, converged = jax.vmap(restart)(keys)
    winner = jnp.argmin(losses)
    params = jax.tree.map(lambda leaf: leaf[winner], params)
    directions = _unit(params.directions)
    return Relaxation(
        directions,
        embeddings @ directions.T,
        weights_at(params),
        losses[winner],
        losses,
        jnp.max(steps),
        converged[winner],
    )


def _unit(vectors):
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
