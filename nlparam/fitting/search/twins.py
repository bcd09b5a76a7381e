"""Candidates that say the same of the texts, of which one is enough."""

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Float

from nlparam.numerics.core.cover import correlations
from nlparam.numerics.core.select import Selection

# Two predicates whose denotations correlate so much say the same of these texts.
_MOST_CORRELATED = 0.9
# A candidate with which the loss is higher by no more than this is about as good.
_AS_GOOD = 0.01


def twin(
    selection: Selection,
    columns: Sequence[int],
    denotations: Float[np.ndarray, "n_texts n_columns"],
    *,
    kept: Collection[int] = (),
) -> int | None:
    """A chosen column that says the same as another candidate and is no better; `None` where there is none.

    An earlier candidate need only be about as good: it was said more often, and is more general.

    **Arguments:** `columns`, the candidates that may be compared, with their `denotations`; `kept`, columns that stay.
    """
    slots = {int(column): slot for slot, column in enumerate(selection.chosen) if column in columns}
    if not slots:
        return None
    for first, second in np.argwhere(correlations(denotations) > _MOST_CORRELATED):
        column, other = columns[first], columns[second]
        if column == other or column not in slots or column in kept:
            continue
        if other in slots:
            better_by = selection.costs[slots[column]] - selection.costs[slots[other]]
        else:
            better_by = selection.swap_losses[slots[column], other] - selection.loss
        if better_by <= _AS_GOOD if other < column else better_by < -_AS_GOOD:
            return column
    return None
