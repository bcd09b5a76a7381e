"""What the arrays of a model mean: how a user's data become arrays, and which results a reader wants to see."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from nlparam.numerics.core._types import Data, Weights

Coords = dict[str, list]


class Prepared(NamedTuple):
    """`data` are the arrays that a model's `loss` takes; `coords[dim]` names the entries of each dimension that the
    quantities of the model have beside "predicate": the classes, or the times of the steps (numbers or ISO dates).
    """

    data: Data
    coords: Coords


class Quantity(NamedTuple):
    """A result to be shown: `values` with named dimensions, "predicate", "class", "step" or a model's own.

    `label` says what the numbers are, with their unit, and `neutral` which value means "no effect" (None if none does).
    """

    values: Array
    dims: tuple[str, ...]
    label: str
    neutral: float | None = 0.0


def named_leaves(weights: Weights) -> dict[str, Any]:
    """The leaves of `weights` by name: the path to each, with underscores, or "weights" where there is but one."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(weights)
    return {jax.tree_util.keystr(path, simple=True, separator="_") or "weights": leaf for path, leaf in leaves}


def predicate_axis(shape: tuple[int, ...], n_predicates: int) -> int | None:
    """The axis of an array of weights that is taken for the predicates: the last one of length `n_predicates`."""
    axes = [axis for axis, length in enumerate(shape) if length == n_predicates]
    return axes[-1] if axes else None


def without_predicate(weights: Weights, slot: Array, n_predicates: int) -> Weights:
    """`weights` with zeros in place of what belongs to one predicate, as if it had never been there."""

    def clear(leaf):
        axis = predicate_axis(jnp.shape(leaf), n_predicates)
        if axis is None or not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        shape = [n_predicates if a == axis else 1 for a in range(leaf.ndim)]
        return jnp.where(jnp.arange(n_predicates).reshape(shape) == slot, 0, leaf)

    return jax.tree.map(clear, weights)


def weight_quantities(weights: Weights, n_predicates: int) -> dict[str, Quantity]:
    """The leaves of `weights` as quantities; an axis of length `n_predicates` is taken for the predicates, the last
    such axis where there are several.
    """
    quantities = {}
    for name, leaf in named_leaves(weights).items():
        values = jnp.asarray(leaf)
        which = predicate_axis(values.shape, n_predicates)
        dims = tuple("predicate" if axis == which else f"{name}_{axis}" for axis in range(values.ndim))
        quantities[name] = Quantity(values, dims, name.replace("_", " "))
    return quantities
