"""Metrics: invariant to the order of columns, 1 if perfect, equal to scikit-learn's and to exhaustive search."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from nlparam.numerics.statistics.metrics import (
    best_f1,
    coverage,
    f1_ceiling,
    matched_f1,
    one_hot,
    overlap,
    partition_agreement,
)


@pytest.mark.parametrize("metric", [matched_f1, best_f1])
def test_a_permuted_perfect_match_is_one(rng, metric):
    reference = one_hot(rng.integers(5, size=100), 5)
    order = rng.permutation(5)
    found = metric(reference[:, order], reference)
    assert found.macro == found.micro == 1.0
    np.testing.assert_array_equal(order[found.match], np.arange(5))


@pytest.mark.parametrize("metric", [matched_f1, best_f1])
def test_pairs_have_the_f1_of_scikit_learn(rng, metric):
    learned, reference = rng.random((80, 4)) < 0.4, rng.random((80, 3)) < 0.3
    found = metric(learned, reference)
    for number, column in enumerate(found.match):
        np.testing.assert_allclose(found.per_reference[number], f1_score(reference[:, number], learned[:, column]))
    np.testing.assert_allclose(found.micro, f1_score(reference, learned[:, found.match], average="micro"))
    np.testing.assert_allclose(found.macro, f1_score(reference, learned[:, found.match], average="macro"))


def test_the_best_match_is_the_best_and_may_be_shared(rng):
    learned, reference = rng.random((80, 4)) < 0.4, rng.random((80, 3)) < 0.3
    found = best_f1(learned, reference)
    pairs = [[f1_score(reference[:, j], learned[:, k]) for k in range(4)] for j in range(3)]
    np.testing.assert_allclose(found.per_reference, np.max(pairs, axis=1))
    assert found.macro >= matched_f1(learned, reference).macro
    assert best_f1(np.ones((6, 1)), one_hot(np.asarray([0, 0, 0, 1, 1, 1]), 2)).match.tolist() == [0, 0]


def test_references_without_a_partner_count_zero(rng):
    reference = one_hot(rng.integers(4, size=60), 4)
    found = matched_f1(reference[:, :3], reference)
    assert found.macro == pytest.approx(0.75)
    assert found.match.tolist() == [0, 1, 2, -1]
    assert found.micro < 1  # the texts of the fourth were missed


@pytest.mark.parametrize("metric", [matched_f1, best_f1])
def test_without_learned_columns_or_texts_that_hold_all_is_zero(metric):
    reference = one_hot(np.asarray([0, 1, 1]), 2)
    nothing = metric(np.zeros((3, 0)), reference)
    assert (nothing.macro, nothing.micro, nothing.match.tolist()) == (0.0, 0.0, [-1, -1])
    assert metric(np.zeros((3, 2)), reference).macro == 0.0
    assert metric(np.zeros((3, 2)), np.zeros((3, 2))).micro == 0.0


def test_different_texts_are_an_error():
    with pytest.raises(ValueError, match="same texts"):
        matched_f1(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="same texts"):
        best_f1(np.zeros(3), np.zeros((3, 2)))


def test_one_hot_leaves_out_what_is_unassigned():
    np.testing.assert_array_equal(one_hot(np.asarray([1, -1, 0]), 2), [[0, 1], [0, 0], [1, 0]])


def test_the_ceiling_of_three_columns_for_four_equal_classes_is_five_sixths():
    reference = one_hot(np.arange(400) % 4, 4)
    assert f1_ceiling(reference, 3) == pytest.approx(5 / 6)
    assert f1_ceiling(reference, 4) == f1_ceiling(reference, 9) == 1.0
    assert f1_ceiling(reference, 1) == pytest.approx(2 / 5)
    assert f1_ceiling(reference, 0) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 3), st.booleans())
def test_the_ceiling_is_that_of_an_exhaustive_search(seed, n_references, n_learned, exclusive):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(n_references))
    reference = one_hot(rng.choice(n_references, 60, p=shares), n_references)
    if not exclusive:
        reference = (rng.random((60, n_references)) < rng.uniform(0.1, 0.6)).astype(float)
    everything = [np.asarray(mask, bool) for mask in itertools.product([0, 1], repeat=n_references)]
    unions = np.stack([reference[:, mask].any(axis=1) for mask in everything], axis=1)
    chosen = itertools.combinations(range(unions.shape[1]), min(n_learned, unions.shape[1]))
    best = max(best_f1(unions[:, list(columns)], reference).macro for columns in chosen)
    assert f1_ceiling(reference, n_learned) == pytest.approx(best)


def test_the_ceiling_of_many_references_is_found_quickly_and_bounded_from_below(rng):
    reference = one_hot(rng.permutation(np.arange(420) % 21), 21)
    # Seven unions of three: every reference has a column three times its size.
    assert f1_ceiling(reference, 7) == pytest.approx(1 / 2)


def test_partitions_are_compared_whatever_their_numbers(rng):
    labels = rng.integers(3, size=50)
    assert partition_agreement((labels + 5) % 7, labels) == {"nmi": pytest.approx(1.0), "ari": pytest.approx(1.0)}
    assert abs(partition_agreement(rng.integers(3, size=50), labels)["ari"]) < 0.2


def test_coverage_counts_texts_with_a_column_and_overlap_those_with_several():
    denotations = np.asarray([[0.9, 0.8], [0.6, 0.1], [0.4, 0.3], [0.0, 1.0]])
    assert (coverage(denotations), overlap(denotations)) == (0.75, 0.25)
