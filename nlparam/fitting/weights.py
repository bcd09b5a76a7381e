"""The weights of a model, compiled once for each shape."""

import equinox as eqx


@eqx.filter_jit
def fit_weights(model, denotations, data):
    """The weights that `model.fit_weights` gives. Taken apart, every operation of the solver would be compiled by
    itself at every fit."""
    return model.fit_weights(denotations, data)
