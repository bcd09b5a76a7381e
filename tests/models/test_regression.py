"""Regression: scikit-learn's ridge is the independent solver; units do not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nlparam.models import Regression
from tests.helpers.compiled import fit_weights, loss_gradient


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, n_texts=200, n_predicates=3):
    columns = rng.random((n_texts, n_predicates))
    return jnp.asarray(columns), jnp.asarray(columns @ [2.0, -1.0, 0.0] + 5 + 0.3 * rng.normal(size=n_texts))


@pytest.mark.slow
@pytest.mark.parametrize("intercept", [True, False])
def test_the_optimum_is_that_of_scikit_learn(rng, intercept):
    columns, target = problem(rng)
    model = Regression(3, ridge=2.0, intercept=intercept)
    weights = fit_weights(model, columns, target)
    reference = Ridge(alpha=2.0, fit_intercept=intercept).fit(columns, target)
    np.testing.assert_allclose(weights.coefficients, reference.coef_, rtol=1e-8)
    np.testing.assert_allclose(weights.intercept, reference.intercept_, rtol=1e-8)
    gradient = loss_gradient(model, weights, columns, target)
    np.testing.assert_allclose(gradient.coefficients, 0.0, atol=1e-10)


def test_the_loss_does_not_depend_on_the_units(rng):
    columns, target = problem(rng)
    model = Regression(3)
    np.testing.assert_allclose(
        model.profile_loss(columns, target), model.profile_loss(columns, 1000 * target - 7), rtol=1e-8
    )


def test_it_finds_what_was_planted(rng):
    columns, target = problem(rng, n_texts=2000)
    np.testing.assert_allclose(fit_weights(Regression(3), columns, target).coefficients, [2, -1, 0], atol=0.1)


def test_a_constant_column_or_target_is_finite(rng):
    columns, target = problem(rng)
    for d, y in ((jnp.ones((200, 3)), target), (columns, jnp.ones(200))):
        assert np.isfinite(float(Regression(3).profile_loss(d, y)))
