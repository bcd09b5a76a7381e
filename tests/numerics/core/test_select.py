"""Selection: the planted set is found, and never worse than what it began with."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlparam.models import Clustering
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.select import select


class Explained(AbstractPredicateModel):
    """Squared loss of a linear model: weights without a closed form, fitted by the default L-BFGS."""

    n_predicates: int

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)


def pool_with_planted(rng, n_clusters, n_texts=600):
    """Gold columns among nine times as many distractors: halves of gold, unions of two, and noise."""
    labels = rng.integers(n_clusters, size=n_texts)
    gold = (labels[:, None] == np.arange(n_clusters)).astype(float)
    distractors = []
    for number in range(9 * n_clusters):
        first, second = rng.choice(n_clusters, 2, replace=False)
        half = gold[:, first] * (rng.random(n_texts) < rng.uniform(0.3, 0.9))
        noise = rng.random(n_texts) < rng.uniform(0.02, 0.3)
        distractors.append([np.maximum(half, noise), np.maximum(gold[:, first], gold[:, second]), noise][number % 3])
    order = rng.permutation(10 * n_clusters)
    pool = np.concatenate([gold, np.stack(distractors, axis=1)], axis=1)[:, order]
    return jnp.asarray(pool, jnp.float32), set(np.flatnonzero(order < n_clusters))


@pytest.mark.slow
@pytest.mark.parametrize("n_clusters", [2, 4, 7])
def test_planted_predicates_are_selected(rng, n_clusters):
    pool, gold = pool_with_planted(rng, n_clusters)
    assert set(select(Clustering(n_clusters), pool, key=jax.random.key(0)).chosen) == gold


@pytest.mark.slow
def test_it_agrees_with_exhaustive_search(rng):
    pool = jnp.asarray(rng.uniform(size=(50, 7)), jnp.float32)
    model = Clustering(2)
    best = min(float(model.profile_loss(pool[:, list(pair)])) for pair in itertools.combinations(range(7), 2))
    found = select(model, pool, n_starts=6, key=jax.random.key(0))
    np.testing.assert_allclose(found.loss, best, rtol=1e-5)


@pytest.mark.slow
def test_a_start_is_never_made_worse(rng):
    pool, _ = pool_with_planted(rng, 4)
    model = Clustering(4)
    start = np.asarray([0, 1, 2, 3])
    found = select(model, pool, start=start, n_starts=1, key=jax.random.key(0))
    assert found.loss <= float(model.profile_loss(pool[:, start])) + 1e-6


@pytest.mark.slow
def test_a_model_with_fitted_weights(rng):
    pool = jnp.asarray(rng.random((200, 12)) < 0.4, jnp.float32)
    target = 2.0 * pool[:, 3] - 1.0 * pool[:, 8]
    found = select(Explained(2), pool, target, key=jax.random.key(0))
    assert set(found.chosen) == {3, 8}
    assert found.loss < 1e-4


@pytest.mark.slow
def test_costs_say_what_a_predicate_is_worth(rng):
    pool, _ = pool_with_planted(rng, 3)
    model = Clustering(3)
    found = select(model, pool, key=jax.random.key(0))
    for slot in range(3):
        without = jnp.delete(pool[:, found.chosen], slot, axis=1)
        cost = float(model.profile_loss(jnp.pad(without, ((0, 0), (0, 1))))) - found.loss
        np.testing.assert_allclose(found.costs[slot], cost, atol=1e-5)


@pytest.mark.slow
def test_fewer_candidates_than_slots_leave_slots_empty(rng):
    labels = rng.integers(2, size=80)
    pool = jnp.asarray(labels[:, None] == np.arange(2), jnp.float32)
    found = select(Clustering(4), pool, key=jax.random.key(0))
    assert sorted(found.chosen) == [-1, -1, 0, 1]


def test_all_swaps_of_a_clustering_at_once_are_those_one_by_one(rng):
    columns = jnp.asarray(rng.random((60, 9)) * (rng.random((60, 9)) < 0.6), jnp.float32).at[:, 4].set(0.0)
    model, chosen = Clustering(3), jnp.asarray([2, 8, 8])  # the last, an empty slot, may be chosen twice
    columns = columns.at[:, 8].set(0.0)
    table = model.swaps(columns)(chosen)
    one_by_one = [[model.profile_loss(columns[:, chosen.at[slot].set(c)]) for c in range(9)] for slot in range(3)]
    np.testing.assert_allclose(table, one_by_one, rtol=1e-5)


def test_an_empty_pool_is_an_error():
    with pytest.raises(ValueError, match="no candidate"):
        select(Clustering(2), jnp.zeros((10, 0)), key=jax.random.key(0))
