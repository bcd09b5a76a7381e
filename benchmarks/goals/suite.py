"""The goals: what a person could want to know of each corpus, in a person's words; and what goes wrong with them."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Literal

from benchmarks.commands import read_yaml
from nlparam.errors import NlparamError


class SuiteError(NlparamError):
    """Data that were not fetched, a name that is not known: the message says what to do."""


Half = Literal["seen", "unseen"]
Group = Literal["", "large", "topics"]


@dataclasses.dataclass(frozen=True)
class Goal:
    """A goal, and the axis of its corpus that follows it.

    `k` predicates are asked for. The model is a clustering, or a classification whose classes are those of the axis.
    """

    name: str
    corpus: str
    axis: str
    goal: str
    k: int
    group: Group = ""
    model: Literal["clustering", "classification"] = "clustering"

    @property
    def half(self) -> Half:
        """Whether the goal may be looked at while a way to follow goals is made; its name says, not who wrote it."""
        return half_of(self.name)

    @property
    def answers(self) -> list[str]:
        """The predicates that a person who knows the classes of the axis would write, one for each."""
        return _ANSWERS[self.name]

    @property
    def about_language(self) -> bool:
        """Whether it asks for the language that people speak."""
        return self.axis == "language" and self.corpus != "code"


def half_of(name: str) -> Half:
    """Seen if the SHA-256 digest of the name is even."""
    return "unseen" if hashlib.sha256(name.encode()).digest()[-1] % 2 else "seen"


_ANSWERS = read_yaml(Path(__file__).with_name("answers.yaml"))
GOALS = tuple(Goal(**goal) for goal in read_yaml(Path(__file__).with_suffix(".yaml")))


def chosen(half: str = "all", names: list[str] | None = None) -> list[Goal]:
    """The goals of a half (large sets and topics in no half), of a group, or all; or those named."""
    if names:
        known = {goal.name: goal for goal in GOALS}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SuiteError(f"got the goals {', '.join(unknown)}, expected some of {', '.join(known)}")
        return [known[name] for name in names]
    if half in ("large", "topics"):
        return [goal for goal in GOALS if goal.group == half]
    return [goal for goal in GOALS if half == "all" or (not goal.group and goal.half == half)]
