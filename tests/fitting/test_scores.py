"""Scores of texts that did not choose the predicates: each left out in turn, where a corpus is too small to divide."""

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.fitting.scores import cross_fitted_scores
from nlparam.fitting.split import folds
from nlparam.models import Classification, Clustering, Regression
from nlparam.numerics.core import compiled
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.select import select

N_TEXTS, N_CANDIDATES, N_SEEDS = 120, 24, 8


def world(seed, effect):
    """Denotations of candidates, and classes that the first two of them have an effect on."""
    rng = np.random.default_rng(seed)
    pool = (rng.random((N_TEXTS, N_CANDIDATES)) < 0.4).astype(float)
    score = effect * (pool[:, 0] - pool[:, 1])
    classes = (rng.random(N_TEXTS) < 1 / (1 + np.exp(-score))).astype(int)
    return pool, classes, score + rng.normal(size=N_TEXTS), np.array_split(rng.permutation(N_TEXTS), 5)


def left_out(model, pool, data, parts, **options):
    prepared = model.prepare(data, len(pool))
    return cross_fitted_scores(
        model, pool, prepared.data, parts, has_classes="class" in prepared.coords, seed=0, **options
    )


def test_random_classes_are_not_predicted_and_on_the_texts_that_chose_they_seem_to_be():
    model, apart, in_sample = Classification(2), [], []
    for seed in range(N_SEEDS):
        pool, classes, _, parts = world(seed, 0.0)
        (score,) = left_out(model, pool, classes, parts)
        apart.append(score.value)
        assert score.low < score.value < score.high
        data = model.prepare(classes, N_TEXTS).data
        chosen = select(model, to_device(pool), data, key=jax.random.key(seed)).chosen
        in_sample.append((compiled.fitted(model, to_device(pool[:, chosen]), data).predictions == classes).mean())
    # Of 960 texts in all: three standard errors are .05.
    assert abs(np.mean(apart) - 0.5) < 0.05
    assert np.mean(in_sample) > 0.57


def test_what_is_there_is_predicted():
    pool, classes, numbers, parts = world(0, 4.0)
    (accuracy,) = left_out(Classification(2), pool, classes, parts)
    assert accuracy.name == "accuracy"
    assert accuracy.low > accuracy.baseline
    (explained,) = left_out(Regression(2), pool, numbers, parts)
    assert explained.name == "R²"
    assert explained.low > 0.5
    (narrow,) = left_out(Classification(2), pool, classes, parts, confidence=0.5)
    assert accuracy.low < narrow.low < narrow.high < accuracy.high


def test_chances_that_no_predicate_holds_predict_nothing():
    # A head has seen the classes in the embeddings, and the predicate holds for next to no text.
    pool, classes, numbers, parts = world(0, 4.0)
    faint = 0.05 + 0.4 * pool
    faint[:3] = 0.9
    (accuracy,) = left_out(Classification(2), faint, classes, parts)
    assert accuracy.low < accuracy.baseline + 0.03
    (explained,) = left_out(Regression(2), faint, numbers, parts)
    assert explained.low < 0.05


def test_what_predicts_neither_classes_nor_numbers_has_no_score():
    pool, _, _, parts = world(0, 0.0)
    assert left_out(Clustering(2), pool, None, parts) == ()


def test_folds_keep_equal_texts_and_clusters_together():
    texts = [f"text {n % 40}" for n in range(80)] + ["", " "]
    corpus, rng = Corpus.from_texts(texts), np.random.default_rng(0)
    parts = folds(corpus, None, 5, rng)
    assert sorted(np.concatenate(parts).tolist()) == list(range(80))
    assert all({n % 40 for n in part} == {n % 40 for n in part if n < 40} for part in parts)
    assert {len(part) for part in parts} == {16}
    clusters = np.arange(82) % 20
    within = folds(corpus, clusters, 5, rng)
    assert all(len(set(clusters[a]) & set(clusters[b])) == 0 for a in within for b in within if a is not b)
    assert folds(corpus, np.arange(82) % 8, 5, rng) == []
