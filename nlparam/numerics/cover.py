"""Selection by cover: predicates such that every text has about one (GoalEx, arXiv 2305.13749, section 2.4)."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, identity


def select_cover(
    holds: Bool[np.ndarray, "n_texts n_candidates"],
    n_selected: int,
    *,
    uncovered: float = 1.0,
    overlap: float = 0.5,
    exactly: bool = True,
    least_share: float = 0.0,
    most_share: float = 1.0,
    max_seconds: float = 60.0,
) -> Int[np.ndarray, " n_selected"]:
    r"""Chooses predicates that hold for every text about once, the optimum of an integer programme.

    With $m_i$ the number of chosen predicates that hold for text $i$ it minimises
    $\sum_i \mu \max(0, 1 - m_i) + \lambda \max(0, m_i - 1)$. As $\max(0, m - 1) = m - 1 + \max(0, 1 - m)$, one variable
    $u_i \ge 0$, $u_i \ge 1 - m_i$, is enough for both terms, and equal rows share theirs:
    $\sum_i (\mu + \lambda) u_i + \lambda m_i$.

    **Arguments:** `uncovered` and `overlap`, the $\mu$ and $\lambda$; `exactly`, False for at most `n_selected`;
    `least_share`, `most_share`, between which the share of texts of every chosen predicate must lie (the code of GoalEx
    has 0.4 for the latter); `max_seconds`, after which the best choice so far is taken.

    **Returns:** the columns chosen, in ascending order.

    Raises `ValueError` if fewer than `n_selected` candidates have a share within the bounds (and `exactly`).

    !!! example
        ```python
        holds = np.asarray([[1, 0, 1], [1, 0, 1], [0, 1, 1], [0, 1, 0]], dtype=bool)
        assert select_cover(holds, 2).tolist() == [0, 1]
        ```
    """
    holds = np.asarray(holds, dtype=bool)
    n_texts, n_candidates = holds.shape
    if n_selected < 1:
        raise ValueError(f"got n_selected={n_selected}, expected at least 1")
    if min(uncovered, overlap) < 0:
        raise ValueError(f"got uncovered={uncovered} and overlap={overlap}, expected no negative price")
    sizes = holds.sum(axis=0)
    admissible = (sizes >= least_share * n_texts) & (sizes <= most_share * n_texts)
    if exactly and admissible.sum() < n_selected:
        raise ValueError(
            f"{admissible.sum()} of {n_candidates} candidates hold for between {least_share:.0%} and {most_share:.0%} "
            f"of the texts, expected at least the {n_selected} that are to be chosen: widen the bounds, choose fewer, "
            "or set exactly=False"
        )
    rows, counts = np.unique(holds, axis=0, return_counts=True)
    costs = np.concatenate([overlap * sizes, (uncovered + overlap) * counts])
    covered = hstack([csr_array(rows.astype(float)), identity(len(rows))])
    number = np.concatenate([np.ones(n_candidates), np.zeros(len(rows))])[None]
    most: Any = np.concatenate([admissible.astype(float), np.ones(len(rows))])  # annotated as a number by scipy
    found = milp(
        costs,
        integrality=np.concatenate([np.ones(n_candidates), np.zeros(len(rows))]),
        bounds=Bounds(0, most),
        constraints=[
            LinearConstraint(covered, lb=1),
            LinearConstraint(number, lb=n_selected if exactly else 0, ub=n_selected),
        ],
        options={"time_limit": max_seconds},
    )
    if found.x is None:
        raise RuntimeError(f"the integer programme found no choice: {found.message} Allow it more than {max_seconds} s")
    return np.flatnonzero(found.x[:n_candidates] > 0.5)
