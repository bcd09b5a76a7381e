"""How near texts lie to what a predicate says: a guess at its denotations that asks no language model."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.embed import AbstractEmbedder
from nlparam.language.phrasing import what_it_says

# Texts on which the spread of scores is measured.
_MOST_MEASURED = 4096


@dataclasses.dataclass(frozen=True)
class Affinity:
    """Cosines of texts and predicates, in the space in which texts are represented.

    `represented` is `(n_texts, represented_dim)`: embeddings of texts, of what would be stated of them, or both beside
    one another. What a predicate says is embedded like a statement, and is as near to each part.
    """

    embedder: AbstractEmbedder
    represented: np.ndarray

    def directions(self, predicates: Sequence[str]) -> np.ndarray:
        """`(represented_dim, n_predicates)`."""
        embedded = self.embedder.embed([what_it_says(predicate) for predicate in predicates])
        n_parts = self.represented.shape[1] // embedded.shape[1]
        return np.tile(embedded, n_parts).T

    def scores(self, rows: np.ndarray, predicates: Sequence[str]) -> np.ndarray:
        """`(n_rows, n_predicates)`: the higher, the more likely a predicate holds."""
        return self.represented[rows] @ self.directions(predicates)

    def guesses(self, rows: np.ndarray, predicates: Sequence[str], n_features: int) -> np.ndarray:
        """`(n_features, n_predicates)` for `nlparam.numerics.head.fit_head`, the representation being the first of the
        features: the scores of the texts `rows` have a standard deviation of one."""
        directions = self.directions(predicates)
        step = -(-len(rows) // _MOST_MEASURED)
        spread = (self.represented[rows[::step]] @ directions).std(axis=0)
        guesses = np.zeros((n_features, len(predicates)), dtype=np.float32)
        guesses[: len(directions)] = directions / np.where(spread > 0, spread, 1)
        return guesses
