"""Posteriors: exact formulas, Gaussian limits, coverage of simulated truths, and what the ArviZ object holds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.diagnostics import effective_sample_size
from scipy.stats import t as student_t

import nlparam
from nlparam.errors import FitWarning, ModelError
from nlparam.fitting.posterior import credible_intervals
from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries, TimeSeriesData
from tests.helpers.handmade_fit import make_fit

# Enough for a test of what is done with the draws.
QUICK = {"num_samples": 100, "num_warmup": 50, "method": "svi"}


def made(model, denotations, data, **changes):
    n_texts, n_predicates = denotations.shape
    return make_fit(n_texts, n_predicates, model=model, denotations=denotations, data=data, **changes)


def binary(rng, n_texts=400, n_predicates=3):
    return (rng.random((n_texts, n_predicates)) < 0.4).astype(float)


def draws(samples, name):
    """`(n_draws, ...)` of all chains together."""
    values = samples["posterior"][name].to_numpy()
    return values.reshape(-1, *values.shape[2:])


def regression_fit(rng, n_texts=60, units=1.0):
    columns = binary(rng, n_texts)
    numbers = units * (0.5 + columns @ [1.0, 2.0, -1.0] + rng.normal(size=n_texts))
    return made(Regression(3), columns, numbers)


def exact_regression(fit) -> tuple[np.ndarray, np.ndarray, int]:
    """The multivariate t of coefficients and intercept, with the variance integrated out: mode, scale, freedom."""
    design = np.column_stack([fit.denotations, np.ones(len(fit.denotations))])
    n_texts, n_weights = design.shape
    ridge = np.diag([fit.model.ridge] * (n_weights - 1) + [0.0])
    precision = design.T @ design + ridge
    mode = np.linalg.solve(precision, design.T @ fit.data.target)
    least = np.sum((fit.data.target - design @ mode) ** 2) + mode @ ridge @ mode
    freedom = n_texts - n_weights
    return mode, np.linalg.inv(precision) * least / freedom, freedom


@pytest.mark.slow
@pytest.mark.parametrize("units", [1e-6, 1.0, 1e5])
def test_a_regression_has_the_exact_posterior(rng, units):
    fit = regression_fit(rng, units=units)
    samples = fit.posterior(num_samples=4000, seed=1)
    mode, scale, freedom = exact_regression(fit)
    covariance = scale * freedom / (freedom - 2)
    spread = np.sqrt(np.diag(covariance))
    found = np.column_stack([draws(samples, "coefficient"), draws(samples, "intercept")])
    np.testing.assert_allclose(found.mean(axis=0) / spread, mode / spread, atol=0.1)
    units_of = np.outer(spread, spread)
    np.testing.assert_allclose(np.cov(found.T) / units_of, covariance / units_of, atol=0.1)
    # The tails too: 90% intervals of the t distribution, in standard deviations.
    half = student_t.ppf(0.95, freedom) * np.sqrt(np.diag(scale)) / spread
    ends = credible_intervals(samples)["coefficient"]
    np.testing.assert_allclose((ends.upper - ends.lower) / 2 / spread[:3], half[:3], rtol=0.08)


@pytest.mark.slow
def test_a_classification_of_many_texts_is_gaussian(rng):
    columns = binary(rng, 2000)
    classes = (rng.logistic(size=2000) < columns @ [1.0, -1.0, 0.5] - 0.3).astype(int)
    model = Classification(3, ridge=1e-3)
    fit = made(model, columns, classes)
    samples = fit.posterior(num_samples=2000)
    # The Hessian of a logistic regression, written down: no differentiation, no softmax over two scores.
    design = np.column_stack([columns, np.ones(2000)])
    chance = np.asarray(model.predict_proba(fit.weights, jnp.asarray(columns)))[:, 1]
    covariance = np.linalg.inv((design * (chance * (1 - chance))[:, None]).T @ design)
    mode = fit.weights.coefficients[1] - fit.weights.coefficients[0]
    spread = np.sqrt(np.diag(covariance))[:3]
    found = draws(samples, "coefficient")
    np.testing.assert_allclose(found.mean(axis=0), mode, atol=0.1 * spread.min())
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=0.08)


@pytest.mark.slow
def test_ninety_per_cent_intervals_cover_the_truth(rng):
    # Truths from the model's own prior, so that exact inference covers 90% of them: 150 data sets of 4 coefficients.
    n_texts, n_sets, n_predicates = 100, 150, 4
    columns = binary(rng, n_texts, n_predicates)
    model = Classification(n_predicates, ridge=1.0)
    fit = made(model, columns, rng.integers(2, size=n_texts))
    fitted = jax.jit(model.fit_weights)
    covered, widths = [], []
    for number in range(n_sets):
        weights = rng.normal(size=(2, n_predicates))
        truth = weights[1] - weights[0]
        classes = (rng.logistic(size=n_texts) < columns @ truth - 0.5).astype(np.int32)
        again = dataclasses.replace(fit, data=classes, weights=fitted(jnp.asarray(columns), classes))
        interval = credible_intervals(again.posterior(num_samples=500, num_warmup=200, seed=number))["coefficient"]
        covered.append((interval.lower <= truth) & (truth <= interval.upper))
        widths.append(interval.upper - interval.lower)
    assert np.size(covered) == 600
    assert 0.85 <= np.mean(covered) <= 0.95
    assert np.mean(widths) < 2.5  # the prior alone would cover as well, with a width of 4.7


@pytest.mark.slow
def test_variational_inference_agrees_with_nuts(rng):
    columns = binary(rng, 600)
    classes = np.argmax(columns @ rng.normal(size=(3, 3)) + rng.gumbel(size=(600, 3)), axis=1)
    fit = made(Classification(3, n_classes=3), columns, classes)
    nuts = draws(fit.posterior(num_samples=2000), "coefficient")
    svi = draws(fit.posterior(num_samples=2000, method="svi"), "coefficient")
    spread = nuts.std(axis=0)
    assert np.all(np.abs(nuts.mean(axis=0) - svi.mean(axis=0)) < 0.15 * spread)
    np.testing.assert_allclose(svi.std(axis=0), spread, rtol=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "svi"])
def test_the_band_of_a_time_series_covers_the_planted_curve(rng, method):
    n_texts, n_steps = 4000, 60
    step = rng.integers(n_steps, size=n_texts)
    curve = 0.4 + 0.25 * np.sin(np.arange(n_steps) / n_steps * 2 * np.pi)
    columns = np.column_stack([rng.random(n_texts) < curve[step], rng.random(n_texts) < 0.3]).astype(float)
    fit = made(TimeSeries(2, smoothness=20.0), columns, (2000 + step).tolist())
    samples = fit.posterior(num_samples=500, num_warmup=300, method=method)
    band = credible_intervals(samples)["prevalence"]
    inside = (band.lower[:, 0] <= curve) & (curve <= band.upper[:, 0])
    assert inside.mean() > 0.8
    assert np.all(band.upper[:, 0] - band.lower[:, 0] < 0.2)  # and is narrow enough to see the curve, which spans 0.5
    assert samples["posterior"]["prevalence"].dims == ("chain", "draw", "step", "predicate")
    np.testing.assert_array_equal(samples["posterior"]["step"], 2000.0 + np.arange(n_steps))


@pytest.mark.slow
def test_a_long_time_series_mixes(rng):
    # 2,100 weights, strongly coupled: without coordinates from the chain each draw would take hundreds of steps.
    n_texts, n_steps = 3000, 700
    step = np.concatenate([np.arange(n_steps), rng.integers(n_steps, size=n_texts - n_steps)])
    fit = made(TimeSeries(3, smoothness=100.0), binary(rng, n_texts), step.tolist())
    samples = fit.posterior(num_samples=200, num_warmup=200)
    assert samples["sample_stats"]["n_steps"].mean() < 40
    assert effective_sample_size(samples["posterior"]["log_odds"].to_numpy()).min() > 50
    assert samples["posterior"].attrs["divergences"] == 0


@pytest.mark.slow
def test_the_object_names_everything(rng):
    columns = binary(rng)
    classes = np.asarray(["art", "money", "sport"])[rng.integers(3, size=400)]
    model = Classification(4, n_classes=3)
    names = ["is long", "is long", "asks", "thanks"]
    fit = made(model, np.column_stack([columns, columns[:, 0]]), classes.tolist(), predicates=names)
    samples = fit.posterior(num_samples=150, num_warmup=100, num_chains=2, seed=5)
    coefficient = samples["posterior"]["coefficient"]
    assert coefficient.dims == ("chain", "draw", "class", "predicate")
    assert coefficient["class"].to_numpy().tolist() == ["art", "money", "sport"]
    assert coefficient["predicate"].to_numpy().tolist() == ["is long", "is long (2)", "asks", "thanks"]
    assert samples["posterior"]["coefficients"].dims == ("chain", "draw", "class", "predicate")
    assert samples["posterior"]["intercepts"].dims == ("chain", "draw", "class")
    assert coefficient.shape == (2, 150, 3, 4)
    # The quantity of a draw is that of its weights.
    raw = samples["posterior"]["coefficients"].to_numpy()
    np.testing.assert_allclose(coefficient.to_numpy(), raw - raw.mean(axis=2, keepdims=True), atol=1e-12)
    attributes = samples["posterior"].attrs
    assert attributes["method"] == "nuts"
    assert (attributes["num_samples"], attributes["num_chains"], attributes["seed"]) == (150, 2, 5)
    assert attributes["goal"] == "what the story is about"
    assert samples["sample_stats"]["diverging"].shape == (2, 150)
    assert {"energy", "lp", "n_steps", "tree_depth", "acceptance_rate"} <= set(samples["sample_stats"])


@pytest.mark.slow
def test_an_axis_that_could_be_two_things_is_not_named(rng):
    # Three classes and three predicates: the intercepts of the classes must not carry the names of predicates.
    fit = made(Classification(3, n_classes=3), binary(rng), rng.integers(3, size=400))
    samples = fit.posterior(**QUICK)
    assert samples["posterior"]["intercepts"].dims == ("chain", "draw", "intercepts_0")
    assert samples["posterior"]["coefficient"].dims == ("chain", "draw", "class", "predicate")


@pytest.mark.slow
def test_dates_are_dates_and_survive_a_file(rng, tmp_path):
    import arviz

    dates = [f"{1850 + 100 * (i % 2)}-0{1 + i % 3}-15" for i in range(400)]
    fit = made(TimeSeries(3, unit="month"), binary(rng), dates)
    samples = fit.posterior(**QUICK)
    times = samples["posterior"]["step"].to_numpy()
    assert np.issubdtype(times.dtype, np.datetime64)
    assert times.astype("datetime64[M]").astype(str).tolist() == fit.coords["step"]
    assert "sample_stats" not in samples.groups()
    samples.to_netcdf(tmp_path / "posterior.nc")
    again = arviz.from_netcdf(tmp_path / "posterior.nc")
    np.testing.assert_array_equal(again["posterior"]["prevalence"], samples["posterior"]["prevalence"])
    for name, interval in credible_intervals(samples).items():
        np.testing.assert_array_equal(interval.lower, credible_intervals(again)[name].lower)


@pytest.mark.slow
def test_what_the_weights_do_not_change_has_no_posterior(rng):
    columns = binary(rng)
    fit = made(Difference(3), columns, np.where(rng.random(400) < 0.3 + 0.4 * columns[:, 0], "new", "old").tolist())
    samples = fit.posterior(**QUICK)
    assert "difference" in fit.quantities()
    assert set(samples["posterior"].data_vars) == {"log_odds", "intercepts"}
    interval = credible_intervals(samples)["log_odds"]
    assert interval.upper[0] < 0  # "old" is the second group


@pytest.mark.slow
def test_credible_intervals_are_quantiles(rng):
    samples = regression_fit(rng).posterior(**QUICK)
    values = draws(samples, "coefficient")
    interval = credible_intervals(samples, probability=0.5)["coefficient"]
    np.testing.assert_allclose(interval.mean, values.mean(axis=0))
    np.testing.assert_allclose(interval.lower, np.quantile(values, 0.25, axis=0))
    np.testing.assert_allclose(interval.upper, np.quantile(values, 0.75, axis=0))
    assert isinstance(interval.lower, np.ndarray)
    with pytest.raises(ValueError, match="probability=90"):
        credible_intervals(samples, probability=90)


@pytest.mark.slow
def test_equal_seeds_give_equal_draws(rng):
    fit = regression_fit(rng)
    first, again, other = (draws(fit.posterior(**QUICK, seed=seed), "coefficient") for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float64


class Counted(nlparam.AbstractPredicateModel):
    """Counts how often its loss is traced."""

    n_predicates: int = 3
    traced = []  # noqa: RUF012 # shared on purpose: a module's fields cannot be counted up

    def loss(self, weights, denotations, data=None):
        self.traced.append(1)
        return jnp.mean((denotations @ weights - data) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "svi"])
def test_other_data_of_equal_shape_do_not_compile_again(rng, method):
    first, second = (made(Counted(), binary(rng), rng.normal(size=400)) for _ in range(2))
    before = len(Counted.traced)
    first.posterior(num_samples=10, num_warmup=10, method=method)
    between = len(Counted.traced)
    second.posterior(num_samples=10, num_warmup=10, method=method)
    assert before < between == len(Counted.traced)


class Undetermined(nlparam.AbstractPredicateModel):
    """Only the first weight matters to the data."""

    n_predicates: int = 2

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations[:, 0] * weights[0] - data) ** 2)


@pytest.mark.slow
def test_a_weight_that_the_data_do_not_determine_stays_finite(rng):
    fit = made(Undetermined(), binary(rng, 200, 2), rng.normal(size=200))
    weights = draws(fit.posterior(), "weights")
    np.testing.assert_allclose(weights[:, 1].std(), 10, rtol=0.15)  # the weak prior
    assert weights[:, 0].std() < 0.2


class Broken(nlparam.AbstractPredicateModel):
    """A density that is no number."""

    n_predicates: int = 3

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)

    def log_joint(self, weights, denotations, data=None):
        del denotations, data
        return jnp.log(-1 - jnp.sum(weights**2))


@pytest.mark.slow
def test_what_has_no_posterior_says_so(rng):
    columns = binary(rng)
    with pytest.raises(ModelError, match=r"weights choice of Clustering are whole numbers"):
        made(Clustering(3), columns, None).posterior()
    with pytest.raises(ModelError, match="parity=False"):
        made(TimeSeries(3, parity=True), columns, rng.integers(5, size=400).tolist()).posterior()
    with pytest.raises(ModelError, match="log joint of Broken at its fitted weights is nan"):
        made(Broken(), columns, rng.normal(size=400)).posterior()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "mcmc"}, "method='mcmc', expected one of nuts, svi"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"method": "svi", "num_chains": 2}, "num_chains=2 for method='svi'"),
    ],
)
def test_options_are_checked(rng, options, message):
    with pytest.raises(ValueError, match=message):
        regression_fit(rng).posterior(**options)


class TwoPeaks(nlparam.AbstractPredicateModel):
    """Two narrow peaks far apart: chains that begin apart stay apart."""

    n_predicates: int = 2

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)

    def log_joint(self, weights, denotations, data=None):
        del denotations, data
        distance = jnp.minimum(jnp.abs(weights - 3), jnp.abs(weights + 3))
        return -jnp.sum(distance**2) * 50


class Funnel(nlparam.AbstractPredicateModel):
    """Neal's funnel, which the leapfrog steps of a sampler cannot follow into its neck."""

    n_predicates: int = 9

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - data) ** 2)

    def log_joint(self, weights, denotations, data=None):
        del denotations, data
        return -(weights[0] ** 2) / 18 - jnp.sum(weights[1:] ** 2 * jnp.exp(-3 * weights[0]) + 3 * weights[0]) / 2


@pytest.mark.slow
def test_trouble_is_warned_of(rng):
    peaks = made(TwoPeaks(), binary(rng, 50, 2), rng.normal(size=50), weights=np.zeros(2))
    with pytest.warns(FitWarning, match="the chains disagree"):
        peaks.posterior(num_samples=100, num_warmup=100, num_chains=4, seed=3)
    funnel = made(Funnel(), binary(rng, 50, 9), rng.normal(size=50), weights=np.zeros(9))
    with pytest.warns(FitWarning, match="of 300 draws of the posterior diverged") as caught:
        samples = funnel.posterior(num_samples=300, num_warmup=100, seed=1)
    assert samples["posterior"].attrs["divergences"] == int(samples["sample_stats"]["diverging"].sum()) > 0
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_data_given_as_steps_work_too(rng):
    data = TimeSeriesData(jnp.asarray(rng.integers(20, size=300)), jnp.ones(19))
    samples = made(TimeSeries(2), rng.random((300, 2)), data).posterior(**QUICK)
    assert samples["posterior"]["log_odds"].shape == (1, 100, 20, 2)
    assert np.isfinite(samples["posterior"]["prevalence"]).all()
