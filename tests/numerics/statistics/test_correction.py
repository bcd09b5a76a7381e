"""Corrected shares: right on average, as sure as they say, and never without an error."""

import warnings

import numpy as np
import pytest

from nlparam.numerics.statistics.correction import corrected_means


def world(rng, n_texts, prevalence, *, right, n_columns=1):
    """The wanted answers, and those of a layer that is right for this part of the texts either way."""
    holds = (rng.random((n_texts, n_columns)) < prevalence).astype(float)
    return holds, np.where(rng.random(holds.shape) < right, holds, 1 - holds)


def known_for(answers, texts):
    """The layer as it is known: for these texts only."""
    layer = np.full(answers.shape, np.nan)
    layer[texts] = answers[texts]
    return layer


@pytest.mark.parametrize("n", [30, 120])
def test_two_layers_agree_with_ppi_py(rng, n):
    with warnings.catch_warnings():  # it sets a filter for all warnings when it is imported
        ppi = pytest.importorskip("ppi_py")
    wanted, head = world(rng, 600, [0.1, 0.3, 0.5], right=0.8, n_columns=3)
    texts = rng.choice(600, n, replace=False)
    rest = np.setdiff1d(np.arange(600), texts)
    found = corrected_means([head, known_for(wanted, texts)], prior=0)
    for k in range(3):
        parts = wanted[texts, k], head[texts, k], head[rest, k]
        assert found.value[k] == pytest.approx(ppi.ppi_mean_pointestimate(*parts).item(), abs=1e-8)
        low, high = ppi.ppi_mean_ci(*parts, alpha=0.1)
        assert (found.low[k], found.high[k]) == pytest.approx((low.item(), high.item()), abs=1e-8)


def covered(found, truth):
    return ((found.low <= truth) & (truth <= found.high)).mean()


def widths(found):
    return (found.high - found.low).mean()


@pytest.mark.parametrize("right", [0.7, 0.85, 0.95])
@pytest.mark.parametrize(("prevalence", "n"), [(0.03, 100), (0.03, 400), (0.3, 100), (0.3, 400), (0.5, 250)])
def test_intervals_hold_and_are_no_wider_than_of_the_answers_alone(prevalence, n, right):
    """Each column is a data set of its own. The head alone says .31 where .03 is true and it is right for 70%."""
    rng = np.random.default_rng([n, int(100 * right)])
    wanted, head = world(rng, 1500, prevalence, right=right, n_columns=400)
    answers = known_for(wanted, np.arange(n))
    found, alone = corrected_means([head, answers]), corrected_means([answers])
    assert 0.855 <= covered(found, prevalence) <= 0.97
    assert found.value.mean() == pytest.approx(prevalence, abs=0.005)
    assert widths(found) <= 1.01 * widths(alone)
    if prevalence >= 0.3 and right >= 0.85:
        assert widths(found) <= 0.85 * widths(alone)


@pytest.mark.parametrize("prevalence", [0.05, 0.4])
def test_three_layers_hold_and_each_is_of_use(prevalence):
    rng = np.random.default_rng(3)
    wanted, judged = world(rng, 1000, prevalence, right=0.92, n_columns=400)
    head = np.where(rng.random(judged.shape) < 0.9, judged, 1 - judged)
    answers, judged = known_for(wanted, np.arange(120)), known_for(judged, np.arange(300))
    found = corrected_means([head, judged, answers])
    assert 0.86 <= covered(found, prevalence) <= 0.95
    assert widths(found) < widths(corrected_means([judged, answers])) < widths(corrected_means([answers]))
    assert (found.n_answers == 120).all()


def test_texts_of_one_author_are_one_anothers_witnesses():
    rng = np.random.default_rng(4)
    authors = rng.integers(20, size=1200)
    wanted = (rng.random((20, 300)) ** 2)[authors] > rng.random((1200, 300))
    head = np.where(rng.random(wanted.shape) < 0.85, wanted, ~wanted).astype(float)
    layers = [head, known_for(wanted, rng.choice(1200, 200, replace=False))]
    assert 0.85 <= covered(corrected_means(layers, clusters=authors), 1 / 3) <= 0.96
    assert covered(corrected_means(layers), 1 / 3) < 0.8
    # Whatever the clusters are called.
    named = corrected_means(layers, clusters=np.char.add("author ", authors.astype(str)))
    np.testing.assert_allclose(named, corrected_means(layers, clusters=authors))


def test_unequal_chances_of_an_answer_are_weighed_out():
    rng = np.random.default_rng(5)
    wanted, head = world(rng, 1500, 0.2, right=0.85, n_columns=300)
    chance = np.where(np.arange(1500) % 3 == 0, 0.3, 0.06)
    wanted[np.arange(1500) % 3 == 0] = rng.random((500, 300)) < 0.5
    answers = np.where(rng.random(wanted.shape) < chance[:, None], wanted, np.nan)
    found = corrected_means([head, answers], inclusion=[chance])
    assert found.value.mean() == pytest.approx(0.3, abs=0.005)
    assert 0.86 <= covered(found, 0.3) <= 0.94
    assert covered(corrected_means([head, answers]), 0.3) < 0.5


def test_rare_predicates_have_intervals():
    answers = np.full((500, 4), np.nan)
    answers[:100] = 0.0
    answers[:3, 1] = answers[:100, 3] = 1.0
    head = np.zeros((500, 4))
    head[:, 2], head[:, 3] = 0.5, 1.0
    for layers in ([answers], [head, answers], [head, answers, answers]):
        found = corrected_means(layers)
        assert np.isfinite(np.concatenate(found)).all()
        assert (found.low >= 0).all()
        assert (found.high <= 1).all()
        assert (found.high - found.low > 0.02).all()
        assert found.value == pytest.approx([0, 0.03, 0, 1])
    # A head and a judge that agree in all of 30 texts are not thereby known to agree in all.
    agreed = np.tile([[0.0], [1.0]], (150, 2))
    found = corrected_means([agreed, known_for(agreed, np.arange(30))])
    assert (found.high - found.low > 0.12).all()


def test_few_answers_or_clusters_say_nothing():
    head, answers = np.zeros((40, 3)), np.full((40, 3), np.nan)
    answers[0, 1] = answers[:20, 2] = 1.0
    found = corrected_means([head, answers])
    assert found.n_answers.tolist() == [0, 1, 20]
    assert (found.high - found.low)[:2].tolist() == [1, 1]
    assert found.standard_error[:2].tolist() == [0.5, 0.5]
    assert found.high[2] - found.low[2] < 0.3
    found = corrected_means([head, answers], clusters=np.arange(40) < 20)
    assert (found.high - found.low).tolist() == [1, 1, 1]


def test_a_layer_that_stands_in_the_way_is_left_out(rng):
    wanted, judged = world(rng, 300, 0.3, right=0.9)
    answers = known_for(wanted, np.arange(100))
    everywhere, nowhere = corrected_means([judged, judged, answers]), np.full(judged.shape, np.nan)
    assert everywhere.value == pytest.approx(corrected_means([judged, answers]).value)
    # Labels of texts that nobody judged count all the same.
    apart = known_for(judged, np.arange(100, 300))
    np.testing.assert_allclose(corrected_means([judged, nowhere, answers]), corrected_means([judged, answers]))
    np.testing.assert_allclose(corrected_means([judged, apart, answers]), corrected_means([judged, answers]))
    # All texts have the best answer: there is nothing to correct.
    np.testing.assert_allclose(corrected_means([judged, wanted]), corrected_means([wanted]))


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([], {}, "expected one or more"),
        ([np.zeros((3, 1)), np.zeros((4, 1))], {}, "one shape"),
        ([np.full((3, 1), 2.0)], {}, "between 0 and 1"),
        ([np.full((3, 1), np.inf)], {}, "infinite"),
        ([np.full((3, 1), np.nan)], {}, "without any answer"),
        ([np.zeros((3, 1))], {"clusters": [1, 2]}, "one value per text"),
        ([np.zeros((3, 1))] * 2, {"inclusion": [np.zeros(3)]}, r"in \(0, 1\]"),
        ([np.zeros((3, 1))] * 2, {"inclusion": []}, r"expected 1 of shape \(3,\)"),
        ([np.zeros((3, 1))], {"confidence": 1.0}, "got confidence=1.0"),
        ([np.zeros((3, 1))], {"prior": -1.0}, "got prior=-1.0"),
    ],
)
def test_bad_input_is_refused(layers, options, message):
    with pytest.raises(ValueError, match=message):
        corrected_means(layers, **options)
