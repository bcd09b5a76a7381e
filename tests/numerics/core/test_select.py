"""Selection: the planted set is found, and never worse than what it began with."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlparam.models import Classification, Clustering, TimeSeries, TimeSeriesData
from nlparam.numerics.core import select as selection
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.select import select


class Explained(AbstractPredicateModel):
    """Squared loss of a linear model: weights without a closed form, fitted by the default L-BFGS."""

    n_predicates: int

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)


class Circular(Explained):
    """Its fits of one pair of columns end too early, seen from one slot: so each pair has a better one."""

    def fit_weights(self, denotations, data=None, init=None):
        del data, init
        return jnp.ones(denotations.shape[1:])

    def profile_loss(self, denotations, data=None, init=None):
        del data
        first, second = jnp.sum(denotations, axis=0).astype(int)
        slot = jnp.argmin(jnp.asarray(init))  # the slot that is tried anew has no weights yet
        of_pairs = {(1, 2): 0.67, (1, 3): 0.66, (2, 3): jnp.where(slot == 0, 0.65, 0.76)}
        of_pairs |= {(2, 1): 0.67, (3, 1): 0.66, (3, 2): jnp.where(slot == 1, 0.65, 0.76)}
        loss = jnp.asarray(1.0)
        for (one, other), of_pair in of_pairs.items():
            loss = jnp.where((first == one) & (second == other), of_pair, loss)
        return loss


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


def test_fits_that_end_too_early_do_not_make_a_search_without_end():
    pool = jnp.asarray(np.arange(8)[:, None] < np.arange(1, 4), jnp.float32)  # a column is known by its sum
    found = select(Circular(2), pool, key=jax.random.key(0))
    assert set(found.chosen) == {1, 2}
    assert found.loss == pytest.approx(0.65)


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


def planted_classes(rng, n_texts):
    """Texts of three classes, a pool in which three columns tell them apart, and three copies of these with errors."""
    target = rng.integers(3, size=n_texts)
    gold = np.where(target[:, None] == np.arange(3), 0.9, 0.1)
    noise = rng.random((n_texts, 8)) < 0.3
    blurred = np.where(rng.random((n_texts, 3)) < 0.2, 1 - gold, gold)
    return jnp.asarray(np.concatenate([noise, blurred, gold], axis=1), jnp.float32), jnp.asarray(target)


def planted_series(rng, n_texts):
    """A time of its own for every text, and three columns of a pool that hold more often as time goes on, or less."""
    share = np.linspace(0.1, 0.9, n_texts)
    curves = np.stack([share, 1 - share, np.abs(1 - 2 * share)], axis=1)
    columns = rng.random((n_texts, 11)) < np.concatenate([np.full((n_texts, 8), 0.3), curves], axis=1)
    data = TimeSeriesData(jnp.arange(n_texts), jnp.ones(n_texts - 1))
    return jnp.asarray(0.1 + 0.8 * columns, jnp.float32), data


@pytest.mark.slow
def test_a_sample_finds_what_all_texts_do(rng, monkeypatch):
    pool, target = planted_classes(rng, 300)
    model = Classification(3, n_classes=3)
    whole = select(model, pool, target, key=jax.random.key(0))
    monkeypatch.setattr(selection, "_SAMPLED", 100)
    sampled = select(model, pool, target, key=jax.random.key(0))
    assert set(sampled.chosen) == set(whole.chosen) == {11, 12, 13}
    np.testing.assert_allclose(sampled.loss, whole.loss, rtol=1e-4)
    np.testing.assert_allclose(np.sort(sampled.costs), np.sort(whole.costs), rtol=0.01)


@pytest.mark.slow
def test_a_series_whose_texts_have_a_time_each_is_sampled_with_fewer_steps(rng, monkeypatch):
    monkeypatch.setattr(selection, "_SAMPLED", 100)
    pool, data = planted_series(rng, 240)
    model = TimeSeries(3, smoothness=100.0)
    found = select(model, pool, data, key=jax.random.key(0))
    assert set(found.chosen) == {8, 9, 10}
    np.testing.assert_allclose(found.loss, model.profile_loss(pool[:, found.chosen], data), rtol=1e-4)


@pytest.mark.slow
def test_what_is_fixed_stays_and_a_start_is_never_made_worse_with_a_sample(rng, monkeypatch):
    monkeypatch.setattr(selection, "_SAMPLED", 100)
    pool, target = planted_classes(rng, 300)
    model, start = Classification(3, n_classes=3), np.asarray([0, 12, 13])
    found = select(model, pool, target, start=start, fixed=[0], n_starts=1, key=jax.random.key(0))
    assert found.chosen[0] == 0
    assert found.loss <= float(model.profile_loss(pool[:, start], target)) + 1e-6
    assert np.isinf(found.swap_losses[0]).all()


@pytest.mark.slow
def test_a_model_that_needs_all_its_texts_is_compared_on_all(rng, monkeypatch):
    monkeypatch.setattr(selection, "_SAMPLED", 100)
    pool = jnp.asarray(rng.random((300, 6)) < 0.4, jnp.float32)

    class Ordered(Explained):
        def subsample(self, data, rows, n_texts):
            raise NotImplementedError("the order counts")

    found = select(Ordered(2), pool, pool[:, 3] - pool[:, 5], key=jax.random.key(0))
    assert set(found.chosen) == {3, 5}


def test_steps_without_texts_change_no_profile_loss(rng):
    denotations = jnp.asarray(rng.random((40, 2)), jnp.float32)
    data = TimeSeriesData(jnp.asarray(rng.choice([0, 3, 4, 9], 40)), jnp.asarray(rng.uniform(0.5, 2.0, 11)))
    model = TimeSeries(2, smoothness=3.0)
    _, condensed = model.condense(data)
    assert condensed.gap.shape == (3,)
    np.testing.assert_allclose(
        model.profile_loss(denotations, condensed), model.profile_loss(denotations, data), rtol=1e-5
    )


def test_an_empty_pool_is_an_error():
    with pytest.raises(ValueError, match="no candidate"):
        select(Clustering(2), jnp.zeros((10, 0)), key=jax.random.key(0))
