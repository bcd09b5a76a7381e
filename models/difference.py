"""Difference: predicates that hold more often in one group of texts than in the other."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nlparam.corpus.labels import class_labels
from nlparam.errors import CorpusError, check_positive
from nlparam.numerics.core.denotations import HOLDS
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Prepared, Quantity
from nlparam.numerics.solvers.newton import newton


class DifferenceData(NamedTuple):
    """`second[i]` is 1 if text i is of the group that differences are counted towards, else 0."""

    second: Int[Array, " n_texts"]


class DifferenceWeights(NamedTuple):
    """`log_odds[k]` is how much predicate k, alone, raises the log-odds that a text is of the second group;
    `intercepts[k]` the log-odds without it.
    """

    log_odds: Float[Array, " n_predicates"]
    intercepts: Float[Array, " n_predicates"]


class Difference(AbstractPredicateModel):
    r"""What distinguishes two groups of texts: classification with two classes and one predicate at a time
    (arXiv 2409.08466, section 3; D5, arXiv 2302.14233; with one predicate, VisDiff, arXiv 2312.02974).

    Each predicate alone predicts the group, $P(g_x = 1) = \sigma(a_k + b_k D_{xk})$, and the loss is the mean over the
    predicates of their cross-entropies and, for N texts, of ridges $\frac{\rho}{2N} b_k^2$, plus
    $\frac{\delta}{K} \sum_{k<l} r_{kl}^2$ with $r_{kl}$ the correlation of two denotations: without this price of
    repetition the best predicate would be found K times, in other words.

    **Arguments:** `n_predicates`; `diversity`, the $\delta$ in nats; `ridge`, the $\rho$, the precision of the prior of
    each log-odds; `towards`, the name of the group that differences are counted towards, by default the second in
    order. `data` are the groups, `(n_texts,)`, of exactly two values; `loss` takes `DifferenceData`, or the 0s and 1s
    alone.
    """

    n_predicates: int
    diversity: float = 0.2
    ridge: float = 1.0
    towards: str | None = None

    def __check_init__(self):
        if not self.diversity >= 0:
            raise ValueError(f"got diversity={self.diversity}, expected a number that is not negative")
        check_positive(": it keeps the weights finite", ridge=self.ridge)

    def prepare(self, data, n_texts):
        """Numbers the two groups; takes `DifferenceData` too."""
        if isinstance(data, DifferenceData):
            if len(data.second) != n_texts:
                raise CorpusError(f"got {len(data.second)} groups for {n_texts} texts, expected one per text")
            return Prepared(DifferenceData(to_device(data.second)), {"class": ["0", "1"]})
        labels = class_labels(data, n_texts)
        if len(labels.names) != 2:
            shown = ", ".join(repr(name) for name in labels.names[:8])
            raise CorpusError(
                f"got {len(labels.names)} groups ({shown}), expected two: choose two of them, or fit a classification"
            )
        codes, names = labels
        if self.towards is not None and self.towards not in names:
            raise CorpusError(f"got the groups {names[0]!r} and {names[1]!r}, expected one to be {self.towards!r}")
        if self.towards == names[0]:
            codes, names = 1 - codes, names[::-1]
        return Prepared(DifferenceData(to_device(codes)), {"class": names})

    def loss(self, weights, denotations, data=None):
        group = _second(data)
        single = jax.vmap(lambda b, a, column: self._single_loss(b, a, column, group), in_axes=(0, 0, 1))
        return jnp.mean(single(weights.log_odds, weights.intercepts, denotations)) + self._repetition(denotations)

    def penalty(self, weights, n_texts, data=None):
        """The mean ridge over the predicates: the same prior however many texts there are."""
        del data
        return self.ridge / (2 * n_texts) * jnp.mean(weights.log_odds**2)

    def subsample(self, data, rows, n_texts):
        """The prior counts for as much beside the texts that are left as it did beside all."""
        ridge = self.ridge * len(rows) / n_texts
        return dataclasses.replace(self, ridge=ridge), super().subsample(data, rows, n_texts)[1]

    def init_weights(self, denotations, data=None):
        del data
        zeros = jnp.zeros(denotations.shape[1], denotations.dtype)
        return DifferenceWeights(zeros, zeros)

    def fit_weights(self, denotations, data=None, init=None):
        """Newton's method for each predicate by itself."""
        start = self.init_weights(denotations, data) if init is None else init
        group = _second(data)

        def fit_one(log_odds, intercept, column):
            loss = lambda pair: self._single_loss(pair[0], pair[1], column, group)  # noqa: E731
            return newton(loss, (log_odds, intercept)).weights

        return DifferenceWeights(*jax.vmap(fit_one, in_axes=(0, 0, 1))(start.log_odds, start.intercepts, denotations))

    def predict(self, weights, denotations):
        """The group of each text, 0 or 1, by the mean of what the predicates say."""
        return jnp.asarray(self._votes(weights, denotations) > 0, jnp.int32)

    def predict_proba(self, weights: DifferenceWeights, denotations) -> jax.Array:
        """`(n_texts, 2)` probabilities of the groups, by the mean log-odds over the predicates."""
        second = jax.nn.sigmoid(self._votes(weights, denotations))
        return jnp.stack([1 - second, second], axis=1)

    def quantities(self, weights, denotations, data=None):
        """The difference in prevalence, second group minus first, and the log-odds."""
        second = jnp.asarray(_second(data), denotations.dtype)
        held = jnp.asarray(denotations >= HOLDS, denotations.dtype)
        difference = second @ held / jnp.sum(second) - (1 - second) @ held / jnp.sum(1 - second)
        return {
            "difference": Quantity(difference, ("predicate",), "Difference in prevalence"),
            "log_odds": Quantity(weights.log_odds, ("predicate",), "Log-odds of the second group"),
        }

    def log_joint(self, weights, denotations, data=None):
        # One logistic regression per predicate, each on all texts; the price of repetition does not depend on weights.
        return -denotations.shape[0] * self.n_predicates * self.loss(weights, denotations, data)

    def warnings(self, weights, denotations, data=None):
        weights, denotations, second = jax.tree.map(np.asarray, (weights, denotations, _second(data)))
        scores = weights.intercepts + weights.log_odds * denotations  # by NumPy, which compiles nothing
        if np.any(np.all((scores > 0) == (second > 0)[:, None], axis=0)):
            return [
                "a predicate separates the groups perfectly: its log-odds are finite only by the ridge, and their size "
                "says nothing"
            ]
        return []

    def _single_loss(self, log_odds, intercept, column, group):
        scores = intercept + log_odds * column
        return jnp.mean(jax.nn.softplus(scores) - group * scores) + self.ridge / (2 * len(column)) * log_odds**2

    def _repetition(self, denotations):
        centred = denotations - jnp.mean(denotations, axis=0)
        spread = jnp.sum(centred**2, axis=0)
        # A constant column (but for rounding) correlates with nothing, and 0/0 has no gradient.
        varies = spread > 1e-12 * denotations.shape[0]
        scaled = jnp.where(varies, centred / jnp.sqrt(jnp.where(varies, spread, 1.0)), 0.0)
        return self.diversity / self.n_predicates * jnp.sum(jnp.triu((scaled.T @ scaled) ** 2, 1))

    def _votes(self, weights, denotations):
        return jnp.mean(denotations * weights.log_odds + weights.intercepts, axis=1)


def _second(data):
    return data.second if isinstance(data, DifferenceData) else data
