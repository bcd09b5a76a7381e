"""The clustering model: its loss, its closed-form weights, and the cases that break naive versions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.models import Clustering
from tests.helpers.compiled import fit_weights


def denotations(rng, n_texts=40, n_predicates=3):
    return jnp.asarray(rng.uniform(size=(n_texts, n_predicates)))


@pytest.mark.slow
def test_loss_on_a_partition_is_the_entropy_bound():
    # Two clusters of 3 and 7 texts: a text of a cluster of size V costs log V.
    columns = jnp.asarray([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 7)
    expected = (3 * np.log(3) + 7 * np.log(7)) / 10
    np.testing.assert_allclose(Clustering(2).profile_loss(columns), expected, rtol=1e-6)


def test_no_text_costs_more_than_the_background():
    columns = jnp.zeros((25, 4))
    np.testing.assert_allclose(Clustering(4).profile_loss(columns), np.log(25), rtol=1e-6)


def test_overlapping_texts_go_to_the_most_specific_predicate():
    broad, narrow = jnp.ones(10), jnp.asarray([1.0] * 2 + [0.0] * 8)
    model, columns = Clustering(2), jnp.stack([broad, narrow], axis=1)
    predicted = model.predict(fit_weights(model, columns), columns)
    np.testing.assert_array_equal(predicted, [1, 1] + [0] * 8)


def test_a_rare_predicate_that_hardly_holds_takes_no_text_from_one_that_does():
    # Six texts on the first, of which the last is a little on the second, as no other text is: its density is higher.
    columns = jnp.asarray([[0.9, 0.0]] * 5 + [[0.6, 0.2]] + [[0.2, 0.0]] * 2)
    model = Clustering(2)
    weights = fit_weights(model, columns)
    assert weights.choice[5] == 1
    assert model.predict(weights, columns).tolist() == [0] * 8
    assert np.argmax(model.predict_proba(weights, columns), axis=1).tolist() == [0] * 8
    np.testing.assert_array_equal(model.assign(weights, columns), [0] * 6 + [-1] * 2)


@pytest.mark.slow
def test_an_empty_cluster_takes_no_text_and_has_a_gradient(rng):
    model = Clustering(3)
    columns = denotations(rng).at[:, 1].set(0.0)
    weights = fit_weights(model, columns)
    assert not np.any(np.asarray(weights.choice) == 1)
    gradient = jax.grad(lambda d: model.loss(weights, d))(columns)
    assert np.isfinite(np.asarray(gradient)).all()


def test_texts_that_no_predicate_holds_for_are_assigned_but_not_explained():
    model, columns = Clustering(2), jnp.asarray([[0.9, 0.1], [0.1, 0.9], [0.02, 0.01], [0.9, 0.0], [0.0, 0.9]])
    weights = fit_weights(model, columns)
    assert np.asarray(model.predict(weights, columns)).tolist()[2] in (0, 1)
    np.testing.assert_array_equal(model.explained(weights, columns), [True, True, False, True, True])


def test_blank_texts_are_in_no_cluster():
    model, columns = Clustering(2), jnp.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    shares = model.quantities(fit_weights(model, columns), columns)["share"].values
    np.testing.assert_allclose(shares, [0.5, 0.25])


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_weights_are_the_best_choice_of_clusters(seed):
    rng = np.random.default_rng(seed)
    model, columns = Clustering(3), denotations(rng)
    weights = fit_weights(model, columns)
    other = weights._replace(choice=jnp.asarray(rng.integers(0, 4, size=len(columns))))
    assert model.loss(weights, columns) <= model.loss(other, columns) + 1e-6


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_order_of_texts_and_predicates_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    model, columns = Clustering(3), denotations(rng)
    shuffled = columns[rng.permutation(len(columns))][:, rng.permutation(3)]
    np.testing.assert_allclose(model.profile_loss(columns), model.profile_loss(shuffled), rtol=1e-5)


@pytest.mark.slow
def test_gradient_matches_finite_differences(rng):
    with jax.enable_x64(True):
        model, columns = Clustering(3), jnp.asarray(rng.uniform(0.1, 0.9, size=(12, 3)))
        weights = fit_weights(model, columns)
        gradient = np.asarray(jax.grad(lambda d: model.loss(weights, d))(columns))
        for i, k in [(0, 0), (5, 1), (11, 2)]:
            step = jnp.zeros_like(columns).at[i, k].set(1e-6)
            slope = (model.loss(weights, columns + step) - model.loss(weights, columns - step)) / 2e-6
            np.testing.assert_allclose(gradient[i, k], slope, rtol=1e-5, atol=1e-9)


def test_the_link_makes_a_softmax_over_the_texts(rng):
    model, scores = Clustering(2, temperature=0.2), jnp.asarray(rng.uniform(-1, 1, size=(30, 2)))
    linked = model.link(scores)
    np.testing.assert_allclose(linked / linked.sum(axis=0), jax.nn.softmax(scores / 0.2, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"), [({"n_predicates": 0}, "at least 1"), ({"temperature": 0.0}, "positive")]
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Clustering(**({"n_predicates": 2} | options))
