"""The map from texts to their statements, and how much of it is mixed into the representation."""

import numpy as np
import pytest

from nlparam.numerics.heads.goal_map import GoalMap, Mapped, align_states, fit_goal_map, mixed


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def planted(rng, *, n_texts=400, dim=16, loud=3.0, quiet=1.0):
    """Embeddings that follow one attribute loudly and another quietly; both have three values."""
    values = rng.integers(3, size=(n_texts, 2))
    axes = np.linalg.qr(rng.normal(size=(dim, 6)))[0].T
    embeddings = loud * axes[values[:, 0]] + quiet * axes[3 + values[:, 1]] + 0.3 * rng.normal(size=(n_texts, dim))
    return unit(embeddings).astype(np.float32), values


def learn(embeddings, statements_of, n_stated=96, n_clusters=3):
    said = np.eye(16)[:3] + 0.1
    return fit_goal_map(
        embeddings,
        embeddings,
        np.arange(n_stated),
        unit(said[statements_of[:n_stated]]),
        n_clusters=n_clusters,
        seed=0,
    ).goal_map


def purity(represented, labels):
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(labels, KMeans(3, random_state=0).fit_predict(represented))


def test_statements_bring_out_what_the_embeddings_hardly_show(rng):
    embeddings, values = planted(rng)
    learned = learn(embeddings, values[:, 1])
    assert learned.share > 0
    assert purity(embeddings, values[:, 1]) < 0.1
    assert purity(learned.represent(embeddings, embeddings), values[:, 1]) > 0.9


def test_statements_of_what_the_embeddings_show_well_already_leave_them_as_they_are(rng):
    embeddings, values = planted(rng)
    learned = learn(embeddings, values[:, 0])
    assert learned.share == 0.0
    assert learned.represent(embeddings, embeddings) is embeddings


def test_statements_at_random_leave_the_embeddings_as_they_are(rng):
    embeddings, values = planted(rng)
    assert learn(embeddings, rng.integers(3, size=len(values))).share == 0.0


def test_statements_that_are_all_alike_leave_the_embeddings_as_they_are(rng):
    embeddings, values = planted(rng)
    assert learn(embeddings, np.zeros(len(values), dtype=int)).share == 0.0


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_inner_products_are_the_mix_of_those_of_the_two_spaces(rng, share):
    first, second = unit(rng.normal(size=(7, 4))), unit(rng.normal(size=(7, 5)))
    both = mixed(first, second, share)
    np.testing.assert_allclose(both @ both.T, (1 - share) * first @ first.T + share * second @ second.T, atol=1e-12)


def test_represented_texts_are_unit_vectors_of_the_embeddings_precision(rng):
    embeddings = unit(rng.normal(size=(5, 4))).astype(np.float32)
    represented = GoalMap(rng.normal(size=(4, 4)), np.zeros(4), 0.5).represent(embeddings, embeddings)
    assert represented.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(represented, axis=1), 1, rtol=1e-5)


def test_too_few_statements_are_an_error(rng):
    embeddings = unit(rng.normal(size=(50, 4)))
    with pytest.raises(ValueError, match="got 3 statements of 3 texts, expected one each of at least 16"):
        fit_goal_map(embeddings, embeddings, np.arange(3), embeddings[:3], n_clusters=2, seed=0)


def test_states_keep_their_distances_and_lie_where_the_statements_do(rng):
    kinds = rng.integers(3, size=200)
    states = 5 * rng.normal(size=(3, 40))[kinds] + rng.normal(size=(200, 40))
    statements = unit(rng.normal(size=(3, 16)))[kinds[:96]]
    rows, stated = np.arange(200) + 7, np.arange(96) + 7
    known = align_states(states, rows, stated, statements)
    assert known.rows is rows
    np.testing.assert_allclose(np.linalg.norm(known.vectors, axis=1), 1, atol=1e-5)
    nearest = (known.vectors @ unit(np.stack([statements[kinds[:96] == k][0] for k in range(3)])).T).argmax(axis=1)
    np.testing.assert_array_equal(nearest, kinds)
    centred = states - states.mean(axis=0)
    there = unit(centred) @ unit(centred).T
    assert np.corrcoef((known.vectors @ known.vectors.T).ravel(), there.ravel())[0, 1] > 0.95


def test_known_places_are_taken_as_they_are_and_teach_the_map(rng):
    embeddings, values = planted(rng)
    states = np.eye(8)[values[:, 1]] * 3 + rng.normal(size=(400, 8)) * 0.1
    said = unit(np.eye(16)[:3] + 0.1)[values[:, 1]]
    known = align_states(states[:300], np.arange(300), np.arange(96), said[:96])
    learned = fit_goal_map(embeddings, embeddings, np.arange(96), said[:96], known=known, n_clusters=3, seed=0)
    assert learned.goal_map.share > 0
    assert learned.explained > 0.9
    mapped = learned.goal_map.mapped(embeddings, known)
    np.testing.assert_array_equal(mapped[:300], known.vectors)
    assert purity(learned.goal_map.represent(embeddings, embeddings, known), values[:, 1]) > 0.9
    # States that are noise are no better than the embeddings.
    noise = Mapped(known.rows, unit(rng.normal(size=known.vectors.shape)).astype(np.float32))
    useless = fit_goal_map(embeddings, embeddings, np.arange(96), said[:96], known=noise, n_clusters=3, seed=0)
    assert useless.goal_map.share < 1
