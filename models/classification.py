"""Classification: the predicates of a text say which class it is of."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from nlparam.corpus.labels import class_labels
from nlparam.errors import CorpusError
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity
from nlparam.numerics.solvers.newton import descend, newton_direction


class ClassificationWeights(NamedTuple):
    """Log-odds: `coefficients[c, k]` is what predicate k adds to the score of class c, `intercepts[c]` its base.

    Only differences between classes count; the ridge makes the coefficients of a predicate sum to zero over classes.
    """

    coefficients: Float[Array, "n_classes n_predicates"]
    intercepts: Float[Array, " n_classes"]


class Classification(AbstractPredicateModel):
    r"""Multinomial logistic regression of the class on the denotations (arXiv 2409.08466, section 3).

    With scores $z_{xc} = a_c + \sum_k W_{ck} D_{xk}$ the loss is the mean cross-entropy plus a ridge
    $\frac{\rho}{2} \|W\|^2$. `data` are the classes of the texts,
    `(n_texts,)`: names, booleans or whole numbers; `loss` takes them as integers in `range(n_classes)`.

    **Arguments:** `n_predicates`; `n_classes`, at least 2; `ridge`, the $\rho$, which also keeps the weights finite
    where the classes are separated perfectly; `intercept`, whether the classes have base scores; `parity` states the
    objective of the paper's code instead, for N texts: no intercept and $\rho = 1 / (10^5 N)$.
    """

    n_predicates: int
    n_classes: int = 2
    ridge: float = 1e-3
    intercept: bool = True
    parity: bool = False

    def __check_init__(self):
        if self.n_classes < 2:
            raise ValueError(f"got n_classes={self.n_classes}, expected at least 2")
        if not self.ridge > 0:
            raise ValueError(f"got ridge={self.ridge}, expected a positive number: it keeps the weights finite")

    def prepare(self, data, n_texts):
        """Numbers the classes. Integers in `range(n_classes)` stay as they are, even where a class has no text."""
        labels = class_labels(data, n_texts)
        numbers = [str(c) for c in range(self.n_classes)]
        if set(labels.names) <= set(numbers):
            codes = np.asarray([int(name) for name in labels.names], np.int32)[labels.codes]
            return Prepared(jnp.asarray(codes), {"class": numbers})
        if len(labels.names) != self.n_classes:
            shown = ", ".join(repr(name) for name in labels.names[:8]) + (", ..." if len(labels.names) > 8 else "")
            raise CorpusError(
                f"got labels of {len(labels.names)} classes ({shown}), expected {self.n_classes}: "
                f"give the model n_classes={len(labels.names)}, or mend the labels"
            )
        return Prepared(jnp.asarray(labels.codes), {"class": labels.names})

    def loss(self, weights, denotations, data=None):
        log_probabilities = jax.nn.log_softmax(self._scores(weights, denotations))
        fit = -jnp.mean(jnp.take_along_axis(log_probabilities, jnp.asarray(data)[:, None], axis=1))
        return fit + self._ridge(denotations.shape[0]) / 2 * jnp.sum(weights.coefficients**2)

    def init_weights(self, denotations, data=None):
        del data
        zeros = jnp.zeros((self.n_classes, denotations.shape[1]), denotations.dtype)
        return ClassificationWeights(zeros, zeros[:, 0] if denotations.shape[1] else jnp.zeros(self.n_classes))

    def fit_weights(self, denotations, data=None, init=None):
        """Newton's method where the Hessian is small, else L-BFGS (the default of every model)."""
        start = self.init_weights(denotations, data) if init is None else init
        if self.n_classes * (denotations.shape[1] + 1) > _MOST_NEWTON_WEIGHTS:
            return super().fit_weights(denotations, data, start)
        flat, restore = ravel_pytree(start)
        n_texts, n_predicates = denotations.shape
        shape = self.n_classes * n_predicates
        penalised = jnp.where(jnp.arange(len(flat)) < shape, self._ridge(n_texts), 0.0)

        def direction(vector, gradient):
            # The Hessian written out, of the coefficients before the intercepts: autodiff would take it row by row.
            weights = restore(vector)
            probabilities = jax.nn.softmax(self._scores(weights, denotations))
            products = probabilities[:, :, None] * denotations[:, None, :]
            columns = jnp.concatenate([products.reshape(n_texts, shape), probabilities], axis=1)
            if not self._has_intercept:
                columns = columns.at[:, shape:].set(0.0)
            same = jnp.concatenate([denotations, jnp.full((n_texts, 1), float(self._has_intercept))], axis=1)
            blocks = jnp.einsum("nc,nk,nl->ckl", probabilities, same, same) / n_texts
            hessian = _arrange(blocks) - columns.T @ columns / n_texts + jnp.diag(penalised)
            return newton_direction(hessian, gradient)

        def value(vector):
            return self.loss(restore(vector), denotations, data)

        return restore(descend(value, direction, flat, max_steps=50, tolerance=1e-6)[0])

    def predict(self, weights, denotations):
        """The most likely class of each text."""
        return jnp.argmax(self._scores(weights, denotations), axis=1)

    def predict_proba(self, weights: ClassificationWeights, denotations) -> jax.Array:
        """`(n_texts, n_classes)` probabilities of the classes."""
        return jax.nn.softmax(self._scores(weights, denotations))

    def quantities(self, weights, denotations, data=None):
        """What each predicate adds to the log-odds of each class; with two classes, to those of the second."""
        del denotations, data
        coefficients = weights.coefficients
        if self.n_classes == 2:
            label = "Log-odds of the second class"
            return {"coefficient": Quantity(coefficients[1] - coefficients[0], ("predicate",), label)}
        centred = coefficients - jnp.mean(coefficients, axis=0)
        return {"coefficient": Quantity(centred, ("class", "predicate"), "Log-odds against the mean class")}

    def log_joint(self, weights, denotations, data=None):
        # Only differences between intercepts count; without a prior their sum would be free to wander.
        return super().log_joint(weights, denotations, data) - 0.005 * jnp.sum(weights.intercepts**2)

    def warnings(self, weights, denotations, data=None):
        if bool(jnp.all(self.predict(weights, denotations) == data)):
            return [
                "the predicates separate the classes perfectly: the coefficients are finite only by the ridge, their "
                "size says nothing"
            ]
        return []

    def _scores(self, weights, denotations):
        scores = denotations @ weights.coefficients.T
        return scores + weights.intercepts if self._has_intercept else scores

    @property
    def _has_intercept(self):
        return self.intercept and not self.parity

    def _ridge(self, n_texts):
        return 1e-5 / n_texts if self.parity else self.ridge


def _arrange(blocks):
    """From one block per class, of its predicates and then its intercept, to all coefficients before all intercepts."""
    n_classes, size, _ = blocks.shape
    n_predicates = size - 1
    full = jax.scipy.linalg.block_diag(*blocks)
    within = jnp.arange(n_classes * size).reshape(n_classes, size)
    order = jnp.concatenate([within[:, :n_predicates].ravel(), within[:, n_predicates]])
    return full[order][:, order]


# Above this, a step of Newton's method costs more than the L-BFGS steps it saves.
_MOST_NEWTON_WEIGHTS = 300
