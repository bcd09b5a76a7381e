"""The scikit-learn estimators by scikit-learn's own checks, and on arrays of numbers."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.model_selection
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_array

from nlparam import PredicateClassifier, PredicateRegressor, PredicateVectorizer
from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError
from nlparam.fitting import sklearn as estimators
from nlparam.models import Classification, ClassificationWeights
from tests.helpers.compiled import fit_weights
from tests.helpers.handmade_fit import make_fit

# Whose type is wider than what it is.
GridSearchCV: Any = sklearn.model_selection.GridSearchCV

# Scikit-learn's own checks feed arrays of numbers. So numbers are spelled out as texts here, and the search, which has
# tests of its own and takes seconds for every shape of array, is replaced by predicates that are there already.


def spelled(X):
    if isinstance(X, list) and X and isinstance(X[0], str):
        return X
    rows = check_array(X)
    return [" ".join(f"{value:.6g}" for value in row) for row in rows]


class Above:
    """Denotes "number j is above t" softly, for ten numbers and a few thresholds."""

    def __init__(self, n_predicates):
        self.rules = [(j, t) for t in (0.0, 1.0, -1.0) for j in range(10)][:n_predicates]

    def denote(self, corpus, *, store=None):
        del store
        numbers = [np.resize([float(word) for word in text.split()], 10) for text in corpus.texts]
        columns = np.asarray(numbers).reshape(-1, 10)
        return np.stack([1 / (1 + np.exp(t - columns[:, j])) for j, t in self.rules], axis=1)


def solve(model, denotations, data):
    """The weights, by scikit-learn where JAX would compile for every shape."""
    if not isinstance(model, Classification):
        return fit_weights(model, jnp.asarray(denotations), data)
    regression = LogisticRegression(C=1 / model.ridge, max_iter=1000).fit(denotations, data)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if model.n_classes == 2:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.append(-intercepts, intercepts) / 2
    return ClassificationWeights(jnp.asarray(coefficients), jnp.asarray(intercepts))


def fit_without_search(model, texts, data=None, **options):
    corpus = Corpus.from_texts(texts)
    if len(corpus) < 2:
        raise CorpusError("got 1 sample, expected at least two texts")
    data, coords = model.prepare(data, len(corpus))
    denoter = Above(model.n_predicates)
    denotations = denoter.denote(corpus)
    weights = solve(model, denotations, data)
    return dataclasses.replace(
        any_fit(),
        corpus=corpus,
        predicates=[f"number {j} is above {t}" for j, t in denoter.rules],
        model=model,
        weights=jax.tree.map(np.asarray, weights),
        denotations=denotations,
        denoter=denoter,
        data=data,
        coords=coords,
        settings=options,
    )


any_fit = functools.cache(make_fit)


@pytest.fixture
def without_search(monkeypatch):
    plain = estimators._texts
    monkeypatch.setattr(estimators, "_texts", lambda X: plain(spelled(X)))
    monkeypatch.setattr(estimators.fitting, "fit", fit_without_search)


@pytest.mark.slow
@pytest.mark.usefixtures("without_search")
def test_three_classes(rng):
    X = rng.normal(size=(300, 3))
    names = np.asarray(["b", "c", "a"])[np.argmax(X, axis=1)]
    classifier = PredicateClassifier(3, store=":memory:", random_state=4).fit(X, names)
    assert classifier.score(X, names) > 0.9
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert classifier.fit_.coords == {"class": ["a", "b", "c"]}
    assert classifier.fit_.settings["seed"] == 4
    assert np.argmax(classifier.coef_, axis=0).tolist() == [1, 2, 0]  # the first number is above 0: class b
    probabilities, scores = classifier.predict_proba(X), classifier.decision_function(X)
    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), rtol=1e-4)


@pytest.mark.usefixtures("without_search")
def test_classes_whose_names_look_like_numbers_are_not_mixed_up():
    X = np.repeat(np.eye(3) * 9, 20, axis=0)
    for names in (["00", "0", "1"], ["10", "9", "2"], [2, 0, 7], [-1.0, 3.0, 0.0]):
        labels = np.repeat(names, 20)
        assert PredicateClassifier(3, store=":memory:").fit(X, labels).score(X, labels) == 1.0


@pytest.mark.slow
@pytest.mark.usefixtures("without_search")
def test_a_grid_search(rng):
    X = rng.normal(size=(60, 3))
    pipeline = make_pipeline(PredicateVectorizer(store=":memory:"), LogisticRegression())
    search = GridSearchCV(pipeline, {"predicatevectorizer__n_predicates": [1, 3]}, cv=2, error_score="raise")
    assert search.fit(X, X[:, 2] > 0).best_params_ == {"predicatevectorizer__n_predicates": 3}
    search = GridSearchCV(PredicateRegressor(3, store=":memory:"), {"ridge": [1e-6, 1e3]}, cv=2, error_score="raise")
    assert search.fit(X, X[:, 0]).best_params_ == {"ridge": 1e-6}


@pytest.mark.slow
@pytest.mark.usefixtures("without_search")
def test_a_supervised_vectorizer_looks_at_the_target(rng):
    X = rng.normal(size=(60, 3))
    names = np.where(X[:, 0] > 0, "yes", "no")
    vectorizer = PredicateVectorizer(2, supervised=True, store=":memory:").fit(X, names)
    assert vectorizer.fit_.model == Classification(2)
    assert vectorizer.fit_.coords == {"class": ["no", "yes"]}
    assert PredicateVectorizer(2, store=":memory:").fit(X, names).fit_.data is None


def of_numbers(kind):
    """The estimator with the tag of one that takes tables, without which scikit-learn would not check it at all."""

    def tags(self):
        found = kind.__sklearn_tags__(self)
        found.input_tags.two_d_array = True
        return found

    body = {"__init__": kind.__init__, "__sklearn_tags__": tags, "__module__": __name__, "__doc__": kind.__doc__}
    return type(f"{kind.__name__}OfNumbers", (kind,), body)


PredicateVectorizerOfNumbers = of_numbers(PredicateVectorizer)
PredicateClassifierOfNumbers = of_numbers(PredicateClassifier)
PredicateRegressorOfNumbers = of_numbers(PredicateRegressor)


def inapplicable(estimator):
    if isinstance(estimator, PredicateVectorizer):
        return {"check_transformer_general": "texts have no number of features that transform could find changed"}
    return {"check_fit2d_1sample": "one text is refused, but not with the word sample"}


@pytest.mark.slow
@parametrize_with_checks(
    [
        PredicateVectorizerOfNumbers(4, store=":memory:"),
        PredicateClassifierOfNumbers(10, store=":memory:"),
        PredicateRegressorOfNumbers(10, store=":memory:"),
    ],
    expected_failed_checks=inapplicable,
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("without_search")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_scikit_learn_is_told_that_texts_are_expected():
    for kind in (PredicateVectorizer, PredicateClassifier, PredicateRegressor):
        tags = kind().__sklearn_tags__()
        assert tags.input_tags.string
        assert not tags.input_tags.two_d_array
        assert tags.no_validation
        assert tags.requires_fit
        assert tags.target_tags.required == (kind is not PredicateVectorizer)
