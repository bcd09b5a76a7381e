"""Coordinate refinement: the search of the paper (arXiv 2409.08466, section 4), one slot after another.

It is what column generation is compared with. Every candidate is judged on all texts that a chosen predicate is judged
on, and every slot waits for the language model by itself: once for its proposals and once for their judgments.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlparam.fitting.records import RESULTS

if TYPE_CHECKING:
    from nlparam.fitting.search.driver import Search


# A candidate that gains less is no better than what is there: rounding, or a copy of it.
_LEAST_GAIN = 1e-6


def by_coordinates(search: "Search") -> tuple[list[int], float, RESULTS]:
    """The chosen columns (-1 for an empty slot), the loss, and why the search ended.

    The slots are filled in turn with the candidate that lowers the loss most. A round then goes through
    `n_slots_refined` slots, the least useful first: each is relaxed beside the others and gets the best of all
    candidates judged so far, new or old, or keeps what it has. The search has converged once a round through all slots
    gained less than `tolerance`; a round through fewer says nothing about the others.
    """
    options, n_slots = search.options, search.model.n_predicates
    search.judge_on((range(len(search.pool.predicates)), search.rows_in_full))
    open_slots = range(len(search.locked), n_slots)
    chosen = [*search.locked, *[-1] * len(open_slots)]
    loss = np.inf
    if not open_slots:
        columns, losses = search.losses_in(chosen, 0)
        loss = float(losses[columns.index(chosen[0])])
    for slot in open_slots:
        chosen, loss = _fill(search, chosen, slot)
    search.record("selection", loss, chosen)
    n_refined = min(options.n_slots_refined or len(open_slots), len(open_slots))
    if not open_slots:
        return chosen, loss, RESULTS.converged
    for number in range(1, options.n_rounds + 1):
        before, any_new = loss, False
        order = np.argsort(_usefulness(search, chosen, open_slots), kind="stable")[:n_refined]
        for slot in (order + len(search.locked)).tolist():
            if search.pool.spent:
                return chosen, loss, RESULTS.budget_spent
            direction = search.directions_beside(chosen, [slot])
            new = search.propose_for(search.embeddings @ direction.T)
            if new:
                any_new = True
                search.judge_on((new, search.rows_in_full))
                chosen, loss = _fill(search, chosen, slot)
        search.record(f"refinement {number}", loss, chosen)
        if n_refined == len(open_slots) and loss > before - options.tolerance:
            return chosen, loss, RESULTS.converged if any_new else RESULTS.nothing_usable
    return chosen, loss, RESULTS.rounds_spent


def _fill(search: "Search", chosen: list[int], slot: int) -> tuple[list[int], float]:
    """The choice with the best column in one slot, and its loss."""
    columns, losses = search.losses_in(chosen, slot)
    best, kept = int(np.argmin(losses)), columns.index(chosen[slot])
    if losses[best] > losses[kept] - _LEAST_GAIN:
        best = kept
    return [*chosen[:slot], columns[best], *chosen[slot + 1 :]], float(losses[best])


def _usefulness(search: "Search", chosen: Sequence[int], slots: Iterable[int]) -> np.ndarray:
    """By how much the loss rises if each of some slots is emptied (up to a constant)."""
    usefulness = []
    for slot in slots:
        columns, losses = search.losses_in(chosen, slot)
        usefulness.append(losses[columns.index(-1)])
    return np.asarray(usefulness)
