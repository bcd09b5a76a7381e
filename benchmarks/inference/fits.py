"""Whole fits: what is estimated and claimed after predicates were chosen among many."""

from typing import Any

import jax
import numpy as np
from statsmodels.stats.proportion import proportion_confint

import nlparam
from benchmarks.inference.scenarios import CLAIMED_AT, LEVEL, Found, covering, interval, scenario
from benchmarks.simulated import TableJudge, quiet, silent, table_embedder, texts_of
from nlparam.errors import LanguageModelError
from nlparam.fitting.result import Fit
from nlparam.fitting.scores import cross_fitted_scores
from nlparam.models import Classification, Clustering, Regression, TimeSeries
from nlparam.numerics.core import compiled
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.select import select
from nlparam.numerics.statistics.permutation import against_chance

_N_CANDIDATES, _N_CHOSEN = 40, 3


def candidates(rng: np.random.Generator, n_texts: int) -> dict[str, np.ndarray]:
    """What holds for which texts: `(n_texts,)` booleans by predicate, of prevalences from .1 to .5."""
    rates = rng.uniform(0.1, 0.5, _N_CANDIDATES)
    return {f"property {k}": rng.random(n_texts) < rate for k, rate in enumerate(rates.tolist())}


def fitted(rng: np.random.Generator, model: Any, held: dict[str, np.ndarray], data: Any, **options: Any) -> Fit:
    """A fit that chooses among the candidates, by a judge that answers all."""
    n_texts = len(next(iter(held.values())))
    texts = texts_of(n_texts)
    vectors = np.column_stack([*held.values(), rng.normal(size=(n_texts, 8))]) - 0.3
    with quiet():
        return nlparam.fit(
            model,
            texts,
            data,
            lm=silent(),
            judge=TableJudge(texts, held),
            embedder=table_embedder(texts, vectors),
            predicates=list(held),
            store=":memory:",
            seed=int(rng.integers(2**31)),
            **options,
        )


@scenario("fit", "3 predicates chosen among 40 for random labels, 300 texts", name="fit-classification", kind="classes")
@scenario("fit", "3 predicates chosen among 40 for random numbers, 400 texts", name="fit-regression", kind="numbers")
def chosen_among_many(rng, kind, *, planted=False, naive=False):
    """Two classes, or numbers, that no predicate explains. Planted: one does. Naive: nothing is held out."""
    n_texts = 300 if kind == "classes" else 400
    held = candidates(rng, n_texts)
    effect = (1.5 if kind == "classes" else 0.8) * planted
    score = effect * (held["property 0"] - 0.5)
    if kind == "classes":
        model = Classification(_N_CHOSEN, n_classes=2)
        data = (rng.random(n_texts) < 1 / (1 + np.exp(-score))).astype(int).tolist()
    else:
        model, data = Regression(_N_CHOSEN), (score + rng.normal(size=n_texts)).tolist()
    try:
        fit = fitted(rng, model, held, data, held_out=0.0 if naive else None)
    except LanguageModelError:  # none of the candidates explains anything
        return Found(claimed=False, figures={"without_predicates": 1.0})
    inference = fit.inference(confidence=LEVEL)
    if "coefficient" not in inference.quantities:
        return Found(claimed=False, unsaid=_N_CHOSEN)
    found = inference.quantities["coefficient"]
    truth = np.asarray([effect if predicate == "property 0" else 0.0 for predicate in fit.predicates])
    if naive:
        return Found(interval(truth, found.low, found.high), claimed=bool(np.any((found.low > 0) | (found.high < 0))))
    claimed = inference.chance is not None and inference.chance <= CLAIMED_AT
    return covering(truth, found.low, found.high, claimed=claimed)


@scenario("fit", "accuracy of 3 predicates chosen among 40 for 150 texts, each left out in turn", name="fit-in-turn")
def left_out_in_turn(rng, *, planted=False, naive=False):
    """Two classes that are as frequent, and that no predicate explains: the accuracy is a half. Planted: one does.
    Naive: accuracy on the texts that chose."""
    n_texts, model = 150, Classification(_N_CHOSEN)
    pool = np.column_stack([*candidates(rng, n_texts).values()]).astype(float)
    classes = (rng.random(n_texts) < 1 / (1 + np.exp(-planted * 3.0 * (pool[:, 0] - pool[:, 0].mean())))).astype(int)
    data, coords = model.prepare(classes, n_texts)
    if naive:
        chosen = pool[:, select(model, to_device(pool), data, key=jax.random.key(0)).chosen]
        right = np.asarray(compiled.fitted(model, to_device(chosen), data).predictions) == classes
        low, high = np.asarray(proportion_confint(right.sum(), n_texts, alpha=1 - LEVEL, method="wilson")).tolist()
        return Found([low <= 0.5 <= high], high - low, claimed=low > 0.5)
    folds = np.array_split(rng.permutation(n_texts), 5)
    (score,) = cross_fitted_scores(model, pool, data, folds, has_classes="class" in coords, seed=0, confidence=LEVEL)
    covered = () if planted else [score.low <= 0.5 <= score.high]
    return Found(covered, score.high - score.low, claimed=score.low > 0.5)


@scenario("chance", "a classification of 300 texts against permuted labels", name="chance-classification")
def against_labels(rng, *, planted=False):
    held = _held(rng, 300)
    score = planted * 1.2 * (held[:, 0] - 0.4)
    return _tested(Classification(_N_CHOSEN), held, (rng.random(300) < 1 / (1 + np.exp(-score))).astype(int))


@scenario("chance", "a regression of 300 texts against permuted numbers", name="chance-regression")
def against_numbers(rng, *, planted=False):
    held = _held(rng, 300)
    return _tested(Regression(_N_CHOSEN), held, planted * 0.5 * held[:, 0] + rng.normal(size=300))


@scenario("chance", "a time series of 400 texts in 12 steps against permuted times", name="chance-series")
def against_times(rng, *, planted=False):
    step = np.sort(rng.integers(12, size=400))
    held = _held(rng, 400)
    held[:, 0] = rng.random(400) < 0.25 + planted * 0.3 * (step / 11 - 0.5)
    return _tested(TimeSeries(_N_CHOSEN, smoothness=5.0), held, step.tolist())


@scenario("chance", "a clustering of 300 texts against permuted embeddings", name="chance-clustering")
def against_embeddings(rng, *, planted=False):
    cluster = rng.integers(_N_CHOSEN, size=300)
    held = (cluster[:, None] == np.arange(_N_CHOSEN)).astype(float)
    centres = planted * 0.35 * rng.normal(size=(_N_CHOSEN, 16))
    return _tested(Clustering(_N_CHOSEN), held, None, embeddings=centres[cluster] + rng.normal(size=(300, 16)))


def _held(rng: np.random.Generator, n_texts: int) -> np.ndarray:
    return (rng.random((n_texts, _N_CHOSEN)) < (0.4, 0.25, 0.1)).astype(float)


def _tested(model: Any, held: np.ndarray, data: Any, **options: Any) -> Found:
    """The test of a fit against chance."""
    prepared, _ = model.prepare(data, len(held))
    return Found(claimed=against_chance(model, held, prepared, **options).p_value <= CLAIMED_AT)
