"""NumPyro programs as models: optima of SciPy, agreement with a model by hand, what is refused, a whole fit."""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import MCMC, NUTS
from scipy.optimize import minimize
from scipy.special import gammaln

import nlparam
from nlparam.errors import ModelError
from nlparam.models import Classification
from nlparam.numerics.core.check import check_model
from nlparam.numerics.core.compiled import fitted as fitted_by
from nlparam.numerics.core.compiled import quantities
from nlparam.numerics.core.select import select
from tests.helpers.handmade_fit import make_fit
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


def counts(denotations, data=None):
    slopes = numpyro.sample("slopes", dist.Normal(0, 2).expand([denotations.shape[1]]).to_event(1))
    base = numpyro.sample("base", dist.Normal(0, 10))
    with numpyro.plate("texts", denotations.shape[0]):
        rate = numpyro.deterministic("rate", jnp.exp(base + denotations @ slopes))
        numpyro.sample("count", dist.Poisson(rate), obs=data)
    numpyro.deterministic("factor", jnp.exp(slopes))


def noisy(denotations, data=None):
    slopes = numpyro.sample("slopes", dist.Normal(0, 2).expand([denotations.shape[1]]).to_event(1))
    sigma = numpyro.sample("sigma", dist.LogNormal(0, 1))
    numpyro.sample("y", dist.Normal(denotations @ slopes, sigma), obs=data)


def classes(denotations, data=None):
    coefficients = numpyro.sample("coefficients", dist.Normal(0, 1).expand([3, denotations.shape[1]]).to_event(2))
    intercepts = numpyro.sample("intercepts", dist.Normal(0, 10).expand([3]).to_event(1))
    numpyro.sample("class", dist.CategoricalLogits(denotations @ jnp.transpose(coefficients) + intercepts), obs=data)


@pytest.fixture
def columns(rng):
    return (rng.random((300, 2)) < 0.4).astype(float)


def planted_counts(rng, columns):
    return rng.poisson(np.exp(0.5 + columns @ [1.0, -0.8]))


@pytest.mark.slow
def test_poisson_has_the_optimum_of_scipy(rng, columns):
    data = planted_counts(rng, columns)
    model = nlparam.from_numpyro(counts, n_predicates=2)

    def objective(x):
        scores = x[2] + columns @ x[:2]
        prior = np.sum(x[:2] ** 2) / 8 + x[2] ** 2 / 200
        return np.sum(np.exp(scores) - data * scores + gammaln(data + 1)) + prior

    best = minimize(objective, np.zeros(3), tol=1e-10)
    with jax.enable_x64(True):
        weights, predicted, loss = fitted_by(model, jnp.asarray(columns), jnp.asarray(data))
    np.testing.assert_allclose([*weights["slopes"], weights["base"]], best.x, atol=1e-4)
    constant = 2 * np.log(2) + np.log(10) + 1.5 * np.log(2 * np.pi)  # of the three priors
    np.testing.assert_allclose(loss, (best.fun + constant) / 300, rtol=1e-8)
    np.testing.assert_allclose(predicted, np.exp(best.x[2] + columns @ best.x[:2]), rtol=1e-3)


@pytest.mark.slow
def test_a_classification_is_that_of_the_library(rng, columns):
    data = jnp.asarray(np.argmax(columns @ rng.normal(size=(2, 3)) * 2 + rng.gumbel(size=(300, 3)), axis=1))
    model = nlparam.from_numpyro(classes, n_predicates=2)
    by_hand = Classification(2, n_classes=3, ridge=1.0)  # the precision of the prior
    with jax.enable_x64(True):
        found = fitted_by(model, jnp.asarray(columns), data)
        expected = fitted_by(by_hand, jnp.asarray(columns), data)
    np.testing.assert_allclose(found.weights["coefficients"], expected.weights.coefficients, atol=5e-3)
    np.testing.assert_array_equal(found.predictions, expected.predictions)


@pytest.mark.slow
def test_the_optimum_is_that_of_the_sites_and_the_density_has_the_jacobian(rng, columns):
    data = columns @ [1.0, -1.0] + 0.7 * rng.normal(size=300)
    model = nlparam.from_numpyro(noisy, n_predicates=2)

    def objective(x):  # in sigma itself, not in its logarithm
        if x[2] <= 0:
            return np.inf
        likelihood = np.sum((data - columns @ x[:2]) ** 2) / (2 * x[2] ** 2) + 300 * np.log(x[2])
        return likelihood + np.sum(x[:2] ** 2) / 8 + np.log(x[2]) ** 2 / 2 + np.log(x[2])

    best = minimize(objective, [0.0, 0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    with jax.enable_x64(True):
        denotations, data = jnp.asarray(columns), jnp.asarray(data)
        weights, _, loss = fitted_by(model, denotations, data)
        sites = quantities(model, weights, denotations, data)
        np.testing.assert_allclose([*sites["slopes"].values, sites["sigma"].values], best.x, atol=1e-4)
        # The log joint of the unconstrained weights is that of the sites plus log |d sigma / d log sigma| = log sigma.
        joint = jax.jit(model.log_joint)(weights, denotations, data)
        np.testing.assert_allclose(joint + 300 * loss, np.log(best.x[2]), atol=1e-4)
    assert sites["slopes"].neutral == 0.0
    assert sites["sigma"].neutral is None


@pytest.mark.slow
def test_it_is_differentiable_in_the_denotations(rng, columns):
    with jax.enable_x64(True):
        model, data = nlparam.from_numpyro(noisy, n_predicates=2), jnp.asarray(rng.normal(size=300))
        weights = {"slopes": jnp.asarray([0.5, -1.0]), "sigma": jnp.asarray(0.2)}
        start, move = jnp.asarray(columns), jnp.asarray(rng.normal(size=(300, 2)))
        loss = jax.jit(jax.value_and_grad(lambda d: model.loss(weights, d, data)))
        _, gradient = loss(start)
        step = 1e-5
        ahead, behind = (loss(start + sign * step * move)[0] for sign in (1, -1))
        np.testing.assert_allclose(jnp.sum(gradient * move), (ahead - behind) / (2 * step), rtol=1e-6)


@pytest.mark.slow
def test_selection_finds_the_planted_predicates(rng):
    pool = (rng.random((300, 8)) < 0.4).astype(np.float32)
    data = rng.poisson(np.exp(0.5 + 1.2 * pool[:, 2] - 1.0 * pool[:, 5]))
    model = nlparam.from_numpyro(counts, n_predicates=2)
    prepared, _ = model.prepare(data, 300)
    check_model(model, prepared, 300)
    found = select(model, jnp.asarray(pool), prepared, n_starts=1, key=jax.random.key(0))
    assert sorted(found.chosen.tolist()) == [2, 5]


@pytest.mark.slow
def test_quantities_are_sites_with_dimensions(rng, columns):
    data = planted_counts(rng, columns)
    model = nlparam.from_numpyro(counts, n_predicates=2)
    fit = make_fit(300, 2, model=model, denotations=columns, data=data)
    quantities = fit.quantities()
    assert set(quantities) == {"slopes", "base", "factor"}  # the rate has one entry per text
    assert quantities["slopes"].dims == quantities["factor"].dims == ("predicate",)
    np.testing.assert_allclose(quantities["factor"].values, np.exp(fit.weights["slopes"]), rtol=1e-6)
    named = nlparam.from_numpyro(counts, n_predicates=2, dims={"factor": ("cause",)})
    assert named.quantities(fit.weights, jnp.asarray(columns), data)["factor"].dims == ("cause",)
    wrong = nlparam.from_numpyro(counts, n_predicates=2, dims={"factor": ("class", "predicate")})
    with pytest.raises(ModelError, match="for the site 'factor' of shape"):
        wrong.quantities(fit.weights, jnp.asarray(columns), data)


@pytest.mark.slow
def test_the_posterior_is_that_of_numpyro(rng, columns):
    data = columns @ [1.0, -1.0] + 0.7 * rng.normal(size=300)
    fit = make_fit(300, 2, model=nlparam.from_numpyro(noisy, n_predicates=2), denotations=columns, data=data)
    samples = fit.posterior(num_samples=2000)["posterior"]
    assert set(samples.data_vars) == {"slopes", "sigma"}
    sampler = MCMC(NUTS(noisy), num_warmup=500, num_samples=2000, progress_bar=False)
    sampler.run(jax.random.key(1), jnp.asarray(columns), jnp.asarray(data))
    for site, draws in sampler.get_samples().items():
        spread = np.std(draws, axis=0)
        found = samples[site].to_numpy()[0]
        assert np.all(np.abs(found.mean(axis=0) - np.mean(draws, axis=0)) < 0.15 * spread), site
        np.testing.assert_allclose(found.std(axis=0), spread, rtol=0.1)


def discrete(denotations, data=None):
    kind = numpyro.sample("kind", dist.Bernoulli(0.5))
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(kind + slope * denotations[:, 0], 1), obs=data)


def nothing_latent(denotations, data=None):
    numpyro.sample("y", dist.Normal(denotations[:, 0], 1), obs=data)


def nothing_observed(denotations, data=None):
    del denotations, data
    numpyro.sample("slope", dist.Normal(0, 1))


def no_prediction(denotations, data=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.factor("fit", -jnp.sum((slope * denotations[:, 0] - (0.0 if data is None else data)) ** 2))


def needs_data(denotations, data=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * denotations[:, 0], 1), obs=data["y"])  # pyright: ignore


def one_number(denotations, data=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(slope * jnp.mean(denotations), 1), obs=None if data is None else jnp.mean(data))


def parameter(denotations, data=None):
    slope = numpyro.param("slope", 0.0)
    numpyro.sample("y", dist.Normal(slope * denotations[:, 0], 1), obs=data)


def minibatch(denotations, data=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    with numpyro.plate("texts", denotations.shape[0], subsample_size=10) as rows:
        numpyro.sample("y", dist.Normal(slope * denotations[rows, 0], 1), obs=data[rows])  # pyright: ignore


def broken(denotations, data=None):
    del denotations, data
    raise KeyError("no such covariate")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (discrete, "latent site 'kind' is discrete .*MixtureSameFamily"),
        (nothing_latent, "no latent site"),
        (nothing_observed, "observes nothing"),
        (no_prediction, "no_prediction cannot predict: let it return one value per text"),
        (needs_data, "needs_data cannot predict: .*NoneType"),
        (one_number, r"cannot predict.*got a prediction of shape \(\) for 50 texts"),
        (parameter, "'slope' is a numpyro.param"),
        (minibatch, "plate 'texts' draws a part"),
        (broken, "broken cannot be run on 50 texts and 2 predicates .*no such covariate"),
    ],
)
def test_what_cannot_be_a_model_is_said_before_anything_is_judged(rng, program, message):
    data = {"y": rng.normal(size=50)} if program is needs_data else rng.normal(size=50)
    with pytest.raises(ModelError, match=message):
        nlparam.from_numpyro(program, n_predicates=2).prepare(data, 50)


@pytest.mark.slow
def test_a_factor_and_what_the_program_returns_are_enough(rng, columns):
    def squares(denotations, data=None):
        slopes = numpyro.sample("slopes", dist.Normal(0, 100).expand([2]).to_event(1))
        predicted = denotations @ slopes
        if data is not None:
            numpyro.factor("fit", -jnp.sum((predicted - data) ** 2))
        return predicted

    data = columns @ [1.0, -1.0] + 0.1 * rng.normal(size=300)
    model = nlparam.from_numpyro(squares, n_predicates=2)
    prepared, _ = model.prepare(data, 300)
    weights, predicted, _ = fitted_by(model, jnp.asarray(columns), prepared)
    np.testing.assert_allclose(weights["slopes"], np.linalg.lstsq(columns, data, rcond=None)[0], atol=1e-2)
    np.testing.assert_allclose(predicted, columns @ weights["slopes"], atol=1e-5)


@pytest.mark.slow
def test_a_weight_per_text_works(rng):
    columns = (rng.random((40, 2)) < 0.4).astype(float)

    def overdispersed(denotations, data=None):
        slopes = numpyro.sample("slopes", dist.Normal(0, 2).expand([2]).to_event(1))
        with numpyro.plate("texts", denotations.shape[0]):
            extra = numpyro.sample("extra", dist.Normal(0, 0.5))
            numpyro.sample("count", dist.Poisson(jnp.exp(extra + denotations @ slopes)), obs=data)

    model = nlparam.from_numpyro(overdispersed, n_predicates=2)
    fit = make_fit(40, 2, model=model, denotations=columns, data=rng.poisson(3, size=40))
    assert fit.weights["extra"].shape == (40,)
    samples = fit.posterior(num_samples=50, num_warmup=50, method="svi")["posterior"]
    assert samples["extra"].shape == (1, 50, 40)


@pytest.fixture(scope="module")
def fitted():
    texts, labels = topics(160, 2)
    oracle = Oracle(texts, labels, distractors=1)
    rng = np.random.default_rng(0)
    data = rng.poisson(np.where(np.asarray(labels) == "topic 0", 6.0, 1.0))
    return nlparam.fit(
        nlparam.from_numpyro(counts, n_predicates=1),
        texts,
        data,
        lm=oracle.model(),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        options={"n_rounds": 0, "n_restarts": 1},
        inference=False,
        store=":memory:",
    )


@pytest.mark.slow
def test_a_whole_fit(fitted):
    assert fitted.predicates[0] in ("has the label topic 0", "has the label topic 1")
    assert abs(fitted.quantities()["slopes"].values[0]) > 1
    assert fitted.predictions.shape == (160,)
    samples = fitted.posterior(num_samples=100, num_warmup=100)
    assert samples["posterior"]["slopes"]["predicate"].to_numpy().tolist() == fitted.predicates


@pytest.mark.slow
def test_a_fit_is_saved_and_loaded(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path / "fit")
    contents = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert contents["fields"]["program"] == "tests.numerics.core.test_numpyro_program:counts"
    loaded = nlparam.load(tmp_path / "fit", embedder=fitted.denoter.embedder)
    assert loaded.model == fitted.model
    np.testing.assert_allclose(loaded.predict(loaded.texts[:5]), fitted.predict(fitted.texts[:5]), rtol=1e-5)
    fitted.save(tmp_path / "fit")  # the same fit may be written again
    # A program that is gone, as one from a notebook is.
    monkeypatch.delattr(sys.modules[__name__], "counts")
    with pytest.raises(ModelError, match=r"_program:counts' cannot be imported.*load\(folder, model="):
        nlparam.load(tmp_path / "fit")
    given = nlparam.load(tmp_path / "fit", model=fitted.model)
    np.testing.assert_allclose(given.quantities()["slopes"].values, fitted.quantities()["slopes"].values)
