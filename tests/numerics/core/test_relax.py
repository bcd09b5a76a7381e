"""Relaxation: planted directions are recovered, whatever the model, and the best point is returned."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import adjusted_rand_score

from nlparam.models import Clustering
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.relax import _unit, relax
from nlparam.numerics.core.seeding import seed_directions


class Centre(AbstractPredicateModel):
    """One direction, as close as possible to all texts: the mean direction is the optimum."""

    n_predicates: int = 1

    def loss(self, weights, denotations, data=None):
        del data
        return jnp.mean((weights - denotations) ** 2) - jnp.mean(denotations)


_TRACES: list[int] = []


class Counted(AbstractPredicateModel):
    """Python runs `loss` only while it is being compiled."""

    n_predicates: int

    def loss(self, weights, denotations, data=None):
        del weights, data
        _TRACES.append(1)
        return -jnp.mean(jnp.max(denotations, axis=1))


def planted(rng, n_texts=300, n_clusters=4, embed_dim=16, spread=0.15):
    centres = np.linalg.qr(rng.normal(size=(embed_dim, n_clusters)))[0].T
    labels = rng.integers(n_clusters, size=n_texts)
    vectors = centres[labels] + spread * rng.normal(size=(n_texts, embed_dim))
    return jnp.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), jnp.float32), labels


@pytest.mark.slow
def test_planted_clusters_are_recovered(rng):
    embeddings, labels = planted(rng)
    found = relax(Clustering(4), embeddings, key=jax.random.key(0))
    assert adjusted_rand_score(labels, np.argmax(found.scores, axis=1)) > 0.95
    assert bool(found.converged)


@pytest.mark.slow
def test_directions_are_unit_vectors_and_scores_their_cosines(rng):
    embeddings, _ = planted(rng)
    found = relax(Clustering(3), embeddings, key=jax.random.key(1))
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(found.scores, embeddings @ found.directions.T, atol=1e-5)


@pytest.mark.slow
def test_the_best_restart_and_its_best_point_count(rng):
    embeddings, _ = planted(rng)
    model = Clustering(4)
    found = relax(model, embeddings, key=jax.random.key(2), n_restarts=5)
    np.testing.assert_allclose(found.loss, np.min(found.restart_losses))
    np.testing.assert_allclose(found.loss, model.profile_loss(model.link(found.scores)), rtol=1e-5)
    # A step size that overshoots must not lose what was reached before.
    start = relax(model, embeddings, key=jax.random.key(2), n_restarts=5, max_steps=1)
    wild = relax(model, embeddings, key=jax.random.key(2), n_restarts=5, optim=optax.sgd(1e3), max_steps=50)
    assert float(wild.loss) <= float(start.loss) + 1e-6


@pytest.mark.slow
def test_a_model_without_closed_form_has_its_weights_fitted_too(rng):
    embeddings, _ = planted(rng, n_clusters=1, spread=0.5)
    found = relax(Centre(), embeddings, key=jax.random.key(0), max_steps=1000)
    mean = np.asarray(embeddings.mean(axis=0))
    assert float(found.directions[0] @ (mean / np.linalg.norm(mean))) > 0.97
    np.testing.assert_allclose(found.weights[0], np.mean(found.scores), atol=0.02)


@pytest.mark.slow
def test_fixed_predicates_stay_and_the_slot_takes_what_is_left(rng):
    embeddings, labels = planted(rng)
    fixed = jnp.asarray(labels[:, None] == np.arange(3), jnp.float32)
    found = relax(Clustering(4), embeddings, fixed=fixed, key=jax.random.key(0))
    assert found.directions.shape == (1, embeddings.shape[1])
    top = np.argsort(-np.asarray(found.scores[:, 0]))[: np.sum(labels == 3)]
    assert np.mean(labels[top] == 3) > 0.95


def test_nothing_to_relax_is_an_error(rng):
    embeddings, _ = planted(rng)
    with pytest.raises(ValueError, match="none is left"):
        relax(Clustering(2), embeddings, fixed=jnp.ones((300, 2)), key=jax.random.key(0))


@pytest.mark.slow
def test_equal_shapes_compile_once(rng):
    first, _ = planted(rng)
    second, _ = planted(rng)
    relax(Counted(2), first, key=jax.random.key(0))
    traced = len(_TRACES)
    relax(Counted(2), second, key=jax.random.key(1))
    assert len(_TRACES) == traced > 0


@pytest.mark.slow
def test_seeds_are_texts_and_spread_out(rng):
    embeddings, labels = planted(rng, spread=0.01)
    seeds = np.asarray(seed_directions(embeddings, 4, n_lloyd=0, key=jax.random.key(0)))
    nearest = np.argmax(seeds @ np.asarray(embeddings).T, axis=1)
    np.testing.assert_allclose(seeds, np.asarray(embeddings)[nearest], rtol=1e-6)
    assert len(set(labels[nearest])) == 4


@pytest.mark.slow
def test_blank_texts_are_no_seeds(rng):
    embeddings, labels = planted(rng, spread=0.01)
    blank = jnp.concatenate([embeddings, jnp.zeros((900, embeddings.shape[1]), embeddings.dtype)])
    for seed in range(5):
        seeds = np.asarray(seed_directions(blank, 4, key=jax.random.key(seed)))
        assert set(labels[np.argmax(seeds @ np.asarray(embeddings).T, axis=1)]) == {0, 1, 2, 3}
    found = relax(Clustering(4), blank, key=jax.random.key(0))
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), 1.0, rtol=1e-5)
    assert np.isfinite(np.asarray(found.restart_losses)).all()


@pytest.mark.slow
def test_a_direction_of_zero_has_a_gradient():
    gradient = jax.grad(lambda vectors: _unit(vectors)[0, 0])(jnp.zeros((1, 3)))
    assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.slow
def test_a_sample_finds_what_the_whole_corpus_would(rng):
    embeddings, labels = planted(rng, n_texts=3000)
    sampled = relax(Clustering(4), embeddings, key=jax.random.key(0), batch_size=200)
    whole = relax(Clustering(4), embeddings, key=jax.random.key(0))
    assert adjusted_rand_score(labels, np.argmax(sampled.scores, axis=1)) > 0.95
    # The best restart went on with all texts: its loss is that of the corpus, not of the sample.
    np.testing.assert_allclose(sampled.loss, Clustering(4).profile_loss(Clustering(4).link(sampled.scores)), rtol=1e-5)
    assert float(sampled.loss) < float(whole.loss) + 0.01
    assert np.all(
        np.asarray(sampled.restart_losses) < float(sampled.loss) - 1
    )  # those of 200 texts, by log(3000 / 200)


@pytest.mark.slow
def test_half_precision_embeddings_are_summed_in_single_precision(rng):
    embeddings, labels = planted(rng)
    half = relax(Clustering(4), embeddings.astype(jnp.bfloat16), key=jax.random.key(0))
    assert half.scores.dtype == half.directions.dtype == jnp.float32
    assert adjusted_rand_score(labels, np.argmax(half.scores, axis=1)) > 0.95
    single = relax(Clustering(4), embeddings, key=jax.random.key(0))
    np.testing.assert_allclose(half.loss, single.loss, atol=0.01)


@pytest.mark.slow
def test_any_optimiser_may_descend(rng):
    embeddings, labels = planted(rng)
    found = relax(Clustering(4), embeddings, key=jax.random.key(0), optim=optax.adam(0.1), max_steps=300, patience=20)
    assert adjusted_rand_score(labels, np.argmax(found.scores, axis=1)) > 0.95
