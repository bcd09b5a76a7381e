"""Permutation: is a whole fit better than chance, on texts that did not choose its predicates?

If the predicates have nothing to do with the data (classes, times, numbers), the denotations of the texts may be given
to the data of other texts, and the model with its weights refitted does as well. The p-value is the share of
permutations with a loss as low as the one seen, which counts among them: it is exact for any model, however wrong
(Phipson and Smyth 2010). Permutations end early where many are as low (Besag and Clifford 1991).

Texts of one cluster (an author, a thread) are kept together: they may all say the same.

The test is about the predicates as they are. On the texts that chose them it is of no use: the best of many candidates
is better than chance on noise.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nlparam.errors import check_at_least
from nlparam.numerics.core._types import Data
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel

# With fewer different permutations no p-value is below 0.05.
LEAST_PERMUTATIONS = 20
_ENOUGH = 20  # as low: the p-value is then at least 0.1
_AT_ONCE = 50
_ROUNDING = 1e-6
# Numbers in the denotations of permutations that are fitted together: as many as stay in the cache of a processor.
_TOGETHER = 1 << 18


class Chance(NamedTuple):
    """A fit against chance.

    `loss` is that of the texts tested, at the best weights; `expected` its mean over permutations; `p_value` how often
    chance does as well, from `n_permutations`; `n_texts` how many texts were tested. `permuted` says what changed
    places: "texts", "clusters", or "clusters of equal size". Where nothing can be said, `reason` says why, the p-value
    is 1 and no permutation was made.
    """

    p_value: float
    loss: float
    expected: float
    n_permutations: int
    n_texts: int
    permuted: str
    reason: str = ""


def against_chance(
    model: AbstractPredicateModel,
    denotations: np.ndarray,
    data: Data = None,
    *,
    embeddings: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    n_permutations: int = 199,
    max_texts: int = 4096,
    seed: int = 0,
) -> Chance:
    """Whether a model explains its data better than chance, by permuting the data against the denotations.

    The statistic is the loss at the best weights, sought anew for each permutation. A model that has no data and
    assigns each text to a predicate (`Clustering`) is tested by the scatter of the `embeddings` within its clusters,
    as a share of all scatter (Anderson 2001): whether texts of one cluster are more alike than any texts. Give it
    judged denotations: those of a head, which it computes from the same embeddings, pass whatever they mean.

    With `clusters` whole clusters change places: their data where these are constant in every cluster (the statistic is
    then what the predicates gain, as clusters differ in size), else among clusters of equal size; these are cut to
    powers of two where most clusters have a size of their own.

    **Arguments:** `denotations`, `(n_texts, n_predicates)`, of texts that did not choose the predicates; `data`, as
    `model.prepare` gives them; `embeddings`, `(n_texts, embed_dim)`; `clusters`, `(n_texts,)`, one value per text;
    `n_permutations`, at most; `max_texts`: of more, a random subset is tested.

    Raises `ValueError` where shapes do not match, or the loss of the texts is not finite.
    """
    denotations = np.asarray(denotations, np.float64)
    if denotations.ndim != 2 or not np.isfinite(denotations).all():
        raise ValueError(f"got denotations of shape {denotations.shape}, expected finite (n_texts, n_predicates)")
    n_texts = len(denotations)
    for name, given in (("clusters", clusters), ("embeddings", embeddings)):
        if given is not None and len(given) != n_texts:
            raise ValueError(f"got {len(given)} {name} for {n_texts} texts, expected one per text")
    check_at_least(1, n_permutations=n_permutations)
    by_scatter = data is None and model.assigns_texts and embeddings is not None
    rng = np.random.default_rng(seed)
    plan = _plan(n_texts, clusters, _leaves(embeddings if by_scatter else data, n_texts), max_texts, rng)
    if plan.reason:
        return Chance(1.0, 0.0, 0.0, 0, len(plan.rows), plan.permuted, plan.reason)
    held = to_device(denotations[plan.rows], float)
    if by_scatter:
        within = np.asarray(embeddings, jax.dtypes.canonicalize_dtype(float))[plan.rows]
        statistic = functools.partial(_scatters, _members(model, held), within - within.mean(axis=0))
    else:
        model, data = model.subsample(data, to_device(plan.rows), n_texts)
        # Data of clusters of unequal size are not the same numbers in another order.
        statistic = functools.partial(_losses, model.specialise(held), held, data, plan.permuted == "clusters")
    observed, drawn, p_value = _draw(statistic, plan, n_permutations, rng)
    finite = drawn[np.isfinite(drawn)]
    if np.ptp(np.append(finite, observed)) <= _ROUNDING * max(abs(observed), 1.0):
        reason = "the loss does not change when texts change places"
        if data is None and not by_scatter:
            reason += ": give embeddings, which a model without data is tested by"
        return Chance(1.0, observed, observed, 0, len(plan.rows), plan.permuted, reason)
    expected = float(finite.mean()) if len(finite) else observed
    return Chance(p_value, observed, expected, len(drawn), len(plan.rows), plan.permuted)


def _draw(statistic, plan: "_Plan", most: int, rng) -> tuple[float, np.ndarray, float]:
    """The statistic as the texts are, those of random permutations, and the p-value."""
    orders, found = [np.arange(len(plan.rows))], np.zeros(0)
    while True:
        orders += [plan.permutation(rng) for _ in range(_AT_ONCE - len(orders))]
        found, orders = np.append(found, np.asarray(statistic(np.stack(orders))))[: most + 1], []
        observed, drawn = float(found[0]), found[1:]
        if not math.isfinite(observed):
            raise ValueError(f"got a loss of {observed} for {len(plan.rows)} texts, expected a finite number")
        as_low = np.flatnonzero(drawn <= observed + _ROUNDING * max(abs(observed), 1.0))
        if len(as_low) >= _ENOUGH:
            n = int(as_low[_ENOUGH - 1]) + 1
            return observed, drawn[:n], _ENOUGH / n
        if len(drawn) == most:
            return observed, drawn, (1 + len(as_low)) / (1 + most)


class _Plan(NamedTuple):
    """Which texts are tested (`rows`), and how they change places.

    `positions[j]` are the places of cluster j among the rows; `alike[j]` says which clusters it may change places with.
    """

    rows: np.ndarray
    positions: list[np.ndarray]
    alike: np.ndarray
    permuted: str
    reason: str = ""

    def permutation(self, rng: np.random.Generator) -> np.ndarray:
        """For each of the rows, which of them its data are taken from."""
        if self.permuted == "texts":
            return rng.permutation(len(self.rows))
        taken = np.arange(len(self.rows))
        for size in np.unique(self.alike):
            members = np.flatnonzero(self.alike == size)
            for j, source in zip(members, rng.permutation(members), strict=True):
                # Where the data are constant in a cluster, its first text stands for all.
                constant = self.permuted == "clusters"
                taken[self.positions[j]] = self.positions[source][0] if constant else self.positions[source]
        return taken


def _plan(n_texts, clusters, leaves, max_texts, rng) -> _Plan:
    if clusters is None:
        rows = np.sort(rng.choice(n_texts, min(max_texts, n_texts), replace=False))
        plan = _Plan(rows, [], np.zeros(0, int), "texts")
        return plan._replace(reason=_too_few([len(rows)], "texts"))
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    members = [members[j] for j in rng.permutation(len(members))]
    first = np.zeros(n_texts, int)
    for rows in members:
        first[rows] = rows[0]
    constant = all(np.array_equal(leaf, leaf[first]) for leaf in leaves)
    if not constant:
        members = _cut(members, rng)
    sizes = np.cumsum([len(rows) for rows in members])
    members = members[: max(int(np.searchsorted(sizes, max_texts, side="right")), 1)]
    ends = np.cumsum([0, *(len(rows) for rows in members)])
    positions = [np.arange(start, end) for start, end in itertools.pairwise(ends)]
    alike = np.zeros(len(members), int) if constant else np.diff(ends)
    permuted = "clusters" if constant else "clusters of equal size"
    return _Plan(np.concatenate(members), positions, alike, permuted, _too_few(np.bincount(alike), permuted))


def _cut(members, rng) -> list[np.ndarray]:
    """Clusters as they are where most texts are in one that has the size of another, else cut to powers of two."""
    sizes = np.asarray([len(rows) for rows in members])
    shared = np.bincount(sizes)[sizes] > 1
    if sizes[shared].sum() > 0.9 * sizes.sum():
        return members
    return [rng.permutation(rows)[: 1 << (len(rows).bit_length() - 1)] for rows in members]


def _too_few(counts, permuted: str) -> str:
    if sum(math.lgamma(count + 1) for count in counts) >= math.log(LEAST_PERMUTATIONS):
        return ""
    return f"cannot be said: {permuted} can change places in fewer than {LEAST_PERMUTATIONS} ways"


def _leaves(data: Any, n_texts: int) -> list[np.ndarray]:
    """The arrays of the data that have one entry per text."""
    arrays = (np.asarray(leaf) for leaf in jax.tree.leaves(data))
    return [leaf for leaf in arrays if leaf.ndim and leaf.shape[0] == n_texts]


@eqx.filter_jit
def _losses(model, denotations, data, gained: bool, orders):
    """The losses at the best weights, of data in other orders; with `gained` less what they are without predicates."""
    n_texts = denotations.shape[0]

    def loss(order):
        same, ordered = model.subsample(data, order, n_texts)
        value = same.profile_loss(denotations, ordered)
        return value - same.profile_loss(jnp.zeros_like(denotations), ordered) if gained else value

    return jax.lax.map(loss, orders, batch_size=max(1, _TOGETHER // denotations.size))


@eqx.filter_jit
def _scatters(members, embeddings, orders):
    """The scatter of embeddings within clusters, as a share of all scatter."""
    sizes = jnp.maximum(members.sum(axis=0), 1.0)
    means = jnp.einsum("pnk,nd->pkd", members[orders], embeddings)
    between = jnp.sum(means**2 / sizes[:, None], axis=(1, 2))
    return 1 - between / jnp.maximum(jnp.sum(embeddings**2), jnp.finfo(embeddings.dtype).tiny)


@eqx.filter_jit
def _members(model, denotations):
    """`(n_texts, n_predicates + 1)`: the cluster of each text, the last being of those that no predicate holds for."""
    chosen = model.predict(model.fit_weights(denotations), denotations)
    nowhere = jnp.all(denotations <= 0, axis=1)
    return jax.nn.one_hot(jnp.where(nowhere, model.n_predicates, chosen), model.n_predicates + 1, dtype=float)
