"""Tasks with a known truth, planted in any labelled corpus."""

import dataclasses

import numpy as np

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data.truth import Source
from nlparam.language.goals import goal_of_attributes


def series(source: Source, *, n_times: int = 100, strength: float = 1.0, seed: int = 0) -> Source:
    r"""A time series of the texts of a labelled corpus: every text gets a time, the texts come in the order of time.

    With D the truth, a text gets the time t in `range(n_times)` with a probability proportional to
    $\exp(s \sum_k w_{kt} D_{xk})$, where $w_{kt} = \sin(2\pi(t/T + k/K))$ are curves with evenly spaced phases, those
    of the paper's benchmark (appendix B), and s is the `strength`. So each text is used once, and the texts at a time
    are a draw from the model that is fitted. The number of predicates is one less than that of exclusive references:
    the share of the last follows from the others.
    """
    truth = source.reference
    if truth is None:
        raise DataError(f"{source.name}: a planted time series needs labelled texts, and these have no labels")
    if n_times < 2 or not strength > 0:
        raise DataError(f"got n_times={n_times} and strength={strength}, expected at least 2 and a positive number")
    phases = np.arange(truth.shape[1]) / truth.shape[1]
    curves = np.sin(2 * np.pi * (np.arange(n_times)[:, None] / n_times + phases))
    # The time of the greatest of these is a draw from the softmax of the log-odds (Gumbel).
    draws = np.random.default_rng(seed).gumbel(size=(len(truth), n_times))
    times = np.argmax(strength * truth.astype(float) @ curves.T + draws, axis=1)
    if len(np.unique(times)) < 2:
        raise DataError(f"{source.name}: the {len(truth)} texts all fell on one time, expected more texts")
    order = np.argsort(times, kind="stable")
    exclusive = bool((truth.sum(axis=1) == 1).all()) and truth.shape[1] > 1
    return dataclasses.replace(
        source.take(order),
        name=f"{source.name}+series",
        task="time_series",
        data=times[order].tolist(),
        k=truth.shape[1] - 1 if exclusive else truth.shape[1],
        origin=f"{source.origin}, planted prevalence curves (n_times {n_times}, strength {strength:g}, seed {seed})",
    )


def conjunctions(source: Source, *, n_classes: int = 20) -> Source:
    """A classification of the texts of a labelled corpus: texts for which the same references hold are one class.

    A corpus with several labellings (topic and language) has a class for each combination. Only the `n_classes` most
    frequent are kept, as in the paper's benchmark, with their texts; they are numbered from the most frequent on.
    """
    with_truth = [attribute for attribute in source.others if attribute.predicates]
    source = dataclasses.replace(source, attributes=(*source.attributes, *with_truth), others=())
    truth = source.reference
    if truth is None:
        raise DataError(f"{source.name}: classes from conjunctions need labelled texts, and these have no labels")
    if n_classes < 2:
        raise DataError(f"got n_classes={n_classes}, expected at least 2")
    _, found, counts = np.unique(truth, axis=0, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise DataError(f"{source.name}: the same predicates hold for all texts, so that there is one class only")
    frequent = np.argsort(-counts, kind="stable")[:n_classes]
    rank = np.full(len(counts), -1)
    rank[frequent] = np.arange(len(frequent))
    classes = rank[found.reshape(-1)]
    kept = source.take(np.flatnonzero(classes >= 0))
    several = len(source.attributes) > 1
    return dataclasses.replace(
        kept,
        name=f"{source.name}+conjunctions",
        task="classification",
        data=classes[classes >= 0].tolist(),
        goal=goal_of_attributes([attribute.name for attribute in source.attributes]) if several else source.goal,
        k=truth.shape[1],
        origin=f"{source.origin}, classes from conjunctions",
    )
