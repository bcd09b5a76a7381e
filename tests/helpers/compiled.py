"""Methods of models, each in one program: apart, every operation in them is compiled by itself."""

import equinox as eqx
import jax


@eqx.filter_jit
def fit_weights(model, denotations, data=None, init=None):
    """The weights that the model fits."""
    return model.fit_weights(denotations, data, init)


@eqx.filter_jit
def loss_gradient(model, weights, denotations, data):
    """The gradient of the loss in the weights."""
    return jax.grad(model.loss)(weights, denotations, data)
