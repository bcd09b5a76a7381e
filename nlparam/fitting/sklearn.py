"""Scikit-learn estimators over texts: predicates as features, and a classifier and a regressor that use them."""

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from nlparam.corpus.labels import class_labels, target_numbers
from nlparam.denotation.session import DEFAULT_GOAL, opened
from nlparam.errors import CorpusError
from nlparam.fitting import driver as fitting
from nlparam.fitting.result import Fit
from nlparam.fitting.setup import FitArguments
from nlparam.models import Classification, Clustering, Regression
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.runtime.budget import Budget
from nlparam.runtime.progress import Progress

_DEFAULT_PREDICATES = 8


@dataclasses.dataclass(eq=False, repr=False)
class _TextEstimator(BaseEstimator):
    """What the estimators share: from texts and parameters to a fit, and from new texts to denotations."""

    # Parameters, by the names that `nlparam.fit` has for them, except that its seed is `random_state`.
    _: dataclasses.KW_ONLY
    goal: str = DEFAULT_GOAL
    goal_examples: Iterable[str] = ()
    lm: Any = "embedded"
    embedder: Any = None
    proposer: Any = None
    judge: Any = None
    form: str = "single"
    calibration: Any = None
    predicates: Iterable[str] | None = None
    definitions: Mapping[str, Any] | None = None
    locked: Iterable[str] | None = None
    excluded: Iterable[str] | None = None
    candidates: Iterable[str] | None = None
    options: Any = None
    representation: Any = "auto"
    executable: Any = False
    held_out: float | None = None
    inference: bool | int = True
    budget: Budget | None = None
    store: Any = None
    timeout: float = 60.0
    random_state: Any = 0
    verbose: bool = False
    # Learned.
    fit_: Fit = dataclasses.field(init=False)
    predicates_: list[str] = dataclasses.field(init=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.no_validation = True  # scikit-learn's own validation would ask for numbers
        return tags

    def __sklearn_clone__(self):
        # By default a clone has deep copies of the parameters: a second language model, and no store at all.
        clone: Any = type(self)(**self.get_params(deep=False))
        for name, value in vars(self).items():
            if name.startswith("_"):  # what scikit-learn keeps there, such as the choice of `set_output`
                setattr(clone, name, copy.deepcopy(value))
        return clone

    def _learn(self, model: AbstractPredicateModel, texts: list[str], data: Any, groups: Any) -> None:
        asked: Any = {name: value for name, value in vars(self).items() if name in FitArguments.__annotations__}
        asked["clusters"] = groups
        progress = Progress(None if self.verbose else False)
        self._keep(fitting.fit(model, texts, data, seed=_seed(self.random_state), progress=progress, **asked))

    def _keep(self, fit: Fit) -> None:
        self.fit_ = fit
        self.predicates_ = list(fit.predicates)

    def _denote(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "fit_")
        with opened(self.store) as store:
            return self.fit_.denote(_texts(X), by="head", store=store)


@dataclasses.dataclass(eq=False, repr=False)
class PredicateVectorizer(TransformerMixin, _TextEstimator):
    """Turns texts into the probabilities that predicates hold for them: features that can be read aloud.

    `fit` finds the predicates with a language model; `transform` needs none. Training texts and new ones go the same
    way in `transform` (embedder and head), so what is learned on the ones holds for the others; what the language
    model said of the training texts is in `fit_.denotations`.

    !!! example
        ```python
        make_pipeline(PredicateVectorizer(8, goal="what the customer complains about"), LogisticRegression())
        ```

    **Arguments:**

    - `n_predicates`: how many features; by default those of `model`, else 8.
    - `model`: the model whose fit finds the predicates, by default a `Clustering`.
    - `supervised`: whether `y` is the `data` of the model. By default it is not looked at. If it is and no `model` is
      given, the model is a `Regression` where `y` are fractions, else a `Classification`.
    - `fitted`: a `Fit`, or the folder of one, instead of the search: `fit` then only checks that it is given texts.
    - `goal`, `goal_examples`, `lm`, `embedder`, `proposer`, `judge`, `form`, `calibration`, `predicates`,
      `definitions`, `locked`, `excluded`, `candidates`, `options`, `representation`, `executable`, `held_out`,
      `inference`, `budget`, `store`, `timeout`: as for `nlparam.fit`. A clone shares them with the original: a language
      model is not copied. The budget is that of each fit. Where you cross-validate, `held_out=0` and `inference=False`
      give the search all texts and ask less.
    - `random_state`: the seed. Equal by default, so that folds and reruns find their judgments in the store.
    - `verbose`: whether a terminal is shown how far the search is.

    **Attributes:** `fit_`, the `Fit`; `predicates_`, the names of the features, fewer than asked for where the language
    model gave fewer of use.
    """

    n_predicates: int | None = None
    _: dataclasses.KW_ONLY
    model: AbstractPredicateModel | None = None
    supervised: bool = False
    fitted: Fit | str | Path | None = None

    @classmethod
    def from_fit(cls, fit: Fit | str | Path, *, embedder: Any = None, store: Any = None) -> "PredicateVectorizer":
        """A vectorizer with the predicates of a fit, or of a folder with one, ready to transform."""
        vectorizer = cls(fitted=fit, embedder=embedder, store=store)
        vectorizer._attach()
        return vectorizer

    def fit(self, X: Iterable[str], y: Any = None, *, groups: Any = None) -> "PredicateVectorizer":
        """Finds the predicates that explain the texts `X`; `y` is looked at if `supervised`.

        `groups` says which texts belong together, as the `clusters` of `nlparam.fit`.
        """
        texts = _texts(X)
        if self.fitted is not None:
            self._attach()
        else:
            self._learn(self._chosen_model(y), texts, y if self.supervised else None, groups)
        return self

    def transform(self, X: Iterable[str]) -> np.ndarray:
        """`(n_texts, n_predicates)` probabilities that each predicate holds for each text; 0 for a blank text."""
        return self._denote(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The predicates."""
        del input_features
        check_is_fitted(self, "fit_")
        return np.asarray(self.predicates_, dtype=object)

    def _attach(self) -> None:
        if not isinstance(self.fitted, Fit | str | Path):
            raise ValueError(f"got fitted of type {type(self.fitted).__name__}, expected a Fit or the folder of one")
        self._keep(self.fitted if isinstance(self.fitted, Fit) else Fit.load(self.fitted, embedder=self.embedder))

    def _chosen_model(self, y: Any) -> AbstractPredicateModel:
        if self.supervised and y is None:
            raise ValueError("got y=None and supervised=True, expected what the model is to explain: pass it as `y`")
        if self.model is not None:
            if self.n_predicates is None:
                return self.model
            return dataclasses.replace(self.model, n_predicates=self.n_predicates)
        n_predicates = _DEFAULT_PREDICATES if self.n_predicates is None else self.n_predicates
        if not self.supervised:
            return Clustering(n_predicates)
        numbers = np.asarray(y)
        if numbers.dtype.kind == "f" and np.any(numbers[np.isfinite(numbers)] % 1):
            return Regression(n_predicates)
        labels = class_labels(numbers, len(numbers))
        return Classification(n_predicates, n_classes=len(labels.names))


@dataclasses.dataclass(eq=False, repr=False)
class PredicateClassifier(ClassifierMixin, _TextEstimator):
    """Predicts the class of a text from the predicates that hold for it: a logistic regression that can be read aloud.

    The predicates are searched for so that they tell the classes apart (`nlparam.models.Classification`); predicting
    needs no language model.

    **Arguments:** `n_predicates`; `ridge` and `intercept`, of `Classification`; the others as for
    `PredicateVectorizer`.

    **Attributes:** `classes_`; `predicates_`; `coef_`, `(n_classes, n_predicates)` or `(1, n_predicates)` for two
    classes, and `intercept_`, the log-odds as scikit-learn's `LogisticRegression` has them; `fit_`, the `Fit`.
    """

    n_predicates: int = _DEFAULT_PREDICATES
    _: dataclasses.KW_ONLY
    ridge: float = 1.0
    intercept: bool = True

    def fit(self, X: Iterable[str], y: Any, *, groups: Any = None) -> "PredicateClassifier":
        """Finds the predicates that tell the classes `y` of the texts `X` apart; `groups` as for the vectorizer."""
        texts = _texts(X)
        labels = _target(self, y)
        class_labels(labels, len(texts))  # says what is wrong with them
        classes, codes = np.unique(labels, return_inverse=True)
        model = Classification(self.n_predicates, n_classes=len(classes), ridge=self.ridge, intercept=self.intercept)
        # As numbers, so that no class can be taken for another by its name; the names are those of `classes_`.
        self._learn(model, texts, codes, groups)
        self.fit_ = dataclasses.replace(self.fit_, coords={"class": [str(name) for name in classes.tolist()]})
        self.classes_ = classes
        weights = self.fit_.weights
        coefficients, intercepts = weights.coefficients, weights.intercepts
        if len(classes) == 2:
            coefficients, intercepts = coefficients[1:] - coefficients[:1], intercepts[1:] - intercepts[:1]
        self.coef_, self.intercept_ = coefficients, intercepts
        return self

    def decision_function(self, X: Iterable[str]) -> np.ndarray:
        """`(n_texts, n_classes)` scores, or for two classes `(n_texts,)` log-odds of the second."""
        scores = self._denote(X) @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:
        """`(n_texts, n_classes)` probabilities of `classes_`."""
        from nlparam.numerics.core import compiled
        from nlparam.numerics.core.device import to_device

        denotations = to_device(self._denote(X))
        return np.asarray(compiled.probabilities(self.fit_.model, self.fit_.weights, denotations))

    def predict(self, X: Iterable[str]) -> np.ndarray:
        """The most likely class of each text."""
        probabilities = self.predict_proba(X)
        return self.classes_[np.argmax(probabilities, axis=1)]


@dataclasses.dataclass(eq=False, repr=False)
class PredicateRegressor(RegressorMixin, _TextEstimator):
    """Predicts a number from the predicates that hold for a text: a linear regression that can be read aloud.

    **Arguments:** `n_predicates`; `ridge` and `intercept`, of `nlparam.models.Regression`; the others as for
    `PredicateVectorizer`.

    **Attributes:** `predicates_`; `coef_`, `(n_predicates,)`, and `intercept_`, in units of `y`; `fit_`, the `Fit`.
    """

    n_predicates: int = _DEFAULT_PREDICATES
    _: dataclasses.KW_ONLY
    ridge: float = 1.0
    intercept: bool = True

    def fit(self, X: Iterable[str], y: Any, *, groups: Any = None) -> "PredicateRegressor":
        """Finds the predicates that explain the numbers `y` of the texts `X`; `groups` as for the vectorizer."""
        texts = _texts(X)
        numbers = target_numbers(_target(self, y), len(texts))
        self._learn(Regression(self.n_predicates, ridge=self.ridge, intercept=self.intercept), texts, numbers, groups)
        self.coef_, self.intercept_ = self.fit_.weights.coefficients, float(self.fit_.weights.intercept)
        return self

    def predict(self, X: Iterable[str]) -> np.ndarray:
        """`(n_texts,)` numbers."""
        return self._denote(X) @ self.coef_ + self.intercept_


def _texts(X: Any) -> list[str]:
    """The texts as a list; what they are one by one is checked by `Corpus`."""
    if isinstance(X, str | bytes):
        raise CorpusError("got one string, expected a list of texts: put it into a list")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise CorpusError(
            f"got {type(X).__name__} of shape {tuple(shape)}, expected one text per row, in one dimension: choose the "
            'column with the texts, table["text"] or array[:, 0]; in a ColumnTransformer name it by a string, not a '
            "list"
        )
    if isinstance(X, Mapping) or not isinstance(X, Iterable):
        raise CorpusError(f"got texts of type {type(X).__name__}, expected a list, an array or a column of strings")
    return list(X)


def _target(estimator: BaseEstimator, y: Any) -> np.ndarray:
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None: give one value per text")
    return column_or_1d(y, warn=True)


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
