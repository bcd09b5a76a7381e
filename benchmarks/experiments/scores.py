"""What an outcome is worth: against the truth, on texts left out, and as a reader would compare the sentences."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.experiments.base import Dataset, Outcome
from nlparam.corpus.times import time_steps
from nlparam.fitting.result import Fit
from nlparam.language.similarity import SimilarityJudge
from nlparam.models import Classification, Clustering, TimeSeries
from nlparam.numerics.core.denotations import decided
from nlparam.numerics.statistics import metrics
from nlparam.numerics.statistics.metrics import best_f1, matched_f1, one_hot

# A span of time begins after so many texts: shares of far fewer are noise.
_IN_SPAN = 20
# Choices of references whose loss is computed.
_MOST_CHOICES = 30


def score(dataset: Dataset, outcome: Outcome) -> dict[str, float]:
    """The figures of an outcome that make sense for it; the others are absent.

    - With a reference: `f1_hungarian` (each reference with a column of its own) and `f1_best` (each with its best
      column), macro; `f1_micro` and `f1_best_micro`; `f1_ceiling` and `f1_ceiling_hungarian`, the greatest that
      `f1_best` and `f1_hungarian` can be with `dataset.k` exact predicates.
    - With exclusive references and assignments: `nmi`, `ari`, and the F1 are those of the assignments.
    - `curve_correlation`: see `curve_correlation`, of a series that was fitted.
    - `coverage` and `overlap`: the share of texts for which some column, and more than one column holds.
    - With a fit, or a trace of a search: `loss`, on the texts it was fitted to.
    - With a fit and a reference: `loss_binary` and `loss_reference`, see `binary_losses`.

    Raises `ValueError` if the outcome is not one of these texts.
    """
    denotations, assignments = np.asarray(outcome.denotations), outcome.assignments
    n_texts = len(dataset.texts)
    if denotations.ndim != 2 or len(denotations) != n_texts:
        raise ValueError(f"got denotations of shape {denotations.shape}, expected a row for each of {n_texts} texts")
    if assignments is not None and np.shape(assignments) != (n_texts,):
        raise ValueError(f"got assignments of shape {np.shape(assignments)}, expected one for each of {n_texts} texts")
    scores: dict[str, float] = {}
    if dataset.reference is not None:
        learned, reference = _columns(dataset, outcome), dataset.reference
        hungarian, best = matched_f1(learned, reference), best_f1(learned, reference)
        scores |= {
            "f1_hungarian": hungarian.macro,
            "f1_best": best.macro,
            "f1_micro": hungarian.micro,
            "f1_best_micro": best.micro,
            "f1_ceiling": metrics.f1_ceiling(reference, dataset.k),
            "f1_ceiling_hungarian": min(1.0, dataset.k / reference.shape[1]),
        }
        if outcome.fit is not None and isinstance(series := outcome.fit.model, TimeSeries):
            step = time_steps(dataset.data, unit=series.unit).step
            prevalence = np.asarray(outcome.fit.quantities()["prevalence"].values)
            # A predicate that holds for none of its texts is no match of a reference.
            match = np.where(best.per_reference > 0, best.match, -1)
            scores["curve_correlation"] = curve_correlation(step, reference, prevalence, match)
        if assignments is not None and dataset.exclusive:
            scores |= metrics.partition_agreement(np.asarray(assignments), reference.argmax(axis=1))
    if denotations.shape[1]:
        scores |= {"coverage": metrics.coverage(denotations), "overlap": metrics.overlap(denotations)}
    if outcome.fit is not None or outcome.trace:
        scores["loss"] = float(outcome.trace[-1].loss if outcome.fit is None else outcome.fit.loss)
    if outcome.fit is not None and dataset.reference is not None:
        scores |= binary_losses(outcome.fit, dataset)
    return scores


def binary_losses(fit: Fit, dataset: Dataset) -> dict[str, float]:
    """What the model makes of the truth: whether an imperfect F1 is a failure of the search, or the model prefers it.

    - `loss_binary`: the loss with the fitted denotations as 0 or 1, the weights fitted to these.
    - `loss_reference`: the same with references in place of the predicates, those that have the least loss; absent if
      there are fewer references than predicates, or too many ways to choose some of them.
    """
    model, reference = fit.model, np.asarray(dataset.reference)
    n_references, n_predicates = reference.shape[1], model.n_predicates
    data = model.prepare(dataset.data, len(dataset.texts)).data

    def loss(columns: np.ndarray) -> float:
        exact = jnp.asarray(columns, jnp.float32)
        return float(model.loss(model.fit_weights(exact, data), exact, data))

    losses = {"loss_binary": loss(decided(fit.denotations))}
    if 0 < math.comb(n_references, n_predicates) <= _MOST_CHOICES:
        chosen = itertools.combinations(range(n_references), n_predicates)
        losses["loss_reference"] = min(loss(reference[:, list(columns)]) for columns in chosen)
    return losses


def curve_correlation(step: np.ndarray, reference: np.ndarray, prevalence: np.ndarray, match: np.ndarray) -> float:
    """How well the curves of a series follow the known ones: the mean correlation over the references.

    The curve of a reference is its share of the texts, that of the predicate that is its `match` (-1 for none) the
    fitted prevalence, both over spans of time with some 20 texts. A reference without a match, or whose predicate
    has a flat curve, has correlation 0; one that is flat itself is left out.

    **Arguments:** `step`, `(n_texts,)`, the number of the step in time of each text; `reference`, `(n_texts,
    n_references)`; `prevalence`, `(n_steps, n_predicates)`.

    Raises `ValueError` if there is no reference that changes.
    """
    counts = np.bincount(step)
    span = ((np.cumsum(counts) - counts) // _IN_SPAN)[step]
    known, fitted = (_by_span(values, span) for values in (reference, prevalence[step]))
    changing = np.flatnonzero(np.ptp(known, axis=0) > 0)
    if not len(changing):
        raise ValueError("got references whose shares do not change over time, expected one that does")
    pairs = [(known[:, j], fitted[:, match[j]] if match[j] >= 0 else np.zeros(len(known))) for j in changing.tolist()]
    return float(np.mean([np.corrcoef(a, b)[0, 1] if np.ptp(b) > 0 else 0.0 for a, b in pairs]))


def _by_span(values: np.ndarray, span: np.ndarray) -> np.ndarray:
    """The mean of each column over the texts of each span, those without texts left out."""
    spans, position = np.unique(span, return_inverse=True)
    sums = np.zeros((len(spans), values.shape[1]))
    np.add.at(sums, position, values)
    return sums / np.bincount(position)[:, None]


def similarity(dataset: Dataset, outcome: Outcome, judge: SimilarityJudge) -> dict[str, float]:
    """How alike the learned predicates and the references are in meaning, by a language model: 1, 0.5 or 0 each.

    `similarity` is the mean over the references of the grade with their best column by F1 (the paper's pairs),
    `similarity_hungarian` with the column of their own, 0 for a reference without one. Pairs for which the language
    model gave no answer are left out. Empty without a reference or without sentences.
    """
    if dataset.reference is None or not outcome.predicates:
        return {}
    learned, scores = _columns(dataset, outcome), {}
    for name, matched in (("similarity", best_f1), ("similarity_hungarian", matched_f1)):
        match = matched(learned, dataset.reference).match
        paired = np.flatnonzero(match >= 0)
        pairs = [(dataset.reference_predicates[j], outcome.predicates[match[j]]) for j in paired.tolist()]
        grades = np.zeros(len(match))
        grades[paired] = judge.judge(pairs)
        if not np.isnan(grades).all():
            scores[name] = float(np.nanmean(grades))
    return scores


def accuracies(
    dataset: Dataset, left_out: Dataset, outcome: Outcome, embeddings: np.ndarray, left_out_embeddings: np.ndarray
) -> dict[str, float]:
    """How often the class of texts that were left out is right.

    - `accuracy`: of the fit; without one, of a logistic regression on the denotations. Absent where an arm does not
      denote texts that were left out.
    - `accuracy_binary`: the same with a yes or a no for each predicate, as a reader could say it. What chances tell
      beyond that a head has seen in the embeddings.
    - `accuracy_probe`: of a linear probe, a logistic regression on the embeddings, `(n_texts, embed_dim)`: the ceiling.
    - `accuracy_larger`: of the most frequent class of the other texts: the floor.
    """
    known, wanted = (np.asarray(_class_names(data)) for data in (dataset.data, left_out.data))
    classes, counts = np.unique(known, return_counts=True)
    found = {
        "accuracy_probe": _regressed(embeddings, known, left_out_embeddings),
        "accuracy_larger": np.full(len(wanted), classes[counts.argmax()]),
    }
    fit = outcome.fit
    denotations = outcome.left_out if fit is None else fit.denote(left_out.texts, by="head")
    if denotations is not None:
        found["accuracy"] = _predicted(outcome, dataset, known, denotations, binary=False)
        found["accuracy_binary"] = _predicted(outcome, dataset, known, decided(denotations), binary=True)
    return {name: float(np.mean(predicted == wanted)) for name, predicted in found.items()}


def _predicted(
    outcome: Outcome, dataset: Dataset, known: np.ndarray, denotations: np.ndarray, *, binary: bool
) -> np.ndarray:
    """The class of each new text; with `binary`, by weights fitted to a yes or a no for each predicate."""
    learned, fit = decided(outcome.denotations) if binary else outcome.denotations, outcome.fit
    if fit is None or not isinstance(model := fit.model, Classification):
        return _regressed(learned, known, denotations)
    data = model.prepare(dataset.data, len(known)).data
    weights = model.fit_weights(jnp.asarray(learned), data) if binary else fit.weights
    chances = np.asarray(model.predict_proba(weights, jnp.asarray(denotations)))
    return np.asarray(fit.coords["class"])[chances.argmax(axis=1)].astype(str)


def _regressed(features: np.ndarray, classes: np.ndarray, new_features: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000).fit(features, classes).predict(new_features)


def heldout_loss(fit: Fit, texts: Sequence[str], data: Any = None) -> float:
    """The mean negative log-likelihood per new text under the fitted model, in nats; lower is better.

    The weights stay as they were fitted, and the head of the fit denotes the texts; no language model is asked.

    - Clustering: of the densest cluster, or the background, with the volumes that the clusters have in the fit.
    - Time series: of a text of the fitted corpus at the time of the new text; a time that the fit has not seen counts
      as the nearest that it has.
    - Classification: the cross-entropy of the class, without the ridge.
    - Any other model: its `loss`.

    **Arguments:** `data` is what the model needs of the new texts: the class or the time of each. Raises `ValueError`
    if it does not fit the texts, or names a class that the fit does not know.
    """
    if not len(texts):
        raise ValueError("got no texts, expected some that were left out of the fit")
    model, denotations = fit.model, jnp.asarray(fit.denote(texts, by="head"))
    if isinstance(model, Clustering):
        log_volume = np.asarray(fit.weights.log_volume)
        columns = np.maximum(np.asarray(denotations, np.float64), np.finfo(np.float64).tiny)
        log_density = np.column_stack([np.log(columns), np.zeros(len(columns))]) - log_volume
        return float(-np.mean(log_density.max(axis=1)))
    if isinstance(model, TimeSeries):
        steps = _steps(_one_each(data, texts, "times"), fit.coords["step"], model.unit)
        odds = np.asarray(denotations) @ np.asarray(fit.weights.log_odds).T - np.asarray(fit.weights.log_partition)
        return float(np.log(len(fit.texts)) - np.mean(odds[np.arange(len(texts)), steps]))
    if isinstance(model, Classification):
        classes = _classes(_one_each(data, texts, "classes"), fit.coords["class"])
        probabilities = np.asarray(model.predict_proba(fit.weights, denotations), np.float64)
        chosen = probabilities[np.arange(len(texts)), classes]
        return float(-np.mean(np.log(np.maximum(chosen, np.finfo(np.float64).tiny))))
    prepared = model.prepare(data, len(texts)).data
    return float(model.loss(fit.weights, denotations, prepared))


def _columns(dataset: Dataset, outcome: Outcome) -> np.ndarray:
    """The learned 0/1 columns that are compared with the reference."""
    if dataset.exclusive and outcome.assignments is not None:
        return one_hot(outcome.assignments, outcome.denotations.shape[1])
    return np.asarray(outcome.denotations) > 0.5


def _one_each(data: Any, texts: Sequence[str], what: str) -> list[Any]:
    values = [] if data is None else list(data)
    if len(values) != len(texts):
        raise ValueError(f"got {len(values)} {what} for {len(texts)} texts, expected one for each")
    return values


def _class_names(labels: Iterable[Any]) -> list[str]:
    return [str(value) if isinstance(value, str | bool) else str(int(value)) for value in labels]


def _classes(labels: list[Any], known: list) -> list[int]:
    names = _class_names(labels)
    strange = sorted(set(names) - set(known))
    if strange:
        raise ValueError(f"got the class {strange[0]!r}, expected one of the fit's: {', '.join(known)}")
    return [known.index(name) for name in names]


def _steps(stamps: list[Any], times: list, unit: str | None) -> np.ndarray:
    """For each stamp the nearest of the `times` of a fit, which are numbers or ISO dates."""
    # Some of the fit's own times come along, since a single stamp is no series.
    dates = isinstance(times[0], str)
    grouped = time_steps([*stamps, *times], unit=unit)
    if isinstance(grouped.times[0], str) != dates:
        raise ValueError(f"got times such as {stamps[0]!r}, expected {'dates' if dates else 'numbers'} as in the fit")
    places = np.cumsum([0.0, *grouped.gap])
    own = places[grouped.step[len(stamps) :]]
    return np.abs(places[grouped.step[: len(stamps)]][:, None] - own[None, :]).argmin(axis=1)
