"""An oracle in place of a language model: it knows which predicates hold, so that a test measures the search alone."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from nlparam.language.embed import AbstractEmbedder
from nlparam.language.prompting import cut_words
from nlparam.lm.base import Request
from nlparam.lm.scripted import ScriptedModel

_QUESTION = re.compile(r"Text: (?P<text>.*)\n\nProperty: (?P<predicate>.*)\. Yes or no\?\Z", re.DOTALL)


class LexicalEmbedder(AbstractEmbedder):
    """TF-IDF and SVD fitted to a corpus: a real embedder that needs no weights."""

    def __init__(self, corpus: Sequence[str], n_dimensions: int = 64, **options):
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectoriser = TfidfVectorizer(sublinear_tf=True, min_df=2, **options)
        counts = self._vectoriser.fit_transform(corpus)
        self._axes = TruncatedSVD(min(n_dimensions, min(counts.shape) - 1), random_state=0).fit(counts)
        self.computed = 0

    @property
    def identity(self) -> str:
        return "lexical, float32"

    def embed(self, texts):
        self.computed += len(texts)
        vectors = self._axes.transform(self._vectoriser.transform(texts)).astype(np.float32) + 1e-6
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Oracle:
    """Judges labelled texts for gold predicates ("has the label X") and for distractors hidden among them.

    A distractor holds for half of one label's texts, for the union of two labels, or for a random part of all texts.
    `asked` lists the questions in the order in which they came.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[str], *, distractors: int = 9, seed: int = 0):
        rng = np.random.default_rng(seed)
        names = sorted(set(labels))
        self.label_of = {cut_words(text, 400): label for text, label in zip(texts, labels, strict=True)}
        self.gold = [f"has the label {name}" for name in names]
        self.table = {predicate: {name: 1.0} for predicate, name in zip(self.gold, names, strict=True)}
        for number in range(distractors * len(names)):
            first, second = rng.choice(names, 2, replace=False)
            noise = {name: float(rng.uniform(0.02, 0.3)) for name in names}
            kind = [noise | {first: float(rng.uniform(0.3, 0.7))}, {first: 0.95, second: 0.95}, noise][number % 3]
            self.table[f"is distractor number {number}"] = kind
        self.predicates = [str(predicate) for predicate in rng.permutation(list(self.table))]
        self.asked: list[tuple[str, str]] = []

    def model(self, **options) -> ScriptedModel:
        return ScriptedModel(self.answer, **options)

    def answer(self, request: Request) -> dict[str, float]:
        question = _QUESTION.match(request.messages[-1].content)
        assert question is not None, request.messages[-1].content
        text, predicate = question["text"], question["predicate"]
        self.asked.append((predicate, text))
        chance = self.table[predicate].get(self.label_of[text], 0.0)
        # The same question has the same answer, whenever it is asked.
        draw = int.from_bytes(hashlib.sha256(f"{predicate}\0{text}".encode()).digest()[:4], "big") / 2**32
        return {"yes": 0.99, "no": 0.01} if draw < chance else {"yes": 0.01, "no": 0.99}


def topics(n_texts: int, n_topics: int, *, seed: int = 0, n_words: int = 25) -> tuple[list[str], list[str]]:
    """Synthetic texts, each mostly of the words of its topic, and their labels; all distinct."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_topics, size=n_texts)
    texts = []
    for number, label in enumerate(labels):
        own = [f"topic{label}word{w}" for w in rng.integers(30, size=n_words)]
        common = [f"common{w}" for w in rng.integers(200, size=n_words // 2)]
        words = rng.permutation(own + common)
        texts.append(" ".join([*words, f"number{number}"]))
    return texts, [f"topic {label}" for label in labels]
