"""Metrics that compare what was learned with a reference (arXiv 2409.08466, section 5.2)."""

import itertools
import math
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

Learned: TypeAlias = Float[np.ndarray, "n_texts n_learned"]
Reference: TypeAlias = Float[np.ndarray, "n_texts n_references"]
Partition: TypeAlias = Int[np.ndarray, " n_texts"]

# The most columns that the exact ceiling chooses among; beyond, its integer programme would take minutes.
_MOST_UNIONS = 1000


class MatchedF1(NamedTuple):
    """`per_reference` is the F1 of every reference with the learned column it is matched to, `match[j]`, -1 where
    learned columns are fewer than references (their F1 is 0); `macro` its mean; `micro` the F1 of the counts of all
    pairs together, in which large references weigh more.
    """

    macro: float
    per_reference: Float[np.ndarray, " n_references"]
    match: Int[np.ndarray, " n_references"]
    micro: float


def matched_f1(learned: Learned, reference: Reference) -> MatchedF1:
    """F1 after matching columns one to one by the greatest total overlap (Hungarian algorithm).

    **Arguments:** both are 0/1 (or boolean) matrices over the same texts. Raises `ValueError` if they are not.
    """
    overlap, learned_sizes, reference_sizes = _counts(learned, reference)
    rows, columns = linear_sum_assignment(-overlap)
    match = np.full(len(overlap), -1)
    match[rows] = columns
    return _matched(overlap, learned_sizes, reference_sizes, match)


def best_f1(learned: Learned, reference: Reference) -> MatchedF1:
    """F1 of every reference with the learned column that is best for it; one column may serve several references.

    The paper's code scores time series and classifications so. Arguments and errors are those of `matched_f1`.
    """
    overlap, learned_sizes, reference_sizes = _counts(learned, reference)
    scores = _f1(overlap, reference_sizes[:, None] + learned_sizes[None, :])
    match = scores.argmax(axis=1) if scores.shape[1] else np.full(len(scores), -1)
    return _matched(overlap, learned_sizes, reference_sizes, match)


def f1_ceiling(reference: Reference, n_learned: int) -> float:
    """The greatest macro `best_f1` that `n_learned` exact columns can have, each a reference or a union of references.

    It is 1 unless there are more references than columns. The columns, and the one that each reference is matched to,
    are chosen by an integer programme over all unions that can be of use. Where these are more than 1000, only the
    smaller unions and those of references next to one another in size are considered, and the result is a lower bound.
    """
    reference = np.asarray(reference, dtype=np.float64)
    if n_learned < 1:
        return 0.0
    held = reference[:, reference.sum(axis=0) > 0]
    n_references = held.shape[1]
    if n_learned >= n_references:
        return n_references / reference.shape[1] if reference.shape[1] else 0.0
    # Unions of references of about one size serve each of them about equally well.
    by_size = np.argsort(-held.sum(axis=0), kind="stable").tolist()
    unions = {tuple(sorted(by_size[first:end])) for first, end in itertools.combinations(range(n_references + 1), 2)}
    # If every column is of use, none serves more references than the others leave to it.
    for size in range(1, n_references - n_learned + 2):
        if size > 1 and len(unions) + math.comb(n_references, size) > _MOST_UNIONS:
            break
        unions |= set(itertools.combinations(range(n_references), size))
    columns = np.stack([held[:, list(union)].max(axis=1) for union in sorted(unions)], axis=1)
    scores = _f1(held.T @ columns, held.sum(axis=0)[:, None] + columns.sum(axis=0)[None, :])
    return _best_columns(scores, n_learned) / reference.shape[1]


def partition_agreement(learned: Partition, reference: Partition) -> dict[str, float]:
    """`nmi` and `ari`: normalised mutual information and the adjusted Rand index of two partitions."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    scores = {"nmi": normalized_mutual_info_score, "ari": adjusted_rand_score}
    return {name: float(score(reference, learned)) for name, score in scores.items()}


def coverage(denotations: Float[np.ndarray, "n_texts n_predicates"]) -> float:
    """The share of the texts for which at least one predicate holds. Raises `ValueError` if there are no texts."""
    _check_texts(denotations)
    return float(np.mean(np.sum(np.asarray(denotations) > 0.5, axis=1) >= 1))


def overlap(denotations: Float[np.ndarray, "n_texts n_predicates"]) -> float:
    """The share of the texts for which more than one predicate holds. Raises `ValueError` if there are no texts."""
    _check_texts(denotations)
    return float(np.mean(np.sum(np.asarray(denotations) > 0.5, axis=1) > 1))


def one_hot(labels: Int[np.ndarray, " n_texts"], n_classes: int) -> Float[np.ndarray, "n_texts n_classes"]:
    """Indicator columns of labels in `range(n_classes)`; any other label (-1) belongs to no column."""
    return (np.asarray(labels)[:, None] == np.arange(n_classes)).astype(np.float64)


def _check_texts(denotations) -> None:
    if len(denotations) == 0:
        raise ValueError("got no texts, expected at least one")


def _counts(learned, reference) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(n_references, n_learned)` texts for which both hold, and for how many each column holds."""
    learned, reference = np.asarray(learned), np.asarray(reference)
    if learned.ndim != 2 or reference.ndim != 2 or len(learned) != len(reference):
        raise ValueError(f"got shapes {learned.shape} and {reference.shape}, expected two matrices over the same texts")
    learned, reference = learned.astype(np.float64), reference.astype(np.float64)
    return reference.T @ learned, learned.sum(axis=0), reference.sum(axis=0)


def _matched(both: np.ndarray, learned_sizes: np.ndarray, reference_sizes: np.ndarray, match: np.ndarray) -> MatchedF1:
    paired = np.flatnonzero(match >= 0)
    columns = match[paired]
    hits, sizes = np.zeros(len(both)), reference_sizes.copy()
    hits[paired] = both[paired, columns]
    sizes[paired] += learned_sizes[columns]
    per_reference = _f1(hits, sizes)
    macro = float(per_reference.mean()) if len(both) else 0.0
    return MatchedF1(macro, per_reference, match, float(_f1(hits.sum(), sizes.sum())))


def _f1(both, sizes) -> np.ndarray:
    """Of the texts for which both hold, and the sum of the numbers for which each does; 0 where neither ever holds."""
    return np.divide(2 * both, sizes, out=np.zeros(np.shape(both)), where=np.asarray(sizes) > 0)


def _best_columns(scores: np.ndarray, n_columns: int) -> float:
    """The greatest sum over rows of the score in their best column, if `n_columns` of the columns may be chosen."""
    from scipy import sparse
    from scipy.optimize import LinearConstraint, milp

    rows, columns = np.nonzero(scores)
    n_pairs, n_unions = len(rows), scores.shape[1]
    pairs = np.arange(n_pairs)
    ones = np.ones(n_pairs)
    # A pair of row and column counts if the column is chosen, and one pair counts for each row.
    chosen = sparse.hstack([sparse.eye(n_pairs), sparse.csr_matrix((-ones, (pairs, columns)), (n_pairs, n_unions))])
    once = sparse.hstack(
        [sparse.csr_matrix((ones, (rows, pairs)), (len(scores), n_pairs)), sparse.csr_matrix((len(scores), n_unions))]
    )
    few = np.concatenate([np.zeros(n_pairs), np.ones(n_unions)])[None, :]
    result = milp(
        np.concatenate([-scores[rows, columns], np.zeros(n_unions)]),
        integrality=np.concatenate([np.zeros(n_pairs), np.ones(n_unions)]),
        bounds=(0, 1),
        constraints=[LinearConstraint(chosen, ub=0), LinearConstraint(once, ub=1), LinearConstraint(few, ub=n_columns)],
    )
    if not result.success:
        raise RuntimeError(f"the integer programme of the F1 ceiling was not solved: {result.message}")
    return float(-result.fun)
