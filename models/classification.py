"""Classification: the predicates of a text say which class it is of."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from nlparam.corpus.labels import class_labels
from nlparam.errors import CorpusError, check_positive
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity
from nlparam.numerics.solvers.newton import Evaluated, descend, newton_direction
from nlparam.numerics.statistics.controls import apart, beside


class ClassificationData(NamedTuple):
    """`target[i]` is the class of text i; `controls` are columns that have coefficients too, each with mean 0."""

    target: Int[Array, " n_texts"]
    controls: Float[Array, "n_texts n_controls"]


class ClassificationWeights(NamedTuple):
    """Log-odds: `coefficients[c, k]` is what predicate k adds to the score of class c, `intercepts[c]` its base.

    Only differences between classes count; the ridge makes the coefficients of a predicate sum to zero over classes.
    `controls[c, j]` is what column j of the controls adds, `None` without controls.
    """

    coefficients: Float[Array, "n_classes n_predicates"]
    intercepts: Float[Array, " n_classes"]
    controls: Float[Array, "n_classes n_controls"] | None = None


class Classification(AbstractPredicateModel):
    r"""Multinomial logistic regression of the class on the denotations (arXiv 2409.08466, section 3).

    With scores $z_{xc} = a_c + \sum_k W_{ck} D_{xk}$ the loss of N texts is the mean cross-entropy plus
    $\frac{\rho}{2N} \|W\|^2$: the ridge is a Gaussian prior of precision $\rho$, and counts for less the more texts
    there are (scikit-learn's `C` is its inverse). `data` are the classes of the texts, `(n_texts,)`: names, booleans or
    whole numbers; or a mapping `{"target": classes, "controls": {"year": [...], "source": [...]}}`, whose controls have
    weights as predicates have, see `nlparam.numerics.statistics.controls`. `loss` takes integers in
    `range(n_classes)`, or `ClassificationData`.

    **Arguments:** `n_predicates`; `n_classes`, at least 2; `ridge`, the $\rho$, which also keeps the weights finite
    where the classes are separated perfectly; `intercept`, whether the classes have base scores; `parity` states the
    objective of the paper's code instead: no intercept and $\rho = 10^{-5}$.
    """

    n_predicates: int
    n_classes: int = 2
    ridge: float = 1.0
    intercept: bool = True
    parity: bool = False

    def __check_init__(self):
        if self.n_classes < 2:
            raise ValueError(f"got n_classes={self.n_classes}, expected at least 2")
        check_positive(": it keeps the weights finite", ridge=self.ridge)

    def prepare(self, data, n_texts):
        """Numbers the classes. Integers in `range(n_classes)` stay as they are, even where a class has no text.

        The controls become columns; their names are in `coords["control"]`.
        """
        if isinstance(data, ClassificationData):
            return Prepared(data, {"class": self.prepare(data.target, n_texts).coords["class"]})
        target, controls, named = apart(data, n_texts)
        codes, names = self._codes(target, n_texts)
        coords = {"class": names} | named
        return Prepared(codes if controls is None else ClassificationData(codes, controls), coords)

    def _codes(self, target, n_texts):
        labels = class_labels(target, n_texts)
        numbers = [str(c) for c in range(self.n_classes)]
        if set(labels.names) <= set(numbers):
            codes = np.asarray([int(name) for name in labels.names], np.int32)[labels.codes]
            return to_device(codes), numbers
        if len(labels.names) != self.n_classes:
            shown = ", ".join(repr(name) for name in labels.names[:8]) + (", ..." if len(labels.names) > 8 else "")
            raise CorpusError(
                f"got labels of {len(labels.names)} classes ({shown}), expected {self.n_classes}: "
                f"give the model n_classes={len(labels.names)}, or mend the labels"
            )
        return to_device(labels.codes), labels.names

    def loss(self, weights, denotations, data=None):
        target, controls = _taken_apart(data)
        log_probabilities = jax.nn.log_softmax(self._scores(weights, denotations, controls))
        fit = -jnp.mean(jnp.take_along_axis(log_probabilities, target[:, None], axis=1))
        return fit + self.penalty(weights, denotations.shape[0], data)

    def penalty(self, weights, n_texts, data=None):
        """The ridge: the same prior however many texts there are."""
        del data
        squares = sum(jnp.sum(leaf**2) for leaf in (weights.coefficients, weights.controls) if leaf is not None)
        return jnp.asarray(self._ridge / (2 * n_texts) * squares)

    def init_weights(self, denotations, data=None):
        zeros = [jnp.zeros((self.n_classes, size), denotations.dtype) for size in _sizes(denotations, data)]
        return ClassificationWeights(zeros[0], jnp.zeros(self.n_classes, denotations.dtype), *zeros[1:])

    def subsample(self, data, rows, n_texts):
        """The prior counts for as much beside the texts that are left as it did beside all."""
        ridge = self.ridge * len(rows) / n_texts
        return dataclasses.replace(self, ridge=ridge), super().subsample(data, rows, n_texts)[1]

    def fit_weights(self, denotations, data=None, init=None):
        """Newton's method where the Hessian is small, else L-BFGS (the default of every model)."""
        start = self.init_weights(denotations, data) if init is None else init
        if sum(map(jnp.size, jax.tree.leaves(start))) > _MOST_NEWTON_WEIGHTS:
            return super().fit_weights(denotations, data, start)
        # The columns of the controls are as those of predicates here.
        sizes, design = _sizes(denotations, data), beside(denotations, _taken_apart(data)[1])
        both = start.coefficients if start.controls is None else jnp.hstack([start.coefficients, start.controls])
        flat, unravel = ravel_pytree(ClassificationWeights(both, start.intercepts))
        n_texts, n_columns = design.shape
        shape = self.n_classes * n_columns
        penalised = jnp.where(jnp.arange(len(flat)) < shape, self._ridge / n_texts, 0.0)

        def restore(vector):
            coefficients, intercepts, _ = unravel(vector)
            first, *rest = jnp.split(coefficients, [sizes[0]], axis=1) if len(sizes) > 1 else [coefficients]
            return ClassificationWeights(first, intercepts, *rest)

        def evaluate(vector):
            return Evaluated(*jax.value_and_grad(lambda flat: self.loss(restore(flat), denotations, data))(vector))

        def direction(vector, here):
            # The Hessian written out, of the coefficients before the intercepts: autodiff would take it row by row.
            probabilities = jax.nn.softmax(self._scores(unravel(vector), design))
            products = probabilities[:, :, None] * design[:, None, :]
            columns = jnp.concatenate([products.reshape(n_texts, shape), probabilities], axis=1)
            if not self._has_intercept:
                columns = columns.at[:, shape:].set(0.0)
            same = jnp.concatenate([design, jnp.full((n_texts, 1), float(self._has_intercept))], axis=1)
            blocks = jnp.einsum("nc,nk,nl->ckl", probabilities, same, same) / n_texts
            hessian = _arrange(blocks) - columns.T @ columns / n_texts + jnp.diag(penalised)
            # Intercepts that all grow by the same change nothing. Rounding would make that direction one of long steps.
            hessian = hessian.at[shape:, shape:].add(1 / self.n_classes)
            return newton_direction(hessian, here.gradient)

        return restore(descend(evaluate, direction, flat, max_steps=50, tolerance=1e-6)[0])

    def predict(self, weights, denotations, controls=None):
        """The most likely class of each text; see `predict_proba`."""
        return jnp.argmax(self._scores(weights, denotations, controls), axis=1)

    def predict_proba(self, weights: ClassificationWeights, denotations, controls: Array | None = None) -> jax.Array:
        """`(n_texts, n_classes)` probabilities of the classes.

        `controls` are columns as in `ClassificationData`; without them, those of a text that is average in all of them.
        """
        return jax.nn.softmax(self._scores(weights, denotations, controls))

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
        return super().log_joint(weights, denotations, data) + self._log_prior_of_intercepts(weights)

    def _log_prior_of_intercepts(self, weights):
        # Only differences between intercepts count; without a prior their sum would be free to wander.
        return -0.005 * jnp.sum(weights.intercepts**2)

    def by_pattern(self, weights, scale, patterns, data):
        """The log-likelihood of the class of each text for each of some rows of denotations, `(n_texts, n_patterns)`,
        and the log of the prior of the weights.
        """
        del scale
        target, controls = _taken_apart(data)
        scores = self._scores(weights, patterns)
        if controls is None:
            found = jax.nn.log_softmax(scores)[:, target].T
        else:
            every = jax.nn.log_softmax(scores + (controls @ weights.controls.T)[:, None, :])
            found = jnp.take_along_axis(every, target[:, None, None], axis=2)[:, :, 0]
        return found, -self.penalty(weights, 1) + self._log_prior_of_intercepts(weights)

    def warnings(self, weights, denotations, data=None):
        target, controls = _taken_apart(data)
        # NumPy compiles nothing.
        weights, denotations, controls = jax.tree.map(np.asarray, (weights, denotations, controls))
        if np.all(np.argmax(self._scores(weights, denotations, controls), axis=1) == np.asarray(target)):
            return [
                "the predicates separate the classes perfectly: the coefficients are finite only by the ridge, their "
                "size says nothing"
            ]
        return []

    def _scores(self, weights, denotations, controls=None):
        scores = denotations @ weights.coefficients.T
        if controls is not None:
            scores += controls @ weights.controls.T
        return scores + weights.intercepts if self._has_intercept else scores

    @property
    def _has_intercept(self):
        return self.intercept and not self.parity

    @property
    def _ridge(self):
        return 1e-5 if self.parity else self.ridge


def _taken_apart(data):
    """The classes, and the columns of the controls if there are any."""
    return data if isinstance(data, ClassificationData) else (to_device(data), None)


def _sizes(denotations, data):
    """How many predicates there are and, if any, how many columns of controls."""
    controls = _taken_apart(data)[1]
    return [denotations.shape[1], *([] if controls is None else [controls.shape[1]])]


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
