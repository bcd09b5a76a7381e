"""Clustering: every text belongs to the most specific predicate that holds for it, or to none of these."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from nlparam.numerics.core.denotations import HOLDS
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.quantities import Quantity


class ClusteringWeights(NamedTuple):
    """The weights of a clustering.

    `choice[i]` is the cluster of text i, `n_predicates` meaning the background; it stands for the paper's weight
    vector `tau * onehot(choice)` with `tau` to infinity. `log_volume[k]` is the log of the expected number of texts
    for which predicate k holds, the last entry that of the background (the log of the number of texts).
    """

    choice: Int[Array, " n_texts"]
    log_volume: Float[Array, " n_clusters"]


class Clustering(AbstractPredicateModel):
    r"""Each text is drawn from one cluster, a cluster being uniform over the texts that satisfy its predicate.

    With denotations $D$ and volumes $V_k = \sum_x D_{xk}$, cluster $k$ has the density $P_k(x) = D_{xk} / V_k$ and the
    background $P_0(x) = 1/N$; the loss is $-\frac1N \sum_x \log \max_k P_k(x)$ (arXiv 2409.08466, section 3).

    - *Overlap*: where several predicates hold, the text belongs to the one with the smallest volume, the most specific.
    - *Background*: a text for which no predicate holds costs $\log N$, and no more.
    - *Empty clusters*: a predicate that holds nowhere has density 0 everywhere and takes no text.
    - *Relaxation*: $D_{xk} = \exp((\theta_k \cdot e_x - 1) / \tau)$, so that $P_k$ is a softmax over the texts and
      relaxed and judged columns are on one scale.

    **Arguments:** `n_predicates`, the number of clusters K; `temperature`, the $\tau$ of the relaxation (the paper's
    code: 0.1). Raises `ValueError` unless `n_predicates >= 1` and `temperature > 0`.
    """

    n_predicates: int
    temperature: float = 0.1

    closed_form_weights: ClassVar[bool] = True
    assigns_texts: ClassVar[bool] = True

    def __check_init__(self):
        if not self.temperature > 0:
            raise ValueError(f"got temperature={self.temperature}, expected a positive number")

    def loss(self, weights, denotations, data=None):
        del data
        log_density, _ = self._log_densities(denotations)
        return -jnp.mean(jnp.take_along_axis(log_density, weights.choice[:, None], axis=1))

    def init_weights(self, denotations, data=None):
        return self.fit_weights(denotations, data)

    def fit_weights(self, denotations, data=None, init=None):
        """The closed form: every text takes the cluster, or the background, of the highest density."""
        del data, init
        log_density, log_volume = self._log_densities(denotations)
        return ClusteringWeights(jnp.argmax(log_density, axis=1), log_volume)

    def swaps(self, columns, data=None):
        """One pass over `columns` for all swaps of a set.

        A text whose cluster is swapped falls back to its second best, every other keeps its best; either goes to the
        new column where that has the higher density.
        """
        del data
        log_density, _ = self._log_densities(columns)
        offered, background = log_density[:, :-1], log_density[:, -1:]

        def losses(chosen):
            held = jnp.append(offered[:, chosen], background, axis=1)
            owned = jax.nn.one_hot(jnp.argmax(held, axis=1), held.shape[1], dtype=held.dtype)
            best = jnp.max(held, axis=1, keepdims=True)
            second = jnp.max(jnp.where(owned > 0, -jnp.inf, held), axis=1, keepdims=True)
            kept = jnp.maximum(offered, best)
            # What is summed are small differences, which float32 keeps.
            lost = owned[:, :-1].T @ (kept - jnp.maximum(offered, second)) / held.shape[0]
            return lost - jnp.mean(kept, axis=0)

        return losses

    def for_chances(self):
        return _ByChances(self.n_predicates, self.temperature) if type(self) is Clustering else self

    def _log_densities(self, denotations):
        """`(n_texts, n_clusters)`, the background last, and the log volumes."""
        log_volume = _log_volume(denotations)
        return _log_density(denotations, log_volume), log_volume

    def link(self, scores):
        return jnp.exp((scores - 1) / self.temperature)

    def predict(self, weights, denotations):
        """The cluster of each text: of the predicates that hold, at 0.5 or more, that of the highest density.

        Every text gets a cluster, as in the paper's final assignment, even one for which no predicate holds, there of
        all predicates: see `assign`. A rare predicate that hardly holds would else take texts from one that does.
        `explained` says which texts a predicate explains better than the background does.
        """
        return jnp.argmax(self._competing(weights, denotations), axis=1)

    def predict_proba(self, weights: ClusteringWeights, denotations) -> jax.Array:
        """`(n_texts, n_predicates)`: the probability of each cluster, all of them being equally likely beforehand.

        It is 0 for predicates that do not hold where others do, so that the likeliest cluster is that of `predict`.
        """
        return jax.nn.softmax(self._competing(weights, denotations))

    def _competing(self, weights, denotations):
        """`(n_texts, n_predicates)` log densities of the predicates that hold, if any do, and -inf of the others."""
        denotations = jnp.asarray(denotations)
        held = denotations >= HOLDS
        usable = held | ~jnp.any(held, axis=1, keepdims=True)
        return jnp.where(usable, _log_density(denotations, jnp.asarray(weights.log_volume))[:, :-1], -jnp.inf)

    def quantities(self, weights, denotations, data=None):
        """The share of the texts in each cluster; a text for which no predicate holds is in none."""
        del data
        shares = jnp.mean(jax.nn.one_hot(self.assign(weights, denotations), self.n_predicates), axis=0)
        return {"share": Quantity(shares, ("predicate",), "Share of texts", None)}

    def explained(self, weights: ClusteringWeights, denotations) -> jax.Array:
        """`(n_texts,)` booleans: some predicate explains the text better than the background does."""
        log_density = _log_density(jnp.asarray(denotations), jnp.asarray(weights.log_volume))
        return jnp.max(log_density[:, :-1], axis=1) > log_density[:, -1]


# By what the log-odds of heads are multiplied, measured in `docs/explanation/design.md`.
_SHARPNESS = 2.0


class _ByChances(Clustering):
    """The clustering whose loss is that which is expected if each denotation is the chance of a yes.

    The density of a cluster does not change if all of its denotations are halved: a predicate that holds for nothing
    would do as well as one that holds. So a text counts as drawn from a cluster as far as the predicate holds for it,
    and else from the background. Of a yes and a no both losses are the same.
    """

    def _log_densities(self, denotations):
        yes, no = denotations**_SHARPNESS, (1 - denotations) ** _SHARPNESS
        chance = yes / (yes + no)
        log_volume = _log_volume(chance)
        offered = -chance * log_volume[:-1] - (1 - chance) * log_volume[-1]
        background = jnp.broadcast_to(-log_volume[-1], (len(denotations), 1))
        return jnp.concatenate([offered, background], axis=1), log_volume


def _log_volume(denotations):
    volume = jnp.sum(denotations, axis=0)
    # A column without any mass gets volume 1: its density is 0 everywhere whatever its volume, and 0/0 has no gradient.
    volume = jnp.where(volume > 0, volume, 1.0)
    return jnp.log(jnp.append(volume, denotations.shape[0]))


def _log_density(denotations, log_volume):
    tiny = jnp.finfo(denotations.dtype).tiny
    background = jnp.zeros((denotations.shape[0], 1), denotations.dtype)
    return jnp.concatenate([jnp.log(jnp.maximum(denotations, tiny)), background], axis=1) - log_volume
