"""Corrected weights as the quantities that a model shows, with intervals by the delta method."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.flatten_util import ravel_pytree

from nlparam.fitting.inferred import Inferred
from nlparam.numerics.core import compiled
from nlparam.numerics.core.device import to_device

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike


def corrected_quantities(
    fit: "FitLike",
    rows: np.ndarray,
    layers: list[np.ndarray],
    clusters: np.ndarray | None,
    confidence: float,
    notes: list[str],
) -> dict[str, Inferred]:
    """The quantities of a fit that depend on its weights.

    **Arguments:** `rows`, the texts that figures are estimated on; `layers`, `(n_rows, n_predicates)` each; the reason
    goes into `notes` where the answers do not determine the weights.

    Raises `ModelError` if the loss is not a mean over texts.
    """
    from nlparam.numerics.statistics.estimating import model_weights

    model, data = fit.model.subsample(fit.data, to_device(rows), len(fit.corpus))
    found = model_weights(model, fit.weights, layers, data, clusters=clusters)
    if found.reason:
        notes.append(f"Some coefficients {found.reason}.")
    if not found.determined.any():
        return {}
    quantile = float(scipy.stats.t.ppf((1 + confidence) / 2, found.freedom))
    denotations = to_device(layers[0])
    described = compiled.quantities(model, fit.weights, denotations, data)
    with jax.enable_x64(True):
        values, slopes = _linearised(model, fit.weights, found.value, denotations, data)
    inferred = {}
    for name, quantity in described.items():
        slope = np.asarray(slopes[name]).reshape(-1, len(found.value))
        unsaid = (np.abs(slope[:, ~found.determined]) > 1e-12).any(axis=1)
        if not np.any(slope) or unsaid.any():
            continue
        half = quantile * np.sqrt(np.einsum("kp,pq,kq->k", slope, found.covariance, slope))
        value = np.asarray(values[name], dtype=np.float64)
        half = half.reshape(value.shape)
        inferred[name] = Inferred(quantity.label, quantity.dims, value, value - half, value + half, quantity.neutral)
    return inferred


@eqx.filter_jit
def _linearised(model: Any, weights: Any, flat: np.ndarray, denotations: jax.Array, data: Any):
    """The quantities at the flattened weights, and their derivatives by name."""
    restore = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), weights))[1]

    def quantities(point):
        found = model.quantities(restore(point), denotations, data)
        return {name: quantity.values for name, quantity in found.items()}

    return quantities(flat), jax.jacobian(quantities)(flat)
