"""Models that cannot be fitted are refused before anything is judged, and the message says why."""

# ruff: noqa: ARG001, ARG002, ARG005 - a loss has three arguments, whatever it does with them

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nlparam
from nlparam.errors import CorpusError, LanguageModelError, ModelError
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries
from nlparam.numerics.core.check import check_class, check_model
from nlparam.numerics.core.quantities import Quantity
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


class Sound(nlparam.AbstractPredicateModel):
    n_predicates: int

    def loss(self, weights, denotations, data=None):
        return jnp.mean((denotations @ weights - 1) ** 2)


class Changed(nlparam.AbstractPredicateModel):
    """A sound model with one method replaced; the functions are fields so that a test can say them in one line."""

    n_predicates: int
    of: Any = None  # loss(weights, denotations, data)
    linked: Any = None
    predicted: Any = None
    fitted: Any = None
    quantified: Any = None

    def loss(self, weights, denotations, data=None):
        return (
            Sound(self.n_predicates).loss(weights, denotations)
            if self.of is None
            else self.of(weights, denotations, data)
        )

    def link(self, scores):
        return scores if self.linked is None else self.linked(scores)

    def predict(self, weights, denotations):
        return denotations @ weights if self.predicted is None else self.predicted(weights, denotations)

    def fit_weights(self, denotations, data=None, init=None):
        if self.fitted is not None:
            return self.fitted(denotations)
        return super().fit_weights(denotations, data, init)

    def quantities(self, weights, denotations, data=None):
        return super().quantities(weights, denotations, data) if self.quantified is None else self.quantified(weights)


@pytest.mark.parametrize("n_predicates", [0, -1, 2.5, "3", True, None])
def test_a_number_of_predicates_that_is_none_is_refused(n_predicates):
    with pytest.raises(ValueError, match=f"got n_predicates={n_predicates!r}, expected at least 1, a whole number"):
        Clustering(n_predicates)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Clustering, r"got the class Clustering, expected a model: call it, such as Clustering\(n_predicates=5\)"),
        (dict, "got the class dict, expected a model such as"),
        ("clustering", "got 'clustering' of type str, expected a model"),
    ],
)
def test_what_is_no_model_is_refused(model, message):
    with pytest.raises(ModelError, match=message):
        check_class(model)


def test_data_of_a_model_of_ones_own_are_numbers():
    listed, array = (Sound(1).prepare(data, 3).data for data in ([1.0, 2.0, 4.0], {"x": np.asarray([1.0, 2.0, 4.0])}))
    assert listed.tolist() == array["x"].tolist() == [1, 2, 4]
    with pytest.raises(CorpusError, match=r"got data that are no numbers .* turn labels into numbers"):
        Sound(1).prepare(["sport", "money", "sport"], 3)


def is_refused(model, message, data=None, n_texts=30):
    with pytest.raises(ModelError, match=message) as refusal:
        check_model(model, data, n_texts)
    assert len(str(refusal.value)) < 700
    return str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize("n_texts", [2, 30])
@pytest.mark.parametrize("n_predicates", [1, 3])
@pytest.mark.parametrize(
    "kind",
    [
        lambda k, n: (Clustering(k), None),
        lambda k, n: (Classification(k), jnp.arange(n) % 2),
        lambda k, n: (Regression(k), jnp.arange(n) * 1.0),
        lambda k, n: (Difference(k), jnp.arange(n) % 2),
        lambda k, n: (TimeSeries(k), [2001 + i % 2 for i in range(n)]),
        lambda k, n: (Sound(k), None),
    ],
    ids=["clustering", "classification", "regression", "difference", "time series", "own"],
)
def test_sound_models_pass(kind, n_predicates, n_texts):
    model, data = kind(n_predicates, n_texts)
    check_model(model, model.prepare(data, n_texts).data, n_texts)


@pytest.mark.slow
def test_more_predicates_than_texts_is_no_fault_of_the_model():
    check_model(Sound(9), None, 3)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (lambda w, d, _: jnp.sum(d, axis=1), r"an array of shape \(30,\) .* take the mean over the texts"),
        (lambda w, d, _: jnp.mean(d) * jnp.nan, r"loss of Changed is nan"),
        (lambda w, d, _: jnp.log(jnp.mean(d) * 0), r"is -inf .* logarithm or a division by zero"),
        (lambda w, d, _: jnp.sum(d > 0.5), "is of type int32, expected one real number"),
        (lambda w, d, _: 3, "is 3 of type int"),
        (lambda w, d, _: None, "is None of type NoneType"),
        (lambda w, d, _: (jnp.mean(d), {}), "of type tuple.*nothing beside it"),
        (lambda w, d, _: 0.5, "does not depend on the denotations"),
        (lambda w, d, _: jnp.sum(w**2), "does not depend on the denotations"),
        (lambda w, d, _: float(jnp.mean(d)), "cannot be evaluated on 30 texts and 2 predicates .*Concretization"),
        (lambda w, d, _: np.log(d).mean(), "cannot be evaluated .*TracerArrayConversionError"),
        (lambda w, d, _: d @ jnp.ones(5), "cannot be evaluated .*(TypeError|ValueError)"),
        (lambda w, d, _: w["slope"], "cannot be evaluated"),
        (lambda w, d, _: 1 / 0, "ZeroDivisionError"),
        (lambda w, d, data: jnp.mean(d[:, 0] * data), "TypeError"),  # it needs data, and there are none
        (lambda w, d, _: jnp.mean(jnp.sqrt(d * 0 + 0.0)), "gradient .* is not finite"),
        (
            lambda w, d, _: jax.lax.while_loop(lambda c: c < 1, lambda c: c + jnp.mean(d), jnp.zeros(())),
            "cannot be differentiated in the denotations .*jax.lax.scan",
        ),
    ],
)
def test_a_bad_loss_is_named(of, message):
    is_refused(Changed(2, of), message)


@pytest.mark.slow
def test_a_loss_that_only_the_relaxation_would_break():
    def cross_entropy(weights, denotations, data):
        return -jnp.mean(jnp.log(denotations + 1e-3))

    assert "`link` needs an override" in is_refused(
        Changed(2, cross_entropy), r"relaxed denotations, `link` of cosines"
    )
    check_model(Changed(2, cross_entropy, linked=lambda scores: (scores + 1) / 2), None, 30)


def test_a_loss_that_only_a_predicate_without_texts_would_break():
    def shares(weights, denotations, data):
        return -jnp.mean(jnp.max(denotations / jnp.sum(denotations, axis=0), axis=1))

    is_refused(Changed(2, shares, linked=lambda s: jnp.exp(s)), "a predicate that holds nowhere")


@pytest.mark.slow
def test_what_is_called_after_the_search_is_tried_before_it():
    is_refused(Changed(2, predicted=lambda w, d: jnp.mean(d)), r"`predict` of Changed gives an array of shape \(\)")
    is_refused(Changed(2, predicted=lambda w, d: d.T @ d), r"shape \(2, 2\), expected one prediction per text, 30")
    is_refused(Changed(2, predicted=lambda w, d: w["slopes"]), "`predict` of Changed fails .* under `jit` and `vmap`")
    is_refused(Changed(2, fitted=lambda d: np.linalg.lstsq(np.asarray(d), np.ones(30))[0]), "`fit_weights` of Changed")
    is_refused(
        Changed(2, quantified=lambda w: {"size": Quantity(w @ jnp.ones(7), (), "Size")}), "`quantities` of Changed"
    )


def test_a_loss_that_is_a_sum_is_refused():
    data = jnp.linspace(0, 1, 30)
    is_refused(Changed(2, lambda w, d, _: jnp.sum((d @ w - 1) ** 2)), "grows with the number of texts .* take the mean")
    is_refused(Changed(2, lambda w, d, y: jnp.sum((d @ w - y) ** 2) + 100 * jnp.sum(w**2)), "2 times as large", data)
    is_refused(Changed(2, lambda w, d, y: 30 / 2 * jnp.log(jnp.sum((d @ w - y) ** 2)) * len(d)), "take the mean", data)


@pytest.mark.slow
@pytest.mark.parametrize(
    "of",
    [
        lambda w, d, y: jnp.mean((d @ w - y) ** 2) + 100 * jnp.sum(w**2) / len(d),
        lambda w, d, y: jnp.sum((d @ w - y) ** 2 + jnp.mean(d)) / len(d) + jnp.sum(w**2),
        lambda w, d, y: jnp.log(jnp.sum((d @ w - y) ** 2)),
        lambda w, d, y: jnp.sqrt(jnp.sum((d @ w - y) ** 2)),
        lambda w, d, y: -jnp.mean(jax.nn.log_softmax(d @ w, axis=0) * y),  # the log of a sum over the texts
    ],
    ids=["penalty that shrinks", "mean by hand", "logarithm", "root", "normaliser"],
)
def test_a_mean_with_any_penalty_is_no_sum(of):
    check_model(Changed(2, of), jnp.linspace(0, 1, 30), 30)


def test_a_loss_that_loses_which_data_belong_to_which_text_is_refused():
    column = jnp.linspace(0, 1, 30)[:, None]

    def squares(weights, denotations, data):
        return jnp.mean((denotations @ weights - data) ** 2)

    is_refused(Changed(2, squares), r"shuffled against the data.* \(n, n\), and flatten the first", column)
    is_refused(Changed(2, lambda w, d, y: (jnp.mean(d @ w) - jnp.mean(y)) ** 2), "a mean of each", column[:, 0])
    one_hot = jax.nn.one_hot(jnp.arange(30) % 3, 3)[:, None, :]

    def cross_entropy(weights, denotations, data):
        return -jnp.mean(jax.nn.log_softmax(denotations @ jnp.outer(weights, jnp.arange(3.0))) * data)

    is_refused(Changed(2, cross_entropy), "shuffled against the data", one_hot)


@pytest.mark.slow
@pytest.mark.parametrize("n_texts", [2, 30, 200])
def test_years_and_rare_classes_are_no_shuffled_data(n_texts):
    # The squares of numbers far from zero hardly depend on the denotations.
    years = jnp.arange(n_texts) % 100 + 1900.0
    check_model(Changed(2, lambda w, d, y: jnp.mean((d @ w - y) ** 2)), years, n_texts)
    for model, data in ((Regression(2), np.asarray(years)), (Classification(2), np.arange(n_texts) == 1)):
        check_model(model, model.prepare(data, n_texts).data, n_texts)


@pytest.mark.slow
def test_data_that_are_not_used_or_not_of_texts_are_no_fault():
    check_model(Sound(2), jnp.linspace(0, 1, 30), 30)
    check_model(Changed(2, lambda w, d, y: jnp.mean((d @ w - jnp.mean(y)) ** 2)), jnp.arange(7.0), 30)
    check_model(Changed(2, lambda w, d, y: jnp.mean((y @ d @ w) ** 2) / 900), jnp.ones((30, 30)), 30)


def test_missing_values_in_the_data_are_suspected():
    def squares(weights, denotations, data):
        return jnp.mean((denotations @ weights - data) ** 2)

    data = jnp.ones(30).at[4].set(jnp.nan)
    assert "missing values in the data" in is_refused(Changed(2, squares), "is nan", data)


@pytest.fixture(scope="module")
def corpus():
    texts, labels = topics(60, 2)
    return texts, labels, LexicalEmbedder(texts)


def test_nothing_is_asked_for_a_bad_model(corpus):
    texts, _, embedder = corpus

    def ask(request):
        raise AssertionError("the language model was asked")

    with pytest.raises(ModelError, match="does not depend"):
        nlparam.fit(
            Changed(2, lambda w, d, _: jnp.sum(w**2)),
            texts,
            lm=ScriptedModel(ask),
            embedder=embedder,
            predicates=["is"],
        )
    assert embedder.computed == 0


@pytest.mark.slow
def test_judgments_survive_a_fit_that_fails_late(corpus, monkeypatch, tmp_path):
    texts, labels, embedder = corpus
    first, second = (Oracle(texts, labels, distractors=1) for _ in range(2))

    def fit(oracle):
        return nlparam.fit(
            Clustering(2),
            texts,
            lm=oracle.model(),
            predicates=oracle.predicates,
            embedder=embedder,
            store=tmp_path / "s.sqlite",
            options={"n_rounds": 0, "n_restarts": 1},
        )

    with monkeypatch.context() as patch:
        patch.setattr("nlparam.fitting.driver._assemble", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit(first)
    made = fit(second)
    assert len(first.asked) > 20
    assert not second.asked
    assert made.costs.judgments_served == len(first.asked)


@pytest.mark.slow
def test_candidates_of_which_none_explains_anything_are_an_error_with_advice(corpus):
    texts, _, embedder = corpus
    with pytest.raises(LanguageModelError, match="none of the 2 candidate predicates explains anything"):
        nlparam.fit(
            Clustering(2),
            texts,
            lm=ScriptedModel(lambda _: {"yes": 0.0001, "no": 0.9999}),
            embedder=embedder,
            predicates=["is about the sea", "is about the sky"],
            options={"n_rounds": 0, "n_restarts": 1, "n_judged": None, "n_screened": 60, "correct_bias": False},
        )
