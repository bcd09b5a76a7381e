"""How well a model predicts texts held out, and whether that could be chance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from nlparam.fitting.inferred import Score
from nlparam.numerics.core._types import Data
from nlparam.numerics.core.compiled import fitted, predictions
from nlparam.numerics.core.denotations import decided
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.select import select

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike
    from nlparam.fitting.sample import Sample
    from nlparam.numerics.statistics.permutation import Chance

# Fewer texts cannot tell a clustering from chance.
_LEAST_TESTED = 50
_RESAMPLES = 999


def chance(fit: "FitLike", sample: "Sample", embeddings: np.ndarray | None) -> "Chance | None":
    """Whether chance explains as much, on texts that did not choose the predicates; `None` where no text is such.

    The denotations are those of the head, which has learned from other texts, as a yes or a no. Those of a clustering
    are what the judge said of the texts drawn: a head would repeat the `embeddings`, `(n_distinct, embed_dim)`, that
    they are held against.
    """
    from nlparam.numerics.statistics.permutation import against_chance

    if fit.model.assigns_texts:
        rows, denotations = np.flatnonzero(sample.drawn), sample.judged
        possible = embeddings is not None and len(rows) >= _LEAST_TESTED
    else:
        rows, denotations, embeddings = np.flatnonzero(sample.eligible), decided(sample.head), None
        possible = sample.split and fit.data is not None
    if not possible:
        return None
    clusters = None if sample.clusters is None else sample.clusters[rows]
    model, data = fit.model.subsample(fit.data, to_device(rows), len(fit.corpus))
    within = None if embeddings is None else embeddings[fit.corpus.row[rows]]
    return against_chance(model, denotations[rows], data, embeddings=within, clusters=clusters)


def held_out_scores(fit: "FitLike", sample: "Sample", confidence: float) -> tuple[Score, ...]:
    """The scores of weights fitted to the texts that chose, on those that did not.

    Each predicate counts as a yes or a no of every text, as its reader could say it: a head's chances also tell what
    it has seen in the embeddings beside the predicate.
    """
    rows = np.flatnonzero(sample.eligible)
    chose = np.flatnonzero(~sample.eligible & ~fit.corpus.blank)
    found = _predicted(fit.model, decided(sample.head), fit.data, chose, rows)
    clusters = None if sample.clusters is None else sample.clusters[rows]
    return () if found is None else _scores(*found, clusters, confidence, has_classes="class" in fit.coords)


def cross_fitted_scores(
    model: AbstractPredicateModel,
    pool: np.ndarray,
    data: Data,
    folds: Sequence[np.ndarray],
    *,
    has_classes: bool,
    seed: int,
    confidence: float = 0.9,
) -> tuple[Score, ...]:
    """The scores of texts left out in turn: predicates are chosen and weights fitted without those of a fold.

    The candidates are as they are: they were proposed from all texts, so that their choice is allowed for, and their
    wording is not. The folds learn from nearly the same texts, and their scores vary together: the interval is that of
    Nadeau and Bengio (2003), with Student's t for the few folds.

    **Arguments:** `pool`, `(n_texts, n_candidates)` denotations; `folds`, the texts of each, which keep together what
    belongs together; `has_classes`, whether integers that are predicted are classes.
    """
    from scipy import stats

    found, n_least = [], min(sum(map(len, folds)) - len(fold) for fold in folds)
    for number, fold in enumerate(folds):
        # As many in each fold, so that the selection is compiled once.
        others = np.concatenate([other for other in folds if other is not fold])[:n_least]
        part, learned = model.subsample(data, to_device(others), len(pool))
        selection = select(part, to_device(pool[others]), learned, key=jax.random.key(seed + number))
        columns = np.where(selection.chosen[None, :] < 0, 0.0, decided(pool[:, selection.chosen]))
        found.append(_predicted(model, columns, data, others, fold))
    apart = [one for one in found if one is not None]
    of_each = (_quality(predicted, target, trivial, has_classes) for predicted, target, trivial in apart)
    each = [score for score in of_each if score is not None]
    if len(each) < len(folds):
        return ()
    predicted, target, trivial = (np.concatenate(part) for part in zip(*apart, strict=True))
    # Where all folds are alike, texts still vary.
    (whole,) = _scores(predicted, target, trivial, None, confidence, has_classes=has_classes)
    error = np.std([one.value for one in each], ddof=1) * np.sqrt(1 / len(folds) + 1 / (len(folds) - 1))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(folds) - 1) * error)
    low, high = min(whole.low, whole.value - reach), max(whole.high, whole.value + reach)
    return (whole._replace(low=max(low, each[0].low), high=min(high, each[0].high)),)


def _predicted(model, columns, data, chose, rows) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What weights fitted to the texts `chose` predict of the texts `rows`, what is so, and what one would say without
    any predicate: the largest class, or the mean. `None` where the model predicts neither classes nor numbers."""
    held = model.subsample(data, to_device(rows), len(columns))[1]
    target = getattr(held, "target", held)
    target = np.asarray(target) if hasattr(target, "shape") else np.zeros(0)
    part, learned = model.subsample(data, to_device(chose), len(columns))
    weights = fitted(part, to_device(columns[chose]), learned).weights
    predicted = np.asarray(predictions(model, weights, to_device(columns[rows])))
    if target.shape != (len(rows),) or predicted.shape != target.shape or predicted.dtype.kind not in "iuf":
        return None
    before = np.asarray(jax.tree.leaves(data)[0])[chose]
    trivial = before.mean() if predicted.dtype.kind == "f" else np.bincount(before).argmax()
    return predicted, target, np.full(len(rows), trivial)


def _quality(predicted, target, trivial, has_classes: bool) -> Score | None:
    """Accuracy or R², the latter against always saying the mean; `low` and `high` are the least and most possible."""
    if predicted.dtype.kind in "iu" and has_classes:
        return Score("accuracy", float(np.mean(predicted == target)), 0.0, 1.0, float(np.mean(target == trivial)))
    if predicted.dtype.kind == "f" and np.var(target) > 0:
        errors = [float(np.sum((target - guess) ** 2)) for guess in (predicted, trivial)]
        return Score("R²", 1 - errors[0] / errors[1], -np.inf, 1.0, 0.0)
    return None


def _scores(predicted, target, trivial, clusters, confidence: float, *, has_classes: bool) -> tuple[Score, ...]:
    """The score with its interval, of texts that did not choose."""
    found = _quality(predicted, target, trivial, has_classes)
    if found is None:
        return ()
    if found.name == "accuracy":
        from nlparam.numerics.statistics.correction import corrected_means

        means = corrected_means([(predicted == target)[:, None]], clusters=clusters, confidence=confidence)
        return (found._replace(value=float(means.value[0]), low=float(means.low[0]), high=float(means.high[0])),)
    # A bootstrap over clusters.
    codes = np.arange(len(target)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    errors = np.stack([np.bincount(codes, (target - guess) ** 2) for guess in (predicted, trivial)], axis=1)
    drawn = np.random.default_rng(0).multinomial(len(errors), np.full(len(errors), 1 / len(errors)), size=_RESAMPLES)
    with_model, without = (drawn @ errors).T
    resampled = 1 - with_model / np.maximum(without, 1e-300)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return (found._replace(low=float(low), high=float(high)),)
