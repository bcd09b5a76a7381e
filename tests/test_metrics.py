"""Matched F1: invariant to the order of columns, 1 for a perfect match, and equal to scikit-learn's F1 per pair."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from nlparam.numerics.metrics import matched_f1, one_hot


def test_a_permuted_perfect_match_is_one(rng):
    reference = one_hot(rng.integers(5, size=100), 5)
    order = rng.permutation(5)
    found = matched_f1(reference[:, order], reference)
    assert found.macro == 1.0
    np.testing.assert_array_equal(order[found.match], np.arange(5))


def test_pairs_have_the_f1_of_scikit_learn(rng):
    learned, reference = rng.random((80, 4)) < 0.4, rng.random((80, 3)) < 0.3
    found = matched_f1(learned, reference)
    for number, column in enumerate(found.match):
        np.testing.assert_allclose(found.per_reference[number], f1_score(reference[:, number], learned[:, column]))


def test_references_without_a_partner_count_zero(rng):
    reference = one_hot(rng.integers(4, size=60), 4)
    found = matched_f1(reference[:, :3], reference)
    assert found.macro == pytest.approx(0.75)
    assert found.match.tolist() == [0, 1, 2, -1]


def test_different_texts_are_an_error():
    with pytest.raises(ValueError, match="same texts"):
        matched_f1(np.zeros((3, 2)), np.zeros((4, 2)))


def test_one_hot_leaves_out_what_is_unassigned():
    np.testing.assert_array_equal(one_hot(np.asarray([1, -1, 0]), 2), [[0, 1], [0, 0], [1, 0]])
