"""Whether a goal is followed: do the texts tell what it asks for, and do statements answer it?"""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.language.goals import Goal, read_goal

# From this probability on a statement is taken for an answer to the goal.
ANSWERS = 0.5
# So many of the distinct statements are read, the frequent ones first; what is left passes.
_MOST_READ = 48


@dataclasses.dataclass
class GoalReader:
    """Reads the label probabilities of two short questions about a goal.

    **Arguments:** `tells`, a judge that asks whether a text tells what the goal asks for; `answers`, one that asks
    whether a statement is an answer to it. Both keep what they have read, as judges do.
    """

    tells: AbstractJudge
    answers: AbstractJudge

    def told(self, texts: Sequence[str], goal: Goal) -> np.ndarray:
        """`(n_texts,)` probabilities that a text tells what the goal asks for; `nan` where nothing was answered."""
        return _of_all(self.tells, texts, goal)

    def answering(self, statements: Sequence[str], goal: Goal, *, most: int | None = None) -> dict[str, float]:
        """The probability that a statement answers the goal, of at most `most` distinct ones, the frequent first."""
        most = _MOST_READ if most is None else min(most, _MOST_READ)
        distinct = [statement for statement, _ in collections.Counter(statements).most_common(max(most, 0))]
        read = zip(distinct, _of_all(self.answers, distinct, goal).tolist(), strict=True)
        return {statement: probability for statement, probability in read if not np.isnan(probability)}

    def answered(self, statements: Sequence[str], goal: str) -> dict[str, bool]:
        """Which statements answer a goal, as it was given."""
        return {one: chance >= ANSWERS for one, chance in self.answering(statements, read_goal(goal)).items()}


def _of_all(judge: AbstractJudge, texts: Sequence[str], goal: Goal) -> np.ndarray:
    pairs = np.stack([np.arange(len(texts)), np.zeros(len(texts), dtype=int)], axis=1)
    return judge.judge(texts, [goal.aspect.rstrip("?")], pairs)
