"""Covariates bend: what acts along a curve is adjusted for, and what is adjusted for costs no power."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.errors import CorpusError
from nlparam.numerics.statistics.covariates import encode, learn, lengths, remaining_association
from nlparam.numerics.statistics.effects import adjusted_contrast


def test_a_spline_of_a_number_follows_a_curve_and_is_linear_beyond_its_knots(rng):
    x = rng.normal(size=600)
    encoding = learn("x", x.tolist())
    columns = encoding.columns(x.tolist())
    assert columns.shape == (600, 5)
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(columns.std(axis=0), 1)
    design = np.column_stack([np.ones(600), columns])
    # Lines are among the natural splines, and a parabola nearly is.
    assert np.linalg.lstsq(design, x)[1] < 1e-18
    assert np.linalg.lstsq(design, x**2)[1] / np.sum((x**2 - np.mean(x**2)) ** 2) < 0.02
    beyond = encoding.columns([x.max() + step for step in (1.0, 2.0, 3.0)])
    np.testing.assert_allclose(beyond[2] - beyond[1], beyond[1] - beyond[0])


def test_columns_of_new_texts_are_those_of_the_old_ones(rng):
    values = {"x": rng.gamma(2.0, size=200).tolist(), "place": [*"ab" * 95, *"cdcdcdcdcd"]}
    found = encode(values, 200)
    assert found.names == ("x", "place")
    again = np.column_stack([encoding.columns(values[encoding.name]) for encoding in found.encodings])
    np.testing.assert_array_equal(found.matrix, again)
    place = found.encodings[1]
    np.testing.assert_array_equal(place.columns(["unseen"]), place.columns([place.base]))


@pytest.mark.parametrize(("n_distinct", "n_columns"), [(2, 1), (3, 2), (6, 5), (7, 5)])
def test_few_distinct_numbers_get_fewer_columns(rng, n_distinct, n_columns):
    x = np.r_[np.arange(n_distinct), rng.integers(n_distinct, size=300)].astype(float)
    columns = learn("x", x.tolist()).columns(x.tolist())
    assert columns.shape[1] == n_columns
    assert np.linalg.matrix_rank(np.column_stack([np.ones(len(x)), columns])) == n_columns + 1


def test_few_texts_get_fewer_columns_and_a_frequent_value_does_no_harm():
    assert learn("x", np.arange(40.0).tolist()).columns([1.0]).shape == (1, 2)
    assert learn("x", np.arange(10.0).tolist()).columns([1.0]).shape == (1, 1)
    zeros = [0.0] * 280 + np.linspace(1, 2, 20).tolist()
    columns = learn("x", zeros).columns(zeros)
    assert np.isfinite(columns).all()
    assert columns.shape[1] == 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.sampled_from(["", "a", "b", "1", "2"])))
)
def test_columns_are_finite_or_an_error_says_why(values):
    with contextlib.suppress(CorpusError):
        columns = learn("x", values).columns(values)
        assert np.isfinite(columns).all()
        assert columns.shape[0] == len(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, "", float("nan")], "has no values"),
        ([1.0] * 20, "nothing to adjust for"),
        ([1.0, None] * 10, "missing for 10 of 20 texts"),
        ([f"author {number}" for number in range(40)], r"clusters= \(--cluster-field\)"),
    ],
)
def test_covariates_that_cannot_be_adjusted_for(values, message):
    with pytest.raises(CorpusError, match=message):
        learn("x", values)


def _u_shaped(rng: np.random.Generator, n: int, effect: float) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """The second group has more extreme values, and a predicate holds more often at either end."""
    groups = np.repeat([0, 1], n)
    x = rng.normal(size=2 * n) * np.where(groups == 1, 1.6, 0.8)
    holds = rng.random(2 * n) < 0.15 + 0.6 * np.minimum(np.abs(x) / 2, 1) + effect * groups
    return holds.astype(float), groups, x.tolist()


def test_a_covariate_that_acts_along_a_u_makes_no_claims():
    claimed = {1: 0, 5: 0}
    found = 0
    for seed in range(60):
        values, groups, x = _u_shaped(np.random.default_rng(seed), 300, 0.0)
        for freedom in claimed:
            columns = encode({"x": x}, 600, freedom=freedom).matrix
            claimed[freedom] += adjusted_contrast(values, groups, 2, 1, columns).p_value < 0.05
        values, groups, x = _u_shaped(np.random.default_rng([1, seed]), 300, 0.2)
        found += adjusted_contrast(values, groups, 2, 1, encode({"x": x}, 600).matrix).p_value < 0.05
    assert claimed[1] > 50  # a line does not help
    assert claimed[5] <= 8  # 0.05, with three standard errors
    assert found > 50


def test_what_remains_of_a_covariate_is_seen(rng):
    groups = np.repeat([0, 1], 500)
    x = (rng.normal(size=1000) + groups).tolist()
    (left,) = remaining_association(encode({"x": x}, 1000), {"x": x}, groups, 2).values()
    assert left.share < 0.02
    # A line leaves that the second group is at both ends; a spline does not.
    ends = (rng.normal(size=1000) * np.where(groups == 1, 2.0, 0.5)).tolist()
    (line,) = remaining_association(encode({"x": ends}, 1000, freedom=1), {"x": ends}, groups, 2).values()
    (spline,) = remaining_association(encode({"x": ends}, 1000), {"x": ends}, groups, 2).values()
    assert line.share > 0.2
    assert line.p_value < 1e-6
    assert spline.share < 0.05
    # Groups without a common value: no curve brings them together.
    apart = (rng.random(1000) + 1.0 * groups).tolist()
    (nothing,) = remaining_association(encode({"x": apart}, 1000), {"x": apart}, groups, 2).values()
    assert nothing.share > 0.3


def test_the_length_of_texts():
    assert lengths(["", "a", "a" * 99]) == pytest.approx([0.0, np.log(2), np.log(100)])
