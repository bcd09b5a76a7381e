"""Methods of a model, each in one program: apart, every operation in them would be compiled for every shape."""

from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array

from nlparam.numerics.core._types import Data, Denotations, Scalar, Weights
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Quantity


class Fitted(NamedTuple):
    """The weights of a model, what it predicts with them, and its loss."""

    weights: Weights
    predictions: Array
    loss: Scalar


@eqx.filter_jit
def fitted(model: AbstractPredicateModel, denotations: Denotations, data: Data) -> Fitted:
    """Fits the weights of `model`, `(n_texts, n_predicates)` denotations being given."""
    weights = model.fit_weights(denotations, data)
    return Fitted(weights, model.predict(weights, denotations), model.loss(weights, denotations, data))


@eqx.filter_jit
def predictions(model: AbstractPredicateModel, weights: Weights, denotations: Denotations) -> Array:
    """What `model.predict` gives."""
    return model.predict(weights, denotations)


@eqx.filter_jit
def probabilities(model: Any, weights: Weights, denotations: Denotations) -> Array:
    """What `model.predict_proba` gives, of a model that has it."""
    return model.predict_proba(weights, denotations)


@eqx.filter_jit
def assignments(model: AbstractPredicateModel, weights: Weights, denotations: Denotations) -> Array:
    """What `model.assign` gives."""
    return model.assign(weights, denotations)


def quantities(
    model: AbstractPredicateModel, weights: Weights, denotations: Denotations, data: Data
) -> dict[str, Quantity]:
    """What `model.quantities` gives, in its order."""
    return dict(_quantities(model, weights, denotations, data))


@eqx.filter_jit
def _quantities(model, weights, denotations, data):
    return tuple(model.quantities(weights, denotations, data).items())  # of a dictionary the keys would be sorted
