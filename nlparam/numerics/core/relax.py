"""Relaxation: predicates become unit vectors in embedding space, optimised by gradients."""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from nlparam.numerics.core._types import Data, Denotations, Embeddings, Key, Scalar, Scores, Weights
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.seeding import seed_directions


class Relaxation(NamedTuple):
    """The best point that a relaxation found.

    `directions` are unit vectors, `scores` their cosines with every text, `loss` the loss there; `restart_losses` what
    each restart reached; `steps` how many the longest took; `converged`, whether the best one stopped improving in
    time.
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
    max_steps: int = 200,
    tolerance: float = 1e-3,
    patience: int = 5,
    batch_size: int | None = None,
    optim: optax.GradientTransformation | None = None,
    key: Key,
) -> Relaxation:
    r"""Finds the directions $\theta_k$, $|\theta_k| = 1$, that minimise the loss of `link(embeddings @ directions.T)`.

    All slots and the weights of the model are optimised together (arXiv 2409.08466, section 4, alternates between them
    and relaxes one slot at a time). Restarts begin at k-means++ seeds. Corpora of equal shape compile once.

    **Arguments:**

    - `embeddings`: `(n_texts, embed_dim)`, unit norm, in any floating type; products are summed in single precision or
      better.
    - `fixed`: denotations of predicates that stay as they are; the others of `model.n_predicates` are relaxed.
    - `n_restarts`, `max_steps`: how many starts, and the most steps each takes.
    - `tolerance`, `patience`: a restart has converged once the best loss gained less than `tolerance` in `patience`
      steps.
    - `batch_size`: restarts see a random batch of this many texts, and only the best goes on with the whole corpus; by
      default they see all texts.
    - `optim`: an Optax optimiser, by default L-BFGS; a first-order one needs more `max_steps` and `patience`.
    """
    n_texts = embeddings.shape[0]
    if fixed is None:
        fixed = jnp.zeros((n_texts, 0), _precision(embeddings))
    n_slots = model.n_predicates - fixed.shape[1]
    if n_slots < 1:
        raise ValueError(f"{fixed.shape[1]} of {model.n_predicates} predicates are fixed: none is left to relax")
    optim = _default_optim() if optim is None else optax.with_extra_args_support(optim)
    limits = _Limits(np.asarray(max_steps), np.asarray(patience), np.asarray(tolerance, _precision(embeddings)))
    key_batch, key_restarts = jax.random.split(key)
    keys = jax.random.split(key_restarts, n_restarts)
    problem = _Problem(model, embeddings, fixed, data)
    if batch_size is None or batch_size >= n_texts:
        return _best(problem, keys, optim, n_slots, limits)
    rows = jnp.sort(jax.random.choice(key_batch, n_texts, (batch_size,), replace=False))
    batch_model, batch_data = model.subsample(data, rows, n_texts)
    batch = _Problem(batch_model, embeddings[rows], fixed[rows], batch_data)
    found = _best(batch, keys, optim, n_slots, limits)
    return _go_on(problem, found, optim, limits)


@functools.cache
def _default_optim() -> optax.GradientTransformationExtraArgs:
    # One object for the life of the process: a new one would be a new function to `jit`, and compile again.
    return optax.lbfgs()


def _precision(embeddings) -> Any:
    return jnp.promote_types(embeddings.dtype, jnp.float32)


class _Params(NamedTuple):
    directions: Float[Array, "n_slots embed_dim"]
    moved: Weights  # how far the weights moved, before preconditioning; None where there is a closed form for them


class _Carry(NamedTuple):
    params: _Params
    state: Any  # of the optimiser
    best_loss: Scalar
    best: _Params
    reference: Scalar  # the best loss at the last gain of more than `tolerance`
    since: Int[Array, ""]  # steps since then
    step: Int[Array, ""]


class _End(NamedTuple):
    loss: Scalar
    directions: Float[Array, "n_slots embed_dim"]
    weights: Weights
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


class _Limits(NamedTuple):
    """When a descent ends; arrays, so that other limits compile nothing."""

    max_steps: np.ndarray
    patience: np.ndarray
    tolerance: np.ndarray


class _Problem(eqx.Module):
    """What is minimised: the loss of a model as a function of directions and weights."""

    model: AbstractPredicateModel
    embeddings: Embeddings
    fixed: Denotations
    data: Data

    def denotations(self, directions):
        cosines = _cosines(self.embeddings, _unit(directions)).astype(self.fixed.dtype)
        return jnp.concatenate([self.fixed, self.model.link(cosines)], axis=1)

    def seeds(self, key, n_slots):
        explained = jnp.max(self.fixed, axis=1, initial=0.0)
        return seed_directions(self.embeddings, n_slots, weight=1 - explained + 1e-3, key=key)

    def descend(self, directions, weights, optim, limits) -> _End:
        """Goes downhill from a point; `weights` are None where the model's own initial weights are meant."""
        closed_form = self.model.closed_form_weights
        begin = self.denotations(directions)
        if weights is None and not closed_form:
            weights = self.model.init_weights(begin, self.data)
        precondition = self.model.preconditioner(begin, self.data)

        def weights_at(params, denotations):
            if closed_form:
                return self.model.fit_weights(jax.lax.stop_gradient(denotations), self.data)
            return jax.tree.map(jnp.add, weights, precondition(params.moved))

        def loss(params):
            denotations = self.denotations(params.directions)
            return self.model.loss(weights_at(params, denotations), denotations, self.data)

        start = _Params(directions, None if closed_form else jax.tree.map(jnp.zeros_like, weights))
        carry = _descend(loss, start, optim, limits)
        directions = _unit(carry.best.directions)
        weights = weights_at(carry.best, self.denotations(directions))
        return _End(carry.best_loss, directions, weights, carry.step, carry.since >= limits.patience)


def _best(problem, keys, optim, n_slots, limits) -> Relaxation:
    """The best of several restarts."""
    # On a processor, restarts side by side wait for one another at every line search; on a GPU they fill it.
    if jax.default_backend() == "cpu":
        ends = [_restart(problem, key, optim, n_slots, limits) for key in keys]
        ends = jax.tree.map(lambda *leaves: np.stack(leaves), *ends)
    else:
        ends = _restarts(problem, keys, optim, n_slots, limits)
    winner = int(np.argmin(ends.loss))
    best = jax.tree.map(lambda leaf: to_device(leaf[winner]), ends)
    scores = _scores(problem.embeddings, best.directions)
    steps = to_device(np.max(ends.steps))
    return Relaxation(best.directions, scores, best.weights, best.loss, to_device(ends.loss), steps, best.converged)


@eqx.filter_jit
def _restart(problem, key, optim, n_slots, limits) -> _End:
    return problem.descend(problem.seeds(key, n_slots), None, optim, limits)


@eqx.filter_jit
def _restarts(problem, keys, optim, n_slots, limits) -> _End:
    return jax.vmap(lambda key: problem.descend(problem.seeds(key, n_slots), None, optim, limits))(keys)


@jax.jit
def _scores(embeddings, directions):
    return _cosines(embeddings, directions)


@eqx.filter_jit
def _go_on(problem, found, optim, limits):
    weights = None if problem.model.closed_form_weights else found.weights
    end = problem.descend(found.directions, weights, optim, limits)
    scores = _cosines(problem.embeddings, end.directions)
    return Relaxation(
        end.directions, scores, end.weights, end.loss, found.restart_losses, found.steps + end.steps, end.converged
    )


def _descend(loss, start, optim, limits) -> _Carry:
    state = optim.init(start)
    # Optimisers with a line search keep the value and the gradient that it ended with.
    kept = optax.tree.get(state, "value", None) is not None and optax.tree.get(state, "grad", None) is not None
    value_and_grad = optax.value_and_grad_from_state(loss) if kept else None

    def unfinished(carry):
        return (carry.step < limits.max_steps) & (carry.since < limits.patience)

    def advance(carry):
        if value_and_grad is not None:
            value, gradient = value_and_grad(carry.params, state=carry.state)
        else:
            value, gradient = jax.value_and_grad(loss)(carry.params)
        better = value < carry.best_loss
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), carry.params, carry.best)
        best_loss = jnp.minimum(value, carry.best_loss)
        gained = best_loss < carry.reference - limits.tolerance
        updates, state = optim.update(gradient, carry.state, carry.params, value=value, grad=gradient, value_fn=loss)
        params: Any = optax.apply_updates(carry.params, updates)
        if value_and_grad is None:
            # A first-order step leaves the sphere; L-BFGS must not be moved behind its back, and does not mind.
            params = params._replace(directions=_unit(params.directions))
        since = jnp.where(gained, 0, carry.since + 1)
        reference = jnp.where(gained, best_loss, carry.reference)
        return _Carry(params, state, best_loss, best, reference, since, carry.step + 1)

    infinity = jnp.full((), jnp.inf, limits.tolerance.dtype)
    zero = jnp.asarray(0)
    return jax.lax.while_loop(unfinished, advance, _Carry(start, state, infinity, start, infinity, zero, zero))


@jax.custom_vjp
def _cosines(embeddings, directions):
    """`(n_texts, n_slots)`. Half-precision embeddings are multiplied as they are and summed in single precision, in
    both directions: a product that promoted them would copy them all.
    """
    directions = directions.T.astype(embeddings.dtype)
    return jnp.matmul(embeddings, directions, preferred_element_type=_precision(embeddings))


def _cosines_forward(embeddings, directions):
    return _cosines(embeddings, directions), (embeddings, directions)


def _cosines_backward(kept, cotangent):
    embeddings, directions = kept
    gradient = jnp.matmul(
        cotangent.T.astype(embeddings.dtype), embeddings, preferred_element_type=_precision(embeddings)
    )
    return jnp.zeros_like(embeddings), gradient.astype(directions.dtype)


_cosines.defvjp(_cosines_forward, _cosines_backward)


def _unit(vectors):
    # The root of zero has no gradient.
    return vectors / jnp.sqrt(jnp.maximum(jnp.sum(vectors**2, axis=-1, keepdims=True), 1e-24))
