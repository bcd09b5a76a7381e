"""Worlds with a known truth, and what stands for a language model in them. No estimator of the library is used here."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import FitWarning
from nlparam.language.embed import AbstractEmbedder
from nlparam.lm.scripted import ScriptedModel


def answered(rng: np.random.Generator, truth: np.ndarray, right_yes: Any, right_no: Any) -> np.ndarray:
    """Answers of a judge (or a head) that is right for a share of the cases that hold, and of those that do not.

    The shares may be arrays that broadcast with the truth.
    """
    right = np.where(truth, right_yes, right_no)
    return np.where(rng.random(np.shape(truth)) < right, truth, ~truth)


def some(rng: np.random.Generator, values: np.ndarray, n_known: int) -> np.ndarray:
    """The values as floats, known for a random `n_known` rows and `nan` for the others."""
    known = np.zeros(len(values), dtype=bool)
    known[rng.permutation(len(values))[:n_known]] = True
    return np.where(known.reshape(-1, *[1] * (values.ndim - 1)), values.astype(np.float64), np.nan)


def correlated(rng: np.random.Generator, clusters: np.ndarray, prevalence: float, correlation: float) -> np.ndarray:
    """`(n_texts,)` booleans of a given intraclass correlation: each cluster has a rate of its own, by a beta law."""
    total = 1 / correlation - 1
    rates = rng.beta(prevalence * total, (1 - prevalence) * total, size=int(clusters.max()) + 1)
    return rng.random(len(clusters)) < rates[clusters]


def texts_of(n_texts: int, n_words: Sequence[int] | None = None) -> list[str]:
    """Distinct texts that mean nothing, of so many words each."""
    lengths = [6] * n_texts if n_words is None else n_words
    return [
        " ".join([f"text{number}", *(f"word{number * k % 97}" for k in range(1, int(n)))])
        for number, n in enumerate(lengths)
    ]


class TableJudge(AbstractJudge):
    """Looks answers up in a table, `(n_texts, n_predicates)` of booleans or probabilities."""

    identity = "table"

    def __init__(self, texts: Sequence[str], answers: Mapping[str, np.ndarray]):
        self.row = {text: number for number, text in enumerate(texts)}
        self.answers = {name: np.asarray(column, np.float64) for name, column in answers.items()}
        self.n_asked = 0

    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        self.n_asked += len(pairs)
        listed: list[list[int]] = np.asarray(pairs).tolist()
        return np.asarray([self.answers[predicates[p]][self.row[texts[t]]] for t, p in listed], np.float64)


class TableEmbedder(AbstractEmbedder):
    """Gives each text a vector from a table, and any other string one of its digest."""

    def __init__(self, texts: Sequence[str], vectors: np.ndarray):
        self.row = {text: number for number, text in enumerate(texts)}
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    @property
    def identity(self) -> str:
        return f"table {self.vectors.shape[1]}"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.asarray([self._vector(text) for text in texts], np.float32).reshape(len(texts), -1)

    def _vector(self, text: str) -> np.ndarray:
        if text in self.row:
            return self.vectors[self.row[text]]
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        vector = np.random.default_rng(seed).normal(size=self.vectors.shape[1])
        return vector / np.linalg.norm(vector)


def silent() -> ScriptedModel:
    """A language model that nobody asks."""
    return ScriptedModel([], strong=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings for readers of one result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        yield
