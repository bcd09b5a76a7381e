r"""A model of texts whose true denotations are not known: only answers that may be wrong, and some of the truth.

For text i with answers $J_i$, true denotations $D_i$ and outcome $y_i$ the density is

$$p(J_i, y_i) = \sum_{D} p(D)\, p(y_i \mid D) \prod_k p(J_{ik} \mid D_k),$$

over the $2^K$ patterns that D can have, of which labels leave some (arXiv 2402.15585). $p(D)$ is log-linear with all
pairs of predicates; an answer is right with a probability of its own for each predicate where it holds (sensitivity)
and where it does not (specificity), whatever the outcome is.
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nlparam.errors import ModelError
from nlparam.numerics.core._types import Data, Scalar, Weights
from nlparam.numerics.core.model import AbstractPredicateModel, minimise
from nlparam.numerics.core.quantities import Quantity

# Of more predicates there are too many patterns.
MOST_PREDICATES = 8
# Standard deviation of the prior of what makes two predicates hold together, in log-odds.
_PAIRS = 2.0
# And of how often each holds.
_ALONE = 5.0


class LatentData(NamedTuple):
    """`data` are those of the model, `labels`, `(n_texts, n_predicates)`, 0 or 1 where the truth is known, else -1."""

    data: Data
    labels: Float[Array, "n_texts n_predicates"]


class LatentWeights(NamedTuple):
    """`weights` of the model; the log of the `scale` of its noise, if it has some; `right[0, k]` and `right[1, k]`, the
    log-odds that an answer is right where predicate k does not hold, and where it does; `alone[k]` and `pairs`, what
    predicates and pairs of them add to the log of the probability of a pattern.
    """

    weights: Weights
    scale: Scalar | None
    right: Float[Array, "2 n_predicates"]
    alone: Float[Array, " n_predicates"]
    pairs: Float[Array, " n_pairs"]


class Latent(AbstractPredicateModel):
    """A model whose denotations are answers of 0 and 1 that may be wrong.

    **Arguments:** `n_predicates`; `model`, which has `by_pattern(weights, scale, patterns, data)`: the log-likelihoods
    of the outcomes of the texts, `(n_texts, n_patterns)`, and the log of the prior of its weights.
    """

    n_predicates: int
    model: Any

    has_prior: ClassVar[bool] = True

    def __check_init__(self):
        if not hasattr(self.model, "by_pattern"):
            raise ModelError(
                f"got a {type(self.model).__name__}, expected a Regression or a Classification: the errors of answers "
                "are not part of the posterior of other models"
            )
        if self.n_predicates > MOST_PREDICATES:
            raise ModelError(
                f"got {self.n_predicates} predicates, expected at most {MOST_PREDICATES}: of more there are too many "
                "patterns of what is true of a text"
            )

    def loss(self, weights, denotations, data=None):
        return -self.log_joint(weights, denotations, data) / denotations.shape[0]

    def init_weights(self, denotations, data=None):
        k = self.n_predicates
        scale = jnp.zeros(()) if getattr(self.model, "has_noise", False) else None
        inner = self.model.init_weights(denotations, data.data)
        return LatentWeights(inner, scale, jnp.zeros((2, k)), jnp.zeros(k), jnp.zeros(k * (k - 1) // 2))

    def log_joint(self, weights, denotations, data=None):
        patterns = _patterns(self.n_predicates)
        outcome, prior = self.model.by_pattern(weights.weights, weights.scale, patterns, data.data)
        right, wrong = jax.nn.log_sigmoid(weights.right), jax.nn.log_sigmoid(-weights.right)
        # By answer and truth: `given[a, d, k]`.
        given = jnp.stack([jnp.stack([right[0], wrong[1]]), jnp.stack([wrong[0], right[1]])])
        yes, no = (given[a, 1] * patterns + given[a, 0] * (1 - patterns) for a in (1, 0))
        answers = denotations @ yes.T + (1 - denotations) @ no.T
        held, failed = ((data.labels == label).astype(float) for label in (1, 0))
        refuted = held @ (1 - patterns).T + failed @ patterns.T > 0
        together = outcome + answers + self._log_shares(weights, patterns)
        total = jax.nn.logsumexp(jnp.where(refuted, -jnp.inf, together), axis=1)
        # Uniform priors of being right, on the scale of log-odds.
        return jnp.sum(total) + prior + jnp.sum(right + wrong) + _prior(weights)

    def quantities(self, weights, denotations, data=None):
        patterns = _patterns(self.n_predicates)
        shares = jnp.exp(self._log_shares(weights, patterns)) @ patterns
        specificity, sensitivity = jax.nn.sigmoid(weights.right)
        return self.model.quantities(weights.weights, denotations, data.data) | {
            "true_share": Quantity(shares, ("predicate",), "Share of the texts", None),
            "sensitivity": Quantity(sensitivity, ("predicate",), "Share of right answers where it holds", None),
            "specificity": Quantity(specificity, ("predicate",), "Share of right answers where it does not hold", None),
        }

    def fit_weights(self, denotations, data=None, init=None):
        """The weights of the highest density, sought from what the labels say of the answers and of the model."""
        start = self._start(denotations, data) if init is None else init
        return minimise(lambda weights: self.loss(weights, denotations, data), start, max_steps=500, tolerance=1e-7)

    def _start(self, denotations, data):
        zeros = self.init_weights(denotations, data)
        # One answer more of each kind keeps the shares off 0 and 1.
        shares = [
            (jnp.sum((data.labels == d) & (denotations == d), axis=0) + 1) / (jnp.sum(data.labels == d, axis=0) + 2)
            for d in (0, 1)
        ]
        seen = jnp.mean(denotations, axis=0)
        share = jnp.clip((seen + shares[0] - 1) / jnp.maximum(shares[0] + shares[1] - 1, 0.1), 0.01, 0.99)
        inner = self.model.fit_weights(jnp.where(data.labels >= 0, data.labels, denotations), data.data)
        scale = None if zeros.scale is None else jnp.log(jnp.std(getattr(data.data, "target", data.data)))
        logits = jax.scipy.special.logit
        return LatentWeights(inner, scale, logits(jnp.stack(shares)), logits(share), zeros.pairs)

    def _log_shares(self, weights, patterns):
        first, second = np.triu_indices(self.n_predicates, 1)
        scores = patterns @ weights.alone + (patterns[:, first] * patterns[:, second]) @ weights.pairs
        return jax.nn.log_softmax(scores)


def _prior(weights):
    return -jnp.sum(weights.pairs**2) / (2 * _PAIRS**2) - jnp.sum(weights.alone**2) / (2 * _ALONE**2)


def _patterns(n_predicates):
    return jnp.asarray((np.arange(2**n_predicates)[:, None] >> np.arange(n_predicates)) & 1, float)
