"""Corrected weights: of a judge that errs they are right, as sure as they say, and unsaid where the answers are few."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from nlparam.errors import ModelError
from nlparam.models import Classification, Clustering, Regression, TimeSeries
from nlparam.numerics.statistics.estimating import UNSAID, corrected_weights, model_weights
from tests.helpers.compiled import fit_weights


def answers(rng, n_texts, n_predicates=2, *, prevalence=0.4, right=0.85):
    """What people would say, and what a judge says that is right for this part of the texts either way."""
    wanted = (rng.random((n_texts, n_predicates)) < prevalence).astype(float)
    return wanted, np.where(rng.random(wanted.shape) < right, wanted, 1 - wanted)


def only(wanted, texts):
    layer = np.full(wanted.shape, np.nan)
    layer[texts] = wanted[texts]
    return layer


def corrected(model, layers, target, **options):
    data = model.prepare(target, len(layers[0])).data
    start = model.init_weights(jnp.asarray(np.nan_to_num(layers[0])), data)
    return model_weights(model, start, layers, data, **options)


def errors(found):
    return np.sqrt(np.diag(found.covariance))


def test_with_all_answers_a_regression_is_that_of_statsmodels(rng):
    wanted, _ = answers(rng, 400)
    numbers = wanted @ [1.0, 0.0] + rng.standard_normal(400)
    found = corrected(Regression(2, ridge=1e-9), [wanted], numbers)
    reference = sm.OLS(numbers, np.column_stack([wanted, np.ones(400)])).fit(cov_type="HC1")
    np.testing.assert_allclose(found.value, reference.params, atol=1e-6)
    np.testing.assert_allclose(errors(found), reference.bse, rtol=0.02)
    assert (errors(found) >= reference.bse - 1e-9).all()
    assert found.n_answers == 400
    assert found.reason == ""
    clusters = np.repeat(np.arange(40), 10)
    found = corrected(Regression(2, ridge=1e-9), [wanted], numbers, clusters=clusters)
    reference = sm.OLS(numbers, np.column_stack([wanted, np.ones(400)])).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    np.testing.assert_allclose(errors(found), reference.bse, rtol=0.03)
    assert found.freedom == pytest.approx(39)


def test_with_all_answers_two_classes_are_a_logit(rng):
    wanted, _ = answers(rng, 500)
    classes = (rng.random(500) < scipy.special.expit(wanted @ [1.0, -0.5])).astype(int)
    found = corrected(Classification(2, ridge=1e-6), [wanted], classes)
    reference = sm.Logit(classes, np.column_stack([wanted, np.ones(500)])).fit(disp=0, cov_type="HC1")
    contrast = np.zeros((3, 6))
    contrast[[0, 1, 2], [2, 3, 5]], contrast[[0, 1, 2], [0, 1, 4]] = 1.0, -1.0
    np.testing.assert_allclose(contrast @ found.value, reference.params, atol=1e-5)
    spread = np.sqrt(np.diag(contrast @ found.covariance @ contrast.T))
    np.testing.assert_allclose(spread, reference.bse, rtol=0.03)


@pytest.mark.slow
def test_a_coefficient_is_put_right_and_its_interval_holds():
    """The judge alone would give 0.63, and an interval that holds the truth in 1% of the draws."""
    rng = np.random.default_rng(5)
    model, covered, values, widths, alone = Regression(1, ridge=1e-3), [], [], [], []
    for _ in range(80):
        wanted, judged = answers(rng, 600, 1)
        numbers = wanted[:, 0] + rng.standard_normal(600)
        labels = only(wanted, rng.choice(600, 150, replace=False))
        found, labelled = corrected(model, [judged, labels], numbers), corrected(model, [labels], numbers)
        half = scipy.stats.t.ppf(0.95, found.freedom) * errors(found)[0]
        covered.append(abs(found.value[0] - 1) <= half)
        values.append(found.value[0])
        widths.append(errors(found)[0])
        alone.append(errors(labelled)[0])
    assert 0.81 <= np.mean(covered) <= 0.98
    assert np.mean(values) == pytest.approx(1.0, abs=0.06)
    assert np.mean(widths) < 0.87 * np.mean(alone)


def test_unequal_chances_are_weighed_out():
    """Texts for which the judge says yes are labelled four times as often; where it is wrong, the target is higher."""
    rng = np.random.default_rng(2)
    wanted, judged = answers(rng, 20_000, 1, right=0.8)
    numbers = wanted[:, 0] * (1 + (judged[:, 0] != wanted[:, 0])) + 0.1 * rng.standard_normal(20_000)
    truth = np.polyfit(wanted[:, 0], numbers, 1)[0]
    chance = np.where(judged[:, 0] == 1, 0.4, 0.1)
    labels = only(wanted, np.flatnonzero(rng.random(20_000) < chance))
    model = Regression(1, ridge=1e-6)
    found = corrected(model, [judged, labels], numbers, inclusion=[chance])
    assert abs(found.value[0] - truth) < 3 * errors(found)[0] < 0.1
    unweighted = corrected(model, [judged, labels], numbers)
    assert abs(unweighted.value[0] - truth) > 3 * errors(unweighted)[0]


def test_what_the_answers_do_not_determine_is_unsaid(rng):
    wanted, judged = answers(rng, 300, 3)
    numbers = rng.standard_normal(300)
    texts = rng.choice(300, 100, replace=False)
    wanted[texts, 1] = 0.0
    found = corrected(Regression(3, ridge=1e-3), [judged, only(wanted, texts)], numbers)
    assert found.determined.tolist() == [True, False, True, True]
    assert found.covariance[1, 1] == UNSAID
    assert errors(found)[[0, 2, 3]].max() < 1
    assert "100 answers" in found.reason
    assert np.isfinite(found.covariance).all()


@pytest.mark.parametrize(
    ("n", "clusters", "reason"),
    [(5, None, "too few for 4 weights"), (60, np.zeros(300, int), "fewer than two clusters")],
)
def test_too_few_answers_or_clusters_give_a_reason(rng, n, clusters, reason):
    wanted, judged = answers(rng, 300, 3)
    layers = [judged, only(wanted, np.arange(n))]
    found = corrected(Regression(3), layers, rng.standard_normal(300), clusters=clusters)
    assert reason in found.reason
    assert not found.determined.any()
    assert np.isfinite(found.value).all()
    assert (np.diag(found.covariance) == UNSAID).all()


def test_a_class_that_a_predicate_never_meets_leaves_the_others_alone(rng):
    wanted, judged = answers(rng, 400)
    classes = rng.integers(0, 2, 400)
    for layer in (wanted, judged):
        layer[classes == 1, 0] = 0.0
    found = corrected(Classification(2, ridge=1e-2), [judged, only(wanted, np.arange(200))], classes)
    assert not found.determined[[0, 2]].any()
    assert found.determined[[1, 3]].all()
    assert found.reason


def test_a_judge_who_says_yes_far_too_often_is_used_all_the_same():
    """The equations are then far from symmetric, which is no reason to fall back on the labels alone."""
    rng = np.random.default_rng(1)
    wanted, judged = answers(rng, 20_000, 8, prevalence=0.05, right=0.9)
    layers = [judged, only(wanted, np.arange(300))]
    found = corrected(Regression(8), layers, wanted[:, 0] + rng.standard_normal(20_000))
    assert (found.weight > 0).sum() >= 7


@pytest.mark.parametrize("model", [TimeSeries(2), Clustering(2)])
def test_a_loss_that_is_no_mean_over_texts_is_refused(rng, model):
    wanted, judged = answers(rng, 60)
    data = model.prepare(np.arange(60) if isinstance(model, TimeSeries) else None, 60).data
    weights = fit_weights(model, jnp.asarray(judged), data)
    with pytest.raises(ModelError, match="correct its shares"):
        model_weights(model, weights, [judged, only(wanted, np.arange(40))], data)


def test_any_loss_will_do(rng):
    """A mean is the least squares fit of a constant: it is corrected as a share is."""
    from nlparam.numerics.statistics.correction import corrected_means

    wanted, judged = answers(rng, 500, 1)
    layers = [judged, only(wanted, rng.choice(500, 120, replace=False))]

    def squares(theta, denotations, rows):
        del rows
        return (denotations[:, 0] - theta[0]) ** 2 / 2

    found, share = corrected_weights(squares, layers, np.zeros(1)), corrected_means(layers)
    assert found.value == pytest.approx(share.value, abs=1e-8)
    assert found.weight == pytest.approx(share.weight, abs=1e-8)
    assert errors(found) == pytest.approx(share.standard_error, rel=0.01)


def test_bad_input_is_refused(rng):
    wanted, judged = answers(rng, 50)
    numbers = rng.standard_normal(50)
    with pytest.raises(ValueError, match="one shape"):
        corrected(Regression(2), [judged, wanted[:-1]], numbers)
    with pytest.raises(ValueError, match="clusters of shape"):
        corrected(Regression(2), [judged, wanted], numbers, clusters=np.zeros(3))
    with pytest.raises(ValueError, match="no text with answers to all"):
        corrected(Regression(2), [np.where([True, False], np.nan, judged)], numbers)


def test_whatever_the_answers_the_result_is_finite_or_says_why():
    rng = np.random.default_rng(8)
    for number in range(30):
        wanted, judged = answers(rng, 40, 2, prevalence=rng.choice([0.0, 0.03, 0.5, 1.0]), right=rng.choice([0.5, 1.0]))
        layers = [judged, only(wanted, rng.choice(40, rng.integers(0, 41), replace=False))]
        numbers = np.zeros(40) if number % 5 == 0 else rng.standard_normal(40) * 10.0 ** rng.integers(-3, 6)
        clusters = rng.integers(0, rng.integers(1, 9), 40) if number % 2 else None
        with jax.enable_x64(True):
            losses = eqx.Partial(_squares, jnp.asarray(numbers))
        found = corrected_weights(losses, layers, np.zeros(3), clusters=clusters)
        assert np.isfinite(np.concatenate([found.value, found.covariance.ravel(), found.weight])).all()
        assert np.isfinite(found.freedom)
        assert found.freedom >= 1
        assert (found.reason == "") == found.determined.all()


def _squares(numbers, theta, denotations, rows):
    return (numbers[rows] - denotations @ theta[:2] - theta[2]) ** 2 / 2
