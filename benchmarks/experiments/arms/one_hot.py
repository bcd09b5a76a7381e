"""The one-hot ablation: embeddings that say nothing about how alike two texts are."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from benchmarks.experiments.arms.shared import fitted
from benchmarks.experiments.base import AbstractArm, Outcome, Problem
from nlparam.corpus.corpus import Corpus, text_digest
from nlparam.language.embed import AbstractEmbedder


class OneHotEmbedder(AbstractEmbedder):
    """Every distinct text of a corpus has a basis vector of its own.

    Where there are more than `n_dimensions` of them, and for texts that are not in the corpus, the basis vector is
    projected at random: a random unit vector that depends on nothing but the text, nearly orthogonal to all others.
    """

    def __init__(self, texts: Sequence[str], *, n_dimensions: int = 4096):
        if n_dimensions < 2:
            raise ValueError(f"got n_dimensions={n_dimensions}, expected at least 2")
        distinct = Corpus.from_texts(texts).distinct
        self._exact = len(distinct) <= n_dimensions
        self.n_dimensions = max(2, len(distinct)) if self._exact else n_dimensions
        self._position = {text: number for number, text in enumerate(distinct)} if self._exact else {}
        # A basis vector depends on the corpus; what is stored for another one must not be taken for it.
        contents = hashlib.sha256("\n".join(map(text_digest, self._position)).encode()).hexdigest()[:16]
        self._identity = f"one-hot {self.n_dimensions} {contents if self._exact else 'projected'}"

    @property
    def identity(self) -> str:
        return self._identity

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        matrix = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            if text in self._position:
                matrix[row, self._position[text]] = 1.0
            else:
                direction = np.random.default_rng(int(text_digest(text)[:16], 16)).standard_normal(self.n_dimensions)
                matrix[row] = direction / np.linalg.norm(direction)
        return matrix


@dataclasses.dataclass(frozen=True)
class OneHot(AbstractArm):
    """A fit whose embeddings are one-hot: the relaxation can learn nothing from one text about another.

    It has no goal representation, which would be a good embedding in disguise: it learns from n-grams, too.
    """

    n_dimensions: int = 4096

    def run(self, problem: Problem) -> Outcome:
        embedder = OneHotEmbedder(problem.dataset.texts, n_dimensions=self.n_dimensions)
        return fitted(problem, embedder=embedder, representation="embedding")
