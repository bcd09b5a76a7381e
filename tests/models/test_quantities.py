"""What every model promises: data prepared twice are the same, gradients are right, quantities are named and mapped."""

import datetime
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

import nlparam
from nlparam.errors import CorpusError
from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries
from nlparam.numerics.core.quantities import weight_quantities
from tests.helpers.compiled import fit_weights

N_TEXTS, N_PREDICATES = 60, 3

KINDS: dict[str, tuple[Any, Any]] = {
    "clustering": (Clustering(N_PREDICATES), None),
    "two classes": (Classification(N_PREDICATES), ["yes" if i % 3 else "no" for i in range(N_TEXTS)]),
    "three classes": (Classification(N_PREDICATES, n_classes=3), [i % 3 for i in range(N_TEXTS)]),
    "regression": (Regression(N_PREDICATES), [(7 * i) % 11 / 2 for i in range(N_TEXTS)]),
    "difference": (Difference(N_PREDICATES), [i % 2 == 0 for i in range(N_TEXTS)]),
    "time series": (TimeSeries(N_PREDICATES), [datetime.date(2024, 1, 1 + i % 4) for i in range(N_TEXTS)]),
}
SMOOTH = [name for name in KINDS if name != "clustering"]


# Compiled once for all tests of a model.


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def denotations(rng):
    return jnp.asarray(rng.uniform(0.05, 0.95, (N_TEXTS, N_PREDICATES)))


def prepared(name):
    model, given = KINDS[name]
    return model, *model.prepare(given, N_TEXTS)


@pytest.mark.parametrize("name", KINDS)
def test_preparing_twice_changes_nothing(name):
    model, data, coords = prepared(name)
    again = model.prepare(data, N_TEXTS)
    jax.tree.map(np.testing.assert_array_equal, again.data, data)
    assert {dim: len(entries) for dim, entries in again.coords.items()} == {d: len(e) for d, e in coords.items()}


@pytest.mark.parametrize("name", SMOOTH)
def test_data_of_another_length_are_refused(name):
    model, given = KINDS[name]
    with pytest.raises(CorpusError, match=f"got {N_TEXTS} .* for {N_TEXTS + 1} texts"):
        model.prepare(given, N_TEXTS + 1)
    with pytest.raises(CorpusError, match="expected one per text"):
        model.prepare(None, N_TEXTS)


def test_names_are_kept_in_the_coordinates():
    assert prepared("two classes")[2] == {"class": ["no", "yes"]}
    assert prepared("three classes")[2] == {"class": ["0", "1", "2"]}
    assert prepared("difference")[2] == {"class": ["False", "True"]}
    assert prepared("time series")[2] == {"step": [f"2024-01-0{day}" for day in range(1, 5)]}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name, denotations, rng):
    model, data, _ = prepared(name)
    start = fit_weights(model, denotations, data)
    weights = jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.normal(size=leaf.shape)), start)
    loss = jax.jit(model.loss)
    gradient = jax.grad(model.loss, argnums=1)(weights, denotations, data)
    for text, predicate in [(0, 0), (7, 2), (N_TEXTS - 1, 1)]:
        step = jnp.zeros_like(denotations).at[text, predicate].set(1e-6)
        change = loss(weights, denotations + step, data) - loss(weights, denotations - step, data)
        np.testing.assert_allclose(gradient[text, predicate], change / 2e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
def test_weights_are_at_the_optimum_of_scipy(name, denotations):
    model, data, _ = prepared(name)
    weights = fit_weights(model, denotations, data)
    if name == "time series":
        weights = weights._replace(log_partition=None)  # follows from the others
    flat, restore = ravel_pytree(weights)
    loss = jax.jit(lambda vector: model.loss(restore(vector), denotations, data))
    # Powell uses no gradients, so it cannot share a fault with them.
    found = minimize(
        lambda v: float(loss(v)), np.zeros(len(flat)), method="Powell", options={"xtol": 1e-8, "ftol": 1e-12}
    )
    assert float(loss(flat)) <= found.fun + 1e-9
    np.testing.assert_allclose(float(loss(flat)), found.fun, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_quantities_have_the_shape_they_say(name, denotations):
    model, data, coords = prepared(name)
    weights = fit_weights(model, denotations, data)
    sizes = {"predicate": N_PREDICATES} | {dim: len(entries) for dim, entries in coords.items()}
    quantities = model.quantities(weights, denotations, data)
    assert quantities
    for quantity in quantities.values():
        assert quantity.values.shape == tuple(sizes[dim] for dim in quantity.dims)
        assert np.isfinite(quantity.values).all()
        assert quantity.label[0].isupper()


@pytest.mark.parametrize("name", SMOOTH)
def test_quantities_of_many_draws_are_the_quantities_of_each(name, denotations):
    model, data, _ = prepared(name)
    weights = fit_weights(model, denotations, data)
    draws = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), weights)

    def values(weights):
        return {key: quantity.values for key, quantity in model.quantities(weights, denotations, data).items()}

    together = jax.vmap(values)(draws)
    for number in range(2):
        alone = values(jax.tree.map(lambda leaf, number=number: leaf[number], draws))
        for key, value in alone.items():
            np.testing.assert_allclose(together[key][number], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "regression"])
def test_probabilities_sum_to_one_and_agree_with_the_prediction(name, denotations):
    model, data, _ = prepared(name)
    weights = fit_weights(model, denotations, data)
    probabilities = model.predict_proba(weights, denotations)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_array_equal(np.argmax(probabilities, axis=1), model.predict(weights, denotations))


@pytest.mark.parametrize("name", KINDS)
def test_the_order_of_the_texts_means_nothing(name, denotations, rng):
    model, given = KINDS[name]
    order = rng.permutation(N_TEXTS)
    shuffled = None if given is None else [given[i] for i in order]
    data, other = model.prepare(given, N_TEXTS).data, model.prepare(shuffled, N_TEXTS).data
    one = model.quantities(fit_weights(model, denotations, data), denotations, data)
    two = model.quantities(fit_weights(model, denotations[order], other), denotations[order], other)
    for key in one:
        np.testing.assert_allclose(one[key].values, two[key].values, atol=1e-6)


@pytest.mark.slow
def test_coefficients_of_planted_weights_are_found(rng):
    columns = jnp.asarray(rng.uniform(size=(4000, 2)))
    scores = 4 * columns[:, 0] - 2 * columns[:, 1] - 1
    labels = np.where(rng.uniform(size=4000) < 1 / (1 + np.exp(-scores)), "yes", "no")
    model = Classification(2, ridge=1e-3)
    data = model.prepare(labels, 4000).data
    found = model.quantities(fit_weights(model, columns, data), columns, data)["coefficient"].values
    np.testing.assert_allclose(found, [4, -2], atol=0.5)


def test_the_leaves_of_unknown_weights_are_quantities():
    weights = {"slopes": jnp.ones((2, 3)), "base": jnp.zeros(())}
    found = weight_quantities(weights, 3)
    assert found["slopes"].dims == ("slopes_0", "predicate")
    assert found["base"].dims == ()
    assert weight_quantities(jnp.ones(3), 3)["weights"].dims == ("predicate",)
    assert weight_quantities(jnp.ones((3, 3)), 3)["weights"].dims == ("weights_0", "predicate")


@pytest.mark.slow
def test_the_defaults_of_a_model_of_the_users_own(denotations):
    class Own(nlparam.AbstractPredicateModel):
        n_predicates: int

        def loss(self, weights, denotations, data=None):
            return jnp.mean((denotations @ weights - data) ** 2)

    model = Own(N_PREDICATES)
    target = np.arange(N_TEXTS) % 5
    data, coords = model.prepare(target, N_TEXTS)
    assert coords == {}
    weights = fit_weights(model, denotations, data)
    np.testing.assert_allclose(weights, np.linalg.lstsq(denotations, target)[0], atol=1e-3)
    np.testing.assert_allclose(model.predict(weights, denotations), denotations @ weights)
    np.testing.assert_allclose(
        model.log_joint(weights, denotations, data), -N_TEXTS * model.loss(weights, denotations, data)
    )
    assert model.warnings(weights, denotations, data) == []


@pytest.mark.slow
def test_perfectly_separated_classes_are_warned_of():
    labels = jnp.arange(N_TEXTS) % 2
    columns = jnp.stack([labels, 1 - labels, labels], axis=1).astype(float)
    model = Classification(N_PREDICATES)
    weights = fit_weights(model, columns, labels)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights))
    assert "separate the classes perfectly" in model.warnings(weights, columns, labels)[0]
    assert model.warnings(weights, columns, labels.at[0].set(1)) == []
