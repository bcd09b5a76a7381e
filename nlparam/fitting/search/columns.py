"""Column generation: only what may matter is judged, and all slots are looked at together.

Relaxing asks which direction in embedding space the model is missing, a proposer turns directions into candidate
predicates (columns), judging fills the columns, and selection keeps the best. A candidate that does not matter is
never judged on more than the few texts of the screening.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlparam.fitting.records import RESULTS
from nlparam.numerics.core.select import Selection

if TYPE_CHECKING:
    from nlparam.fitting.search.driver import Search


# On how many times the texts of the screening candidates that are close are judged, how many of them for each slot,
# and from which share of the texts that are judged in full they are judged on all of these.
_CONTESTED, _CONTENDERS, _NEARLY = 4, 2, 0.8
# What was judged on less than this share of the texts of a full judgment is not confirmed.
_CONFIRMED = 0.5
# The share of a round's judgments that new candidates are screened with.
_SCREENED = 0.5


def by_columns(search: "Search") -> tuple[list[int], float, RESULTS]:
    """The chosen columns (-1 for an empty slot), the loss, and why the search ended."""
    options = search.options
    search.judge_on(*_screening(search))
    share = _judgments_of_a_round(search)
    selection = _settle(search, None, kept=share * options.n_rounds)
    search.record("selection", selection.loss, selection.chosen.tolist())
    result = RESULTS.rounds_spent
    for number in range(1, options.n_rounds + 1):
        if search.pool.spent:
            break
        promising = _promising(search, selection)
        if not promising:
            result = RESULTS.converged
            break
        before, kept = selection.loss, share * (options.n_rounds - number)
        if not _propose_and_screen(search, promising, selection, kept):
            result = RESULTS.nothing_usable
            break
        selection = _settle(search, selection.chosen.tolist(), kept=kept)
        search.record(f"refinement {number}", selection.loss, selection.chosen.tolist())
        if selection.loss > before - options.tolerance:
            result = RESULTS.converged
            break
    if share and (left := search.pool.left):
        # Where a round had nothing to screen, the first selection goes on with what was left for it.
        selection = _settle(search, selection.chosen.tolist(), kept=0)
        if search.pool.left < left:
            search.record("selection, judged further", selection.loss, selection.chosen.tolist())
    selection = _confirmed(search, reconsidered(search, selection))
    return selection.chosen.tolist(), selection.loss, result


def _screening(search: "Search") -> list[tuple[Sequence[int], np.ndarray]]:
    """Candidates and the texts on which these are screened.

    They are the same for all, unless they are fewer than the predicates: few candidates would then meet a text for
    which they hold. Half of them are then near to the candidate.
    """
    columns, n_screening = range(len(search.pool.predicates)), search.n_screening
    if search.affinity is None or n_screening >= search.model.n_predicates:
        return [(columns, search.order[:n_screening])]
    guessed = search.affinity.scores(np.arange(len(search.order)), search.pool.predicates)
    return [([column], _half_high(search, guessed[:, column])) for column in columns]


def _half_high(search: "Search", scores: np.ndarray) -> np.ndarray:
    """The texts of the screening, of which half are those that all are screened on, and half have high scores."""
    n_screening = search.n_screening
    n_high = n_screening - n_screening // 2
    # The very highest would be near-duplicates of one story.
    high = np.argsort(-scores, kind="stable")[: max(len(scores) // search.model.n_predicates, n_high)]
    spread = high[np.linspace(0, len(high) - 1, n_high).astype(int)]
    return np.union1d(search.order[: n_screening // 2], spread)


def reconsidered(search: "Search", selection: Selection) -> Selection:
    """Judges in full what lost only because it was judged on fewer texts, and selects again, until there is no such."""
    before = selection.chosen.tolist()
    while not search.pool.spent and (rivals := search.rivals(selection)):
        search.judge_on((rivals, search.rows_in_full))
        selection = search.select(selection.chosen.tolist())
    if selection.chosen.tolist() != before:
        search.record("reconsidered", selection.loss, selection.chosen.tolist())
    return selection


def _confirmed(search: "Search", selection: Selection) -> Selection:
    """The selection without what few judgments speak for, the budget being spent, where another candidate does nearly
    as well that was judged in full (or on half of its texts)."""
    known = [c for c in search.usable_columns() if search.pool.asked[search.rows_in_full, c].mean() >= _CONFIRMED]
    open_ones = [slot for slot, c in enumerate(selection.chosen.tolist()) if c >= 0 and c not in known]
    if not open_ones or not known or not search.pool.correct_bias:
        return selection
    best = selection.swap_losses[np.ix_(open_ones, known)].min(axis=1)
    enough = selection.loss + search.options.contention
    needed = [int(selection.chosen[slot]) for slot, loss in zip(open_ones, best, strict=True) if loss >= enough]
    if len(needed) == len(open_ones):
        return selection
    among = {*known, *needed}
    selection = search.select([c if c in among else -1 for c in selection.chosen.tolist()], among=among)
    search.record("confirmed", selection.loss, selection.chosen.tolist())
    return selection


def _judgments_of_a_round(search: "Search") -> int:
    """How many judgments the first selection leaves to each round: none if these could not screen one candidate for
    each of its slots."""
    options = search.options
    if options.max_judgments is None or not options.n_rounds or not options.reserved:
        return 0
    share = int(options.reserved * options.max_judgments) // options.n_rounds
    n_slots = min(options.n_slots_refined or search.n_open, search.n_open)
    return share if _SCREENED * share >= n_slots * search.n_screening else 0


def _settle(search: "Search", start: Sequence[int] | None, *, kept: int) -> Selection:
    """Selects, judges in full what was selected, and further what came close, until all that is selected is.

    What came close is judged on a few times the texts of the screening, which tells most of it from what was selected.
    That it is judged in full as well would cost more than the little that is between them. It is judged at once, beside
    what was selected; after that, for its sake alone, there is no further round. (Where these texts are nearly all, it
    is judged in full.)
    """
    in_full, n_slots = search.rows_in_full, search.model.n_predicates
    contested, n_close = search.order[: _CONTESTED * search.n_screening], _CONTENDERS * n_slots
    few = len(contested) >= _NEARLY * len(in_full)
    if few:
        contested, n_close = in_full, n_slots
    selection, first = search.select(start), True
    while not search.pool.spent and search.pool.left > kept:
        chosen = [c for c in selection.chosen.tolist() if c >= 0 and not search.pool.is_judged(c, in_full)]
        close = selection.contenders(search.options.contention)[:n_close]
        close = [c for c in close if not search.pool.is_judged(c, contested)]
        if not chosen and not (close and (first or few)):
            break
        search.judge_on((chosen, in_full), (close, contested), kept=kept)
        selection, first = search.select(selection.chosen.tolist()), False
    return selection


def _propose_and_screen(search: "Search", promising: dict[int, np.ndarray], selection: Selection, kept: int) -> bool:
    """Judges new candidates for some slots on a few texts; False if there are none. `kept` judgments are left."""
    scores = search.embeddings @ np.stack(list(promising.values())).T
    n_each = search.options.n_candidates
    if np.isfinite(search.pool.left):
        affordable = _SCREENED * (search.pool.left - kept) / (search.n_screening * len(promising))
        n_each = int(np.clip(affordable, 1, n_each))
    new = search.propose_again(scores, n_each)
    parts = [(columns, _half_high(search, column)) for columns, column in zip(new, scores.T, strict=True)]
    # If a slot can be bettered, perhaps by a candidate that is there and was misjudged on too few texts.
    passed_over = _next_best(search, selection, promising) if search.options.pricing else []
    search.judge_on(*parts, (passed_over, search.rows_in_full))
    return any(new) or bool(passed_over)


def _next_best(search: "Search", selection: Selection, slots: Iterable[int]) -> list[int]:
    """For each of some slots the best candidate, as far as is known, that was not judged in full."""
    n_known = selection.swap_losses.shape[1]
    open_ones = [c for c in range(n_known) if not search.pool.is_judged(c, search.rows_in_full)]
    best: dict[int, None] = {}
    for slot in slots:
        losses = selection.swap_losses[slot, open_ones]
        if len(losses) and np.isfinite(losses.min()):
            best[open_ones[int(np.argmin(losses))]] = None
    return list(best)


def _promising(search: "Search", selection: Selection) -> dict[int, np.ndarray]:
    """The least useful slots in which a direction would lower the loss, the others being fixed, and these directions.

    What a predicate in a direction could do is not known before there is one; the half-space that does best, all texts
    above some score, stands for it. A direction whose half-space is no better than the predicate that is there has a
    price too high, as column generation calls it, and asks no language model.
    """
    # A direction drawn at random promises nothing, and is tried all the same.
    options, chosen = search.options, selection.chosen.tolist()
    priced = options.pricing and options.relaxation
    promising: dict[int, np.ndarray] = {}
    for slot in np.argsort(selection.costs, kind="stable").tolist():
        if chosen[slot] in search.locked:
            continue
        if len(promising) == options.n_slots_refined:
            break
        direction = search.directions_beside(chosen, [slot])[0]
        if not priced or search.price(chosen, slot, direction) < selection.loss - options.tolerance:
            promising[slot] = direction
    return promising
