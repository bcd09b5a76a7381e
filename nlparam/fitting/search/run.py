"""A whole search: directions, proposals, a strategy, and what it ends with."""

import dataclasses

import numpy as np

from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.pool import Pool
from nlparam.errors import LanguageModelError
from nlparam.fitting.records import RESULTS, TraceEntry
from nlparam.fitting.search.columns import by_columns
from nlparam.fitting.search.coordinate import by_coordinates
from nlparam.fitting.search.driver import Search

_STRATEGIES = {"columns": by_columns, "coordinate": by_coordinates}


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search ends with: the pool, the chosen columns of it, and how it got there."""

    pool: Pool
    chosen: list[int]
    loss: float
    features: TextFeatures
    trace: list[TraceEntry]
    result: RESULTS


def run_search(search: Search) -> Found:
    """Runs the search. Raises `LanguageModelError` if nothing usable is ever proposed."""
    scores = search.start()
    if search.locked:
        scores = search.lock()
    if scores is not None:
        search.pool.add(search.wishes.candidates)
        if search.options.n_ahead > 1:
            scores = np.concatenate([scores, search.embeddings @ search.directions_ahead().T], axis=1)
        search.propose_for(scores)
    if not search.pool.predicates:
        if search.meter.spent is not None:
            raise LanguageModelError(
                f"the budget is spent ({search.meter.spent}) before a predicate was proposed: allow more"
            )
        raise LanguageModelError(
            f"the language model {search.judge.identity.split()[0]!r} proposed no usable predicate: "
            "try a stronger model, another proposer or a plainer goal"
        )
    chosen, loss, result = _STRATEGIES[search.options.refinement](search)
    if search.pool.spent:
        result = RESULTS.budget_spent
    elif search.options.n_judged_finally is not None:
        filled = [column for column in chosen if column >= 0]
        search.judge_on((filled, search.order[: search.options.n_judged_finally]))
        search.record("judged further", loss, filled)
    return Found(search.pool, [c for c in chosen if c >= 0], loss, search.features, search.trace, result)
