"""What a model is: a loss over denotations. Everything else has a default."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from nlparam.errors import CorpusError
from nlparam.numerics.core._types import Data, Denotations, Scalar, Scores, Weights
from nlparam.numerics.core.denotations import HOLDS
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.quantities import Prepared, Quantity, weight_quantities


class AbstractPredicateModel(eqx.Module):
    """A statistical model over the denotation matrix (arXiv 2409.08466, section 3).

    A subclass is a frozen dataclass with the field `n_predicates` and the method `loss`; it holds no text, prompt,
    language model or optimiser. The same `loss` serves relaxed denotations (`link` of cosines) and judged ones.

    !!! example
        ```python
        class Coverage(AbstractPredicateModel):
            n_predicates: int

            def loss(self, weights, denotations, data=None):
                return jnp.mean(jnp.prod(1 - denotations, axis=1))  # share of texts that no predicate holds for
        ```
    """

    n_predicates: eqx.AbstractVar[int]

    # `fit_weights` is a closed form: the relaxation solves for the weights at every step instead of descending on them.
    closed_form_weights: ClassVar[bool] = False
    assigns_texts: ClassVar[bool] = False  # `predict` gives the predicate that each text belongs to
    has_prior: ClassVar[bool] = False  # `log_joint` has a proper prior for every weight: the posterior then adds none

    def __check_init__(self):
        n = self.n_predicates
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(
                f"got n_predicates={n!r}, expected at least 1, a whole number: how many predicates the model is to have"
            )

    @abc.abstractmethod
    def loss(self, weights: Weights, denotations: Denotations, data: Data = None) -> Scalar:
        """The mean loss per text in nats, lower is better. Must be differentiable in `denotations`."""

    def prepare(self, data: Data, n_texts: int) -> Prepared:
        """Turns a user's `data` (labels, dates, numbers) into the arrays that `loss` takes, and names them; by default
        as they are.

        Called once, before anything else. An override raises `CorpusError` where the data cannot be used, and takes its
        own result as well.
        """
        del n_texts
        try:
            return Prepared(jax.tree.map(_on_device, data, is_leaf=_is_listed), {})
        except TypeError as error:
            raise CorpusError(
                f"got data that are no numbers ({error}), expected arrays of numbers, one entry per text: turn labels "
                "into numbers, or override `prepare`"
            ) from error

    def penalty(self, weights: Weights, n_texts: int, data: Data = None) -> Scalar:
        """What the loss of `n_texts` texts has beside a mean over them, such as a ridge; by default 0.

        If `loss(weights, denotations, data) - penalty(weights, n_texts, data)` is the mean of the same difference for
        each text alone (`n_texts=1`), the weights can be corrected for errors of the denotations.
        """
        del weights, n_texts, data
        return jnp.zeros(())

    def init_weights(self, denotations: Denotations, data: Data = None) -> Weights:
        """Where the search for weights begins; by default one zero per predicate."""
        del data
        return jnp.zeros(denotations.shape[1], denotations.dtype)

    def fit_weights(self, denotations: Denotations, data: Data = None, init: Weights | None = None) -> Weights:
        """The weights that minimise `loss` for fixed denotations; by default L-BFGS from `init`.

        Works under `jit` and `vmap`, which is how the search compares many sets of predicates at once.
        """
        start = self.init_weights(denotations, data) if init is None else init
        return _by_descent(self, start, denotations, data)

    def link(self, scores: Scores) -> Denotations:
        """Relaxed denotations from cosines in [-1, 1] between texts and directions; by default the cosines."""
        return scores

    def preconditioner(self, denotations: Denotations, data: Data = None) -> Callable[[Weights], Weights]:
        """A linear map to the weights from coordinates in which the loss is about equally curved, for the relaxation.

        By default these are the weights themselves.
        """
        del denotations, data
        return lambda weights: weights

    def subsample(self, data: Data, rows: Array, n_texts: int) -> tuple["AbstractPredicateModel", Data]:
        """The model and data of some of the texts, such that their loss estimates the loss of all `n_texts`.

        By default the same model, and `rows` of every array of the data with one entry per text.
        """

        def take(leaf):
            leaf = to_device(leaf)
            return jnp.take(leaf, rows, axis=0) if leaf.ndim and leaf.shape[0] == n_texts else leaf

        return self, jax.tree.map(take, data)

    def condense(self, data: Data) -> tuple["AbstractPredicateModel", Data]:
        """A model and data with the same `profile_loss` from fewer numbers, such as without steps of time that have no
        text; by default these. Its weights may have another shape. Asked outside of `jit`.
        """
        return self, data

    def specialise(self, denotations: Denotations) -> "AbstractPredicateModel":
        """An equal model that computes `loss` in a cheaper way for denotations like these; by default the model itself.

        Asked outside of `jit`, where values are known.
        """
        del denotations
        return self

    def for_chances(self) -> "AbstractPredicateModel":
        """A model of as many predicates whose loss compares candidates by the chances that they hold, as a head gives
        them, where that of this model is for a yes or a no; by default the model itself."""
        return self

    def predict(self, weights: Weights, denotations: Denotations) -> jax.Array:
        """The model's prediction for each text; by default the linear predictor `denotations @ weights`."""
        return denotations @ jnp.asarray(weights)

    def assign(self, weights: Weights, denotations: Denotations) -> jax.Array:
        """Of a model with `assigns_texts`, `(n_texts,)`: which of the predicates that hold for a text it belongs to.

        These are the predicates with a denotation of at least 0.5, of which `predict` chooses; -1 where there is none.
        """
        held = denotations >= HOLDS
        return jnp.where(jnp.any(held, axis=1), self.predict(weights, jnp.where(held, denotations, 0)), -1)

    def quantities(self, weights: Weights, denotations: Denotations, data: Data = None) -> dict[str, Quantity]:
        """The results that a reader wants to see, by name; by default the weights. Works under `vmap`, for the
        posterior.
        """
        del data
        return weight_quantities(weights, denotations.shape[1])

    def log_joint(self, weights: Weights, denotations: Denotations, data: Data = None) -> Scalar:
        """The log of the joint density of weights and data, up to a constant: what a posterior is sampled from.

        By default `-n_texts * loss`, which is right where the loss is a mean negative log-likelihood per text.
        """
        return -denotations.shape[0] * self.loss(weights, denotations, data)

    def warnings(self, weights: Weights, denotations: Denotations, data: Data = None) -> list[str]:
        """What a user should be told about the fitted weights, such as that the data do not determine them."""
        del weights, denotations, data
        return []

    def swaps(self, columns: Denotations, data: Data = None) -> Callable[[Array], Array] | None:
        """Maps `chosen` columns to the `(n_predicates, n_columns)` profile losses with each of `columns` in the place
        of each of them, for a model that need not fit each of these sets; by default None.
        """
        del columns, data
        return None

    def profile_loss(self, denotations: Denotations, data: Data = None, init: Weights | None = None) -> Scalar:
        """The loss at the best weights, sought from `init`: what the selection of predicates compares."""
        return self.loss(self.fit_weights(denotations, data, init), denotations, data)


def _is_listed(data: Any) -> bool:
    """Whether data are a list of numbers, not a tree of arrays."""
    return isinstance(data, list) and all(np.ndim(value) == 0 for value in data)


def _on_device(data: Any) -> jax.Array:
    return to_device(np.asarray(data) if isinstance(data, list) else data)


@eqx.filter_jit
def _by_descent(model, start, denotations, data):
    # The search, its check and the fit all call it: inside of `jit` it is traced once for each shape.
    return minimise(lambda weights: model.loss(weights, denotations, data), start)


def minimise(loss, start: Weights, *, max_steps: int = 200, tolerance: float = 1e-5) -> Weights:
    """Minimises a smooth function of a PyTree by L-BFGS until the largest gradient entry is below `tolerance`."""
    optim = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def unfinished(carry):
        _, _, gradient, step = carry
        largest = jax.tree.reduce(jnp.maximum, jax.tree.map(lambda g: jnp.max(jnp.abs(g), initial=0.0), gradient))
        return (step == 0) | ((step < max_steps) & (largest > tolerance))

    def descend(carry):
        weights, state, _, step = carry
        value, gradient = value_and_grad(weights, state=state)
        updates, state = optim.update(gradient, state, weights, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(weights, updates), state, gradient, step + 1

    zeros = jax.tree.map(jnp.zeros_like, start)
    weights, *_ = jax.lax.while_loop(unfinished, descend, (start, optim.init(start), zeros, jnp.asarray(0)))
    return weights
