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


def by_columns(search: "Search") -> tuple[list[int], float, RESULTS]:
    """The chosen columns (-1 for an empty slot), the loss, and why the search ended."""
    search.judge_on(range(len(search.pool.predicates)), search.order[: search.n_screening])
    chosen, selection = _settle(search, None)
    search.record("selection", selection.loss, chosen)
    for number in range(1, search.options.n_rounds + 1):
        if search.pool.spent:
            return chosen, selection.loss, RESULTS.budget_spent
        before = selection.loss
        any_new, chosen, selection = _refine(search, chosen, selection)
        search.record(f"refinement {number}", selection.loss, chosen)
        if not any_new:
            return chosen, selection.loss, RESULTS.nothing_usable
        if selection.loss > before - search.options.tolerance:
            return chosen, selection.loss, RESULTS.converged
    return chosen, selection.loss, RESULTS.rounds_spent


def _settle(search: "Search", start: Sequence[int] | None) -> tuple[list[int], Selection]:
    """Selects, and judges in full what was selected or came close, until nothing of it is left to be judged."""
    rows = search.rows_in_full
    selection = search.select(start)
    while True:
        chosen = [c for c in selection.chosen.tolist() if c >= 0]
        close = selection.contenders(search.options.contention)[: search.model.n_predicates]
        incomplete = [c for c in chosen + close if not search.pool.is_judged(c, rows)]
        if not incomplete or search.pool.spent:
            return selection.chosen.tolist(), selection
        search.judge_on(incomplete, rows)
        selection = search.select(selection.chosen.tolist())


def _refine(search: "Search", chosen: list[int], selection: Selection) -> tuple[bool, list[int], Selection]:
    """Looks for better predicates in place of the least useful ones, the others being fixed."""
    least_useful = np.argsort(selection.costs, kind="stable")[: search.options.n_slots_refined]
    scores = search.embeddings @ search.directions_beside(chosen, least_useful).T
    new = search.propose_for(scores)
    if not new:
        return False, chosen, selection
    # Half of the screening texts are those that the others were screened on, half are high for the new directions.
    n_screening = search.n_screening
    high = np.argsort(-scores.max(axis=1), kind="stable")[: n_screening - n_screening // 2]
    search.judge_on(new, np.unique(np.concatenate([search.order[: n_screening // 2], high])))
    return True, *_settle(search, chosen)
