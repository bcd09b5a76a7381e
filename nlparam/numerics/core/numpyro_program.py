"""A NumPyro program as a model: its continuous latent sites are the weights."""

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.distributions.transforms import biject_to
from numpyro.infer.util import constrain_fn, log_density, potential_energy

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data, Denotations
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity, weight_quantities

Program = Callable[[Denotations, Data], Any]
Dims = tuple[tuple[str, tuple[str, ...]], ...]


def from_numpyro(
    program: Program, *, n_predicates: int, dims: Mapping[str, tuple[str, ...]] | None = None
) -> "NumpyroModel":
    """Makes a model of a NumPyro program `program(denotations, data)`.

    !!! example
        ```python
        def visits(denotations, data=None):
            slopes = numpyro.sample("slopes", dist.Normal(0, 1).expand([denotations.shape[1]]).to_event(1))
            base = numpyro.sample("base", dist.Normal(0, 10))
            with numpyro.plate("texts", denotations.shape[0]):
                numpyro.sample("visits", dist.Poisson(jnp.exp(base + denotations @ slopes)), obs=data)

        model = nlparam.from_numpyro(visits, n_predicates=3)
        ```

    **Arguments:** `program`, a function of the denotations, `(n_texts, n_predicates)`, and of the data, None when it
    predicts, with continuous latent sites and an observed site or a `numpyro.factor`; `n_predicates`, how many; `dims`,
    the dimensions of sites by name, such as `{"slopes": ("predicate",)}` (by default an axis of length `n_predicates`
    is taken for the predicates).

    **Raises:** `ModelError`, before anything is judged, for a discrete latent site, a `numpyro.param`, a program
    without latent sites or without observations, and one that cannot predict.
    """
    return NumpyroModel(n_predicates, program, dims or {})  # pyright: ignore[reportArgumentType] # converted


def _program(given: Program | str) -> Program:
    if not isinstance(given, str):
        return given
    # From the file of a saved fit, which names the program.
    module, _, name = given.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"the NumPyro program {given!r} cannot be imported: give the model itself, as "
            "nlparam.load(folder, model=nlparam.from_numpyro(program, n_predicates=...))"
        ) from error
    if not callable(found):
        raise ModelError(f"{given!r} is no NumPyro program: the file fit.json was changed")
    return found


def _dims(given: Any) -> Dims:
    pairs = given.items() if isinstance(given, Mapping) else given
    return tuple((str(site), tuple(dims)) for site, dims in pairs)


class NumpyroModel(AbstractPredicateModel):
    """A NumPyro program as a model; made by `nlparam.from_numpyro`.

    The weights are the latent sites by name, on the unconstrained scale of NumPyro (the logarithm of a positive site,
    for instance). `loss` is minus the log joint density of the sites as the program has them, per text: the optimum
    does not depend on how a site is transformed. `log_joint`, from which a posterior is sampled, includes the Jacobian.
    """

    n_predicates: int
    program: Program = eqx.field(static=True, converter=_program)
    dims: Dims = eqx.field(static=True, converter=_dims, default=())

    has_prior: ClassVar[bool] = True

    def prepare(self, data, n_texts):
        """Runs the program once, on shapes only, and raises `ModelError` if it cannot be a model."""
        data = jax.tree.map(jnp.asarray, data)
        denotations = jnp.full((n_texts, self.n_predicates), 0.5)
        name = getattr(self.program, "__name__", "program")
        with _said(f"the NumPyro program {name} cannot be run on {n_texts} texts and {self.n_predicates} predicates"):
            weights = self.init_weights(denotations, data)
        said = (
            f"the NumPyro program {name} cannot predict: let it return one value per text, or observe a distribution "
            "that has a mean, and let it run without data (`obs=None if data is None else data[...]`)"
        )
        with _said(said):
            predicted = jax.eval_shape(self.predict, weights, denotations)
        if predicted.shape[:1] != (n_texts,):
            raise ModelError(f"{said}; got a prediction of shape {predicted.shape} for {n_texts} texts")
        return Prepared(data, {})

    def init_weights(self, denotations, data=None):
        """Near zero on the unconstrained scale, but not at zero, where exchangeable sites would stay equal."""
        shapes = self._latent_shapes(denotations, data)
        keys = jax.random.split(jax.random.key(0), len(shapes))
        return {
            site: jax.random.uniform(key, shape, minval=-0.1, maxval=0.1)
            for key, (site, shape) in zip(keys, shapes.items(), strict=True)
        }

    def loss(self, weights, denotations, data=None):
        values = constrain_fn(self.program, (denotations, data), {}, weights)
        return jnp.negative(log_density(self.program, (denotations, data), {}, values)[0]) / denotations.shape[0]

    def log_joint(self, weights, denotations, data=None):
        return jnp.negative(potential_energy(self.program, (denotations, data), {}, weights))

    def predict(self, weights, denotations):
        """What the program returns for each text; if it returns nothing, the mean of its observed site, for a
        categorical one the most likely category.
        """
        sites, returned = self._trace(weights, denotations, None)
        if returned is not None:
            return jnp.asarray(returned)
        for name, site in sites.items():
            if site["type"] == "sample" and name not in weights and not isinstance(site["fn"], dist.Unit):
                distribution = site["fn"]
                if isinstance(distribution, dist.CategoricalProbs | dist.CategoricalLogits):
                    return jnp.argmax(jnp.asarray(distribution.probs), axis=-1)
                return distribution.mean
        raise ValueError("it observes nothing and returns nothing")

    def quantities(self, weights, denotations, data=None):
        """The latent and the deterministic sites, as the program has them; those with one entry per text are left out
        unless they are latent.
        """
        values = constrain_fn(self.program, (denotations, data), {}, weights, return_deterministic=True)
        n_texts = denotations.shape[0]
        shown = {name: v for name, v in values.items() if name in weights or n_texts not in jnp.shape(v)}
        given = dict(self.dims)
        quantities = {}
        for name, value in shown.items():
            (quantity,) = weight_quantities({name: value}, self.n_predicates).values()
            dims = given.get(name, quantity.dims)
            if len(dims) != quantity.values.ndim:
                raise ModelError(
                    f"got dims={dims} for the site {name!r} of shape {quantity.values.shape}, expected one per axis"
                )
            # A site that may be negative is taken for an effect.
            neutral = 0.0 if name in weights and weights[name] is value else None
            quantities[name] = Quantity(quantity.values, dims, quantity.label, neutral)
        return quantities

    def _trace(self, weights, denotations, data):
        """The sites of the program with the latent ones at these weights, and what it returned."""
        values = constrain_fn(self._seeded, (denotations, data), {}, weights)
        substituted = handlers.substitute(self._seeded, data=values)
        returned = []

        def program(*args):
            returned.append(substituted(*args))

        return handlers.trace(program).get_trace(denotations, data), returned[0]

    def _seeded(self, denotations, data):
        return handlers.seed(self.program, jax.random.key(0))(denotations, data)

    def _latent_shapes(self, denotations, data) -> dict[str, tuple[int, ...]]:
        """The shapes of the latent sites on the unconstrained scale. Raises `ModelError` if there is no density."""
        shapes, found = {}, []

        def run(denotations):
            found.append(handlers.trace(self._seeded).get_trace(denotations, data))

        jax.eval_shape(run, denotations)
        observed = False
        for name, site in found[0].items():
            if site["type"] == "param":
                raise ModelError(f"the site {name!r} is a numpyro.param, which has no prior: make it a numpyro.sample")
            if site["type"] == "plate" and len(site["value"]) != site["args"][0]:
                raise ModelError(f"the plate {name!r} draws a part of its entries: leave subsample_size out")
            if site["type"] != "sample":
                continue
            if site["is_observed"]:
                observed = True
            elif site["fn"].support.is_discrete:
                raise ModelError(
                    f"the latent site {name!r} is discrete ({type(site['fn']).__name__}), expected only continuous "
                    "ones: sum over its values, for instance by numpyro.distributions.MixtureSameFamily, or by "
                    "jax.scipy.special.logsumexp and numpyro.factor"
                )
            else:
                shapes[name] = biject_to(site["fn"].support).inverse_shape(jnp.shape(site["value"]))
        if not shapes:
            raise ModelError("the NumPyro program has no latent site: sample at least one weight (numpyro.sample)")
        if not observed:
            raise ModelError(
                "the NumPyro program observes nothing: give a numpyro.sample the data (obs=), or add a numpyro.factor"
            )
        return shapes


@contextlib.contextmanager
def _said(what: str):
    """An exception in the user's program, told as what it means for the model."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{what} ({type(error).__name__}: {error})") from error
