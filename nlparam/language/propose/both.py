"""Both: several proposers fill one pool, and selection decides."""

import dataclasses
from collections.abc import Sequence

from nlparam.language.propose.base import AbstractProposer


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


def in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    """The first of each list, then the second of each, and so on, each distinct one once."""
    longest = max((len(one) for one in lists), default=0)
    return list(dict.fromkeys(one[rank] for rank in range(longest) for one in lists if rank < len(one)))
