"""Whether a model can be fitted at all, found out in a moment instead of after an hour of judging."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel


def check_class(model: Any) -> None:
    """Raises `ModelError` if something is no model: a class in place of an instance, say."""
    if isinstance(model, AbstractPredicateModel):
        return
    if isinstance(model, type) and issubclass(model, AbstractPredicateModel):
        raise ModelError(
            f"got the class {model.__name__}, expected a model: call it, such as {model.__name__}(n_predicates=5)"
        )
    got = f"the class {model.__name__}" if isinstance(model, type) else f"{model!r:.80} of type {type(model).__name__}"
    raise ModelError(
        f"got {got}, expected a model such as nlparam.models.Clustering(n_predicates=5); a class of your own derives "
        "from nlparam.AbstractPredicateModel"
    )


def check_model(model: AbstractPredicateModel, data: Data, n_texts: int) -> None:
    """Evaluates the loss of `model` and its gradient on made-up denotations of the true shape: soft, relaxed and judged
    ones.

    What else the fit will call (weights under `vmap`, predictions, quantities) is traced, not computed.

    **Raises:** `ModelError` if any of it raises an error, or if the loss is not a finite real scalar, has a gradient
    that is not finite, does not depend on the denotations, grows with the number of texts, or stays the same if the
    denotations are shuffled against the data.
    """
    name = type(model).__name__
    rng = np.random.default_rng(0)
    shape = (n_texts, model.n_predicates)
    soft, again = (to_device(rng.uniform(0.05, 0.95, shape)) for _ in range(2))
    judged = rng.integers(2, size=shape)
    judged[:, 0] = 0
    judged, cosines = to_device(judged, soft.dtype), to_device(rng.uniform(-1, 1, shape))
    try:
        value, _ = eqx.filter_eval_shape(_loss_and_link, model, data, soft, cosines)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be evaluated on {n_texts} texts and {model.n_predicates} predicates ({_told(error)}): "
            "check its `loss`, `init_weights` and `link`, and the data"
        ) from error
    _check_scalar(name, value)
    first, second, *others = _differentiated(model, data, soft, again, cosines, judged)
    if first.value == second.value and not first.sloped:
        raise ModelError(f"the loss of {name} does not depend on the denotations: no predicate could improve it")
    for point, (where, remedy) in zip((first, *others), _PLACES, strict=True):
        _check_finite(name, point, where, remedy)
    _check_some_texts(name, model, data, n_texts)
    _check_the_rest(name, model, soft, data)


# The denotations that a loss must be finite on, and what to look for where it is not.
_PLACES = (
    ("denotations between 0.05 and 0.95", "for missing values in the data"),
    ("relaxed denotations, `link` of cosines between -1 and 1", "whether `link` needs an override"),
    ("denotations of 0 and 1, with a predicate that holds nowhere", "what it does without any text"),
)


class _Point(NamedTuple):
    value: float
    finite: bool  # the gradient has only finite entries
    sloped: bool  # the gradient has an entry that is not 0


def _loss_and_link(model, data, denotations, cosines):
    return model.loss(_moved(model.init_weights(denotations, data)), denotations, data), model.link(cosines)


def _float_loss(denotations, weights, model, data):
    return jnp.asarray(model.loss(weights, denotations, data))  # a Python float is a constant


@eqx.filter_jit
def _points(model, data, soft, again, cosines, judged):
    places = jnp.stack([soft, again, model.link(cosines), judged])

    def point(at):
        # The weights belong to the first place also in the second, where only the denotations differ.
        weights = _moved(model.init_weights(places[jnp.where(at == 1, 0, at)], data))
        value, gradient = jax.value_and_grad(_float_loss)(places[at], weights, model, data)
        return value, jnp.all(jnp.isfinite(gradient)), jnp.any(gradient != 0)

    return jax.lax.map(point, jnp.arange(len(places)))


def _differentiated(model, data, *denotations) -> list[_Point]:
    """In one program: every operation outside of one would be compiled by itself."""
    try:
        values, finite, sloped = (np.asarray(found) for found in _points(model, data, *denotations))
    except Exception as error:
        raise ModelError(
            f"the loss of {type(model).__name__} cannot be differentiated in the denotations ({_told(error)}): write "
            "it with jax.numpy, and loops with `jax.lax.scan`"
        ) from error
    return [_Point(*each) for each in zip(values.tolist(), finite.tolist(), sloped.tolist(), strict=True)]


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
    if not point.finite:
        raise ModelError(
            f"the gradient of the loss of {name} is not finite on {where}: look for a square root, a logarithm or a "
            f"division at zero, a `jnp.where` that hides one, and {remedy}"
        )


def _check_some_texts(name: str, model: AbstractPredicateModel, data: Data, n_texts: int) -> None:
    """Whether the loss is a mean over texts, each with its own data, by changing some of them.

    A model that cannot be evaluated on some of the texts is left alone.
    """
    rng = np.random.default_rng(2)
    n_some = min(n_texts, _SOME)
    some = np.sort(rng.choice(n_texts, n_some, replace=False))
    order = np.roll(np.arange(n_some), 1)
    denotations = rng.uniform(0.05, 0.95, (n_some, model.n_predicates))
    # The data of one text for half of them: other data, and not only in another order.
    alike = np.where(np.arange(n_some) < n_some // 2, some[-1], some)
    try:
        (one, its_data), (two, doubled), (_, others) = (
            model.subsample(data, to_device(rows), n_texts) for rows in (some, np.tile(some, 2), alike)
        )
        start = one, its_data, to_device(denotations)
        once, shuffled, other, twice = (
            np.asarray(_gradient(which, given, to_device(at), *start))
            for which, given, at in (
                (one, its_data, denotations),
                (one, its_data, denotations[order]),
                (one, others, denotations),
                (two, doubled, np.tile(denotations, (2, 1))),
            )
        )
    except Exception:  # a model that needs all its texts, in their order, cannot be asked about some of them
        return
    # A penalty of the weights has no gradient here, whatever it does with the number of texts.
    slope, of_both = (float(np.abs(gradient).sum()) for gradient in (once, twice))
    if of_both > _GROWN * slope > 0:
        raise ModelError(
            f"the loss of {name} grows with the number of texts (given twice, its gradient is {of_both / slope:.2g} "
            "times as large), expected a mean: take the mean over the texts, `jnp.mean` in place of `jnp.sum`"
        )
    moved, changed = (np.abs(a - b).max() for a, b in ((shuffled, once[order]), (other, once)))
    largest = np.abs(once).max()
    if changed > 1e-3 * largest and moved < 1e-5 * largest:
        raise ModelError(
            f"the loss of {name} stays the same if the denotations are shuffled against the data, so that no predicate "
            "could explain them: look for arrays of the shapes (n, 1) and (n,), which together become (n, n), and "
            "flatten the first (`data.ravel()`); or for a mean of each before they are compared"
        )


# Texts for which the loss is looked at closely, and by how much its gradient may grow where there are twice as many.
_SOME, _GROWN = 64, 1.5


@eqx.filter_jit
def _gradient(model, data, denotations, of, its_data, its_denotations):
    """The gradient of the loss, at weights for the texts of another such model."""
    weights = _moved(of.init_weights(its_denotations, its_data))
    weights = jax.tree.map(_stretched, weights, jax.eval_shape(lambda: model.init_weights(denotations, data)))
    return jax.grad(_float_loss)(denotations, weights, model, data)


def _stretched(leaf, like):
    """Weights for texts that are given twice: of what belongs to a text, each value twice."""
    leaf = jnp.asarray(leaf)
    for axis, (n, wanted) in enumerate(zip(leaf.shape, like.shape, strict=True)):
        if n != wanted:
            leaf = jnp.concatenate([leaf, leaf], axis=axis)
    return leaf


def _check_the_rest(name: str, model: AbstractPredicateModel, denotations: Array, data: Data) -> None:
    """What is called after the search has to work as well, or its judgments were made for nothing.

    Traced once for a model, and texts and data of the same shapes: seeds and halves ask for the same.
    """
    n_texts = denotations.shape[0]
    if (signature := _signature(model, denotations, data)) in _TRACED:
        return

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
    trace("fit_weights", lambda d, data: jax.vmap(lambda d: model.profile_loss(d, data))(d[None]), denotations, data)
    trace("quantities", quantities, weights, denotations, data)
    trace("log_joint", model.log_joint, weights, denotations, data)
    predictions = trace("predict", model.predict, weights, denotations)
    shape = getattr(predictions, "shape", None)
    if not shape or shape[0] != n_texts:
        got = "no array" if shape is None else f"an array of shape {shape}"
        raise ModelError(f"`predict` of {name} gives {got}, expected one prediction per text, {n_texts} in all")
    if signature is not None:
        _TRACED.add(signature)


_TRACED: set[Hashable] = set()


def _signature(*traced: Any) -> Hashable:
    """All that tracing depends on: structure, shapes and types of arrays, other values; `None` if they have no hash."""
    leaves, structure = jax.tree.flatten(traced)
    described = (
        (leaf.shape, str(leaf.dtype)) if eqx.is_array_like(leaf) and hasattr(leaf, "dtype") else (type(leaf), leaf)
        for leaf in leaves
    )
    signature = structure, *described
    try:
        hash(signature)
    except TypeError:
        return None
    return signature


def _told(error: Exception) -> str:
    # What JAX says goes on for a page; what went wrong is in its first lines.
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _moved(weights):
    """Weights away from zero, where a linear predictor would not feel the denotations; choices stay as they are."""
    rng = np.random.default_rng(1)

    def move(leaf):
        leaf = jnp.asarray(leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return leaf + jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape), leaf.dtype)

    return jax.tree.map(move, weights)
