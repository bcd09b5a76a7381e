"""Permutation: p-values are uniform on noise, small where something is planted, and clusters stay together."""

import jax.numpy as jnp
import numpy as np
import pytest

from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.statistics.permutation import Chance, against_chance

N, K = 120, 3


class Squares(AbstractPredicateModel):
    """A model of one's own, with the default weights and search."""

    n_predicates: int

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)


def case(name: str, rng, effect: float):
    """A model, denotations, data and embeddings, where the first predicate has an effect."""
    denotations = (rng.random((N, K)) < 0.3).astype(float)
    first = effect * denotations[:, 0]
    embeddings = rng.normal(size=(N, 20)) + 2 * first[:, None] * np.eye(20)[0]
    model, data = {
        "classification": (Classification(K, 3), np.where(rng.random(N) < first, 2, rng.integers(3, size=N))),
        "regression": (Regression(K), rng.normal(size=N) + first),
        "times": (TimeSeries(K), np.minimum(rng.integers(8, size=N) + np.round(6 * first), 7)),
        "difference": (Difference(K), rng.random(N) < 0.2 + 0.7 * first),
        "one's own": (Squares(K), rng.normal(size=N) + first),
        "clustering": (Clustering(K), None),
    }[name]
    return model, denotations, None if data is None else model.prepare(data, N)[0], embeddings


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classification", "regression", "times", "difference", "one's own", "clustering"])
def test_chance_is_told_from_what_is_planted(name):
    found = {}
    for effect, n_runs in ((0.0, 25), (0.9, 4)):
        p_values = []
        for seed in range(n_runs):
            model, denotations, data, embeddings = case(name, np.random.default_rng([7, seed]), effect)
            chance = against_chance(model, denotations, data, embeddings=embeddings, seed=seed)
            assert chance.permuted == "texts"
            assert not chance.reason
            p_values.append(chance.p_value)
        found[effect] = np.asarray(p_values)
    # Of 25 uniform numbers the mean has a standard error of 0.06, and 5 are at most 0.05 once in 140 times.
    assert 0.3 < found[0.0].mean() < 0.7
    assert np.sum(found[0.0] <= 0.05) < 5
    assert np.sum(found[0.9] <= 0.05) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["constant", "varying"])
def test_clusters_change_places_as_a_whole(kind):
    """Predicates and numbers are each an author's own habit, and have nothing to do with one another."""
    kept, torn = [], []
    for seed in range(60):
        rng = np.random.default_rng([8, seed])
        author = rng.integers(20, size=N) if kind == "constant" else np.repeat(np.arange(20), 6)
        denotations = (rng.random((20, K))[author] < 0.4).astype(float)
        habit = rng.normal(size=20)[author]
        data = jnp.asarray(habit if kind == "constant" else habit + 0.5 * rng.normal(size=N))
        chance = against_chance(Regression(K), denotations, data, clusters=author, seed=seed)
        assert chance.permuted == ("clusters" if kind == "constant" else "clusters of equal size")
        kept.append(chance.p_value)
        torn.append(against_chance(Regression(K), denotations, data, seed=seed).p_value)
    # Three of 60 are expected; nine or more come once in 400 times.
    assert np.mean(np.asarray(kept) <= 0.05) < 0.15
    assert np.mean(np.asarray(torn) <= 0.05) > 0.4


def test_power_is_left_with_clusters(rng):
    author = np.repeat(np.arange(40), 3)
    denotations = (rng.random((40, K)) < 0.4)[author].astype(float)
    habit = jnp.asarray(denotations[:, 0] + rng.normal(0, 0.5, 40)[author])
    assert against_chance(Regression(K), denotations, habit, clusters=author).p_value <= 0.01


def test_clusters_of_many_sizes_are_cut_to_powers_of_two(rng):
    sizes = np.arange(1, 16)
    author = np.repeat(np.arange(15), sizes)
    denotations, data = (rng.random((120, K)) < 0.4).astype(float), jnp.asarray(rng.normal(size=120))
    chance = against_chance(Regression(K), denotations, data, clusters=author)
    assert chance.permuted == "clusters of equal size"
    assert chance.n_texts == sum(1 << int(np.log2(size)) for size in sizes)


@pytest.mark.parametrize(
    "clusters",
    [np.zeros(N, int), np.repeat([0, 1, 2], N // 3), np.repeat([0, 1], [N // 3, N - N // 3])],
    ids=["one", "three", "of two sizes"],
)
def test_too_few_clusters_say_nothing(rng, clusters):
    denotations, data = (rng.random((N, K)) < 0.4).astype(float), jnp.asarray(rng.normal(size=N))
    chance = against_chance(Regression(K), denotations, data, clusters=clusters)
    assert "fewer than 20 ways" in chance.reason
    assert (chance.p_value, chance.n_permutations) == (1.0, 0)


def test_where_nothing_changes_it_is_said(rng):
    constant = against_chance(Regression(K), np.ones((N, K)), jnp.asarray(rng.normal(size=N)))
    assert "does not change" in constant.reason
    assert constant.p_value == 1.0
    clustering = against_chance(Clustering(K), (rng.random((N, K)) < 0.4).astype(float))
    assert "give embeddings" in clustering.reason


def test_of_many_texts_a_subset_is_tested(rng):
    denotations, data = (rng.random((N, K)) < 0.4).astype(float), jnp.asarray(rng.normal(size=N))
    chance = against_chance(Regression(K), denotations, data, max_texts=50)
    assert chance.n_texts == 50
    assert isinstance(chance, Chance)


def test_the_order_of_the_texts_does_not_matter_to_the_loss(rng):
    model, denotations, data, _ = case("regression", rng, 0.9)
    order = rng.permutation(N)
    there, back = (
        against_chance(model, d, y)
        for d, y in ((denotations, data), (denotations[order], model.subsample(data, order, N)[1]))
    )
    assert there.loss == pytest.approx(back.loss, rel=1e-5)
    assert there.expected > there.loss


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denotations": np.ones(N)}, "n_texts, n_predicates"),
        ({"denotations": np.full((N, K), np.nan)}, "finite"),
        ({"clusters": np.zeros(3)}, "one per text"),
        ({"n_permutations": 0}, "at least 1"),
        ({"data": jnp.full(N, jnp.nan)}, "expected a finite number"),
    ],
)
def test_what_cannot_be_used_is_refused(rng, options, message):
    given = {"denotations": (rng.random((N, K)) < 0.4).astype(float), "data": jnp.asarray(rng.normal(size=N))}
    given |= {name: options.pop(name) for name in ("denotations", "data") if name in options}
    with pytest.raises(ValueError, match=message):
        against_chance(Squares(K), given["denotations"], given["data"], **options)
