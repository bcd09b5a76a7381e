"""Column generation: only what may matter is judged, and all slots are looked at together.

Relaxing asks which direction in embedding space the model is missing, a proposer turns directions into candidate
predicates (columns), judging fills the columns, and selection keeps the best. A candidate that does not matter is
never judged on more than the few texts of the screening.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlparam.numerics.select import Selection
from nlparam.solution import RESULTS

if TYPE_CHECKING:
    from nlparam.search.driver import Search


# On how many times the texts of the screening candidates that are close are judged.
_CONTESTED = 4


def by_columns(search: "Search") -> tuple[list[int], float, RESULTS]:
    """The chosen columns (-1 for an empty slot), the loss, and why the search ended."""
    search.judge_on(range(len(search.pool.predicates)), search.order[: search.n_screening])
    chosen, selection = _settle(search, None)
    search.record("selection", selection.loss, chosen)
    for number in range(1, search.options.n_rounds + 1):
        if search.pool.spent:
            return chosen, selection.loss, RESULTS.budget_spent
        before = selection.loss
        refined = _refine(search, chosen, selection)
        if refined is None:
            return chosen, selection.loss, RESULTS.converged
        any_new, chosen, selection = refined
        search.record(f"refinement {number}", selection.loss, chosen)
        if not any_new:
            return chosen, selection.loss, RESULTS.nothing_usable
        if selection.loss > before - search.options.tolerance:
            return chosen, selection.loss, RESULTS.converged
    return chosen, selection.loss, RESULTS.rounds_spent


def _settle(search: "Search", start: Sequence[int] | None) -> tuple[list[int], Selection]:
    """Selects, and judges further what was selected or came close, until what is selected is judged in full.

    Candidates that are close are first judged on a few times the texts of the screening, which tells most of them
    apart; that they are judged in full as well would cost more than the little that is between them.
    """
    in_full = search.rows_in_full
    contested = search.order[: _CONTESTED * search.n_screening]
    if 2 * len(contested) >= len(in_full):
        contested = in_full
    selection = search.select(start)
    while not search.pool.spent:
        chosen = [c for c in selection.chosen.tolist() if c >= 0]
        close = selection.contenders(search.options.contention)[: search.model.n_predicates]
        rows, further = contested, [c for c in close if not search.pool.is_judged(c, contested)]
        if further:
            further = [c for c in chosen if not search.pool.is_judged(c, contested)] + further
        else:
            rows, further = in_full, [c for c in chosen if not search.pool.is_judged(c, in_full)]
        if not further:
            break
        search.judge_on(further, rows)
        selection = search.select(selection.chosen.tolist())
    return selection.chosen.tolist(), selection


def _refine(search: "Search", chosen: list[int], selection: Selection) -> tuple[bool, list[int], Selection] | None:
    """Looks for better predicates in place of the least useful ones, the others being fixed.

    Whether there are new candidates, and the choice then; `None` if no direction promises to be better.
    """
    directions = _promising(search, chosen, selection)
    if not directions:
        return None
    scores = search.embeddings @ np.stack(directions).T
    new = search.propose_for(scores)
    if not new:
        return False, chosen, selection
    # Half of the screening texts are those that the others were screened on, half are high for the new directions.
    n_screening = search.n_screening
    high = np.argsort(-scores.max(axis=1), kind="stable")[: n_screening - n_screening // 2]
    search.judge_on(new, np.unique(np.concatenate([search.order[: n_screening // 2], high])))
    return True, *_settle(search, chosen)


def _promising(search: "Search", chosen: list[int], selection: Selection) -> list[np.ndarray]:
    """The directions that would lower the loss in place of the least useful predicates.

    What a predicate in a direction could do is not known before there is one; the half-space that does best, all texts
    above some score, stands for it. A direction whose half-space is no better than the predicate that is there has a
    price too high, as column generation calls it, and asks no language model.
    """
    # A direction drawn at random promises nothing, and is tried all the same.
    priced = search.options.pricing and search.options.relaxation
    directions: list[np.ndarray] = []
    for slot in np.argsort(selection.costs, kind="stable").tolist():
        if len(directions) == search.options.n_slots_refined:
            break
        direction = search.directions_beside(chosen, [slot])[0]
        if not priced or search.price(chosen, slot, direction) < selection.loss - search.options.tolerance:
            directions.append(direction)
    return directions
