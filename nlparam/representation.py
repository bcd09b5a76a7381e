"""What the relaxation and the head see of a text: its embedding, or where it lies with respect to the goal."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.corpus import Corpus
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.features import NgramFeatures
from nlparam.language.statements import Stater
from nlparam.numerics.goal_map import LEAST_STATEMENTS, GoalMap, fit_goal_map

KINDS = ("auto", "goal", "embedding")


@dataclasses.dataclass(frozen=True)
class GoalRepresentation:
    """The goal representation (see `nlparam.numerics.goal_map`), learned from statements of a sample of the texts.

    **Arguments:** `n_stated`, how many texts the language model states, one short call each.
    """

    n_stated: int = 128

    def __post_init__(self):
        if self.n_stated < LEAST_STATEMENTS:
            raise ValueError(f"got n_stated={self.n_stated}, expected at least {LEAST_STATEMENTS}")

    def learn(
        self,
        corpus: Corpus,
        embeddings: np.ndarray,
        ngrams: NgramFeatures,
        *,
        goal: str,
        stater: Stater,
        embedder: AbstractEmbedder,
        n_clusters: int,
        seed: int,
    ) -> GoalMap | None:
        """Has a random sample of the texts stated and learns the map; `None` if too few answers were usable.

        Raises `LanguageModelError` if the language model cannot be asked.
        """
        rows = np.random.default_rng([seed, self.n_stated]).permutation(len(corpus.distinct))[: self.n_stated]
        stated = stater.state([corpus.distinct[row] for row in rows], goal=goal)
        usable = [(row, statement) for row, statement in zip(rows, stated, strict=True) if statement is not None]
        if len(usable) < LEAST_STATEMENTS:
            return None
        statements = [statement for _, statement in usable]
        distinct = list(dict.fromkeys(statements))
        embedded = dict(zip(distinct, embedder.embed(distinct), strict=True))
        return fit_goal_map(
            embeddings,
            map_features(corpus.distinct, embeddings, ngrams),
            np.asarray([row for row, _ in usable]),
            np.stack([embedded[statement] for statement in statements]),
            n_clusters=n_clusters,
            seed=seed,
        )


def represent(
    goal_map: GoalMap | None, texts: Sequence[str], embeddings: np.ndarray, ngrams: NgramFeatures
) -> np.ndarray:
    """`(n_texts, represented_dim)` unit vectors: the embeddings themselves where there is no map."""
    if goal_map is None or goal_map.share == 0.0:
        return embeddings
    return goal_map.represent(embeddings, map_features(texts, embeddings, ngrams))


def map_features(texts: Sequence[str], embeddings: np.ndarray, ngrams: NgramFeatures) -> np.ndarray:
    """`(n_texts, n_features)`, what the map sees of a text."""
    return np.concatenate([embeddings, ngrams.transform(texts)], axis=1)
