"""From texts to denotations without a language model: embedder, n-grams, relaxed scores and the learned head."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.goal import represent
from nlparam.denotation.session import opened
from nlparam.language.embed import AbstractEmbedder, check_embedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.lm.store import Store
from nlparam.numerics.heads.goal_map import GoalMap

if TYPE_CHECKING:
    from nlparam.numerics.heads.head import Head
    from nlparam.numerics.heads.joint_head import JointHead

# Cosines of sentence embeddings with the directions of two slots differ by a few hundredths where a text is between
# them; at this temperature such a text belongs to both, and one that differs by a tenth to one.
_MEMBERSHIP_TEMPERATURE = 0.05


@dataclasses.dataclass(frozen=True)
class TextFeatures:
    """What the head sees of a text: its representation, its n-grams, how it belongs to the slots of the relaxation.

    `directions` is `(n_slots, represented_dim)`. The memberships (a softmax over the slots of the relaxed scores) let a
    few judgments speak for a whole slot; measured in `docs/explanation/design.md`.
    """

    ngrams: NgramFeatures
    directions: np.ndarray

    def of(self, represented: np.ndarray, ngram_features: np.ndarray) -> np.ndarray:
        """`(n_texts, n_features)` features, of `(n_texts, represented_dim)` representations and what `ngrams` sees."""
        return np.concatenate([represented, ngram_features, self.memberships(represented)], axis=1)

    def memberships(self, represented: np.ndarray) -> np.ndarray:
        """`(n_texts, n_slots)`, rows sum to one; without columns for a single slot, which everything belongs to."""
        if len(self.directions) < 2:
            return np.zeros((len(represented), 0), represented.dtype)
        scores = represented @ self.directions.T
        exponentials = np.exp((scores - scores.max(axis=1, keepdims=True)) / _MEMBERSHIP_TEMPERATURE)
        return exponentials / exponentials.sum(axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class Denoter:
    """Denotes new texts for the predicates of one fit.

    `embedder_identity` is that of the embedder the head was trained with; `goal_map` makes the goal representation, if
    the fit has one.
    """

    embedder: AbstractEmbedder
    features: TextFeatures
    head: "Head | JointHead"
    embedder_identity: str
    goal_map: GoalMap | None = None

    def denote(self, corpus: Corpus, *, store: Store | None = None) -> np.ndarray:
        """`(n_texts, n_predicates)` probabilities that each predicate holds for each text; 0 for a blank text.

        `store` keeps the embeddings. Raises `EmbedderError` if the embedder is not the one the head was trained with.
        """
        if len(corpus.distinct) == 0:
            return np.zeros((len(corpus), len(self.head.thresholds)))
        return corpus.spread(self.head.denote(self.features_of(corpus, store=store)))

    def features_of(self, corpus: Corpus, *, store: Store | None = None) -> np.ndarray:
        """`(n_distinct, n_features)`, what the head sees of each distinct text. Raises as `denote` does."""
        embeddings = _embedded(self, corpus, store)
        ngram_features = self.features.ngrams.transform(corpus.distinct)
        return self.features.of(represent(self.goal_map, embeddings, ngram_features), ngram_features)


@dataclasses.dataclass(frozen=True)
class TreeDenoter:
    """Denotes new texts for all predicates of a taxonomy.

    One embedder, one set of n-grams and one goal representation serve all nodes; every divided node has directions of
    its own, `(n_slots, represented_dim)`, and a head for its children. `columns` lists which nodes the predicates of
    the heads belong to: for each divided node the ids of its children in the order of the columns of its head.
    """

    embedder: AbstractEmbedder
    ngrams: NgramFeatures
    directions: dict[str, np.ndarray]
    heads: dict[str, "Head"]
    columns: dict[str, tuple[str, ...]]
    embedder_identity: str
    goal_map: GoalMap | None = None

    def denote(self, corpus: Corpus, *, store: Store | None = None) -> dict[str, np.ndarray]:
        """For every node with a predicate `(n_texts,)` probabilities that it holds; 0 for a blank text.

        They say nothing of the predicates above it: a text is under a node if it is under the parent, too. Raises
        `EmbedderError` if the embedder is not the one the heads were trained with.
        """
        embeddings = _embedded(self, corpus, store)
        ngram_features = self.ngrams.transform(corpus.distinct)
        represented = represent(self.goal_map, embeddings, ngram_features)
        shared = np.concatenate([represented, ngram_features], axis=1)
        denotations = {}
        for node, head in self.heads.items():
            memberships = TextFeatures(self.ngrams, self.directions[node]).memberships(represented)
            columns = corpus.spread(head.denote(np.concatenate([shared, memberships], axis=1)))
            denotations |= dict(zip(self.columns[node], columns.T, strict=True))
        return denotations


def _embedded(denoter: Denoter | TreeDenoter, corpus: Corpus, store: Store | None) -> np.ndarray:
    remedy = "with which the fit was made: install that one, or fit again"
    check_embedder(denoter.embedder, denoter.embedder_identity, remedy)
    with opened(store, ":memory:") as kept:
        return embed_corpus(corpus.distinct, denoter.embedder, kept)
