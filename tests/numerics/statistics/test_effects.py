"""Effects and their inference: they are Welch's, keep their level, and survive what has no variance."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.numerics.statistics.effects import (
    adjusted_contrast,
    auroc,
    contrast,
    correct_p_values,
    share,
    welch_p_value,
)
from nlparam.numerics.statistics.racing import alike, laps, least_gap, standing, still_racing


def _two(first, second):
    return np.concatenate([first, second]), np.repeat([0, 1], [len(first), len(second)])


def test_without_imagined_answers_it_is_welch():
    rng = np.random.default_rng(0)
    first, second = rng.random(40), rng.random(60) ** 2
    ours = contrast(*_two(first, second), 2, 0, confidence=0.9, prior=0.0)
    welch: Any = scipy.stats.ttest_ind(first, second, equal_var=False)
    interval = welch.confidence_interval(0.9)
    assert ours.effect == pytest.approx(first.mean() - second.mean())
    assert (ours.p_value, ours.low, ours.high) == pytest.approx((welch.pvalue, interval.low, interval.high))


def test_groups_mirror_one_another():
    rng = np.random.default_rng(1)
    values, groups = _two(rng.random(30), rng.random(20))
    first, second = (contrast(values, groups, 2, towards) for towards in (0, 1))
    assert (first.effect, first.low, first.high) == pytest.approx((-second.effect, -second.high, -second.low))
    assert first.p_value == pytest.approx(second.p_value)


def test_of_three_groups_one_is_compared_with_the_mean_of_the_others():
    values = np.concatenate([np.ones(50), np.repeat([1.0, 0.0], 25), np.zeros(10)])
    groups = np.repeat([0, 1, 2], [50, 50, 10])
    assert contrast(values, groups, 3, 0).effect == pytest.approx(1 - (0.5 + 0.0) / 2)
    assert contrast(values, groups, 3, 2).effect == pytest.approx(0 - (1 + 0.5) / 2)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 1)])
def test_no_variance_and_no_difference_proves_nothing(first, second):
    effect = contrast(*_two(np.full(20, float(first)), np.full(20, float(second))), 2, 0)
    assert effect.p_value == 1
    assert effect.low < 0 < effect.high


def test_no_variance_and_all_the_difference_is_significant_but_not_infinitely():
    effect = contrast(*_two(np.ones(20), np.zeros(20)), 2, 0)
    assert effect.effect == 1
    assert 0 < effect.p_value < 1e-6
    assert effect.low < 1


def test_four_of_a_hundred_against_none_is_not_significant():
    first, second = np.repeat([1.0, 0.0], [4, 96]), np.zeros(100)
    assert contrast(*_two(first, second), 2, 0).p_value > 0.05
    assert contrast(*_two(first, second), 2, 0, prior=0.0).p_value < 0.05


def test_too_few_answers_prove_nothing():
    effect = contrast(*_two(np.asarray([1.0, np.nan]), np.zeros(5)), 2, 0)
    assert (effect.low, effect.high, effect.p_value) == (-1, 1, 1)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.5])
def test_the_level_is_kept_and_the_interval_covers(rate):
    rng = np.random.default_rng(2)
    n, rejected, covered = 60, 0, 0
    for _ in range(600):
        null = contrast(*_two(rng.random(n) < rate, rng.random(2 * n) < rate), 2, 0)
        rejected += null.p_value < 0.05
        real = contrast(*_two(rng.random(n) < rate + 0.2, rng.random(2 * n) < rate), 2, 0)
        covered += real.low <= 0.2 <= real.high
    assert rejected / 600 < 0.075
    assert covered / 600 > 0.925


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=40), st.integers(1, 3))
def test_an_effect_lies_in_its_interval(values, n_first):
    groups = np.asarray([0] * n_first + [1] * (len(values) - n_first))
    effect = contrast(np.asarray(values), groups, 2, 0)
    assert -1 <= effect.low <= effect.high <= 1
    assert 0 <= effect.p_value <= 1
    assert effect.low - 1e-9 <= effect.effect <= effect.high + 1e-9


def test_a_share_has_an_interval_even_if_nothing_holds():
    mean, low, high = share(np.zeros(30))
    assert mean == low == 0
    assert 0.03 < high < 0.2


def test_a_confounder_is_adjusted_for():
    rng = np.random.default_rng(3)
    n = 1500
    groups = np.repeat([0, 1], n)
    long = rng.random(2 * n) < np.where(groups == 0, 0.8, 0.2)
    # What is judged depends on the length alone, and the groups differ in length.
    values = (rng.random(2 * n) < np.where(long, 0.6, 0.2)).astype(float)
    crude = contrast(values, groups, 2, 0)
    given_length = adjusted_contrast(values, groups, 2, 0, long[:, None].astype(float))
    assert crude.p_value < 1e-6
    assert given_length.low < 0 < given_length.high


def test_adjusting_keeps_a_real_effect_and_the_level():
    rng = np.random.default_rng(4)
    n, rejected = 80, 0
    groups = np.repeat([0, 1], n)
    for _ in range(200):
        covariate = rng.normal(size=2 * n) + groups
        values = (rng.random(2 * n) < 0.3 + 0.1 * (covariate > 0)).astype(float)
        rejected += adjusted_contrast(values, groups, 2, 0, covariate[:, None]).p_value < 0.05
    assert rejected / 200 < 0.1
    covariate = rng.normal(size=2 * n)
    real = adjusted_contrast(
        (rng.random(2 * n) < 0.2 + 0.5 * (groups == 0)).astype(float), groups, 2, 0, covariate[:, None]
    )
    assert real.low > 0.2


def test_adjusting_for_nothing_is_the_crude_effect():
    rng = np.random.default_rng(5)
    values, groups = _two(rng.random(50), rng.random(70))
    crude, adjusted = contrast(values, groups, 2, 0), adjusted_contrast(values, groups, 2, 0, np.zeros((120, 0)))
    assert adjusted.effect == pytest.approx(crude.effect)
    assert adjusted.standard_error == pytest.approx(crude.standard_error, rel=0.05)


def test_adjusting_survives_no_variance_and_too_few_texts():
    groups = np.repeat([0, 1], 10)
    covariates = np.arange(20.0)[:, None]
    assert adjusted_contrast(np.zeros(20), groups, 2, 0, covariates).p_value == 1
    assert np.isnan(adjusted_contrast(np.zeros(20), groups, 2, 0, np.eye(20)).effect)


def test_a_covariate_that_names_the_group_leaves_nothing_to_compare(rng):
    """A pseudo-inverse would give half of the difference to either."""
    groups = np.repeat([0, 1], 100)
    values = (rng.random(200) < np.where(groups == 1, 0.8, 0.2)).astype(float)
    named = groups[:, None].astype(float)
    assert adjusted_contrast(values, groups, 2, 1, named)[1:] == (np.inf, -1.0, 1.0, 1.0)
    # The same covariate twice is no harm, nor is a constant.
    other = rng.standard_normal((200, 1))
    once = adjusted_contrast(values, groups, 2, 1, other)
    again = adjusted_contrast(values, groups, 2, 1, np.column_stack([other, 2 * other, np.ones(200)]))
    assert again == pytest.approx(once)


def test_answers_that_a_covariate_explains_exactly_prove_nothing():
    significant = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        covariate = rng.integers(2, size=120).astype(float)
        standardised = ((covariate - covariate.mean()) / covariate.std())[:, None]
        null = adjusted_contrast(0.01 + 0.98 * covariate, np.repeat([0, 1], 60), 2, 1, standardised)
        significant += null.p_value < 0.05
    assert significant == 0


@pytest.mark.slow
def test_corrections():
    p_values = [0.01, 0.02, 0.5]
    assert correct_p_values(p_values, "bh") == pytest.approx([0.03, 0.03, 0.5])
    assert correct_p_values(p_values, "holm") == pytest.approx([0.03, 0.04, 0.5])
    assert (correct_p_values(p_values, "by") >= correct_p_values(p_values, "bh")).all()
    assert len(correct_p_values([], "bh")) == 0
    with pytest.raises(ValueError, match="expected one of bh, by, holm"):
        correct_p_values(p_values, "bonferroni")


def test_scores_of_a_ranker():
    scores, members = np.asarray([3.0, 2.0, 2.0, 1.0]), np.asarray([True, True, False, False])
    assert auroc(scores, members) == pytest.approx(0.875)
    assert auroc(scores, np.ones(4, dtype=bool)) == 0.5
    assert welch_p_value(scores, members) == pytest.approx(scipy.stats.ttest_ind([3, 2], [2, 1], equal_var=False)[1])
    assert welch_p_value(np.ones(4), members) == 1
    assert welch_p_value(np.asarray([3.0, 3.0, 1.0, 1.0]), members) == 1  # no variance
    assert welch_p_value(scores, np.asarray([True, False, False, False])) == 1  # one value on a side


def test_laps_double_and_end_at_the_most():
    assert laps(100, 16) == [16, 32, 64, 100]
    assert laps(10, 16) == [10]


def test_a_race_drops_what_is_behind_and_keeps_what_may_win():
    effects, errors = np.asarray([0.5, 0.45, 0.3, 0.02]), np.full(4, 0.08)
    assert still_racing(effects, errors, 2, least_gap(0.05)).tolist() == [True, True, True, False]
    assert still_racing(effects, errors, 4, least_gap(0.05)).all()
    assert still_racing(effects, np.full(4, np.inf), 1, least_gap(0.05)).all()


def test_a_standing_is_towards_the_group_that_has_most():
    values, groups = np.asarray([0.0, 0.0, 1.0, 1.0, 0.5, 0.5]), np.asarray([0, 0, 1, 1, 2, 2])
    stands = standing(values, groups, 3, confidence=0.95)
    assert stands.towards == 1
    assert stands.effect.effect == pytest.approx(0.75)


def test_what_holds_for_the_same_texts_is_alike_to_the_first():
    rng = np.random.default_rng(6)
    first, other = rng.random(40), rng.random(40)
    values = np.column_stack([first, first + 0.01 * rng.random(40), other, np.ones(40), first])
    assert alike(values, 0.9).tolist() == [-1, 0, -1, -1, 0]
    once = np.eye(40)[:, :1].repeat(2, axis=1)
    assert alike(once, 0.9).tolist() == [-1, -1]
