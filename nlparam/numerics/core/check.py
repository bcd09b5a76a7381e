"""Whether a model can be fitted at all, found out in a moment instead of after an hour of judging."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data
from nlparam.numerics.core.model import AbstractPredicateModel


def check_model(model: AbstractPredicateModel, data: Data, n_texts: int) -> None:
    """Evaluates the loss of `model` and its gradient on made-up denotations of the true shape: soft, relaxed and judged
    ones.

    What else the fit will call (weights under `vmap`, predictions, quantities) is traced, not computed.

    **Raises:** `ModelError` if any of it raises an error, or if the loss is not a finite real scalar, has a gradient
    that is not finite, or does not depend on the denotations.
    """
    name = type(model).__name__
    rng = np.random.default_rng(0)
    shape = (n_texts, model.n_predicates)
    soft, again = (jnp.asarray(rng.uniform(0.05, 0.95, shape)) for _ in range(2))
    judged = jnp.asarray(rng.integers(2, size=shape), soft.dtype).at[:, 0].set(0.0)
    try:
        relaxed = model.link(jnp.asarray(rng.uniform(-1, 1, shape)))
        weights = _moved(model.init_weights(soft, data), np.random.default_rng(1))
        value = eqx.filter_eval_shape(_loss, soft, weights, model, data)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be evaluated on {n_texts} texts and {model.n_predicates} predicates ({_told(error)}): "
            "check its `loss`, `init_weights` and `link`, and the data"
        ) from error
    _check_scalar(name, value)
    first = _value_and_gradient(model, weights, soft, data)
    if first.value == _value_and_gradient(model, weights, again, data).value and not np.any(first.gradient):
        raise ModelError(f"the loss of {name} does not depend on the denotations: no predicate could improve it")
    _check_finite(name, first, "denotations between 0.05 and 0.95", "for missing values in the data")
    for denotations, where, remedy in (
        (relaxed, "relaxed denotations, `link` of cosines between -1 and 1", "whether `link` needs an override"),
        (judged, "denotations of 0 and 1, with a predicate that holds nowhere", "what it does without any text"),
    ):
        weights = _moved(model.init_weights(denotations, data), np.random.default_rng(1))
        _check_finite(name, _value_and_gradient(model, weights, denotations, data), where, remedy)
    _check_the_rest(name, model, soft, data)


class _Point(eqx.Module):
    value: float
    gradient: np.ndarray


def _loss(denotations, weights, model, data):
    return model.loss(weights, denotations, data)


def _float_loss(denotations, weights, model, data):
    return jnp.asarray(model.loss(weights, denotations, data))  # a Python float is a constant


_differentiate = eqx.filter_jit(eqx.filter_value_and_grad(_float_loss))


def _value_and_gradient(model, weights, denotations: Array, data) -> _Point:
    try:
        value, gradient = _differentiate(denotations, weights, model, data)
    except Exception as error:
        raise ModelError(
            f"the loss of {type(model).__name__} cannot be differentiated in the denotations ({_told(error)}): write "
            "it with jax.numpy, and loops with `jax.lax.scan`"
        ) from error
    return _Point(float(value), np.asarray(gradient))


def _check_scalar(name: str, value: Any) -> None:
    if isinstance(value, float):
        return
    if isinstance(value, jax.ShapeDtypeStruct):
        got, mean = f"an array of shape {value.shape} and type {value.dtype}", "take the mean over the texts"
        if value.shape == () and jnp.issubdtype(value.dtype, jnp.floating):
            return
        if value.shape == ():
            got, mean = f"of type {value.dtype}", "compute it from the denotations without counting or rounding"
    else:
        got, mean = f"{value!r} of type {type(value).__name__}", "return the mean over the texts, and nothing beside it"
    raise ModelError(f"the loss of {name} is {got}, expected one real number: {mean}")


def _check_finite(name: str, point: _Point, where: str, remedy: str) -> None:
    if not np.isfinite(point.value):
        raise ModelError(
            f"the loss of {name} is {point.value} on {where}; expected a finite number: look for a logarithm or a "
            f"division by zero, and {remedy}"
        )
    if not np.all(np.isfinite(point.gradient)):
        raise ModelError(
            f"the gradient of the loss of {name} is not finite on {where}: look for a square root, a logarithm or a "
            f"division at zero, a `jnp.where` that hides one, and {remedy}"
        )


def _check_the_rest(name: str, model: AbstractPredicateModel, denotations: Array, data: Data) -> None:
    """What is called after the search has to work as well, or its judgments were made for nothing."""
    n_texts = denotations.shape[0]

    def trace(method: str, function: Callable, *args) -> Any:
        try:
            return eqx.filter_eval_shape(function, *args)
        except Exception as error:
            raise ModelError(
                f"`{method}` of {name} fails ({_told(error)}), expected it to work on the weights of `fit_weights`, "
                f"under `jit` and `vmap`: mend it, or override `{method}` if it is the default"
            ) from error

    def quantities(weights, denotations, data):
        return {key: quantity.values for key, quantity in model.quantities(weights, denotations, data).items()}

    weights = trace("fit_weights", model.fit_weights, denotations, data)
    trace("fit_weights", lambda ds, data: jax.vmap(lambda d: model.profile_loss(d, data))(ds), denotations[None], data)
    trace("quantities", quantities, weights, denotations, data)
    trace("log_joint", model.log_joint, weights, denotations, data)
    predictions = trace("predict", model.predict, weights, denotations)
    shape = getattr(predictions, "shape", None)
    if not shape or shape[0] != n_texts:
        got = "no array" if shape is None else f"an array of shape {shape}"
        raise ModelError(f"`predict` of {name} gives {got}, expected one prediction per text, {n_texts} in all")


def _told(error: Exception) -> str:
    # What JAX says goes on for a page; what went wrong is in its first lines.
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _moved(weights, rng: np.random.Generator):
    """Weights away from zero, where a linear predictor would not feel the denotations; choices stay as they are."""

    def move(leaf):
        leaf = jnp.asarray(leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return leaf + jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape), leaf.dtype)

    return jax.tree.map(move, weights)
