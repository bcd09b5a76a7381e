"""The scikit-learn estimators: in pipelines and searches, with every kind of column, and by scikit-learn's checks."""

import contextlib
import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sklearn.base
import sklearn.model_selection
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import FeatureUnion, make_pipeline

import nlparam
from nlparam import PredicateClassifier, PredicateRegressor, PredicateVectorizer, load
from nlparam.denotation.cascade import Cascade
from nlparam.errors import CorpusError, FitWarning, LanguageModelError, ResultFolderError
from nlparam.fitting import sklearn as estimators
from nlparam.lm.store import Store
from nlparam.models import Classification, Clustering, Regression
from nlparam.runtime.budget import Budget
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

# Whose types are wider, or narrower, than what they are.
clone: Any = sklearn.base.clone
cross_val_score: Any = sklearn.model_selection.cross_val_score
GridSearchCV: Any = sklearn.model_selection.GridSearchCV

QUICK = {"n_rounds": 0, "n_restarts": 1}
ESTIMATORS = [PredicateVectorizer, PredicateClassifier, PredicateRegressor]


class Bench:
    """A corpus of three topics, an oracle for it, and the parameters of an estimator that uses them."""

    def __init__(self, n_texts=90):
        self.texts, self.labels = topics(n_texts, 3)
        self.numbers = np.asarray([float(label[-1]) for label in self.labels])
        self.embedder = LexicalEmbedder(self.texts)
        self.oracle = Oracle(self.texts, self.labels, distractors=1)
        self.lm = self.oracle.model()

    def params(self, **changes):
        return {
            "lm": self.lm,
            "embedder": self.embedder,
            "predicates": tuple(self.oracle.predicates),
            "options": QUICK,
            "inference": False,
        } | changes

    def target(self, kind):
        """Two classes, for which a classification compiles faster."""
        return self.numbers if kind is PredicateRegressor else [label == "topic 2" for label in self.labels]


@pytest.fixture(scope="module")
def bench():
    return Bench()


@pytest.fixture(scope="module")
def fitted(bench, tmp_path_factory):
    """One of each, fitted once."""
    store = tmp_path_factory.mktemp("estimators") / "store.sqlite"
    made = {}
    for kind in ESTIMATORS:
        with pytest.warns(FitWarning) if kind is PredicateClassifier else contextlib.nullcontext():
            made[kind] = kind(1 if kind is PredicateClassifier else 3, **bench.params(store=store)).fit(
                bench.texts, bench.target(kind)
            )
    return made


def test_the_features_are_the_predicates(bench, fitted):
    vectorizer = fitted[PredicateVectorizer]
    features = vectorizer.transform(bench.texts)
    assert set(vectorizer.get_feature_names_out()) == set(bench.oracle.gold)
    assert vectorizer.predicates_ == vectorizer.fit_.predicates
    named = np.asarray(bench.labels)[:, None] == [p.removeprefix("has the label ") for p in vectorizer.predicates_]
    assert np.mean((features > 0.5) == named) > 0.95
    np.testing.assert_array_equal(vectorizer.transform(["", bench.texts[0]])[0], 0.0)
    assert vectorizer.transform([]).shape == (0, 3)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_takes_what_a_fit_takes(kind):
    of_fit = set(inspect.signature(nlparam.fit).parameters)
    # Which texts belong together is said where texts are given, as `groups`; these are a list or a column.
    own = {"model", "texts", "text_field", "data", "out", "overwrite", "seed", "progress", "clusters"}
    assert of_fit - own <= kind().get_params().keys()


def test_the_options_of_an_estimator_reach_the_fit(bench):
    vectorizer = PredicateVectorizer(3, goal_examples=("one",), **bench.params(store=":memory:")).fit(bench.texts)
    assert "one" in vectorizer.fit_.settings["goal"]
    with pytest.raises(LanguageModelError, match="budget is spent"):
        PredicateVectorizer(3, budget=Budget(max_calls=1), **bench.params(store=":memory:")).fit(bench.texts)


def test_after_a_cascade_no_language_model_is_asked_either(bench):
    vectorizer = PredicateVectorizer(3, judge=Cascade(), **bench.params(store=":memory:")).fit(bench.texts)
    asked = len(bench.oracle.asked)
    features = vectorizer.transform(bench.texts[:5])
    np.testing.assert_array_equal(features, vectorizer.fit_.denote(bench.texts[:5], by="head"))
    assert len(bench.oracle.asked) == asked


def test_two_classes_have_one_row_of_coefficients_as_in_scikit_learn(fitted):
    classifier = fitted[PredicateClassifier]
    fresh, labels = topics(60, 3, seed=7)
    assert classifier.score(fresh, [label == "topic 2" for label in labels]) > 0.9
    assert classifier.predicates_ == ["has the label topic 2"]
    assert classifier.classes_.tolist() == [False, True]
    assert classifier.fit_.coords == {"class": ["False", "True"]}
    assert classifier.coef_.shape == (1, 1)
    assert 0 < classifier.coef_[0, 0] < np.inf  # though the classes are separated perfectly
    assert classifier.intercept_.shape == (1,)
    scores = classifier.decision_function(fresh)
    np.testing.assert_allclose(classifier.predict_proba(fresh)[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-3)
    assert classifier.predict(fresh).dtype == bool
    np.testing.assert_array_equal(classifier.predict(fresh), scores > 0)


def test_the_regressor_predicts_numbers(fitted):
    regressor = fitted[PredicateRegressor]
    fresh, labels = topics(60, 3, seed=7)
    assert regressor.score(fresh, [float(label[-1]) for label in labels]) > 0.8
    np.testing.assert_allclose(regressor.predict(fresh), regressor.fit_.predict(fresh), rtol=1e-4)
    assert regressor.coef_.shape == (3,)


def test_folds_share_their_judgments_and_are_silent(tmp_path, capfd):
    bench = Bench()
    pipeline = make_pipeline(
        PredicateVectorizer(3, **bench.params(store=tmp_path / "s.sqlite")), LogisticRegression(max_iter=1000)
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(pipeline, bench.texts, bench.labels, cv=folds, error_score="raise")
    assert scores.min() > 0.9
    assert len(bench.oracle.asked) == len(set(bench.oracle.asked)), "a judgment was asked for twice"
    asked, embedded = len(bench.oracle.asked), bench.embedder.computed
    assert embedded == len(bench.texts)
    again = cross_val_score(pipeline, bench.texts, bench.labels, cv=folds, error_score="raise")
    np.testing.assert_array_equal(again, scores)
    assert (len(bench.oracle.asked), bench.embedder.computed) == (asked, embedded)
    assert capfd.readouterr() == ("", "")


def test_beside_other_features_and_in_a_column_of_a_table(bench, fitted):
    frozen = PredicateVectorizer(fitted=fitted[PredicateVectorizer].fit_)
    union = FeatureUnion([("predicates", frozen), ("words", CountVectorizer(max_features=5))])
    assert union.fit_transform(bench.texts).shape == (90, 8)
    assert union.get_feature_names_out()[0] == f"predicates__{frozen.fit([]).predicates_[0]}"
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"body": bench.texts, "length": bench.numbers})
    columns = ColumnTransformer([("predicates", frozen, "body")], remainder="passthrough").set_output(
        transform="pandas"
    )
    found: Any = columns.fit_transform(table)
    assert next(iter(found.columns)).startswith("predicates__has the label")
    with pytest.raises(CorpusError, match="name it by a string, not a list"):
        ColumnTransformer([("predicates", frozen, ["body"])]).fit(table)


def test_output_as_a_table_survives_cloning(bench, fitted):
    pytest.importorskip("pandas")
    vectorizer = PredicateVectorizer(fitted=fitted[PredicateVectorizer].fit_).set_output(transform="pandas")
    table = clone(vectorizer).fit(bench.texts).transform(bench.texts)
    assert list(table.columns) == fitted[PredicateVectorizer].predicates_
    # The clone has a choice of its own.
    clone(vectorizer).set_output(transform="default")
    assert hasattr(vectorizer.fit(bench.texts).transform(bench.texts), "columns")


def columns_of(texts):
    yield "list", texts
    yield "tuple", tuple(texts)
    yield "generator", iter(texts)
    yield "array", np.asarray(texts)
    yield "objects", np.asarray(texts, dtype=object)
    with contextlib.suppress(ImportError):
        import pandas

        yield "series", pandas.Series(texts, index=range(100, 100 + len(texts)))
        yield "strings", pandas.Series(texts, dtype="string")


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "array", "objects", "series", "strings"])
def test_columns_of_every_kind(bench, fitted, kind):
    column = dict(columns_of(bench.texts)).get(kind)
    if column is None:
        pytest.skip("pandas is not installed")
    vectorizer = fitted[PredicateVectorizer]
    np.testing.assert_array_equal(vectorizer.transform(column), vectorizer.transform(bench.texts))


class Table:
    """What of a data frame is looked at, without pandas."""

    shape = (4, 2)

    def __iter__(self):
        return iter(["body", "length"])


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one string", "got one string, expected a list of texts"),
        (b"bytes", "got one string"),
        (np.asarray([["a"], ["b"]]), r"got ndarray of shape \(2, 1\), expected one text per row"),
        (Table(), r"got Table of shape \(4, 2\) .* choose the column|got Table of shape"),
        (np.asarray("a"), r"got ndarray of shape \(\)"),
        ({"a": 1}, "got texts of type dict"),
        (None, "got texts of type NoneType"),
        (3, "got texts of type int"),
        (["a", None], "text number 1 is of type NoneType"),
        (["a", float("nan")], "text number 1 is of type float"),
        (np.arange(4), "text number 0 is of type int64"),
        ([["a"], ["b"]], "text number 0 is of type list"),
    ],
)
def test_what_are_no_texts_is_said(fitted, bench, kind, texts, message):
    with pytest.raises(CorpusError, match=message):
        kind(2, **bench.params()).fit(
            texts, np.arange(len(texts)) if isinstance(texts, list | np.ndarray) and np.ndim(texts) else [0, 1]
        )
    method = "transform" if kind is PredicateVectorizer else "predict"
    with pytest.raises(CorpusError, match=message):
        getattr(fitted[kind], method)(texts)


@pytest.mark.parametrize(
    ("kind", "y", "message"),
    [
        (PredicateClassifier, None, "requires y to be passed, but the target y is None"),
        (PredicateRegressor, None, "requires y to be passed"),
        (PredicateClassifier, ["a", "b"], "got 2 class labels for 90 texts"),
        (PredicateClassifier, ["a"] * 90, "expected at least two classes"),
        (PredicateClassifier, ["a", None, "b"] * 30, "30 of 90 texts .* have no class label"),
        (PredicateClassifier, [0.5, 1.0, 2.0] * 30, "fit a regression"),
        (PredicateRegressor, [1.0, np.nan, 2.0] * 30, "30 of 90 values are not finite numbers"),
        (PredicateRegressor, ["a", "b", "c"] * 30, "fit a classification"),
        (PredicateRegressor, np.ones((90, 2)), "1d array"),
    ],
)
def test_bad_targets_are_said(bench, kind, y, message):
    with pytest.raises(ValueError, match=message):
        kind(3, **bench.params()).fit(bench.texts, y)


def test_too_few_texts_are_said(bench):
    with pytest.raises(CorpusError, match=r"got 2 distinct texts .* give more texts or fewer predicates"):
        PredicateVectorizer(3, **bench.params()).fit(bench.texts[:2])


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_before_fit(bench, kind):
    for method in {"transform", "predict", "predict_proba", "decision_function"} & set(dir(kind)):
        with pytest.raises(NotFittedError):
            getattr(kind(**bench.params()), method)(bench.texts)


def chosen(y=None, **params):
    """The model that a vectorizer would fit."""
    return PredicateVectorizer(**params)._chosen_model(y)


def test_the_model_of_a_vectorizer():
    assert chosen() == Clustering(8)
    assert chosen(["a", "b"], n_predicates=3) == Clustering(3)
    assert chosen(model=Clustering(5, temperature=0.2)) == Clustering(5, temperature=0.2)
    assert chosen(model=Clustering(5, temperature=0.2), n_predicates=3) == Clustering(3, temperature=0.2)
    assert chosen(["a", "b", "c"], supervised=True) == Classification(8, n_classes=3)
    assert chosen([1, 2, 2], supervised=True) == Classification(8, n_classes=2)
    assert chosen([0.5, 1.0, 2.0], supervised=True) == Regression(8)
    with pytest.raises(ValueError, match="supervised=True, expected what the model is to explain"):
        chosen(supervised=True)
    with pytest.raises(CorpusError, match="no class label"):
        chosen(["a", None, "b"], supervised=True)


def test_a_folder_or_a_fit_in_place_of_the_search(bench, fitted, tmp_path):
    made = fitted[PredicateVectorizer]
    folder = made.fit_.save(tmp_path / "fit")
    expected = made.transform(bench.texts)
    for given in (folder, str(folder), made.fit_, load(folder, embedder=bench.embedder)):
        ready = PredicateVectorizer.from_fit(given, embedder=bench.embedder)
        np.testing.assert_array_equal(ready.transform(bench.texts), expected)
        # In a fold: cloned, then fitted again, without a language model.
        again = clone(ready).fit(bench.texts[:5])
        np.testing.assert_array_equal(again.transform(bench.texts), expected)
    score = cross_val_score(make_pipeline(ready, LogisticRegression()), bench.texts, bench.labels, error_score="raise")
    assert score.min() > 0.9
    with pytest.raises(CorpusError, match="got one string"):
        clone(ready).fit("a text")
    with pytest.raises(ResultFolderError, match="holds no fit"):
        PredicateVectorizer.from_fit(tmp_path / "nothing")
    with pytest.raises(ValueError, match="got fitted of type int, expected a Fit or the folder of one"):
        PredicateVectorizer().set_params(fitted=3).fit(bench.texts)


def test_clones_share_what_cannot_be_copied(bench, tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        original = PredicateClassifier(3, **bench.params(store=store))
        copy = clone(original)
        assert copy is not original
        assert copy.lm is bench.lm
        assert copy.store is store
        assert copy.get_params() == original.get_params()
        assert not hasattr(clone(original.set_params(n_predicates=2)), "fit_")


@pytest.mark.parametrize("random_state", [3, np.int64(3), np.random.RandomState(0), None])
def test_every_kind_of_random_state(random_state):
    assert 0 <= estimators._seed(random_state) < 2**31


def test_the_package_is_imported_without_scikit_learn():
    code = "import sys, nlparam; assert 'PredicateVectorizer' in dir(nlparam); print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
