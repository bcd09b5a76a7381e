"""Scores of an outcome: what is there for which task, and the likelihood of texts that were left out."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.experiments.base import Dataset, Outcome
from benchmarks.experiments.scores import accuracies, binary_losses, curve_correlation, heldout_loss, score, similarity
from nlparam.language.similarity import SimilarityJudge
from nlparam.lm import ScriptedModel
from nlparam.lm.engine import Engine
from nlparam.models import Classification, Clustering, Regression
from nlparam.numerics.statistics.metrics import one_hot
from nlparam.runtime.costs import Costs
from tests.helpers.handmade_fit import fit_of, make_fit


def _dataset(reference, **changes):
    names = tuple(f"has a topic of {name}" for name in "abcdef"[: reference.shape[1]])
    texts = [f"text {number}" for number in range(len(reference))]
    values = {"name": "some", "task": "clustering", "texts": texts, "data": None, "goal": "the topic", "k": len(names)}
    return Dataset(**(values | {"reference": reference.astype(bool), "reference_predicates": names} | changes))


def _outcome(denotations, **changes):
    predicates = changes.pop("predicates", [f"is about {k}" for k in range(denotations.shape[1])])
    return Outcome(predicates, denotations, Costs(), **changes)


@pytest.fixture
def labels(rng):
    return rng.integers(4, size=80)


def test_a_perfect_clustering_has_every_score_and_all_are_perfect(labels):
    perfect = one_hot(labels, 4)
    scores = score(_dataset(perfect), _outcome(perfect, assignments=labels))
    assert set(scores) == {
        *("f1_hungarian", "f1_best", "f1_micro", "f1_best_micro", "f1_ceiling", "f1_ceiling_hungarian"),
        *("nmi", "ari", "coverage", "overlap"),
    }
    assert scores.pop("overlap") == 0
    assert set(scores.values()) == {1.0}


def test_curves_are_compared_with_the_shares_of_the_references(rng):
    step = np.repeat(np.arange(12), 40)
    rising = np.linspace(0.1, 0.6, 12)
    curves = np.stack([rising, 0.7 - rising, np.zeros(12)], axis=1)
    reference = rng.random((480, 3)) < np.stack([rising, 0.7 - rising, np.full(12, 0.3)], axis=1)[step]

    def correlation(references, match):
        return curve_correlation(step, reference[:, references], curves, np.asarray(match))

    right = correlation([0, 1], [0, 1])
    assert 0.8 < right <= 1
    assert correlation([0, 1], [1, 0]) == pytest.approx(-right, abs=0.02)
    # Of one without a predicate, and of one whose predicate has a flat curve, nothing is known.
    assert correlation([0, 1, 2], [0, -1, 2]) == pytest.approx(correlation([0], [0]) / 3)
    with pytest.raises(ValueError, match="expected one that does"):
        curve_correlation(step, np.ones((480, 1), dtype=bool), curves, np.asarray([0]))


def test_a_curve_of_other_texts_is_none_of_a_reference():
    fit = fit_of("series")
    found = np.asarray(fit.denotations) > 0.5
    # Where all three hold for no text at all, none says how often that is.
    truth = np.column_stack([found[:, 0], ~found.any(axis=1)])
    dataset = dataclasses.replace(_dataset(truth, task="time_series"), texts=list(fit.texts), data=_data_of("series"))
    both = score(dataset, _outcome(found, fit=fit))["curve_correlation"]
    one = dataclasses.replace(dataset, reference=truth[:, :1], reference_predicates=dataset.reference_predicates[:1])
    alone = score(one, _outcome(found, fit=fit))["curve_correlation"]
    assert alone > 0.8
    assert both == pytest.approx(alone / 2)


@pytest.mark.parametrize("kind", ["three classes", "series"])
def test_the_loss_of_the_truth_is_that_of_exact_predicates(kind):
    fit = fit_of(kind)
    exact = np.asarray(fit.denotations) > 0.5
    # The truth is what was found; what is left out of several references is what the model can do without.
    truth = np.column_stack([exact, np.zeros(len(exact), dtype=bool)])
    dataset = dataclasses.replace(_dataset(truth), texts=list(fit.texts), data=_data_of(kind))
    losses = binary_losses(fit, dataset)
    assert losses["loss_reference"] == pytest.approx(losses["loss_binary"], rel=1e-4)
    shuffled = np.random.default_rng(0).permutation(exact)
    worse = binary_losses(fit, dataclasses.replace(dataset, reference=shuffled))
    assert worse["loss_reference"] > losses["loss_reference"] + 0.01
    assert worse["loss_binary"] == losses["loss_binary"]
    few = binary_losses(fit, dataclasses.replace(dataset, reference=exact[:, :-1]))
    assert "loss_reference" not in few


def test_accuracy_stands_between_the_larger_class_and_a_probe(labels):
    """Denotations that tell half of the classes apart, and embeddings that tell all apart."""
    labels[:50] = np.arange(50) % 4
    columns = one_hot(labels, 4)
    known = _dataset(columns[:50], task="classification", data=labels[:50])
    new = _dataset(columns[50:], task="classification", data=labels[50:])
    denotations = columns[:, :2]
    outcome = _outcome(denotations[:50], left_out=denotations[50:])
    found = accuracies(known, new, outcome, columns[:50], columns[50:])
    assert found["accuracy_probe"] == 1.0
    assert found["accuracy_larger"] == np.mean(labels[50:] == 0)
    wrong = min(np.mean(labels[50:] == 2), np.mean(labels[50:] == 3))
    assert 1 - np.mean(labels[50:] >= 2) < found["accuracy"] <= 1 - wrong
    # Chances below 0.5 tell as much, to a reader nothing.
    faint = accuracies(
        known, new, _outcome(0.4 * denotations[:50], left_out=0.4 * denotations[50:]), columns[:50], columns[50:]
    )
    assert faint["accuracy_binary"] <= found["accuracy_larger"] + 0.1 < faint["accuracy"]
    assert found["accuracy_binary"] == found["accuracy"]
    assert "accuracy" not in accuracies(known, new, _outcome(denotations[:50]), columns[:50], columns[50:])


def test_the_f1_of_exclusive_references_is_that_of_the_assignments(labels):
    overlapping = np.ones((80, 4))
    scores = score(_dataset(one_hot(labels, 4)), _outcome(overlapping, assignments=(labels + 1) % 4))
    assert (scores["f1_hungarian"], scores["coverage"], scores["overlap"]) == (1.0, 1.0, 1.0)
    assert score(_dataset(one_hot(labels, 4)), _outcome(overlapping))["f1_hungarian"] < 0.5


def test_references_that_overlap_are_compared_with_denotations(rng):
    reference = rng.random((80, 3)) < 0.5
    outcome = _outcome(reference * 0.6, assignments=np.zeros(80, int))
    scores = score(_dataset(reference), outcome)
    assert scores["f1_hungarian"] == scores["f1_micro"] == 1.0
    assert not {"nmi", "ari", "loss"} & set(scores)


def test_fewer_predicates_than_references_have_a_ceiling_that_an_exact_outcome_reaches():
    reference = one_hot(np.arange(80) % 4, 4)
    two_in_one = np.column_stack([reference[:, 0], reference[:, 1], reference[:, 2] + reference[:, 3]])
    scores = score(_dataset(reference, k=3, task="time_series"), _outcome(two_in_one))
    assert scores["f1_best"] == scores["f1_ceiling"] == pytest.approx(5 / 6)
    assert scores["f1_ceiling_hungarian"] == 0.75
    assert score(_dataset(reference, k=3), _outcome(reference[:, :3]))["f1_hungarian"] == pytest.approx(0.75)


def test_without_a_truth_only_what_needs_none_is_scored():
    unknown = {"reference": None, "reference_predicates": ()}
    dataset = dataclasses.replace(_dataset(np.zeros((60, 0)), k=3), **unknown)
    fit = make_fit(60)
    scores = score(dataset, _outcome(fit.denotations, fit=fit, assignments=fit.assignments))
    assert set(scores) == {"coverage", "overlap", "loss"}
    assert scores["loss"] == 4.25


def test_an_arm_that_found_nothing_scores_zero(labels):
    scores = score(_dataset(one_hot(labels, 4)), _outcome(np.zeros((80, 0)), assignments=np.full(80, -1)))
    assert scores["f1_hungarian"] == scores["f1_best"] == scores["ari"] == 0.0
    assert "coverage" not in scores


def test_an_outcome_of_other_texts_is_an_error(labels):
    with pytest.raises(ValueError, match="a row for each of 80 texts"):
        score(_dataset(one_hot(labels, 4)), _outcome(np.zeros((79, 4))))
    with pytest.raises(ValueError, match="one for each of 80 texts"):
        score(_dataset(one_hot(labels, 4)), _outcome(np.zeros((80, 4)), assignments=np.zeros(79)))


def _judge(answer):
    return SimilarityJudge(Engine(ScriptedModel(answer), store=None, costs=Costs()))


def test_similarity_compares_each_reference_with_its_columns(labels):
    reference = one_hot(labels, 4)
    swapped = _outcome(reference[:, ::-1], predicates=["about d", "about c", "about b", "has a topic of a"])
    asked = []

    def answer(request):
        asked.append(request.messages[-1].content.rsplit("First: has a topic of ", 1)[1].splitlines()[:2])
        return {"b": "yes", "c": "related", "d": "mu"}[asked[-1][0]]

    # The first pair is equal, the last got no answer.
    assert similarity(_dataset(reference), swapped, _judge(answer)) == {
        "similarity": pytest.approx(2.5 / 3),
        "similarity_hungarian": pytest.approx(2.5 / 3),
    }
    assert {tuple(pair) for pair in asked} == {(name, f"Second: about {name}") for name in "bcd"}


def test_a_reference_without_a_column_has_similarity_zero_and_without_sentences_there_is_none(labels):
    reference = one_hot(labels, 4)
    found = similarity(_dataset(reference), _outcome(reference[:, :2]), _judge(lambda _: "yes"))
    assert found == {"similarity": 1.0, "similarity_hungarian": 0.5}
    assert similarity(_dataset(reference), _outcome(reference, predicates=[]), _judge(lambda _: "yes")) == {}
    assert similarity(_dataset(reference), _outcome(reference), _judge(lambda _: "mu")) == {}


class _Known:
    """Denotes the texts of a fit as the fit does."""

    def __init__(self, fit):
        self.rows = dict(zip(fit.texts, fit.denotations, strict=True))

    def denote(self, corpus, *, store=None):
        del store
        return np.stack([self.rows[text] for text in corpus.texts])


def _known(fit):
    return dataclasses.replace(fit, denoter=_Known(fit))


def _data_of(kind):
    """The data that `fit_of(kind)` was given."""
    fit = fit_of(kind)
    if kind.endswith("classes"):
        return [fit.coords["class"][code] for code in fit.data]
    return [fit.coords["step"][step] for step in fit.data.step]


def test_the_held_out_loss_of_a_clustering_on_its_own_texts_is_its_loss():
    fit = _known(make_fit(60))
    loss = float(fit.model.loss(fit.weights, jnp.asarray(fit.denotations)))
    assert heldout_loss(fit, fit.texts) == pytest.approx(loss, rel=1e-5)
    # The volumes are those of the fit, not of the new texts.
    some = list(range(10))
    density = np.log(np.maximum(fit.denotations[some] / fit.denotations.sum(axis=0), 1 / 60)).max(axis=1)
    assert heldout_loss(fit, [fit.texts[i] for i in some]) == pytest.approx(-density.mean(), rel=1e-5)


def test_the_held_out_loss_of_a_clustering_without_any_predicate_that_holds_is_that_of_the_background():
    fit = _known(make_fit(60, denotations=np.zeros((60, 2)), n_predicates=2, model=Clustering(2)))
    assert heldout_loss(fit, fit.texts[:5]) == pytest.approx(np.log(60), rel=1e-5)


@pytest.mark.parametrize("kind", ["two classes", "three classes"])
def test_the_held_out_loss_of_a_classification_is_its_cross_entropy(kind):
    fit = _known(fit_of(kind))
    assert isinstance(fit.model, Classification)
    ridge = float(fit.model.penalty(fit.weights, len(fit.texts)))
    loss = float(fit.model.loss(fit.weights, jnp.asarray(fit.denotations), fit.data)) - ridge
    assert heldout_loss(fit, fit.texts, _data_of(kind)) == pytest.approx(loss, rel=1e-4)
    # One class alone, which could not be fitted, can be scored.
    assert heldout_loss(fit, fit.texts[:1], _data_of(kind)[:1]) > 0


@pytest.mark.parametrize("kind", ["dates", "ranks"])
def test_the_held_out_loss_of_a_series_is_that_of_a_draw_from_the_corpus(kind):
    fit = _known(fit_of(kind))
    logits = fit.denotations @ fit.weights.log_odds.T
    logs = logits - np.log(np.exp(logits).sum(axis=0))
    expected = -np.mean(logs[np.arange(len(fit.texts)), fit.data.step])
    assert heldout_loss(fit, fit.texts, _data_of(kind)) == pytest.approx(expected, rel=1e-4)
    assert expected < np.log(len(fit.texts))


def test_a_time_between_those_of_the_fit_counts_as_the_nearest():
    fit = _known(fit_of("ranks"))
    first, second = fit.coords["step"][:2]
    near = heldout_loss(fit, fit.texts[:1], [first + 0.1 * (second - first)])
    assert near == heldout_loss(fit, fit.texts[:1], [first]) == heldout_loss(fit, fit.texts[:1], [-100.0])


def test_another_model_has_its_own_loss():
    fit = _known(fit_of("numbers"))
    assert isinstance(fit.model, Regression)
    data = np.asarray([20.0, 21.0, 25.0])
    expected = float(fit.model.loss(fit.weights, jnp.asarray(fit.denotations[:3]), fit.model.prepare(data, 3).data))
    assert heldout_loss(fit, fit.texts[:3], data) == pytest.approx(expected)


def test_held_out_data_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="got no texts"):
        heldout_loss(_known(make_fit(10)), [])
    classes, series = _known(fit_of("two classes")), _known(fit_of("dates"))
    with pytest.raises(ValueError, match="got 0 classes for 2 texts"):
        heldout_loss(classes, classes.texts[:2])
    with pytest.raises(ValueError, match=r"the class 'eggs', expected one of the fit's: ham, spam"):
        heldout_loss(classes, classes.texts[:2], ["ham", "eggs"])
    with pytest.raises(ValueError, match="got 1 times for 2 texts"):
        heldout_loss(series, series.texts[:2], ["2004-01-01"])
    with pytest.raises(ValueError):
        heldout_loss(series, series.texts[:2], [1, 2])
