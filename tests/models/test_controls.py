"""Controls: what acts beside the predicates is taken from them, and is neither a predicate nor known of new texts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from nlparam.errors import CorpusError
from nlparam.fitting.posterior import credible_intervals
from nlparam.models import Classification, ClassificationWeights, Regression, RegressionData
from nlparam.numerics.core.check import check_model
from nlparam.results.pytree import pack, unpack
from tests.helpers.compiled import fit_weights, loss_gradient
from tests.helpers.handmade_fit import make_fit

N = 300


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, n_texts=N):
    """Denotations that hang together with the year and the source, which act by themselves: the year along a U."""
    year = rng.uniform(1900, 2000, n_texts)
    source = rng.choice(["news", "blog", "letter"], n_texts)
    u = ((year - 1950) / 50) ** 2
    columns = (rng.random((n_texts, 2)) < np.stack([0.1 + 0.8 * u, np.where(source == "blog", 0.8, 0.2)], 1)).astype(
        float
    )
    effect = columns @ [0.0, 1.0] + 3 * u + 2 * (source == "blog")
    return jnp.asarray(columns), effect, {"year": year.tolist(), "source": source.tolist()}


def numbers(rng, n_texts=N):
    columns, effect, controls = problem(rng, n_texts)
    return columns, effect + 0.5 * rng.normal(size=n_texts), controls


def classes(rng, n_texts=N):
    columns, effect, controls = problem(rng, n_texts)
    return columns, np.digitize(effect + rng.logistic(size=n_texts), [1.5, 3.0]), controls


def prepared(model, target, controls):
    return model.prepare({"target": target, "controls": controls}, len(target))


def test_a_regression_with_controls_is_that_of_scikit_learn(rng):
    columns, target, controls = numbers(rng)
    model = Regression(2, ridge=3.0)
    data, coords = prepared(model, target, controls)
    weights = fit_weights(model, columns, data)
    assert weights.controls is not None
    assert data.controls is not None
    reference = Ridge(alpha=3.0).fit(np.hstack([columns, data.controls]), target)
    np.testing.assert_allclose(np.append(weights.coefficients, weights.controls), reference.coef_, rtol=1e-6)
    np.testing.assert_allclose(weights.intercept, reference.intercept_, rtol=1e-6)
    assert len(coords["control"]) == len(weights.controls) == 7
    assert coords["control"][0] == "year, spline 1 of 5"
    assert coords["control"][-1].startswith("source: ")
    gradient = loss_gradient(model, weights, columns, data)
    assert max(float(jnp.max(jnp.abs(leaf))) for leaf in gradient) < 1e-8


@pytest.mark.slow
def test_a_classification_with_controls_is_that_of_scikit_learn(rng):
    columns, target, controls = classes(rng)
    model = Classification(2, n_classes=3, ridge=0.5)
    data, coords = prepared(model, target, controls)
    weights = fit_weights(model, columns, data)
    assert weights.controls is not None
    design = np.hstack([columns, data.controls])
    reference = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(design, target)
    np.testing.assert_allclose(np.hstack([weights.coefficients, weights.controls]), reference.coef_, atol=1e-4)
    found = model.predict_proba(weights, columns, data.controls)
    np.testing.assert_allclose(found, reference.predict_proba(design), atol=1e-5)
    assert coords["class"] == ["0", "1", "2"]
    gradient = loss_gradient(model, weights, columns, data)
    assert max(float(jnp.max(jnp.abs(leaf))) for leaf in gradient) < 1e-5


@pytest.mark.slow
def test_more_weights_than_newtons_method_takes_end_at_the_same_place(rng, monkeypatch):
    columns, target, controls = classes(rng)
    model = Classification(2, n_classes=3)
    data = prepared(model, target, controls).data
    newton = fit_weights(model, columns, data)
    monkeypatch.setattr("nlparam.models.classification._MOST_NEWTON_WEIGHTS", 1)
    for one, other in zip(*map(jax.tree.leaves, (fit_weights(model, columns, data), newton)), strict=True):
        np.testing.assert_allclose(one - one.mean(axis=0), other - other.mean(axis=0), atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "made", [(Regression(2), numbers), (Classification(2, n_classes=3), classes)], ids=["regression", "classification"]
)
@pytest.mark.parametrize("controlled", [True, False])
def test_the_loss_is_a_mean_over_texts_and_a_penalty(rng, made, controlled):
    model, problem_of = made
    columns, target, controls = problem_of(rng, 40)
    data = prepared(model, target, {"year": controls["year"]} if controlled else {}).data
    weights = jax.tree.map(lambda leaf: leaf + 0.3, model.init_weights(columns, data))

    def alone(i):
        own = jax.tree.map(lambda leaf: leaf[i : i + 1] if jnp.shape(leaf)[:1] == (40,) else leaf, data)
        return model.loss(weights, columns[i : i + 1], own) - model.penalty(weights, 1, own)

    whole = model.loss(weights, columns, data)
    singles = np.mean([alone(i) for i in range(40)])
    np.testing.assert_allclose(whole, singles + model.penalty(weights, 40, data), rtol=1e-12)
    assert model.penalty(weights, 40, data) > 0
    parts = [model.subsample(data, jnp.arange(i, i + 1), 40) for i in range(40)]
    losses = [one.loss(weights, columns[i : i + 1], own) for i, (one, own) in enumerate(parts)]
    np.testing.assert_allclose(np.mean(losses), whole, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "made", [(Regression(2), numbers), (Classification(2, n_classes=3), classes)], ids=["regression", "classification"]
)
def test_what_the_controls_do_is_not_put_down_to_a_predicate(rng, made):
    model, problem_of = made
    columns, target, controls = problem_of(rng, 3000)
    data = prepared(model, target, controls).data
    check_model(model, data, 3000)

    def first(data):
        # Of the last class against the first, or what is added to the number.
        values = model.quantities(fit_weights(model, columns, data), columns, data)["coefficient"].values
        return float(values[-1, 0] - values[0, 0] if values.ndim == 2 else values[0])

    assert first(model.prepare(target, 3000).data) > 0.5
    assert abs(first(data)) < 0.25
    # A straight line through the years would not have sufficed.
    line = prepared(model, target, {"source": controls["source"]}).data
    straight = jnp.asarray((np.asarray(controls["year"]) - 1950) / 29)[:, None]
    assert first(line._replace(controls=jnp.hstack([line.controls, straight]))) > 0.4


def test_a_new_text_is_average_in_all_controls(rng):
    columns, target, controls = numbers(rng)
    model = Regression(2)
    data = prepared(model, target, controls).data
    weights = fit_weights(model, columns, data)
    np.testing.assert_allclose(data.controls.mean(axis=0), 0, atol=1e-9)
    without, told = model.predict(weights, columns), model.predict(weights, columns, data.controls)
    np.testing.assert_allclose(without.mean(), told.mean(), rtol=1e-9)
    assert np.mean((told - target) ** 2) < 0.6 * np.mean((without - target) ** 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"labels": [1.0, 2.0]}, "keys 'labels', expected 'target' and 'controls'"),
        ({"target": [1.0, 2.0, 4.0], "control": {}}, "expected 'target' and 'controls'"),
        ({"target": [1.0, 2.0, 4.0], "controls": [1, 2, 3]}, "a mapping from names"),
        ({}, "keys of none"),
        ({"target": [1.0, 2.0, 4.0], "controls": {"year": [1, 2]}}, "'year' has 2 values, expected 3"),
        ({"target": [1.0, 2.0, 4.0], "controls": {"year": [1, 1, 1]}}, "'year' is 1 for all texts"),
        ({"target": [1.0, None, 4.0], "controls": {"year": [1, 2, 3]}}, "1 of 3 values are not finite"),
    ],
)
def test_data_that_make_no_sense_are_refused(data, message):
    with pytest.raises(CorpusError, match=message):
        Regression(1).prepare(data, 3)


def test_without_controls_the_data_are_the_target_alone():
    target = [0, 1, 1, 0]
    for data in (target, {"target": target}, {"target": target, "controls": {}}):
        prepared = Classification(1).prepare(data, 4)
        np.testing.assert_array_equal(prepared.data, target)
        assert prepared.coords == {"class": ["0", "1"]}


def test_prepared_data_are_taken_again_and_survive_a_file(rng):
    _, target, controls = numbers(rng)
    model = Regression(2)
    data = prepared(model, target, controls).data
    assert model.prepare(data, N).data is data
    structure, arrays = pack(data)
    again = unpack(structure, arrays)
    assert isinstance(again, RegressionData)
    np.testing.assert_array_equal(again.controls, data.controls)
    # Of a fit that had none.
    structure, arrays = pack(ClassificationWeights(jnp.ones((2, 1)), jnp.ones(2)))
    structure["items"] = structure["items"][:2]
    assert unpack(structure, arrays).controls is None


@pytest.mark.slow
def test_a_posterior_names_the_controls_and_shows_no_quantity_of_them(rng):
    columns, target, controls = numbers(rng)
    given = {"target": target, "controls": controls}
    fit = make_fit(N, 2, model=Regression(2), denotations=np.asarray(columns), data=given)
    assert set(fit.quantities()) == {"coefficient", "intercept"}
    samples = fit.posterior(num_samples=200, num_warmup=200)
    assert samples["posterior"]["controls"].dims == ("chain", "draw", "control")
    assert samples["posterior"]["control"].to_numpy().tolist() == fit.coords["control"]
    interval = credible_intervals(samples)["coefficient"]
    assert np.all((interval.lower < [0, 1]) & (interval.upper > [0, 1]))
    assert "Share of the variance" in fit.report()
