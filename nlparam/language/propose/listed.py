"""Listed: predicates that the user gives."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from nlparam.language.propose.base import AbstractProposer, without


@dataclasses.dataclass
class Listed(AbstractProposer):
    """Proposes the given predicates for every slot: selection and weights without any generation.

    For an analyst who has a code book, and for measuring the search apart from the proposer.
    """

    predicates: Sequence[str]

    def __post_init__(self):
        # Another list is another fit: a folder must not take one for the other.
        digest = hashlib.sha256(json.dumps(list(self.predicates)).encode()).hexdigest()
        self.identity = f"listed-{digest[:8]}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del texts, goal, rng
        return [without(self.predicates, avoid) for _ in range(scores.shape[1])]
