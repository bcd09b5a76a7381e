"""Several proposers fill one pool, and selection decides: always, or where one has too little to say."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from nlparam.language.phrasing import what_it_says
from nlparam.language.propose.base import AbstractProposer

T = TypeVar("T")


@dataclasses.dataclass
class Both(AbstractProposer):
    """Asks several proposers, and takes their candidates for a slot in turn.

    **Arguments:** `proposers`, at least one; the first candidate of each slot is that of the first.
    """

    proposers: Sequence[AbstractProposer]

    def __post_init__(self):
        self.identity = " + ".join(proposer.identity for proposer in self.proposers)

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        of_each = [proposer.propose(texts, scores, goal=goal, avoid=avoid, rng=rng) for proposer in self.proposers]
        return [in_turn(lists) for lists in zip(*of_each, strict=True)]


@dataclasses.dataclass
class Filled(AbstractProposer):
    """Asks a second proposer where the first has fewer predicates than there are slots, and adds what answers the goal.

    It does so once for each search: after that there is something to select from.

    **Arguments:** `first`, `second`, the proposers; `answers`, which of the things that predicates say answer a goal,
    as far as that could be read.
    """

    first: AbstractProposer
    second: AbstractProposer
    answers: Callable[[Sequence[str], str], dict[str, bool]]

    def __post_init__(self):
        self.identity = f"{self.first.identity} filled by {self.second.identity}"
        self.n_candidates = getattr(self.first, "n_candidates", 0)
        self._goals = set[str]()

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        proposed = self.first.propose(texts, scores, goal=goal, avoid=avoid, rng=rng)
        self.n_read = 0
        # What is to be avoided may be the user's own wish, at the first time too.
        again = bool(avoid) and goal in self._goals
        self._goals.add(goal)
        if again or len({predicate for slot in proposed for predicate in slot}) >= scores.shape[1]:
            return proposed
        others = self.second.propose(texts, scores, goal=goal, avoid=avoid, rng=rng)
        answering = self.answers([what_it_says(predicate) for slot in others for predicate in slot], goal)
        self.n_read = len(answering)
        others = [[predicate for predicate in slot if answering.get(what_it_says(predicate))] for slot in others]
        return [in_turn(lists) for lists in zip(proposed, others, strict=True)]


def in_turn(lists: Sequence[Sequence[T]]) -> list[T]:
    """The first of each list, then the second of each, and so on, each distinct one once."""
    longest = max((len(one) for one in lists), default=0)
    return list(dict.fromkeys(one[rank] for rank in range(longest) for one in lists if rank < len(one)))
