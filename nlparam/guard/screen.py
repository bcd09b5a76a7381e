"""The screen: scores of inputs, and of outputs while they grow."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nlparam.errors import check_one_of
from nlparam.guard.constitution import ROLES, Constitution
from nlparam.guard.obfuscation import canonical
from nlparam.guard.windows import looks_of, windows_of
from nlparam.language.embed import AbstractEmbedder, check_embedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.lm.store import Store

# A text without words breaks no rule.
_NOTHING = -np.inf
_BLOCK = 4096


class LinearHead(NamedTuple):
    """Scores of the restricted rules, `features @ coefficients + intercepts`: log-odds, less those that one in a
    hundred benign texts of the training reaches, so that scores of different rules and roles compare."""

    coefficients: Float[np.ndarray, "n_features n_rules"]
    intercepts: Float[np.ndarray, " n_rules"]

    def scores(self, features: Float[np.ndarray, "n_texts n_features"]) -> Float[np.ndarray, "n_texts n_rules"]:
        return features @ self.coefficients.astype(features.dtype) + self.intercepts


class Verdict(NamedTuple):
    """What the screen says of a text: the highest score, the rule it belongs to, and whether it is refused."""

    score: float
    rule: str
    refused: bool


@dataclasses.dataclass(frozen=True)
class Features:
    """What the heads see of a window: the embedding and the n-grams of its canonical form."""

    embedder: AbstractEmbedder
    ngrams: NgramFeatures

    def of(self, windows: Sequence[str], *, store: Store | None = None) -> Float[np.ndarray, "n_windows n_features"]:
        """With a store, embeddings are kept there; without, nothing of a text is kept."""
        forms = [canonical(window) for window in windows]
        return np.concatenate([embedded(forms, self.embedder, store), self.ngrams.transform(forms)], axis=1)


def embedded(texts: Sequence[str], embedder: AbstractEmbedder, store: Store | None) -> Float[np.ndarray, "n_texts dim"]:
    """Embeddings, kept in the store if there is one."""
    return embedder.embed(texts) if store is None else embed_corpus(texts, embedder, store)


@dataclasses.dataclass(frozen=True)
class Screen:
    """Scores texts for the restricted rules of a constitution; `threshold` is the score above which one is refused.

    `heads` has one for each role, "input" and "output". The score of a text is the highest of its windows.
    """

    constitution: Constitution
    features: Features
    heads: dict[str, LinearHead]
    threshold: float
    embedder_identity: str

    def check_embedder(self) -> None:
        """Raises `EmbedderError` if the embedder is not the one that the heads were trained with."""
        check_embedder(self.features.embedder, self.embedder_identity, "with which the guard was trained")

    def scores(
        self, texts: Sequence[str], role: str, *, store: Store | None = None
    ) -> Float[np.ndarray, "n_texts n_rules"]:
        """Scores of whole texts. Outputs are looked at as if they grew, so these are the scores that cut a stream."""
        check_one_of(ROLES, role=role)
        cut = [windows_of(text) if role == "input" else [look.window for look in looks_of(text)] for text in texts]
        of_windows = self.window_scores([window for of_text in cut for window in of_text], role, store=store)
        ends = np.cumsum([len(of_text) for of_text in cut])[:-1]
        scores = np.full((len(texts), len(self.constitution.restricted)), _NOTHING)
        for number, own in enumerate(np.split(of_windows, ends) if len(texts) else ()):
            scores[number] = own.max(axis=0, initial=_NOTHING)
        return scores

    def window_scores(
        self, windows: Sequence[str], role: str, *, store: Store | None = None
    ) -> Float[np.ndarray, "n_windows n_rules"]:
        """`(n_windows, n_rules)`; the memory is that of the scores, and of the features of some thousands at a time."""
        scores = np.zeros((len(windows), len(self.constitution.restricted)))
        for start in range(0, len(windows), _BLOCK):
            part = slice(start, start + _BLOCK)
            scores[part] = self.heads[role].scores(self.features.of(windows[part], store=store))
        return scores

    def verdict(self, scores: Float[np.ndarray, " n_rules"]) -> Verdict:
        """The verdict on a text by its scores."""
        rule = int(np.argmax(scores))
        score = float(scores[rule])
        return Verdict(score, self.constitution.restricted[rule].id, score > self.threshold)
