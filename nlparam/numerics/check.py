"""Whether a model can be fitted at all, found out in a moment instead of after an hour of judging."""

import jax
import jax.numpy as jnp
import numpy as np

from nlparam.errors import ModelError
from nlparam.numerics._types import Data
from nlparam.numerics.model import AbstractPredicateModel


def check_model(model: AbstractPredicateModel, data: Data, n_texts: int) -> None:
    """Evaluates the loss of `model` and its gradient once, on made-up denotations of the true shape.

    **Raises:** `ModelError` if the loss raises an error, is not a scalar, is not a real number, is not finite, has a
    gradient that is not finite, or does not depend on the denotations.
    """
    name = type(model).__name__
    rng = np.random.default_rng(0)
    first, second = (jnp.asarray(rng.uniform(0.05, 0.95, (n_texts, model.n_predicates))) for _ in range(2))

    def loss(weights, denotations):
        return model.loss(weights, denotations, data)

    try:
        weights = _moved(model.init_weights(first, data), rng)
        shape = jax.eval_shape(loss, weights, first)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be evaluated on {n_texts} texts and {model.n_predicates} predicates "
            f"({type(error).__name__}: {error}): check its `loss` and `init_weights`, and the data"
        ) from error
    if not hasattr(shape, "shape") or shape.shape != () or not jnp.issubdtype(shape.dtype, jnp.floating):
        got = f"an array of shape {shape.shape} and type {shape.dtype}" if hasattr(shape, "shape") else repr(shape)
        raise ModelError(f"the loss of {name} is {got}, expected one real number: take the mean over the texts")
    value, gradient = jax.jit(jax.value_and_grad(loss, argnums=1))(weights, first)
    if not bool(jnp.isfinite(value)):
        raise ModelError(
            f"the loss of {name} is {float(value)} on denotations between 0.05 and 0.95, expected a finite number: "
            "look for a logarithm or a division by zero, and for missing values in the data"
        )
    if not bool(jnp.all(jnp.isfinite(gradient))):
        raise ModelError(
            f"the gradient of the loss of {name} is not finite: look for a square root or a division at zero, or a "
            "`jnp.where` that hides one"
        )
    if not bool(jnp.any(gradient != 0)) and float(value) == float(jax.jit(loss)(weights, second)):
        raise ModelError(f"the loss of {name} does not depend on the denotations: no predicate could improve it")


def _moved(weights, rng: np.random.Generator):
    """Weights away from zero, where a linear predictor would not feel the denotations; choices stay as they are."""

    def move(leaf):
        leaf = jnp.asarray(leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return leaf + jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape), leaf.dtype)

    return jax.tree.map(move, weights)
