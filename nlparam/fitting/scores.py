"""How well a model predicts texts held out, and whether that could be chance."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from nlparam.fitting.inferred import Score
from nlparam.fitting.weights import fit_weights

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike
    from nlparam.fitting.sample import Sample
    from nlparam.numerics.statistics.permutation import Chance

# Fewer texts cannot tell a clustering from chance.
_LEAST_TESTED = 50
_RESAMPLES = 999


def chance(fit: "FitLike", sample: "Sample", embeddings: np.ndarray | None) -> "Chance | None":
    """Whether chance explains as much, on texts that did not choose the predicates; `None` where no text is such.

    The denotations are those of the head, which has learned from other texts. Those of a clustering are what the judge
    said of the texts drawn: a head would repeat the `embeddings`, `(n_distinct, embed_dim)`, that they are held
    against.
    """
    from nlparam.numerics.statistics.permutation import against_chance

    if fit.model.assigns_texts:
        rows, denotations = np.flatnonzero(sample.drawn), sample.judged
        possible = embeddings is not None and len(rows) >= _LEAST_TESTED
    else:
        rows, denotations, embeddings = np.flatnonzero(sample.eligible), sample.head, None
        possible = sample.split and fit.data is not None
    if not possible:
        return None
    clusters = None if sample.clusters is None else sample.clusters[rows]
    model, data = fit.model.subsample(fit.data, jnp.asarray(rows), len(fit.corpus))
    within = None if embeddings is None else embeddings[fit.corpus.row[rows]]
    return against_chance(model, denotations[rows], data, embeddings=within, clusters=clusters)


def held_out_scores(fit: "FitLike", sample: "Sample", confidence: float) -> list[Score]:
    """The scores of weights fitted to the texts that chose, on those that did not."""
    rows, n_texts = np.flatnonzero(sample.eligible), len(fit.corpus)
    clusters = None if sample.clusters is None else sample.clusters[rows]
    data = fit.model.subsample(fit.data, jnp.asarray(rows), n_texts)[1]
    target = getattr(data, "target", data)
    target = np.asarray(target) if hasattr(target, "shape") else np.zeros(0)
    if target.shape != (len(rows),):
        return []
    chose = np.flatnonzero(~sample.eligible & ~fit.corpus.blank)
    model, learned = fit.model.subsample(fit.data, jnp.asarray(chose), n_texts)
    weights = fit_weights(model, jnp.asarray(sample.head[chose]), learned)
    predicted = np.asarray(fit.model.predict(weights, jnp.asarray(sample.head[rows])))
    before = np.asarray(jax.tree.leaves(fit.data)[0])[chose]
    return _scores(fit, predicted, target, before, clusters, confidence)


def _scores(fit, predicted, target, before, clusters, confidence) -> list[Score]:
    if predicted.shape != target.shape:
        return []
    if predicted.dtype.kind in "iu" and "class" in fit.coords:
        from nlparam.numerics.statistics.correction import corrected_means

        largest = np.bincount(before).argmax()
        found = corrected_means([(predicted == target)[:, None]], clusters=clusters, confidence=confidence)
        baseline = float(np.mean(target == largest))
        return [Score("accuracy", float(found.value[0]), float(found.low[0]), float(found.high[0]), baseline)]
    if predicted.dtype.kind == "f" and np.var(target) > 0:
        return [_explained(predicted, target, float(before.mean()), clusters, confidence)]
    return []


def _explained(predicted, target, mean: float, clusters, confidence: float) -> Score:
    """R², against always saying the mean of the texts that chose, with a bootstrap interval over clusters."""
    codes = np.arange(len(target)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    errors = np.stack([np.bincount(codes, (target - guess) ** 2) for guess in (predicted, mean)], axis=1)
    drawn = np.random.default_rng(0).multinomial(len(errors), np.full(len(errors), 1 / len(errors)), size=_RESAMPLES)
    with_model, without = (drawn @ errors).T
    resampled = 1 - with_model / np.maximum(without, 1e-300)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = 1 - errors[:, 0].sum() / errors[:, 1].sum()
    return Score("R²", float(value), float(low), float(high), 0.0)
