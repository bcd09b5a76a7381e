"""Whether a goal is followed: do the texts tell what it asks for, and do statements answer it?"""

import collections
import dataclasses
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.language.goals import Goal, read_goal
from nlparam.results.page.rows import MAX_SENTENCE, Row
from nlparam.results.page.text import excerpt

# From this probability on a statement is taken for an answer to the goal.
ANSWERS = 0.5
# So many of the distinct statements are read, the frequent ones first; what is left passes.
_MOST_READ = 48
# Texts that are asked whether they tell what the goal asks for, statements that a report names.
_N_ASKED, _N_REPORTED = 12, 12
# Below these a user is warned: the mean probability that a text tells what is asked (goals that have nothing to do with
# the texts had 0.00 to 0.05, others 0.69 and more; 1.5B), the share of texts of which something was said (three goals
# of the benchmark have less than half, the others 0.83 and more), the share of answers among the statements, the share
# of one and the same statement above which they say nothing, and the share of variance of statements left out that is
# explained (goals that were followed well without states had 0.17 and more, others 0.03 and less).
LEAST_TOLD, LEAST_STATED, LEAST_ANSWERING, MOST_ALIKE, LEAST_EXPLAINED = 0.35, 0.5, 0.5, 0.8, 0.05
# What fewer statements explain of one another is chance.
_TELLING = 64
_HELP = "Examples of answers help (--goal-example, goal_examples=), and so does a stronger language model"


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

    def answering(
        self, statements: Sequence[str], goal: Goal, *, known: Container[str] = (), most: int | None = None
    ) -> dict[str, float]:
        """The probability that a statement answers the goal, of the most frequent ones that are not `known`, of `most`
        at most."""
        frequent = [statement for statement, _ in collections.Counter(statements).most_common(_MOST_READ)]
        unread = [statement for statement in frequent if statement not in known]
        unread = unread if most is None else unread[: max(most, 0)]
        read = zip(unread, _of_all(self.answers, unread, goal).tolist(), strict=True)
        return {statement: probability for statement, probability in read if not np.isnan(probability)}

    def answered(self, statements: Sequence[str], goal: str) -> dict[str, bool]:
        """Which statements answer a goal, as it was given."""
        return {one: chance >= ANSWERS for one, chance in self.answering(statements, read_goal(goal)).items()}


def _of_all(judge: AbstractJudge, texts: Sequence[str], goal: Goal) -> np.ndarray:
    pairs = np.stack([np.arange(len(texts)), np.zeros(len(texts), dtype=int)], axis=1)
    return judge.judge(texts, [goal.aspect.rstrip("?")], pairs)


@dataclasses.dataclass(frozen=True)
class GoalFollowing:
    """How well a goal was followed, as far as that can be told without knowing the answers.

    **Attributes:** `aspect`, what was understood of the goal; `told`, how likely the language model says that a text
    tells what the goal asks for, in the mean of `n_asked` texts; `answering`, the share of the statements that the
    language model takes for answers to the goal; `explained`, the share of the variance of statements left out that
    embeddings predict (at most 1, below 0 if they do worse than their mean); `n_read`, how many judgments that
    took; `statements`, the most frequent ones with how often they were made, of `n_stated`; `n_states`, of how many
    texts the state was read and told more than embeddings; `n_unstated`, of how many texts nothing usable was said.
    What was not asked is `None`.
    """

    aspect: str
    told: float | None
    answering: float | None
    explained: float | None
    n_asked: int
    n_read: int
    n_stated: int
    statements: tuple[tuple[str, int], ...]
    n_states: int = 0
    n_unstated: int = 0

    def with_statements(self, stated: Sequence[str | None], answering: Mapping[str, float]) -> Self:
        """With what was said of each text, and how likely some of that answers the goal; what was not read passes."""
        said = [statement for statement in stated if statement is not None]
        n_usable = sum(answering.get(one, 1.0) >= ANSWERS for one in said)
        return dataclasses.replace(
            self,
            answering=n_usable / len(said) if answering else None,
            n_read=self.n_read + len(answering),
            n_stated=len(said),
            n_unstated=len(stated) - len(said),
            statements=tuple(collections.Counter(said).most_common(_N_REPORTED)),
        )

    def warnings(self) -> Iterator[str]:
        """What a user should know before reading the predicates."""
        if (found := self._doubt()) is not None:
            yield f"the goal was understood as: {self.aspect.rstrip('.?!')}. {found}"

    def _doubt(self) -> str | None:
        if self.told is not None and self.told < LEAST_TOLD:
            return (
                f"The texts say little of it: the language model finds it in {self.told:.0%} of {self.n_asked} texts. "
                "The predicates may be about something else, or made up; see whether the goal fits these texts"
            )
        if not self.statements:
            return f"The language model said nothing usable of the texts. {_HELP}"
        if self.n_stated < LEAST_STATED * (n_texts := self.n_stated + self.n_unstated):
            return f"Something usable was said of only {self.n_stated} of {n_texts} texts ({self._shown()}). {_HELP}"
        if self.answering is not None and self.answering < LEAST_ANSWERING:
            return f"Only {self.answering:.0%} of what was said of the texts answers it ({self._shown()}). {_HELP}"
        if self.statements[0][1] > MOST_ALIKE * self.n_stated:
            return f"The language model says nearly the same of all texts ({self._shown()}). {_HELP}"
        if self.explained is not None and self.n_stated >= _TELLING and self.explained < LEAST_EXPLAINED:
            return (
                f"What is said of the texts may be guessed: embeddings explain {max(self.explained, 0):.0%} of the "
                f"variance of statements left out ({self._shown()}). The predicates may be about something else. "
                f"{_HELP}"
            )
        return None

    def _shown(self) -> str:
        return ", ".join(f'"{statement}" {n} times' for statement, n in self.statements[:4])


def following_rows(following: GoalFollowing | None) -> list[Row]:
    """How well a goal was followed; nothing if that is not known."""
    if following is None:
        return []
    shares = (
        (f"Texts that tell it (of {following.n_asked})", following.told),
        (f"Statements that answer it (of {following.n_stated})", following.answering),
        ("Statements explained by embeddings", following.explained),
    )
    shown = ", ".join(f"{excerpt(statement, 60)} ({n})" for statement, n in following.statements[:6])
    return [
        Row("Goal understood as", excerpt(following.aspect, MAX_SENTENCE)),
        *[Row(label, f"{max(share, 0.0):.0%}") for label, share in shares if share is not None],
        *([Row("Frequent statements", shown)] if shown else []),
        *([Row("Texts of which nothing usable was said", f"{following.n_unstated:,}")] if following.n_unstated else []),
        *([Row("Texts whose state was read", f"{following.n_states:,}")] if following.n_states else []),
    ]


def goal_following(reader: GoalReader, goal: Goal, texts: Sequence[str], said: Sequence[str]) -> GoalFollowing:
    """How well a goal was followed in what was said of texts, the first few of which are asked whether they tell it."""
    return unstated(reader, goal, texts).with_statements(said, reader.answering(said, goal))


def unstated(reader: GoalReader, goal: Goal, texts: Sequence[str], *, most: int | None = None) -> GoalFollowing:
    """What is known before any text is stated: whether the first few tell what is asked. With at most `most` judgments
    to spend, half of them at most.
    """
    told = reader.told(texts[: _N_ASKED if most is None else min(_N_ASKED, max(most // 2, 1))], goal)
    known = told[np.isfinite(told)]
    return GoalFollowing(
        goal.aspect, float(known.mean()) if len(known) else None, None, None, len(known), len(told), 0, ()
    )
