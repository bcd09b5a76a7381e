"""Regression: the predicates of a text predict a number."""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from nlparam.corpus.labels import target_numbers
from nlparam.numerics.core._types import Scalar
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity


class RegressionWeights(NamedTuple):
    """`coefficients[k]` is what predicate k adds to the number, in its units; `intercept` is the number without any."""

    coefficients: Float[Array, " n_predicates"]
    intercept: Scalar


class Regression(AbstractPredicateModel):
    r"""Linear regression of a number on the denotations.

    With $\hat y_x = a + \sum_k \beta_k D_{xk}$ and $\sigma^2$ the variance of $y$, the loss is
    $\frac{1}{2N\sigma^2} \sum_x (y_x - \hat y_x)^2 + \frac{\rho}{2\sigma^2} \|\beta\|^2$: half the share
    of the variance that is left unexplained, whatever the units of $y$. `data` are the numbers, `(n_texts,)`.

    **Arguments:** `n_predicates`; `ridge`, the $\rho$; `intercept`.
    """

    n_predicates: int
    ridge: float = 1e-3
    intercept: bool = True

    closed_form_weights: ClassVar[bool] = True

    def __check_init__(self):
        if not self.ridge > 0:
            raise ValueError(f"got ridge={self.ridge}, expected a positive number: it keeps the weights finite")

    def prepare(self, data, n_texts):
        """Checks that there is one finite number per text, and that they differ."""
        return Prepared(jnp.asarray(target_numbers(data, n_texts)), {})

    def loss(self, weights, denotations, data=None):
        target = jnp.asarray(data)
        squares = jnp.mean((target - self.predict(weights, denotations)) ** 2)
        return (squares + self.ridge * jnp.sum(weights.coefficients**2)) / (2 * _variance(target))

    def init_weights(self, denotations, data=None):
        del data
        return RegressionWeights(jnp.zeros(denotations.shape[1]), jnp.zeros(()))

    def fit_weights(self, denotations, data=None, init=None):
        """The closed form: ridge regression by the normal equations."""
        del init
        target = jnp.asarray(data)
        centre = jnp.mean(denotations, axis=0) if self.intercept else jnp.zeros(denotations.shape[1])
        base = jnp.mean(target) if self.intercept else jnp.zeros(())
        centred = denotations - centre
        gram = centred.T @ centred / len(target) + self.ridge * jnp.eye(denotations.shape[1])
        coefficients = jnp.linalg.solve(gram, centred.T @ (target - base) / len(target))
        return RegressionWeights(coefficients, base - centre @ coefficients)

    def quantities(self, weights, denotations, data=None):
        """What each predicate adds to the number, in its units, and the number without any."""
        del denotations, data
        return {
            "coefficient": Quantity(weights.coefficients, ("predicate",), "Added to the number"),
            "intercept": Quantity(weights.intercept, (), "The number without any predicate", None),
        }

    def log_joint(self, weights, denotations, data=None):
        r"""The posterior with the variance of the noise integrated out under the prior $1/\sigma^2$:
        $-\frac N2 \log(\sum_x (y_x - \hat y_x)^2 + \rho N \|\beta\|^2)$.
        """
        target = jnp.asarray(data)
        squares = jnp.mean((target - self.predict(weights, denotations)) ** 2)
        return -len(target) / 2 * jnp.log(squares + self.ridge * jnp.sum(weights.coefficients**2))

    def predict(self, weights, denotations):
        """The predicted number of each text."""
        return denotations @ weights.coefficients + weights.intercept


def _variance(target):
    # A constant target has nothing to explain; the border refuses it, and 0/0 must not reach the search.
    return jnp.maximum(jnp.var(target), 1e-12)
