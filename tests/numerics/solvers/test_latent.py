"""Latent denotations: the density is the sum over patterns, errors of the answers leave no bias and stay in bands."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.special import expit, log_softmax
from scipy.stats import norm

from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, ModelError
from nlparam.fitting.posterior import credible_intervals
from nlparam.models import Classification, Regression, RegressionData, TimeSeries
from nlparam.numerics.core.compiled import quantities
from nlparam.numerics.solvers.latent import Latent, LatentData, LatentWeights
from tests.helpers.compiled import fit_weights
from tests.helpers.handmade_fit import make_fit

TRUTH = np.asarray([1.0, -1.0, 0.5])


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def problem(rng, n_texts=600, n_labels=150, right=0.85, kind="numbers"):
    """True denotations that hang together, answers that are right for a share of the texts, outcomes, labels."""
    common, own = rng.normal(size=(n_texts, 1)), rng.normal(size=(n_texts, 3))
    true = (np.sqrt(0.3) * common + np.sqrt(0.7) * own < norm.ppf(0.3)).astype(float)
    answers = np.where(rng.random((n_texts, 3)) < right, true, 1 - true)
    scores = true @ TRUTH - 0.2
    outcome = scores + rng.normal(size=n_texts) if kind == "numbers" else (rng.random(n_texts) < expit(scores)) * 1
    labels = np.full((n_texts, 3), -1.0)
    labels[:n_labels] = true[:n_labels]
    return answers, outcome, labels


def model_of(kind):
    return Regression(3) if kind == "numbers" else Classification(3)


@pytest.mark.parametrize("kind", ["numbers", "classes"])
@pytest.mark.parametrize("controlled", [False, True])
def test_the_density_is_the_sum_over_what_may_be_true(rng, kind, controlled):
    answers, outcome, labels = problem(rng, 60, 10, kind=kind)
    labels[11, 1], model = 0, model_of(kind)
    given = {"target": outcome, "controls": {"year": rng.normal(size=60).tolist()} if controlled else {}}
    data = LatentData(model.prepare(given, 60).data, jnp.asarray(labels))
    latent = Latent(3, model)
    weights = latent.init_weights(jnp.asarray(answers), data)
    weights = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) / 2), weights)
    inner, scale, right, alone, pairs = jax.tree.map(np.asarray, weights)
    patterns = list(itertools.product([0, 1], repeat=3))
    chance = np.exp([alone @ np.asarray(p) + pairs @ [p[0] * p[1], p[0] * p[2], p[1] * p[2]] for p in patterns])
    shift = data.data.controls @ inner.controls.T if controlled else 0 * outcome
    total = 0.0
    for i in range(60):
        density = 0.0
        for pattern, share in zip(patterns, chance / chance.sum(), strict=True):
            if any(labels[i, k] not in (-1, pattern[k]) for k in range(3)):
                continue
            score = inner.coefficients @ np.asarray(pattern)
            if kind == "numbers":
                here = norm.pdf(outcome[i], score + inner.intercept + shift[i], np.exp(scale)) * np.sqrt(2 * np.pi)
            else:
                here = np.exp(log_softmax(score + inner.intercepts + shift[i]))[outcome[i]]
            for k in range(3):
                is_right = expit(right[pattern[k], k])
                here *= is_right if answers[i, k] == pattern[k] else 1 - is_right
            density += share * here
        total += np.log(density)
    flat = np.concatenate([np.ravel(leaf) for leaf in (inner.coefficients, inner.controls) if leaf is not None])
    if kind == "numbers":
        total -= flat @ flat / 2 / np.exp(2 * scale) + len(flat) * scale
    else:
        total -= flat @ flat / 2 + 0.005 * inner.intercepts @ inner.intercepts
    total += np.sum(np.log(expit(right) * expit(-right))) - pairs @ pairs / 8 - alone @ alone / 50
    np.testing.assert_allclose(latent.log_joint(weights, jnp.asarray(answers), data), total, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_errors_of_the_answers_no_longer_shrink_the_coefficients(rng, kind):
    answers, outcome, labels = problem(rng, 20_000, 2000, kind=kind)
    model = model_of(kind)
    data, answers = model.prepare(outcome, 20_000).data, jnp.asarray(answers)

    def coefficients(weights):
        return np.asarray(quantities(model, weights, answers, data)["coefficient"].values)

    assert abs(coefficients(fit_weights(model, answers, data))[0]) < 0.75
    latent, latent_data = Latent(3, model), LatentData(data, jnp.asarray(labels))
    weights = fit_weights(latent, answers, latent_data)
    np.testing.assert_allclose(coefficients(weights.weights), TRUTH, atol=0.2)
    found = quantities(latent, weights, answers, latent_data)
    np.testing.assert_allclose(found["sensitivity"].values, 0.85, atol=0.04)
    np.testing.assert_allclose(found["specificity"].values, 0.85, atol=0.04)
    np.testing.assert_allclose(found["true_share"].values, 0.3, atol=0.02)


@pytest.mark.slow
def test_intervals_hold_in_spite_of_the_errors(rng):
    # Ninety per cent intervals of the Gaussian at the peak; of the answers as they are, less than a third would hold.
    latent = Latent(3, Regression(3))

    @jax.jit
    def interval(answers, outcome, labels):
        data = LatentData(RegressionData(outcome, jnp.var(outcome)), labels)
        weights = latent.fit_weights(answers, data)
        flat, restore = ravel_pytree(weights)
        hessian = jax.hessian(lambda point: -latent.log_joint(restore(point), answers, data))(flat)
        half = 1.645 * jnp.sqrt(jnp.diag(jnp.linalg.inv(hessian)))[:3]
        return weights.weights.coefficients - half, weights.weights.coefficients + half

    ends = [interval(*map(jnp.asarray, problem(rng))) for _ in range(60)]
    low, high = np.asarray(ends).transpose(1, 0, 2)
    assert 0.82 <= np.mean((low <= TRUTH) & (high >= TRUTH)) <= 0.96
    assert np.mean(high - low) < 0.55


def labelled_fit(rng, kind="numbers", **options):
    answers, outcome, labels = problem(rng, kind=kind, **options)
    fit = make_fit(600, 3, model=model_of(kind), denotations=answers, data=outcome)
    rows = [
        (fit.texts[i], predicate, float(labels[i, k]))
        for i in range(600)
        for k, predicate in enumerate(fit.predicates)
        if labels[i, k] >= 0
    ]
    return fit, rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_the_posterior_with_labels_is_that_of_the_truth(rng, kind):
    fit, rows = labelled_fit(rng, kind)
    samples = fit.posterior(labels=Labelled.of(rows), num_samples=300, num_warmup=200)
    assert samples["posterior"].attrs["target"] == "people"
    intervals, naive = credible_intervals(samples), credible_intervals(fit.posterior(num_samples=100, method="svi"))
    assert set(fit.quantities()) <= set(intervals)
    assert samples["posterior"]["sensitivity"].dims == ("chain", "draw", "predicate")
    assert np.all((intervals["sensitivity"].lower < 0.85) & (intervals["sensitivity"].upper > 0.85))
    width, narrow = (found["coefficient"].upper - found["coefficient"].lower for found in (intervals, naive))
    assert np.all(width > 1.1 * narrow)
    far = np.abs(intervals["coefficient"].mean - TRUTH) / width
    assert np.all(far < 1.0)


@pytest.mark.slow
def test_labels_that_say_too_little_are_refused(rng):
    fit, rows = labelled_fit(rng)
    with pytest.raises(CorpusError, match=r"'is about subject 0' has \d+ labels that say yes .* at least 30 together"):
        fit.posterior(labels=Labelled.of(rows[:60]))
    with pytest.raises(CorpusError, match="has 150 labels that say yes and 0 that say no"):
        fit.posterior(labels=Labelled.of([(text, predicate, 1.0) for text, predicate, _ in rows]))
    with pytest.raises(ModelError, match="got a TimeSeries, expected a Regression or a Classification"):
        make_fit(60, 3, model=TimeSeries(3), data=[2001 + i % 3 for i in range(60)]).posterior(labels=Labelled.of(rows))
    with pytest.raises(ModelError, match="got 9 predicates, expected at most 8"):
        Latent(9, Regression(9))


def test_weights_have_one_scale_where_there_is_noise():
    data = LatentData(jnp.zeros(2, int), jnp.zeros((2, 3)))
    assert Latent(3, Classification(3)).init_weights(jnp.zeros((2, 3)), data).scale is None
    weights = Latent(3, Regression(3)).init_weights(jnp.zeros((2, 3)), data._replace(data=jnp.zeros(2)))
    assert isinstance(weights, LatentWeights)
    assert weights.scale is not None
    assert weights.scale.shape == ()
