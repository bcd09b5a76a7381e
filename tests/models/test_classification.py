"""Classification: the optimum of an independent solver, finite weights under separation, and invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from nlparam.models import Classification, ClassificationWeights
from tests.helpers.compiled import fit_weights, loss_gradient


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, n_texts=300, n_predicates=4, n_classes=3):
    columns = rng.random((n_texts, n_predicates))
    scores = columns @ rng.normal(size=(n_predicates, n_classes)) * 3
    labels = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    return jnp.asarray(columns), jnp.asarray(labels)


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_optimum_is_that_of_scipy(rng, n_classes):
    columns, labels = problem(rng, n_classes=n_classes)
    model = Classification(4, n_classes=n_classes)

    def value(flat):
        coefficients = jnp.asarray(flat[: 4 * n_classes]).reshape(n_classes, 4)
        return model.loss(ClassificationWeights(coefficients, jnp.asarray(flat[4 * n_classes :])), columns, labels)

    found = minimize(
        jax.jit(value), np.zeros(5 * n_classes), jac=jax.jit(jax.grad(value)), method="BFGS", options={"gtol": 1e-9}
    )
    weights = fit_weights(model, columns, labels)
    np.testing.assert_allclose(model.loss(weights, columns, labels), found.fun, rtol=1e-9)
    np.testing.assert_allclose(weights.coefficients.ravel(), found.x[: 4 * n_classes], atol=1e-4)


@pytest.mark.slow
def test_parity_is_the_objective_of_the_papers_code(rng):
    columns, labels = problem(rng)
    model = Classification(4, n_classes=3, parity=True)
    weights = fit_weights(model, columns, labels)
    reference = LogisticRegression(C=1e5, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(columns, labels)
    probabilities = reference.predict_proba(columns)
    np.testing.assert_allclose(model.predict_proba(weights, columns), probabilities, atol=1e-4)


@pytest.mark.slow
def test_many_classes_take_the_default_solver_to_the_same_place(rng):
    columns, labels = problem(rng, n_texts=400, n_predicates=19, n_classes=20)
    model = Classification(19, n_classes=20, ridge=20.0)
    gradient = loss_gradient(model, fit_weights(model, columns, labels), columns, labels)
    assert max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(gradient)) < 1e-4


@pytest.mark.slow
def test_intercepts_that_all_grow_by_the_same_take_no_step(rng):
    """In single precision the step along them was 0 divided by 0, and some fits ended far from their optimum."""
    with jax.enable_x64(False):
        columns = jnp.asarray(np.where(rng.random((80, 3)) < 0.4, 0.99, 0.01), jnp.float32)
        model = Classification(3, ridge=0.5)
        for _ in range(20):
            labels = jnp.asarray(rng.integers(2, size=80))
            start = jax.tree.map(lambda leaf: leaf + 0.3, model.init_weights(columns, labels))
            weights, again = fit_weights(model, columns, labels), fit_weights(model, columns, labels, start)
            assert float(jnp.abs(jnp.sum(weights.intercepts))) < 1e-3
            first, second = (float(model.loss(each, columns, labels)) for each in (weights, again))
            assert first == pytest.approx(second, abs=1e-6)


@pytest.mark.slow
def test_perfect_separation_has_finite_weights(rng):
    labels = jnp.asarray(rng.integers(2, size=50))
    columns = jnp.asarray(labels[:, None], float)
    model = Classification(1)
    weights = fit_weights(model, columns, labels)
    assert np.isfinite(np.asarray(weights.coefficients)).all()
    np.testing.assert_array_equal(model.predict(weights, columns), labels)


@pytest.mark.slow
def test_an_empty_predicate_and_a_missing_class_are_harmless(rng):
    columns, labels = problem(rng)
    model = Classification(4, n_classes=4)
    weights = fit_weights(model, columns.at[:, 2].set(0.0), labels)
    np.testing.assert_allclose(weights.coefficients[:, 2], 0.0, atol=1e-8)
    np.testing.assert_allclose(np.sum(model.predict_proba(weights, columns), axis=1), 1.0)


@pytest.mark.slow
def test_many_fits_at_once_are_the_fits_one_by_one(rng):
    columns, labels = problem(rng)
    pools = jnp.stack([columns, columns[:, ::-1] ** 2])
    model = Classification(4, n_classes=3)
    loss = jax.jit(lambda columns: model.profile_loss(columns, labels))
    np.testing.assert_allclose(jax.vmap(loss)(pools), [loss(pool) for pool in pools], rtol=1e-8)


@pytest.mark.parametrize(("option", "value"), [("n_predicates", 0), ("n_classes", 1), ("ridge", 0.0)])
def test_nonsense_is_refused(option, value):
    with pytest.raises(ValueError, match=option):
        Classification(**{"n_predicates": 2, option: value})


def test_labels_that_only_look_like_numbers_are_names():
    prepared = Classification(2, n_classes=3).prepare(["0", "00", "1", "0"], 4)
    assert prepared.coords == {"class": ["0", "00", "1"]}
    np.testing.assert_array_equal(prepared.data, [0, 1, 2, 0])
    absent = Classification(2, n_classes=3).prepare([0, 2, 2], 3)  # class 1 has no text
    assert absent.coords == {"class": ["0", "1", "2"]}
    np.testing.assert_array_equal(absent.data, [0, 2, 2])
