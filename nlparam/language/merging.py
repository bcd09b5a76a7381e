"""Merging: of predicates that say the same, one is kept."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from nlparam.language.similarity import SimilarityJudge
from nlparam.lm.engine import Engine

# Cosine of embedded predicates from which on they are compared.
_PERHAPS = 0.75


@dataclasses.dataclass(frozen=True)
class Merged:
    """Predicates that say different things, and those that were merged into one of them (`same_as[merged] = kept`)."""

    predicates: list[str]
    same_as: dict[str, str]


@dataclasses.dataclass
class Merger:
    """Drops predicates that mean the same as an earlier one.

    Those whose embeddings nearly coincide are the same; of those that are near, the language model is asked. (A small
    one takes "is written in Spanish" and "is written in Polish" for the same: do not ask it where candidates differ by
    a name.)

    **Arguments:** `embed`, embeds predicates as unit vectors; `n_compared`, the most pairs that the language model
    compares in one call; `same`, the cosine from which on they are the same.
    """

    engine: Engine
    embed: Callable[[Sequence[str]], np.ndarray]
    n_compared: int = 16
    same: float = 0.92

    def __post_init__(self):
        self.similarity = SimilarityJudge(self.engine)

    def merge(self, predicates: Sequence[str], *, taken: Sequence[str] = (), most: int | None = None) -> Merged:
        """At most `most` predicates that differ from one another and from those `taken`, in their order.

        With those `taken`, the language model does not compare them.
        """
        if not predicates:
            return Merged([], {})
        vectors = self.embed([*taken, *predicates])
        cosines = vectors @ vectors.T
        n_taken, n_compared = len(taken), 0
        kept: list[int] = []
        same_as: dict[str, str] = {}
        for number in range(n_taken, len(vectors)):
            if most is not None and len(kept) == most:
                break
            others = [*range(n_taken), *kept]
            alike = sorted((o for o in others if cosines[number, o] >= _PERHAPS), key=lambda o: -cosines[number, o])
            twin = next((o for o in alike if cosines[number, o] >= self.same), None)
            near = next((o for o in alike if o >= n_taken), None)
            if twin is None and near is not None and n_compared < self.n_compared:
                n_compared += 1
                pair = predicates[number - n_taken], predicates[near - n_taken]
                if self.similarity.judge([pair])[0] == 1.0:
                    twin = near
            if twin is None:
                kept.append(number)
            elif twin >= n_taken:
                same_as[predicates[number - n_taken]] = predicates[twin - n_taken]
        return Merged([predicates[number - n_taken] for number in kept], same_as)
