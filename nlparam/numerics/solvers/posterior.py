"""The posterior of a model's weights, given its predicates and the data: NUTS or variational inference by NumPyro."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from numpyro import handlers
from numpyro.infer import MCMC, NUTS, SVI, Trace_ELBO, init_to_value
from numpyro.infer.autoguide import AutoDiagonalNormal
from numpyro.optim import optax_to_numpyro

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data, Denotations, Key, Weights
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import named_leaves
from nlparam.numerics.solvers.whiten import AbstractWhitening, as_vector, whiten

METHODS = ("nuts", "svi")

# The weak prior's standard deviation, in units of the largest fitted weight (or of 1, if that is larger).
PRIOR_SCALE = 10.0

_STATISTICS = ("diverging", "num_steps", "accept_prob", "energy", "potential_energy")
# Draws of the guide from which one step of variational inference takes its gradient.
_PARTICLES = 4
_LEARNING_RATE = 0.05
# Draws whose quantities are computed together.
_TOGETHER = 8


class Draws(NamedTuple):
    """`weights` are leaves `(n_chains, n_samples, ...)` of the structure that `init_weights` has; `quantities[name]`
    those of the model, `(n_chains, n_samples, ...)`; `statistics[name]` what the sampler says of each draw,
    `(n_chains, n_samples)`, for `svi` none.
    """

    weights: Weights
    quantities: dict[str, Any]
    statistics: dict[str, Any]


class LogDensity(eqx.Module):
    """`log_joint` of a model as a function of one vector, with a weak prior where the model does not bring its own.

    The prior, a Gaussian with mean 0, keeps directions finite that the data do not determine.
    """

    model: AbstractPredicateModel
    denotations: Denotations
    data: Data
    like: Weights
    prior_precision: Float[Array, " n_weights"]

    def __call__(self, vector: Float[Array, " n_weights"]) -> Float[Array, ""]:
        joint = self.model.log_joint(self.restore(vector), self.denotations, self.data)
        return joint - jnp.sum(self.prior_precision * vector**2) / 2

    def restore(self, vector: Float[Array, " n_weights"]) -> Weights:
        """The weights that a vector stands for."""
        return ravel_pytree(self.like)[1](vector)


def log_density(model: AbstractPredicateModel, weights: Weights, denotations: Denotations, data: Data) -> LogDensity:
    """The density whose draws are the posterior, with the fitted `weights` as its `like`.

    **Raises:** `ModelError` if the weights are not continuous, or the log joint is not a finite number there.
    """
    name = type(model).__name__
    like = _free(name, weights, jax.eval_shape(lambda: model.init_weights(denotations, data)))
    prior = jax.tree.map(lambda leaf: np.full(leaf.shape, _precision(model, leaf)), like)
    density = LogDensity(model, denotations, data, jax.tree.map(to_device, like), as_vector(prior))
    vector = as_vector(like)
    if len(vector) == 0:
        raise ModelError(f"{name} has no weights, so there is no posterior of them")
    value, gradient = map(np.asarray, _value_and_grad(density, vector))
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise ModelError(
            f"the log joint of {name} at its fitted weights is {float(value)}, with "
            f"{np.sum(~np.isfinite(gradient))} of {len(vector)} entries of its gradient not finite: expected "
            "finite numbers; look for a logarithm, a root or a division at zero in `log_joint` (by default `loss`)"
        )
    return density


def sample_posterior(
    model: AbstractPredicateModel,
    weights: Weights,
    denotations: Denotations | np.ndarray,
    data: Data = None,
    *,
    method: str = "nuts",
    num_samples: int = 1000,
    num_warmup: int = 500,
    num_chains: int = 1,
    key: Key,
) -> Draws:
    """Draws from the posterior of the weights, begun at the fitted ones, and of the quantities, as double-precision
    arrays.

    Equal shapes compile once. See `nlparam.fitting.posterior.posterior` for the arguments; `LogDensity` says what is
    sampled.

    **Raises:** `ModelError` as `log_density` does.
    """
    # The log joint of many texts is a large number of which small differences count: single precision loses them.
    with jax.enable_x64(True):
        denotations, data = to_device(denotations, float), jax.tree.map(_double, data)
        model = model.specialise(denotations)
        density = log_density(model, weights, denotations, data)
        key_whiten, key_sample = jax.random.split(key)
        whitening = whiten(density, density.like, key=key_whiten)
        if method == "nuts":
            vectors, statistics = _nuts(density, whitening, key_sample, num_warmup, num_samples, num_chains)
        else:
            vectors, statistics = _svi(density, whitening, key_sample, num_warmup, num_samples), {}
        return jax.tree.map(np.asarray, Draws(*_weights_and_quantities(density, vectors), statistics))


def _double(leaf):
    return to_device(leaf, float if np.issubdtype(np.asarray(leaf).dtype, np.floating) else None)


def _free(model: str, fitted: Weights, template: Weights) -> Weights:
    """The fitted weights in the structure of `init_weights`: what follows from others (None there) is left out."""
    values, wanted = named_leaves(fitted), named_leaves(template)
    discrete = [name for name, leaf in wanted.items() if not jnp.issubdtype(leaf.dtype, jnp.floating)]
    if discrete:
        raise ModelError(
            f"the weights {', '.join(discrete)} of {model} are whole numbers, which have no posterior density here: "
            "expected weights that are real numbers, as those of Classification, Regression, TimeSeries or Difference"
        )
    missing = sorted(wanted.keys() - values.keys())
    if missing:
        raise ModelError(
            f"the fitted weights of {model} have no {', '.join(missing)}, expected the structure of `init_weights`"
        )
    return jax.tree.unflatten(jax.tree.structure(template), [np.asarray(values[name], float) for name in wanted])


def _precision(model: AbstractPredicateModel, leaf: np.ndarray) -> float:
    # Relative to the fitted weights, so that it is weak in any units.
    if model.has_prior:
        return 0.0
    return 1 / (PRIOR_SCALE * max(1.0, np.max(np.abs(leaf), initial=0.0))) ** 2


@eqx.filter_jit
def _value_and_grad(density, vector):
    return jax.value_and_grad(density.__call__)(vector)


@eqx.filter_jit
def _nuts(density, whitening: AbstractWhitening, key, num_warmup, num_samples, num_chains):
    size = len(density.prior_precision)
    key_start, key_run = jax.random.split(key)
    # Several chains start apart, as draws of the Gaussian approximation, so that their agreement means something.
    start = jax.random.normal(key_start, (num_chains, size)) if num_chains > 1 else jnp.zeros((size,))
    sampler = MCMC(
        NUTS(potential_fn=lambda z: -density(whitening(z))),
        num_warmup=num_warmup,
        num_samples=num_samples,
        num_chains=num_chains,
        chain_method="vectorized",
        progress_bar=False,
    )
    sampler.run(key_run, init_params=start, extra_fields=_STATISTICS)
    draws = sampler.get_samples(group_by_chain=True)
    return jax.lax.map(jax.vmap(whitening), draws), sampler.get_extra_fields(group_by_chain=True)


@eqx.filter_jit
def _svi(density, whitening: AbstractWhitening, key, num_steps, num_samples):
    size = len(density.prior_precision)

    def program():
        z = jnp.asarray(numpyro.sample("z", dist.ImproperUniform(dist.constraints.real_vector, (), (size,))))
        # The model may be a NumPyro program itself, whose sites are none of this one's business.
        with handlers.block():
            value = density(whitening(z))
        numpyro.factor("log_density", value)

    # Begins as the Gaussian approximation at the peak: a standard one in these coordinates.
    guide = AutoDiagonalNormal(program, init_loc_fn=init_to_value(values={"z": jnp.zeros(size)}), init_scale=1.0)
    optim = optax_to_numpyro(optax.adam(optax.cosine_decay_schedule(_LEARNING_RATE, num_steps)))
    key_run, key_draw = jax.random.split(key)
    inference = SVI(program, guide, optim, Trace_ELBO(num_particles=_PARTICLES))
    found = inference.run(key_run, num_steps, progress_bar=False)
    draws = jnp.asarray(guide.sample_posterior(key_draw, found.params, sample_shape=(num_samples,))["z"])
    return jax.vmap(whitening)(draws)[None]


@eqx.filter_jit
def _weights_and_quantities(density, vectors):
    def one(vector):
        found = density.model.quantities(density.restore(vector), density.denotations, density.data)
        return {name: quantity.values for name, quantity in found.items()}

    n_chains, n_samples = vectors.shape[:2]
    flat = jax.lax.map(one, vectors.reshape(n_chains * n_samples, -1), batch_size=_TOGETHER)
    found = {name: values.reshape(n_chains, n_samples, *values.shape[1:]) for name, values in flat.items()}
    return jax.vmap(jax.vmap(density.restore))(vectors), found
