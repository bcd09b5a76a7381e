"""Difference: one predicate at a time against SciPy, the price of repetition, and gradients everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from nlparam.errors import CorpusError
from nlparam.models import Classification, Difference, DifferenceWeights
from tests.helpers.compiled import fit_weights

# Compiled once for all tests.


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, n_texts=200, n_predicates=3):
    group = rng.integers(2, size=n_texts)
    columns = rng.uniform(size=(n_texts, n_predicates)) * (0.4 + 0.6 * group[:, None] * np.linspace(0, 1, n_predicates))
    return jnp.asarray(columns), jnp.asarray(group)


@pytest.mark.slow
def test_each_predicate_is_at_the_optimum_of_scipy(rng):
    columns, group = problem(rng)
    model = Difference(3, ridge=2.0)
    weights = fit_weights(model, columns, group)
    y, n = np.asarray(group), len(group)
    for k in range(3):
        x = np.asarray(columns[:, k])

        def cross_entropy(pair, x=x):
            scores = pair[0] + pair[1] * x
            return np.sum(np.log1p(np.exp(-(2 * y - 1) * scores))) / n + pair[1] ** 2 / n

        found = minimize(cross_entropy, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
        np.testing.assert_allclose([weights.intercepts[k], weights.log_odds[k]], found.x, atol=1e-4)


@pytest.mark.slow
def test_one_predicate_is_a_classification_with_two_classes(rng):
    columns, group = problem(rng, n_predicates=1)
    single = Difference(1, ridge=8.0)
    # The ridge of two opposite coefficients b/2 is half of that of one coefficient b.
    both = Classification(1, ridge=16.0)
    found, expected = fit_weights(single, columns, group), fit_weights(both, columns, group)
    np.testing.assert_allclose(found.log_odds, expected.coefficients[1] - expected.coefficients[0], rtol=1e-5)
    np.testing.assert_allclose(single.predict_proba(found, columns), both.predict_proba(expected, columns), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("empty", [False, True])
def test_the_gradient_is_that_of_finite_differences(rng, empty):
    columns, group = problem(rng, n_texts=20)
    if empty:  # a slot that no candidate fills: 0/0 in a correlation
        columns = columns.at[:, 1].set(0.0)
    model = Difference(3)
    weights = DifferenceWeights(jnp.asarray([0.5, -1.0, 2.0]), jnp.asarray([0.1, 0.0, -0.3]))
    gradient = jax.grad(model.loss, argnums=1)(weights, columns, group)
    for text, predicate in [(0, 0), (3, 2), (19, 0)]:
        step = jnp.zeros_like(columns).at[text, predicate].set(1e-6)
        change = model.loss(weights, columns + step, group) - model.loss(weights, columns - step, group)
        np.testing.assert_allclose(gradient[text, predicate], change / 2e-6, atol=1e-8)
    assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_repetition_has_its_price_and_a_constant_column_none(rng):
    column = rng.uniform(size=(50, 1))
    twice, free = jnp.asarray(np.hstack([column, 1 - column])), Difference(2, diversity=0.0)
    group, weights = jnp.asarray(rng.integers(2, size=50)), free.init_weights(twice)
    priced = Difference(2, diversity=0.3)
    extra = priced.loss(weights, twice, group) - free.loss(weights, twice, group)
    np.testing.assert_allclose(extra, 0.3 / 2)  # one pair of correlation -1, over two predicates
    for constant in (0.0, 0.3, 1.0):
        beside = twice.at[:, 1].set(constant)
        np.testing.assert_allclose(priced.loss(weights, beside, group), free.loss(weights, beside, group), atol=1e-12)


@pytest.mark.slow
def test_a_constant_column_costs_nothing_in_single_precision_either(rng):
    with jax.enable_x64(False):
        beside = jnp.asarray(np.column_stack([rng.uniform(size=2000), np.full(2000, 0.3)]), jnp.float32)
        group = jnp.asarray(rng.integers(2, size=2000))
        priced, free = Difference(2, diversity=1.0), Difference(2, diversity=0.0)
        weights = free.init_weights(beside)
        np.testing.assert_allclose(priced.loss(weights, beside, group), free.loss(weights, beside, group), rtol=1e-6)


@pytest.mark.slow
def test_quantities_are_the_differences_of_the_shares(rng):
    columns, group = problem(rng)
    model = Difference(3)
    quantities = model.quantities(fit_weights(model, columns, group), columns, group)
    means, shares = (of[group == 1].mean(axis=0) - of[group == 0].mean(axis=0) for of in (columns, columns >= 0.5))
    np.testing.assert_allclose(quantities["difference"].values, shares, atol=1e-7)
    assert np.all(np.sign(quantities["log_odds"].values) == np.sign(means))
    assert quantities["difference"].neutral == 0


@pytest.mark.slow
def test_swapping_the_groups_changes_the_signs_alone(rng):
    columns, group = problem(rng)
    model = Difference(3)
    one, other = fit_weights(model, columns, group), fit_weights(model, columns, 1 - group)
    np.testing.assert_allclose(one.log_odds, -other.log_odds, atol=1e-6)
    np.testing.assert_allclose(model.loss(one, columns, group), model.loss(other, columns, 1 - group))


def test_the_group_counted_towards_is_the_second():
    model = Difference(1, towards="0")
    data, coords = model.prepare([0, 1, 1], 3)
    assert coords == {"class": ["1", "0"]}
    np.testing.assert_array_equal(data.second, [1, 0, 0])
    np.testing.assert_array_equal(model.prepare(data, 3).data.second, [1, 0, 0])
    named = Difference(1, towards="old")
    np.testing.assert_array_equal(named.prepare(named.prepare(["old", "new"], 2).data, 2).data.second, [1, 0])
    with pytest.raises(CorpusError, match="got the groups '0' and '1', expected one to be 'old'"):
        named.prepare([0, 1, 1], 3)
    with pytest.raises(CorpusError, match="got 3 groups for 4 texts"):
        model.prepare(data, 4)


@pytest.mark.slow
def test_perfect_separation_has_finite_weights():
    group = jnp.arange(40) % 2
    columns = jnp.stack([group, 1 - group], axis=1).astype(float)
    model = Difference(2)
    weights = fit_weights(model, columns, group)
    assert np.isfinite(weights.log_odds).all()
    assert weights.log_odds[0] > 3 > -3 > weights.log_odds[1]
    np.testing.assert_array_equal(model.predict(weights, columns), group)
    assert "separates the groups perfectly" in model.warnings(weights, columns, group)[0]
    blurred = columns.at[0].set(0.5)
    weights = fit_weights(model, blurred.at[1, 1].set(1.0).at[1, 0].set(0.0), group)
    assert model.warnings(weights, blurred, 1 - group) == []


@pytest.mark.parametrize(
    "options", [{"n_predicates": 0}, {"ridge": 0}, {"ridge": float("nan")}, {"diversity": -1}], ids=str
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=f"got {next(iter(options))}="):
        Difference(**({"n_predicates": 2} | options))
