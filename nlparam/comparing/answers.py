"""The answers of the judge: candidates as columns, distinct texts as rows."""

from collections.abc import Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.language.propose.both import in_turn
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs

# Under a budget so many questions are asked at once, so that what it allows is spread evenly over the groups.
_AT_ONCE = 256


class Answers:
    """What was asked and answered.

    **Attributes:** `matrix`, `(n_distinct, n_candidates)` probabilities, `nan` where there is none; `asked`, of the
    same shape, true where the judge was asked (a failure is not asked again).
    """

    def __init__(
        self, texts: Sequence[str], predicates: Sequence[str], judge: AbstractJudge, *, costs: Costs, meter: Meter
    ):
        self.texts, self.predicates, self.judge = texts, predicates, judge
        self.costs, self.meter = costs, meter
        self.matrix = np.full((len(texts), len(predicates)), np.nan)
        self.asked = np.zeros(self.matrix.shape, dtype=bool)

    def ask(self, columns: Sequence[int], rows: np.ndarray, *, stage: str) -> None:
        """Judges some candidates on some texts, in the order of `rows` as far as the budget goes.

        Where the budget ends, all columns have been judged on the same texts but for the last few.
        """
        rows = np.asarray(list(dict.fromkeys(rows.tolist())), dtype=np.int64)
        pairs = np.stack(np.meshgrid(rows, np.asarray(columns, np.int64), indexing="ij"), axis=-1).reshape(-1, 2)
        pairs = pairs[~self.asked[pairs[:, 0], pairs[:, 1]]]
        if len(pairs) == 0:
            return
        with self.costs.stage(stage):
            n_parts = -(-len(pairs) // _AT_ONCE) if self.limited else 1
            for part in np.array_split(pairs, n_parts):
                if self.meter.spent is not None:
                    return
                self.matrix[part[:, 0], part[:, 1]] = self.judge.judge(self.texts, self.predicates, part)
                self.asked[part[:, 0], part[:, 1]] = True

    @property
    def limited(self) -> bool:
        """Whether there is a budget that may end."""
        budget = self.meter.budget
        limits = (budget.max_calls, budget.max_tokens, budget.max_seconds, budget.max_cost)
        return any(limit is not None for limit in limits)


def interleaved(rows_of_groups: Sequence[np.ndarray]) -> np.ndarray:
    """The distinct rows of some groups, one of each in turn, so that every beginning has about as many of each."""
    return np.asarray(in_turn([rows.tolist() for rows in rows_of_groups]), dtype=np.int64)
