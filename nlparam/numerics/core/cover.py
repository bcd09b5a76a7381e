"""Selection by cover: predicates such that every text has about one (GoalEx, arXiv 2305.13749, section 2.4)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, identity

# Soft denotations are rounded to so many steps, so that rows which hardly differ are one row of the programme.
_STEPS = 20


def select_cover(
    holds: Float[np.ndarray, "n_texts n_candidates"] | Bool[np.ndarray, "n_texts n_candidates"],
    n_selected: int,
    *,
    uncovered: float = 1.0,
    overlap: float = 0.5,
    exactly: bool = True,
    least_share: float = 0.0,
    most_share: float = 1.0,
    weights: Float[np.ndarray, " n_texts"] | None = None,
    locked: Sequence[int] = (),
    max_correlation: float = 1.0,
    correlation: Float[np.ndarray, "n_candidates n_candidates"] | None = None,
    max_seconds: float = 60.0,
) -> Int[np.ndarray, " n_selected"]:
    r"""Chooses predicates that hold for every text about once, the optimum of an integer programme.

    With $m_i = \sum_k D_{ik}$ the number of chosen predicates that hold for text $i$, of weight $w_i$, it minimises
    $\sum_i w_i (\mu \max(0, 1 - m_i) + \lambda \max(0, m_i - 1))$. As $\max(0, m - 1) = m - 1 + \max(0, 1 - m)$, one
    variable $u_i \ge 0$, $u_i \ge 1 - m_i$, serves both terms, and equal rows share theirs.

    **Arguments:** `holds`, booleans or soft denotations in [0, 1] (rounded to twentieths); `uncovered` and `overlap`,
    the $\mu$ and $\lambda$; `exactly`, False for at most `n_selected`; `least_share`, `most_share`, between which the
    share of texts of every chosen predicate lies (the code of GoalEx has 0.4 for the latter); `weights`, how much each
    text counts; `locked`, columns that are chosen whatever they cost; `max_correlation`, above which two predicates are
    not chosen together (two locked ones are); `correlation`, by default of `holds`; `max_seconds`, after which the best
    choice so far is taken.

    **Returns:** the columns chosen, in ascending order.

    Raises `ValueError` if fewer than `n_selected` candidates have a share within the bounds (and `exactly`), or they
    are too alike.

    !!! example
        ```python
        holds = np.asarray([[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 0]], dtype=bool)
        assert select_cover(holds, 2).tolist() == [0, 1]
        ```
    """
    holds = np.asarray(holds, dtype=np.float64)
    n_texts, n_candidates = holds.shape
    weights = np.ones(n_texts) if weights is None else np.asarray(weights, dtype=np.float64)
    locked = list(locked)
    if n_selected < max(1, len(locked)):
        raise ValueError(f"got n_selected={n_selected}, expected at least {max(1, len(locked))}")
    if min(uncovered, overlap) < 0:
        raise ValueError(f"got uncovered={uncovered} and overlap={overlap}, expected no negative price")
    if holds.size and not (holds.min() >= 0 and holds.max() <= 1):
        raise ValueError(f"got denotations from {holds.min()} to {holds.max()}, expected between 0 and 1")
    if len(weights) != n_texts or weights.min(initial=0) < 0:
        raise ValueError(f"got {len(weights)} weights for {n_texts} texts, expected one each, none negative")
    sizes = weights @ holds
    admissible = (sizes >= least_share * weights.sum()) & (sizes <= most_share * weights.sum())
    admissible[locked] = True
    if exactly and admissible.sum() < n_selected:
        raise ValueError(
            f"{admissible.sum()} of {n_candidates} candidates hold for between {least_share:.0%} and {most_share:.0%} "
            f"of the texts, expected at least the {n_selected} that are to be chosen: widen the bounds, choose fewer, "
            "or set exactly=False"
        )
    rows, row = np.unique(np.round(holds * _STEPS) / _STEPS, axis=0, return_inverse=True)
    counts = np.bincount(row.reshape(-1), weights, minlength=len(rows))
    costs = np.concatenate([overlap * sizes, (uncovered + overlap) * counts])
    covered = hstack([csr_array(rows), identity(len(rows))])
    number = np.concatenate([np.ones(n_candidates), np.zeros(len(rows))])[None]
    # Annotated as numbers by scipy.
    least: Any = np.zeros(n_candidates + len(rows))
    least[locked] = 1
    most: Any = np.concatenate([admissible.astype(float), np.ones(len(rows))])
    constraints = [
        LinearConstraint(covered, lb=1),
        LinearConstraint(number, lb=n_selected if exactly else len(locked), ub=n_selected),
    ]
    alike = np.zeros((0, 2), dtype=int)
    if max_correlation < 1:
        alike = _alike(correlations(holds, weights) if correlation is None else correlation, max_correlation, locked)
    if len(alike):
        pairs = np.zeros((len(alike), n_candidates + len(rows)))
        pairs[np.arange(len(alike))[:, None], alike] = 1
        constraints.append(LinearConstraint(csr_array(pairs), ub=1))
    found = milp(
        costs,
        integrality=np.concatenate([np.ones(n_candidates), np.zeros(len(rows))]),
        bounds=Bounds(least, most),
        constraints=constraints,
        options={"time_limit": max_seconds},
    )
    if found.x is None:
        if found.status == 2:
            raise ValueError(
                f"no {n_selected} of {n_candidates} candidates differ enough (correlations up to {max_correlation}): "
                "choose fewer, allow more, or set exactly=False"
            )
        raise RuntimeError(f"the integer programme found no choice: {found.message} Allow it more than {max_seconds} s")
    return np.flatnonzero(found.x[:n_candidates] > 0.5)


def facility_location(
    scores: Float[np.ndarray, "n_texts n_candidates"], n_selected: int, *, fixed: Sequence[int] = ()
) -> Int[np.ndarray, " n_selected"]:
    r"""Chooses columns such that every text is near to one: $\max \sum_i \max_{k \in S} s_{ik}$, greedily.

    Within $1 - 1/e$ of the best choice (Nemhauser, Wolsey and Fisher 1978). What is chosen first is first, after those
    that are `fixed`.
    """
    nearest = scores[:, list(fixed)].max(axis=1, initial=scores.min(initial=0.0))
    left = [column for column in range(scores.shape[1]) if column not in set(fixed)]
    chosen: list[int] = list(fixed)
    while left and len(chosen) < n_selected:
        gains = np.maximum(scores[:, left] - nearest[:, None], 0).sum(axis=0)
        best = left.pop(int(np.argmax(gains)))
        chosen.append(best)
        nearest = np.maximum(nearest, scores[:, best])
    return np.asarray(chosen, dtype=int)


def correlations(
    denotations: Float[np.ndarray, "n_texts n_candidates"], weights: Float[np.ndarray, " n_texts"] | None = None
) -> Float[np.ndarray, "n_candidates n_candidates"]:
    """Correlations of columns; 0 with one that does not vary beyond rounding."""
    weights = np.ones(len(denotations)) if weights is None else weights
    total = max(weights.sum(), np.finfo(float).tiny)
    centred = denotations - weights @ denotations / total
    covariance = (centred * weights[:, None]).T @ centred / total
    deviations = np.sqrt(np.diag(covariance))
    scale = np.where(deviations > 1e-9, deviations, np.inf)
    return np.clip(covariance / np.outer(scale, scale), -1, 1)


def _alike(correlation: np.ndarray, max_correlation: float, locked: Sequence[int]) -> np.ndarray:
    """Pairs of columns that may not be chosen together, `(n_pairs, 2)`."""
    alike = np.argwhere(np.triu(correlation > max_correlation, 1))
    both = np.isin(alike, list(locked)).all(axis=1)
    return alike[~both]
