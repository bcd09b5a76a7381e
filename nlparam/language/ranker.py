"""Rankers: a score for each item and predicate without asking a language model, for instance a cosine of embeddings."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.embed import AbstractEmbedder, EmbeddingStore, embed_corpus


class AbstractRanker(abc.ABC):
    """Scores items by predicates; only the order of the scores of one predicate counts."""

    identity: str

    @abc.abstractmethod
    def score(self, items: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
        """`(n_items, n_predicates)` scores; the higher, the more an item is as the predicate says."""


@dataclasses.dataclass
class EmbeddingRanker(AbstractRanker):
    """The cosine of item and predicate in one embedding space, as VisDiff ranks (arXiv 2312.02974).

    **Arguments:** `embedder` of the items; `predicate_embedder`, of the predicates, where it is another (the text side
    of a CLIP model); `template`, what is embedded of a predicate.
    """

    embedder: AbstractEmbedder
    predicate_embedder: AbstractEmbedder | None = None
    template: str = "{}"
    store: EmbeddingStore | None = None

    def __post_init__(self):
        words = [] if self.predicate_embedder is None else [self.predicate_embedder.identity]
        self.identity = " ".join(["cosine", self.embedder.identity, *words, self.template])

    def score(self, items, predicates):
        words = self.embedder if self.predicate_embedder is None else self.predicate_embedder
        return self._embed(self.embedder, items) @ self._embed(words, [self.template.format(p) for p in predicates]).T

    def _embed(self, embedder: AbstractEmbedder, texts: Sequence[str]) -> np.ndarray:
        return embedder.embed(texts) if self.store is None else embed_corpus(texts, embedder, self.store)
