"""Regression: the predicates of a text predict a number."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nlparam.corpus.labels import target_numbers
from nlparam.errors import check_positive
from nlparam.numerics.core._types import Scalar
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity
from nlparam.numerics.statistics.controls import apart, beside


class RegressionData(NamedTuple):
    """`target[i]` is the number of text i, `variance` that of all numbers, also beside some of the texts; `controls`
    are columns that have coefficients too, each with mean 0, `None` without controls.
    """

    target: Float[Array, " n_texts"]
    variance: Scalar
    controls: Float[Array, "n_texts n_controls"] | None = None


class RegressionWeights(NamedTuple):
    """`coefficients[k]` is what predicate k adds to the number, in its units; `intercept` is the number without any;
    `controls[j]` is what column j of the controls adds, `None` without controls.
    """

    coefficients: Float[Array, " n_predicates"]
    intercept: Scalar
    controls: Float[Array, " n_controls"] | None = None


class Regression(AbstractPredicateModel):
    r"""Linear regression of a number on the denotations.

    With $\hat y_x = a + \sum_k \beta_k D_{xk}$ and $\sigma^2$ the variance of $y$, the loss of N texts is
    $\frac{1}{2N\sigma^2} \left(\sum_x (y_x - \hat y_x)^2 + \rho \|\beta\|^2\right)$: half the share
    of the variance that is left unexplained, whatever the units of $y$. The ridge is a Gaussian prior of the
    coefficients, with $\rho$ its precision in units of that of the noise (scikit-learn's `alpha`); it counts for less
    the more texts there are.

    `data` are the numbers, `(n_texts,)`, or a mapping
    `{"target": numbers, "controls": {"year": [...], "source": [...]}}`, whose controls have coefficients as predicates
    have, see `nlparam.numerics.statistics.controls`. `loss` takes the numbers alone too.

    **Arguments:** `n_predicates`; `ridge`, the $\rho$; `intercept`.
    """

    n_predicates: int
    ridge: float = 1.0
    intercept: bool = True

    closed_form_weights: ClassVar[bool] = True
    has_noise: ClassVar[bool] = True  # `by_pattern` has a scale

    def __check_init__(self):
        check_positive(": it keeps the weights finite", ridge=self.ridge)

    def prepare(self, data, n_texts):
        """Checks that there is one finite number per text, and that they differ.

        The controls become columns; their names are in `coords["control"]`.
        """
        if isinstance(data, RegressionData):
            target_numbers(np.asarray(data.target), n_texts)
            return Prepared(data, {})
        target, controls, coords = apart(data, n_texts)
        numbers = target_numbers(target, n_texts)
        return Prepared(RegressionData(to_device(numbers), to_device(np.var(numbers)), controls), coords)

    def loss(self, weights, denotations, data=None):
        data = _whole(data)
        squares = jnp.mean((data.target - self.predict(weights, denotations, data.controls)) ** 2)
        return squares / (2 * data.variance) + self.penalty(weights, len(data.target), data)

    def penalty(self, weights, n_texts, data=None):
        """The ridge: the same prior however many texts there are."""
        return self._prior(weights) / (2 * n_texts * _whole(data).variance)

    def init_weights(self, denotations, data=None):
        controls = _whole(data).controls
        zeros = [jnp.zeros(columns.shape[1]) for columns in (denotations, controls) if columns is not None]
        return RegressionWeights(zeros[0], jnp.zeros(()), *zeros[1:])

    def subsample(self, data, rows, n_texts):
        """The prior counts for as much beside the texts that are left as it did beside all."""
        ridge = self.ridge * len(rows) / n_texts
        return dataclasses.replace(self, ridge=ridge), super().subsample(_whole(data), rows, n_texts)[1]

    def fit_weights(self, denotations, data=None, init=None):
        """The closed form: ridge regression by the normal equations."""
        del init
        target, _, controls = _whole(data)
        design = beside(denotations, controls)
        centre = jnp.mean(design, axis=0) if self.intercept else jnp.zeros(design.shape[1])
        base = jnp.mean(target) if self.intercept else jnp.zeros(())
        centred = design - centre
        gram = (centred.T @ centred + self.ridge * jnp.eye(design.shape[1])) / len(target)
        both = jnp.linalg.solve(gram, centred.T @ (target - base) / len(target))
        coefficients, *rest = [both] if controls is None else jnp.split(both, [denotations.shape[1]])
        return RegressionWeights(coefficients, base - centre @ both, *rest)

    def quantities(self, weights, denotations, data=None):
        """What each predicate adds to the number, in its units, and the number without any."""
        del denotations, data
        return {
            "coefficient": Quantity(weights.coefficients, ("predicate",), "Added to the number"),
            "intercept": Quantity(weights.intercept, (), "The number without any predicate", None),
        }

    def log_joint(self, weights, denotations, data=None):
        r"""The posterior with the variance of the noise integrated out under the prior $1/\sigma^2$:
        $-\frac N2 \log(\sum_x (y_x - \hat y_x)^2 + \rho \|\beta\|^2)$.
        """
        target, _, controls = _whole(data)
        squares = jnp.mean((target - self.predict(weights, denotations, controls)) ** 2)
        return -len(target) / 2 * jnp.log(squares + self._prior(weights) / len(target))

    def by_pattern(self, weights, scale, patterns, data):
        """The log-likelihood of the number of each text for each of some rows of denotations, `(n_texts, n_patterns)`,
        and the log of the prior of the weights. `scale` is the log of the standard deviation of the noise.
        """
        target, _, controls = _whole(data)
        allowed = target if controls is None else target - controls @ weights.controls
        residuals = (allowed[:, None] - self.predict(weights, patterns)) / jnp.exp(scale)
        n_weights = sum(leaf.size for leaf in (weights.coefficients, weights.controls) if leaf is not None)
        prior = -self._prior(weights) / (2 * jnp.exp(2 * scale)) - n_weights * scale
        return -(residuals**2) / 2 - scale, prior

    def predict(self, weights, denotations, controls=None):
        """The predicted number of each text.

        `controls` are columns as in `RegressionData`; without them, that of a text that is average in all of them.
        """
        numbers = denotations @ weights.coefficients + weights.intercept
        return numbers if controls is None else numbers + controls @ weights.controls

    def _prior(self, weights):
        return self.ridge * sum(
            jnp.sum(leaf**2) for leaf in (weights.coefficients, weights.controls) if leaf is not None
        )


def _whole(data) -> RegressionData:
    """The data as `prepare` gives them, where they are numbers alone."""
    if isinstance(data, RegressionData):
        return data
    target = jnp.asarray(data)
    # A constant target has nothing to explain; the border refuses it, and 0/0 must not reach the search.
    return RegressionData(target, jnp.maximum(jnp.var(target), 1e-12))
