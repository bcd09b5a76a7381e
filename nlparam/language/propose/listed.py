"""Listed: predicates that the user gives."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence

from nlparam.errors import CorpusError
from nlparam.language.propose.base import AbstractProposer, without


def checked_predicates(predicates: Iterable[str]) -> tuple[str, ...]:
    """Predicates that a user gave. Raises `CorpusError` for one string in place of a list, and what is no string."""
    if isinstance(predicates, str):
        raise CorpusError(f"got predicates={predicates!r}, expected a list of sentences: put it into a list")
    listed = tuple(predicates)
    for predicate in listed:
        if not isinstance(predicate, str):
            kind = type(predicate).__name__
            raise CorpusError(f"got the predicate {predicate!r} of type {kind}, expected a sentence (str)")
    return listed


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
