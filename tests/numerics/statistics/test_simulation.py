"""Precision and generality as numbers: their values, their intervals, and what is said where nothing is known."""

import numpy as np
import pytest

from nlparam.numerics.statistics.simulation import generality, mean, precision, share


def test_precision_counts_only_what_can_be_inferred():
    inferred, answered = np.asarray([0, 1, -1, 1, -1]), np.asarray([0, 0, 0, 1, 1])
    found = precision(inferred, answered)
    assert found.value == pytest.approx(2 / 3)
    assert 0 < found.low < found.value < found.high < 1
    assert np.isnan(precision(np.asarray([-1, -1]), np.asarray([0, 1]))).all()
    assert precision(np.asarray([-1]), np.asarray([0])).sure == 0


def test_more_counterfactuals_make_a_narrower_interval():
    few, many = share(np.asarray([True, False] * 5)), share(np.asarray([True, False] * 50))
    assert few.value == many.value == 0.5
    assert many.high - many.low < few.high - few.low


def test_generality_is_one_minus_the_mean_of_the_pairs_and_its_interval_a_jackknife(rng):
    points = rng.normal(size=(9, 2))
    likeness = np.exp(-((points[:, None] - points[None]) ** 2).sum(-1))
    found = generality(likeness)

    def value(matrix):
        return 1 - matrix[~np.eye(len(matrix), dtype=bool)].mean()

    assert found.value == pytest.approx(value(likeness))
    without = np.asarray([value(np.delete(np.delete(likeness, i, 0), i, 1)) for i in range(9)])
    error = np.sqrt(8 / 9 * np.sum((without - without.mean()) ** 2))
    assert found.high - found.low == pytest.approx(2 * 2.306 * error, rel=1e-3)  # Student's t with 8 degrees


def test_fewer_than_two_counterfactuals_generalise_to_nothing():
    for n in (0, 1):
        assert generality(np.ones((n, n))).value == 0
        assert generality(np.ones((n, n))).sure == 0
    two = generality(np.asarray([[1.0, 0.2], [0.2, 1.0]]))
    assert two.value == pytest.approx(0.8)
    assert np.isnan(two.low)


def test_the_mean_has_a_bootstrap_interval_that_a_seed_fixes(rng):
    values = rng.beta(8, 2, 25)
    found = mean(values, seed=3)
    assert found == mean(values, seed=3)
    assert found.value == pytest.approx(values.mean())
    error = values.std(ddof=1) / 5
    assert found.low == pytest.approx(values.mean() - 2.06 * error, abs=error)
    assert found.high == pytest.approx(values.mean() + 2.06 * error, abs=error)
    assert mean(np.append(values, np.nan), seed=3) == found


def test_equal_values_leave_room_for_what_was_not_seen():
    assert mean(np.ones(10)).high == 1
    assert mean(np.ones(10)).low == pytest.approx(0.05**0.1)
    assert mean(np.ones(100)).low > mean(np.ones(10)).low
    middle = mean(np.full(10, 0.5))
    assert middle.low < 0.5 < middle.high
    assert np.isnan(mean(np.asarray([0.7])).low)
    assert np.isnan(mean(np.asarray([np.nan]))).all()


def test_intervals_of_few_values_hold_the_truth_often_enough():
    rng = np.random.default_rng(0)
    draws = rng.beta(8, 2, (300, 10))
    held = [found.low <= 0.8 <= found.high for found in (mean(row) for row in draws)]
    assert np.mean(held) > 0.91
