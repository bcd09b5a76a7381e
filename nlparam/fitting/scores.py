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

_RESAMPLES = 999


def held_out_scores(
    fit: "FitLike", sample: "Sample", confidence: float, notes: list[str]
) -> tuple[list[Score], float | None]:
    """The scores of weights fitted to the texts that chose, on those that did not; and the p-value of chance.

    The denotations are those of the head, which has learned from neither. What could not be tested goes into `notes`.
    """
    from nlparam.numerics.statistics.permutation import against_chance

    rows, n_texts = np.flatnonzero(sample.eligible), len(fit.corpus)
    clusters = None if sample.clusters is None else sample.clusters[rows]
    model, data = fit.model.subsample(fit.data, rows, n_texts)
    tested = against_chance(model, sample.head[rows], data, clusters=clusters)
    if tested.reason:
        notes.append(f"Chance was not tested: {tested.reason}.")
    target = getattr(data, "target", data)
    target = np.asarray(target) if hasattr(target, "shape") else np.zeros(0)
    if target.shape != (len(rows),):
        return [], tested.p_value
    chose = np.flatnonzero(~sample.eligible & ~fit.corpus.blank)
    weights = fit_weights(*_part(fit, sample, chose))
    predicted = np.asarray(fit.model.predict(weights, jnp.asarray(sample.head[rows])))
    before = np.asarray(jax.tree.leaves(fit.data)[0])[chose]
    return _scores(fit, predicted, target, before, clusters, confidence), tested.p_value


def _part(fit: "FitLike", sample: "Sample", rows: np.ndarray):
    model, data = fit.model.subsample(fit.data, rows, len(fit.corpus))
    return model, jnp.asarray(sample.head[rows]), data


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
