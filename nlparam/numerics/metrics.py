"""Metrics that compare what was learned with a reference (arXiv 2409.08466, section 5.2)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment


class MatchedF1(NamedTuple):
    """`macro` is the mean of `per_reference`, the F1 of every reference with the learned column it is matched to;
    `match[j]` is that column, -1 where there are fewer learned columns than references (their F1 is 0).
    """

    macro: float
    per_reference: Float[np.ndarray, " n_references"]
    match: Int[np.ndarray, " n_references"]


def matched_f1(
    learned: Float[np.ndarray, "n_texts n_learned"], reference: Float[np.ndarray, "n_texts n_references"]
) -> MatchedF1:
    """F1 after matching columns one to one by the greatest total overlap (Hungarian algorithm).

    **Arguments:** both are 0/1 (or boolean) matrices over the same texts. Raises `ValueError` if they are not.
    """
    learned, reference = np.asarray(learned), np.asarray(reference)
    if learned.ndim != 2 or reference.ndim != 2 or len(learned) != len(reference):
        raise ValueError(f"got shapes {learned.shape} and {reference.shape}, expected two matrices over the same texts")
    learned, reference = learned.astype(np.float64), reference.astype(np.float64)
    overlap = reference.T @ learned
    sizes = reference.sum(axis=0)[:, None] + learned.sum(axis=0)[None, :]
    scores = np.divide(2 * overlap, sizes, out=np.zeros_like(overlap), where=sizes > 0)
    rows, columns = linear_sum_assignment(-overlap)
    match = np.full(reference.shape[1], -1)
    match[rows] = columns
    per_reference = np.where(match >= 0, scores[np.arange(len(match)), match], 0.0)
    return MatchedF1(float(per_reference.mean()), per_reference, match)


def one_hot(labels: Int[np.ndarray, " n_texts"], n_classes: int) -> Float[np.ndarray, "n_texts n_classes"]:
    """Indicator columns of labels in `range(n_classes)`; any other label (-1) belongs to no column."""
    return (np.asarray(labels)[:, None] == np.arange(n_classes)).astype(np.float64)
