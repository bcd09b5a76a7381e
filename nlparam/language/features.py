"""Features of the form of texts: word and character n-grams, which sentence embeddings are nearly blind to."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlparam.language.prompting import cut_words

_N_WORDS = 100  # the beginning of a text is enough for its style and language, and bounds the time for long ones
_MAX_FIT_TEXTS = 20_000  # the vocabulary and the axes are learned from a sample of at most this many texts
_ANALYSERS = {
    "word": {"analyzer": "word", "ngram_range": (1, 2)},
    "char": {"analyzer": "char_wb", "ngram_range": (3, 4)},
}


@dataclasses.dataclass(frozen=True)
class NgramFeatures:
    """SVD-compressed TF-IDF of word 1-2-grams and character 3-4-grams.

    `vocabularies[name]` lists the n-grams, `idf[name]` their inverse document frequencies, `axes[name]` the
    `(n_dimensions, n_ngrams)` singular directions, for `name` "word" and "char".
    """

    vocabularies: dict[str, list[str]]
    idf: dict[str, np.ndarray]
    axes: dict[str, np.ndarray]

    @classmethod
    def fit(cls, texts: Sequence[str], **options: int) -> "NgramFeatures":
        """Learns the n-grams and their axes from (a sample of) the texts; `options` as those of `fit_transform`."""
        return cls.fit_transform(texts, **options)[0]

    @classmethod
    def fit_transform(
        cls, texts: Sequence[str], *, n_dimensions: int = 100, max_ngrams: int = 10_000, seed: int = 0
    ) -> "tuple[NgramFeatures, np.ndarray]":
        """The n-grams and their axes, learned from (a sample of) the texts, and `(n_texts, n_features)` features."""
        import threadpoolctl
        from sklearn.decomposition import TruncatedSVD

        rows = np.arange(len(texts))
        if sampled := len(rows) > _MAX_FIT_TEXTS:
            rows = np.random.default_rng(seed).choice(len(texts), _MAX_FIT_TEXTS, replace=False)
        shown = [cut_words(texts[row], _N_WORDS) for row in rows.tolist()]
        vocabularies, idf, axes, blocks = {}, {}, {}, []
        for name in _ANALYSERS:
            # n-grams of a single text say nothing about another; in a tiny corpus every n-gram is rare.
            vectoriser = _vectoriser(name, max_features=max_ngrams, min_df=2 if len(shown) > 20 else 1)
            try:
                counts = vectoriser.fit_transform(shown)
            except ValueError:  # nothing but stop characters: no n-grams
                vocabularies[name], idf[name], axes[name] = [], np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
                continue
            n_axes = min(n_dimensions, min(counts.shape) - 1)
            vocabularies[name] = vectoriser.get_feature_names_out().tolist()
            idf[name] = vectoriser.idf_.astype(np.float32)
            found = np.zeros((0, counts.shape[1]))
            if n_axes > 0:
                # Threads of BLAS wait for one another at each of many small steps, longer than they work.
                with threadpoolctl.threadpool_limits(1, user_api="blas"):
                    found = np.asarray(TruncatedSVD(n_axes, n_iter=3, random_state=seed).fit(counts).components_)
            axes[name] = found.astype(np.float32)
            blocks.append(counts @ axes[name].T)
        learned = cls(vocabularies, idf, axes)
        return learned, learned.transform(texts) if sampled else _beside(blocks, len(shown))

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        """`(n_texts, n_features)` float32."""
        shown = [cut_words(text, _N_WORDS) for text in texts]
        blocks = []
        for name, vocabulary in self.vocabularies.items():
            if len(self.axes[name]) == 0:
                continue
            vectoriser = _vectoriser(name, vocabulary=vocabulary)
            vectoriser.idf_ = self.idf[name]
            blocks.append(vectoriser.transform(shown) @ self.axes[name].T)
        return _beside(blocks, len(shown))


def _beside(blocks: list[np.ndarray], n_texts: int) -> np.ndarray:
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((n_texts, 0), np.float32)


def _vectoriser(name: str, **options) -> Any:
    from sklearn.feature_extraction import text

    vectoriser: Any = text.TfidfVectorizer  # its annotations, guessed from its defaults, know float64 only
    return vectoriser(**_ANALYSERS[name], sublinear_tf=True, dtype=np.float32, **options)
