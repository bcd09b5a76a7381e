"""Selection: claimed effects have the sizes and intervals that they say, and looking again claims no more."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats

from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.selection import fcr_intervals, look_level, looked_p_value, shrunken

ERROR = 0.05


def claimed(seed, *, size, n_real, n_tested=80):
    """Estimates of effects, most of them 0, and which are claimed."""
    rng = np.random.default_rng([1, seed])
    effects = np.zeros(n_tested)
    effects[:n_real] = size * rng.choice([-1, 1], n_real)
    estimates = effects + ERROR * rng.normal(size=n_tested)
    p_values = 2 * scipy.stats.norm.sf(np.abs(estimates) / ERROR)
    return effects, estimates, correct_p_values(p_values.tolist(), "bh") <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("size", "n_real", "raw_ratio"), [(0.12, 10, 1.4), (0.1, 40, 1.4), (0.3, 10, 1.0)])
def test_sizes_of_claims_are_not_exaggerated(size, n_real, raw_ratio):
    sums = np.zeros(3)
    for seed in range(60):
        effects, estimates, chosen = claimed(seed, size=size, n_real=n_real)
        sizes = shrunken(estimates, np.full(80, ERROR))
        signs = np.sign(estimates[chosen])
        sums += [np.sum(signs * part[chosen]) for part in (effects, estimates, sizes)]
    true, raw, shrunk = sums
    assert raw / true > raw_ratio
    assert 0.85 < shrunk / true < 1.25
    assert abs(shrunk / true - 1) < abs(raw / true - 1) + 0.05


def test_a_lone_large_effect_stays_and_a_lucky_one_shrinks():
    rng = np.random.default_rng(0)
    estimates = np.append(ERROR * rng.normal(size=79), 0.6)
    sizes = shrunken(estimates, np.full(80, ERROR))
    assert sizes[-1] > 0.55
    luckiest = np.argmax(np.abs(estimates[:-1]))
    assert abs(sizes[luckiest]) < 0.5 * abs(estimates[luckiest])


def test_intervals_of_claims_miss_no_more_than_they_say():
    missed, naive = [], []
    for seed in range(200):
        effects, estimates, chosen = claimed(seed, size=0.12, n_real=10)
        low, high, each = fcr_intervals(estimates, np.full(80, ERROR), chosen, confidence=0.9)
        outside = (effects[chosen] < low) | (effects[chosen] > high)
        alone = np.abs(estimates - effects)[chosen] > scipy.stats.norm.ppf(0.95) * ERROR
        missed.append(outside.mean() if chosen.any() else 0.0)
        naive.append(alone.mean() if chosen.any() else 0.0)
        assert each == pytest.approx(1 - chosen.sum() * 0.1 / 80)
    assert np.mean(missed) < 0.1 < 0.15 < np.mean(naive)


def test_where_all_are_selected_intervals_are_as_they_were():
    low, high, each = fcr_intervals(np.asarray([1.0, 2.0]), np.asarray([0.1, 0.2]), np.asarray([0, 1]), freedom=5.0)
    assert each == pytest.approx(0.9)
    np.testing.assert_allclose(high - low, 2 * scipy.stats.t.ppf(0.95, 5) * np.asarray([0.1, 0.2]))
    none = fcr_intervals(np.asarray([1.0]), np.asarray([0.1]), np.zeros(1, bool))
    assert (len(none.low), none.confidence) == (0, 1.0)


@pytest.mark.parametrize("n_looks", [None, 4])
def test_looking_again_claims_no_more(rng, n_looks):
    """Four looks at data that grow by a quarter each; at a nominal 5%, 12% have a claim."""
    z = np.cumsum(rng.normal(size=(8_000, 4)), axis=1) / np.sqrt(np.arange(1, 5))
    p_values = 2 * scipy.stats.norm.sf(np.abs(z))
    assert np.mean(np.any(p_values <= 0.05, axis=1)) > 0.1
    levels = np.asarray([look_level(look, n_looks=n_looks) for look in range(1, 5)])
    claims = np.any(p_values <= levels, axis=1)
    assert (0.02 if n_looks is None else 0.043) < claims.mean() < 0.057
    corrected = np.asarray([looked_p_value(row, n_looks=n_looks) for row in p_values[:1000]])
    np.testing.assert_array_equal(corrected <= 0.05, claims[:1000])


def test_pococks_levels_are_those_of_the_tables():
    for n_looks, level in ((1, 0.05), (2, 0.0294), (3, 0.0221), (4, 0.0182), (5, 0.0158), (10, 0.0106)):
        assert look_level(n_looks, n_looks=n_looks) == pytest.approx(level, abs=5e-5)


def test_looks_without_end_spend_no_more_than_the_level():
    assert sum(look_level(look, level=0.1) for look in range(1, 5_000)) == pytest.approx(0.1, abs=1e-4)


@hypothesis.given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1e-6, 1e3)), min_size=1, max_size=20))
@hypothesis.settings(max_examples=60)
def test_finite_whatever_is_given(pairs):
    estimates, errors = np.asarray(pairs).T
    sizes = shrunken(estimates, errors)
    assert np.all(np.abs(sizes) <= np.abs(estimates) * (1 + 1e-9))
    assert np.all(sizes * estimates >= 0)
    assert all(np.isfinite(part).all() for part in fcr_intervals(estimates, errors, np.ones(len(pairs), bool)))


@hypothesis.given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@hypothesis.settings(max_examples=60)
def test_a_corrected_p_value_is_one(p_values):
    for n_looks in (None, 6):
        assert min(p_values) <= looked_p_value(p_values, n_looks=n_looks) <= 1


@pytest.mark.parametrize(
    ("function", "arguments", "options", "message"),
    [
        (shrunken, ([], []), {}, "one of each"),
        (shrunken, ([1.0], [0.0]), {}, "errors of 0"),
        (shrunken, ([np.nan], [1.0]), {}, "not finite"),
        (fcr_intervals, ([1.0], [1.0, 2.0], [0]), {}, "one of each"),
        (fcr_intervals, ([1.0], [1.0], [0]), {"confidence": 0.0}, "between 0 and 1"),
        (look_level, (0,), {}, "at least 1"),
        (look_level, (3,), {"n_looks": 2}, "at most n_looks=2"),
        (look_level, (1,), {"level": 0.0}, "between 0 and 1"),
        (looked_p_value, ([],), {}, "at least one"),
        (looked_p_value, ([0.5, 1.5],), {}, r"\[0, 1\]"),
    ],
)
def test_what_cannot_be_used_is_refused(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)
