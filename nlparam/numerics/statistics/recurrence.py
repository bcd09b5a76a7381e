"""Which columns of several denotation matrices over the same texts are the same predicate, whatever its wording."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from nlparam.numerics.core.cover import correlations

# Two predicates of different runs whose denotations correlate less are different ones.
SAME = 0.5
_NEVER = 2.0  # the distance of columns that correlate with -1: never joined


class Column(NamedTuple):
    """Column number `column` of the matrix of run number `run`."""

    run: int
    column: int


class Recurring(NamedTuple):
    """Columns that are one predicate, at most one of each run.

    `medoid` correlates most with the others; `correlation` is the mean over their pairs, 1 for a single column.
    """

    members: tuple[Column, ...]
    medoid: Column
    correlation: float


def recurring(runs: Sequence[Float[np.ndarray, "n_texts n_predicates"]], *, same: float = SAME) -> list[Recurring]:
    """Groups the columns of several runs over the same texts by what they hold for.

    Complete linkage on the correlation: every pair in a group correlates with at least `same`, and two columns of one
    run are never in one group.

    **Arguments:** `runs`, one denotation matrix for each run, of any number of columns.

    **Returns:** the groups, those that come back in most runs first, then those whose members agree most.
    """
    columns = [Column(run, column) for run, matrix in enumerate(runs) for column in range(matrix.shape[1])]
    if not columns:
        return []
    alike = correlate(np.concatenate(runs, axis=1))
    origin = np.array([column.run for column in columns])
    distances = np.where(origin[:, None] == origin[None, :], _NEVER, 1 - alike)
    np.fill_diagonal(distances, 0)
    labels = np.ones(1, dtype=int)
    if len(columns) > 1:
        tree = linkage(squareform(distances, checks=False), "complete")
        labels = fcluster(tree, 1 - same, "distance")
    groups = [_group(np.flatnonzero(labels == label), columns, alike) for label in np.unique(labels)]
    return sorted(groups, key=lambda group: (-len(group.members), -group.correlation, group.members))


def alignment(runs: Sequence[Float[np.ndarray, "n_texts n_predicates"]]) -> float:
    """How alike the runs are: the mean correlation of columns matched one to one, over all pairs of runs.

    1 if all found predicates that hold for the same texts; a column without a partner counts as 0 (Greene, O'Callaghan
    and Cunningham 2014). Raises `ValueError` for fewer than two runs, or two without columns.
    """
    if len(runs) < 2:
        raise ValueError(f"got {len(runs)} runs, expected at least 2 to compare")
    if sum(run.shape[1] > 0 for run in runs) < len(runs) - 1:
        raise ValueError("got two runs without columns, expected predicates to compare")
    scores = []
    for first, second in itertools.combinations(runs, 2):
        between = correlate(np.concatenate([first, second], axis=1))[: first.shape[1], first.shape[1] :]
        scores.append(between[linear_sum_assignment(-between)].sum() / max(between.shape))
    return float(np.mean(scores))


def correlate(denotations: Float[np.ndarray, "n_texts n_columns"]) -> Float[np.ndarray, "n_columns n_columns"]:
    """Correlations of the columns; 0 with a column that is the same for all texts, and 1 on the diagonal."""
    if not np.isfinite(denotations).all():
        raise ValueError("got denotations that are not finite, expected numbers: leave out texts that are not denoted")
    between = correlations(denotations)
    np.fill_diagonal(between, 1)
    return between


def _group(members: np.ndarray, columns: list[Column], alike: np.ndarray) -> Recurring:
    among = alike[np.ix_(members, members)]
    n = len(members)
    mean = float((among.sum() - n) / (n * (n - 1))) if n > 1 else 1.0
    medoid = columns[members[int(among.sum(axis=1).argmax())]]
    return Recurring(tuple(columns[member] for member in members), medoid, mean)
