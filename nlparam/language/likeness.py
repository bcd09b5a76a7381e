"""How alike texts are: by their words, their n-grams, and their embeddings."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nlparam.errors import MissingExtraError

# The cosine from which on what two predicates say, or a predicate and a statement, is the same ("health care",
# "healthcare"; "sport", "is about sports").
SAYS_THE_SAME = 0.85


def distinct(predicates: Iterable[str]) -> tuple[str, ...]:
    """Predicates without those that differ from an earlier one in case only."""
    first: dict[str, str] = {}
    for predicate in predicates:
        first.setdefault(predicate.casefold(), predicate)
    return tuple(first.values())


def jaccard(texts: Sequence[str]) -> np.ndarray:
    """`(n_texts, n_texts)`: of the distinct words of two texts, the share that both have; 1 where neither has any."""
    return _of_pairs([_words(text) for text in texts], _share)


def jaccard_to(text: str, others: Sequence[str]) -> np.ndarray:
    """`(n_others,)`: the same of one text and each of some others."""
    words = _words(text)
    return np.asarray([_share(words, _words(other)) for other in others], dtype=float)


def bleu(texts: Sequence[str]) -> np.ndarray:
    """`(n_texts, n_texts)`: the sentence BLEU of two texts in [0, 1], the mean of both directions.

    Up to 4-grams, with sacrebleu's exponential smoothing, and only as long n-grams as the text has. Raises
    `MissingExtraError` without sacrebleu.
    """
    metric = bleu_metric()

    def likeness(first: str, second: str) -> float:
        both = metric.sentence_score(first, [second]).score + metric.sentence_score(second, [first]).score
        return min(both / 200, 1.0)

    return _of_pairs(texts, likeness)


def bleu_metric() -> Any:
    """sacrebleu's metric. Raises `MissingExtraError` without sacrebleu."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtraError("sacrebleu", "simulatability", "the similarity of counterfactuals by BLEU") from None
    return BLEU(effective_order=True)


def cosines(vectors: np.ndarray) -> np.ndarray:
    """`(n_texts, n_texts)`: the inner products of unit vectors, `(n_texts, embed_dim)`; negative ones count as 0."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return np.clip(vectors @ vectors.T, 0.0, 1.0)


def _of_pairs(items: Sequence[Any], likeness: Callable[[Any, Any], float]) -> np.ndarray:
    found = np.eye(len(items))
    for (i, first), (j, second) in itertools.combinations(enumerate(items), 2):
        found[i, j] = found[j, i] = likeness(second, first)
    return found


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _share(words: set[str], others: set[str]) -> float:
    union = words | others
    return len(words & others) / len(union) if union else 1.0
