"""The joint head: at least as good as the ridge head, the same by seed, whole after saving."""

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy.special import expit

from nlparam.numerics.heads.head import Judged, fit_head
from nlparam.numerics.heads.joint_head import JointHead, fit_joint_head

N_TEXTS, EMBED_DIM, N_PREDICATES = 500, 24, 4


def topics(rng, *, noise=1.0, flips=0.0):
    """Texts of four topics that exclude one another, and a noisy language model's probabilities."""
    predicates = np.linalg.qr(rng.normal(size=(EMBED_DIM, N_PREDICATES)))[0].T
    topic = rng.integers(N_PREDICATES, size=N_TEXTS)
    texts = predicates[topic] + 0.25 * rng.normal(size=(N_TEXTS, EMBED_DIM))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    log_odds = 3.0 * (2 * (topic[:, None] == np.arange(N_PREDICATES)) - 1) + noise * rng.normal(size=(N_TEXTS, 4))
    log_odds = np.where(rng.random(log_odds.shape) < flips, -log_odds, log_odds)
    return texts.astype(np.float32), predicates.astype(np.float32), expit(log_odds)


def judged_pairs(rows):
    return np.stack(np.meshgrid(rows, np.arange(N_PREDICATES), indexing="ij"), axis=-1).reshape(-1, 2)


def fitted(rng, n_rows=40, **options):
    texts, predicates, probabilities = topics(rng, **options)
    pairs = judged_pairs(np.arange(n_rows))
    fit = fit_joint_head(texts, predicates, pairs, probabilities[pairs[:, 0], pairs[:, 1]], n_steps=150)
    return fit, texts, predicates, probabilities


def log_loss(said, answers):
    said = np.clip(said, 1e-4, 1 - 1e-4)
    return -np.mean(np.where(answers, np.log(said), np.log1p(-said)))


@pytest.mark.slow
@pytest.mark.parametrize("flips", [0.0, 0.08])
def test_it_predicts_judgments_better_than_the_ridge_head(rng, flips):
    fit, texts, _, probabilities = fitted(rng, flips=flips)
    ridge = fit_head(texts, [Judged(np.arange(40), probabilities[:40, k]) for k in range(N_PREDICATES)])
    answers = probabilities[40:] > 0.5
    ours, theirs = log_loss(fit.head.denote(texts)[40:], answers), log_loss(ridge.head.denote(texts)[40:], answers)
    assert ours < theirs


@pytest.mark.slow
def test_left_out_probabilities_foretell_the_loss_on_new_texts(rng):
    fit, texts, _, probabilities = fitted(rng, n_rows=120, flips=0.08)
    new = log_loss(fit.head.denote(texts)[120:], probabilities[120:] > 0.5)
    assert abs(log_loss(fit.left_out, fit.answers) - new) < 0.08


@pytest.mark.slow
def test_flips_keep_it_from_being_sure(rng):
    fit, texts, _, probabilities = fitted(rng, n_rows=200, flips=0.1)
    said = fit.head.denote(texts)[200:]
    errors = np.mean((said > 0.5) != (probabilities[200:] > 0.5))
    np.testing.assert_allclose(np.mean(np.minimum(said, 1 - said)), errors, atol=0.04)


def test_the_same_seed_gives_the_same_head():
    first, texts, *_ = fitted(np.random.default_rng(3))
    second, *_ = fitted(np.random.default_rng(3))
    np.testing.assert_array_equal(first.head.denote(texts), second.head.denote(texts))


def test_it_is_whole_after_saving(rng):
    fit, texts, *_ = fitted(rng)
    restored = JointHead.from_arrays(load(save({n: np.ascontiguousarray(a) for n, a in fit.head.arrays().items()})))
    np.testing.assert_allclose(restored.denote(texts), fit.head.denote(texts), atol=1e-6)
    np.testing.assert_array_equal(restored.thresholds, fit.head.thresholds)
    arrays = fit.head.arrays()
    del arrays["axes"]
    with pytest.raises(ValueError, match="lack axes"):
        JointHead.from_arrays(arrays)


@pytest.mark.slow
def test_one_predicate_judged_on_texts_of_its_own(rng):
    texts, predicates, probabilities = topics(rng)
    pairs = np.stack([np.arange(60), np.zeros(60, dtype=int)], axis=1)
    fit = fit_joint_head(texts, predicates[:1], pairs, probabilities[:60, 0], n_steps=100)
    said = fit.head.denote(texts)
    assert said.shape == (N_TEXTS, 1)
    assert np.mean((said[60:, 0] > 0.5) == (probabilities[60:, 0] > 0.5)) > 0.9
    assert fit.head.denote(texts[:0]).shape == (0, 1)


@pytest.mark.slow
def test_a_predicate_that_holds_nowhere_stays_empty(rng):
    texts, predicates, probabilities = topics(rng)
    probabilities[:, 2] = expit(-7 + 0.5 * rng.normal(size=N_TEXTS))
    pairs = judged_pairs(np.arange(60))
    fit = fit_joint_head(texts, predicates, pairs, probabilities[pairs[:, 0], pairs[:, 1]], n_steps=100)
    assert fit.head.denote(texts)[:, 2].max() < 0.5


@pytest.mark.slow
def test_thresholds_given_are_used(rng):
    texts, predicates, probabilities = topics(rng)
    pairs = judged_pairs(np.arange(60))
    chosen = probabilities[pairs[:, 0], pairs[:, 1]]
    fit = fit_joint_head(texts, predicates, pairs, chosen, thresholds=np.full(4, 1.5), n_steps=50)
    np.testing.assert_array_equal(fit.answers, chosen > expit(1.5))
    np.testing.assert_array_equal(fit.head.thresholds, 1.5)


def test_bad_arguments_are_errors(rng):
    texts, predicates, _ = topics(rng)
    pairs = judged_pairs(np.arange(5))
    with pytest.raises(ValueError, match="first columns"):
        fit_joint_head(texts[:, :10], predicates, pairs, np.full(20, 0.5))
    with pytest.raises(ValueError, match="each fold needs"):
        fit_joint_head(texts, predicates, pairs, np.full(20, 0.5), n_members=3)
    with pytest.raises(ValueError, match="at least 2"):
        fit_joint_head(texts, predicates, pairs[:4], np.full(4, 0.5))
