"""Rates, their differences, and tests of them within pairs and strata."""

import numpy as np
import pytest

from nlparam.numerics.statistics.rates import difference, mcnemar, paired_difference, rate, stratified_p_value


def test_rates_are_those_of_the_textbook():
    np.testing.assert_allclose(rate(8, 10)[2:], [0.8, 0.4901625, 0.9433178], atol=1e-6)
    assert np.isnan(rate(0, 0).rate)
    assert rate(0, 0)[3:] == (0.0, 1.0)
    # Newcombe (1998), table II: 56/70 against 48/80, method 10.
    gap = difference(rate(56, 70), rate(48, 80))
    np.testing.assert_allclose(gap[:3], [0.2, 0.0524, 0.3339], atol=5e-5)
    assert difference(rate(0, 0), rate(1, 2))[1:] == (-1.0, 1.0, 1.0, "none")
    with pytest.raises(ValueError, match="3 hits of 2"):
        rate(3, 2)


def test_mcnemar_and_the_paired_difference():
    assert mcnemar(0, 0) == 1.0
    np.testing.assert_allclose(mcnemar(6, 1), 0.125)
    rng = np.random.default_rng(0)
    before, after = rng.random(400) < 0.7, rng.random(400) < 0.5
    found = paired_difference(before, after, np.arange(400))
    assert found.low < 0.2 < found.high
    assert found.p_value < 1e-4
    # Pairs that share their original are fewer than they look.
    wider = paired_difference(np.repeat(before[:40], 10), np.repeat(after[:40], 10), np.repeat(np.arange(40), 10))
    assert wider.high - wider.low > 2 * (found.high - found.low)
    alike = paired_difference(np.ones(5, bool), np.ones(5, bool), np.arange(5))
    assert alike.low < 0 < alike.high


def test_a_test_within_strata_sees_what_is_in_them():
    rng = np.random.default_rng(0)
    strata, second = np.repeat(np.arange(60), 2), np.tile([False, True], 60)
    # Hard and easy strata, and nothing else: crude rates may differ, those within strata do not.
    null = rng.random(120) < np.repeat(rng.random(60), 2)
    assert stratified_p_value(null, second, strata) > 0.05
    moved = np.where(second, rng.random(120) < 0.9, rng.random(120) < 0.3)
    assert stratified_p_value(moved, second, strata) <= 0.01
    assert stratified_p_value(moved, second, np.arange(120)) == 1.0
    # With one stratum it is Fisher's test but for how two sides are counted: here they are alike.
    one = difference(rate(6, 8), rate(2, 8)).p_value
    hits = np.repeat([True, False, True, False], [2, 6, 6, 2])
    np.testing.assert_allclose(stratified_p_value(hits, np.repeat([False, True], 8), np.zeros(16, int)), one)
