"""n-grams and patterns that tell the texts that score high in a slot from those that score low."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlparam.denotation.computed.computed import ComputedPredicate

# High texts are this share of a corpus, whichever separates best; as many texts next to them belong to neither side.
_SHARES = (0.1, 0.2, 0.35, 0.5)
_MOST_TEXTS, _MOST_NGRAMS, _MOST_CHARACTERS, _MOST_WORDS = 5000, 20_000, 4000, 6
# How much an n-gram must tell, as a correlation, and a further word of a list add to it.
_LEAST, _GAIN = 0.1, 0.02

# Properties of form that a reader would name, as regular expressions.
PATTERNS = {
    "contains a digit": r"\d",
    "contains a percentage": r"(?i)\d\s?%|\bper ?cent\b",
    "contains an amount of money": r"(?i)[$€£¥]\s?\d|\d\s?(?:dollars?|euros?|pounds?)\b",
    "contains a year": r"\b(?:1[89]|20)\d\d\b",
    "contains a time of day": r"(?i)\b\d{1,2}:\d\d\b|\b\d{1,2} ?[ap]\.?m\b",
    "contains an e-mail address": r"\w@\w+\.\w",
    "contains a web address": r"(?i)https?://|\bwww\.",
    "contains a question mark": r"\?",
    "ends with a question mark": r"\?\s*\Z",
    "contains an exclamation mark": r"!",
    "contains a word in capital letters": r"\b[A-Z]{3,}\b",
    "contains a quotation": r"""(?s)["“].{1,200}?["”]""",
    "contains parentheses": r"\([^()]*\)",
    "contains a semicolon": r";",
    "contains a colon": r":",
    "contains a dash": r"[—–]| - ",
    "contains three dots": r"\.\.\.|…",
    "contains a hashtag": r"(?:^|\s)#\w",
    "contains an @-mention": r"(?:^|\s)@\w",
    "contains a list with bullets": r"(?m)^\s*(?:[-*•]|\d+[.)])\s",
    "contains code": r"(?m)```|\bdef \w+\(|[{};]\s*$",
    "has several paragraphs": r"\S\s*\n\s*\n\s*\S",
    "contains a character outside ASCII": r"[^\x00-\x7f]",
    "contains an emoji": "[\U0001f300-\U0001faff\u2600-\u27bf]",
    "is written in Cyrillic letters": "[\u0400-\u04ff]{3}",
    "is written in Chinese or Japanese characters": "[\u3040-\u30ff\u4e00-\u9fff]{2}",
    "is written in Arabic letters": "[\u0600-\u06ff]{3}",
    "speaks in the first person": r"\bI\b|(?i:\b(?:me|my|mine|we|our)\b)",
    "addresses the reader as you": r"(?i)\byou(?:r|rs)?\b",
    "begins with a capital letter": r"\A\s*[A-Z]",
    "ends with a full stop": r"\.\s*\Z",
    "says please": r"(?i)\bplease\b",
    "says thanks": r"(?i)\bthank",
    "hedges (may, might, perhaps, probably)": r"(?i)\b(?:may|might|perhaps|probably|possibly|maybe)\b",
    "sounds certain (certainly, clearly, definitely)": r"(?i)\b(?:certainly|clearly|definitely|obviously)\b",
    "contains a negation (not, no, never)": r"(?i)\b(?:not|no|never|none|cannot)\b|\w\wn['’]t\b",
}
# What is counted, as regular expressions of one occurrence; the thresholds come from the data.
COUNTS = {
    "words": r"\S+",
    "sentences": r"[.!?]+(?:\s|$)",
    "lines": r"\S[^\n]*",
    "digits": r"\d",
    "commas": r",",
}


@dataclasses.dataclass(frozen=True)
class Contrasts:
    """n-grams and patterns of a corpus, found once; `best` asks which of them tell high from low scores.

    `present` is `(n_texts, n_ngrams)`, sparse; `patterns` and `counts` are `(n_texts, n)` arrays; `rows` the texts that
    are looked at, at most 5,000 of them.
    """

    rows: np.ndarray
    ngrams: list[str]
    present: Any
    patterns: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], *, seed: int = 0) -> "Contrasts":
        """Looks at the texts."""
        from sklearn.feature_extraction.text import CountVectorizer

        rows = np.arange(len(texts))
        if len(rows) > _MOST_TEXTS:
            rows = np.sort(np.random.default_rng(seed).choice(len(texts), _MOST_TEXTS, replace=False))
        shown = [texts[row][:_MOST_CHARACTERS] for row in rows.tolist()]
        counting: Any = CountVectorizer  # its annotations, guessed from its defaults, know int64 only
        vectoriser = counting(
            binary=True,
            ngram_range=(1, 3),
            token_pattern=r"(?u)\b\w+\b",
            min_df=max(2, len(shown) // 200),
            max_features=_MOST_NGRAMS,
            dtype=np.float32,
        )
        try:
            present = vectoriser.fit_transform(shown).tocsc()
            ngrams = vectoriser.get_feature_names_out().tolist()
        except ValueError:  # no n-gram occurs twice
            from scipy import sparse

            present, ngrams = sparse.csc_matrix((len(shown), 0), dtype=np.float32), []
        tests = [re.compile(pattern).search for pattern in PATTERNS.values()]
        counters = [re.compile(pattern).findall for pattern in COUNTS.values()]
        patterns = np.asarray([[test(text) is not None for test in tests] for text in shown], np.float32)
        counts = np.asarray([[len(count(text)) for count in counters] for text in shown], np.float32)
        return cls(rows, ngrams, present, patterns, counts)

    def best(
        self, scores: np.ndarray, *, n_ngrams: int, n_patterns: int, shares: Sequence[float] = _SHARES
    ) -> list[ComputedPredicate]:
        """The predicates that tell the high from the low texts of one slot best.

        **Arguments:** `scores`, `(n_texts,)`; `n_ngrams` and `n_patterns`, how many; `shares`, how many texts are high,
        whichever separates best.
        """
        scores = scores[self.rows]
        sides = [_sides(scores, share) for share in shares]
        sides = [(kept, high) for kept, high in sides if 0 < high.sum() < len(high)]
        if not sides:
            return []
        return [*self._best_ngrams(sides, n_ngrams), *self._best_patterns(sides, n_patterns)]

    def _best_ngrams(self, sides, n_best: int) -> list[ComputedPredicate]:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        if not self.ngrams or n_best < 1:
            return []
        present = self.present
        told = np.max([_phi_sparse(present[kept], high) for kept, high in sides], axis=0)
        ranked = (int(i) for i in np.argsort(-told, kind="stable")[: 20 * n_best] if told[i] >= _LEAST)
        # Whether a text has an article or a pronoun tells its length, if anything.
        order = [i for i in ranked if not set(self.ngrams[i].split()) <= ENGLISH_STOP_WORDS]
        found: dict[str, ComputedPredicate] = {}
        for index in order:
            words = self.ngrams[index].split()
            # "the late delivery" beside "late delivery" says the same twice.
            inside = any(set(words) & set(self.ngrams[other].split()) for other in order[: order.index(index)])
            if not inside:
                predicate = of_ngrams([self.ngrams[index]])
                found[predicate.predicate] = predicate
            if len(found) >= n_best:
                break
        for kept, high in sides:
            listed = self._list_of_words([i for i in order if " " not in self.ngrams[i]][:60], kept, high)
            if len(listed) > 1:
                predicate = of_ngrams([self.ngrams[index] for index in listed])
                found[predicate.predicate] = predicate
        return list(found.values())

    def _list_of_words(self, candidates: list[int], kept: np.ndarray, high: np.ndarray) -> list[int]:
        """Words of which a high text has at least one: added one by one, as long as the correlation rises."""
        if not candidates:
            return []
        columns = self.present[kept][:, candidates].toarray() > 0
        chosen: list[int] = []
        union, reached = np.zeros(len(kept), bool), 0.0
        while len(chosen) < _MOST_WORDS:
            told = _phi((union[:, None] | columns).astype(np.float32), high)
            best = int(np.argmax(told))
            if told[best] < reached + _GAIN:
                break
            chosen.append(best)
            union, reached = union | columns[:, best], float(told[best])
        return [candidates[index] for index in chosen]

    def _best_patterns(self, sides, n_best: int) -> list[ComputedPredicate]:
        if n_best < 1:
            return []
        told = np.max([_phi(self.patterns[kept], high) for kept, high in sides], axis=0)
        found = [
            (float(told[i]), of_pattern(name, pattern))
            for i, (name, pattern) in enumerate(PATTERNS.items())
            if told[i] >= _LEAST
        ]
        for column, name in enumerate(COUNTS):
            sought = (_threshold(self.counts[kept, column], high) for kept, high in sides)
            reached, threshold, above = max(sought, key=lambda found: found[0])
            if reached >= _LEAST:
                found.append((reached, of_count(name, threshold, above=above)))
        found.sort(key=lambda pair: -pair[0])
        return [predicate for _, predicate in found[:n_best]]


def of_ngrams(ngrams: Sequence[str]) -> ComputedPredicate:
    """The predicate that a text contains one of some words or phrases, whatever their case."""
    quoted = ", ".join(f'"{ngram}"' for ngram in ngrams)
    if len(ngrams) == 1:
        name = f"contains the {'phrase' if ' ' in ngrams[0] else 'word'} {quoted}"
    else:
        name = f"contains one of {quoted}"
    alternatives = "|".join(r"\W+".join(re.escape(word) for word in ngram.split()) for ngram in ngrams)
    pattern = rf"(?i)(?<!\w)(?:{alternatives})(?!\w)"
    return dataclasses.replace(of_pattern(name, pattern), kind="ngram")


def of_pattern(predicate: str, pattern: str) -> ComputedPredicate:
    """The predicate that a regular expression occurs in a text."""
    source = f"def predicate(text):\n    return re.search({pattern!r}, text) is not None"
    return ComputedPredicate(predicate, source, "pattern")


def of_count(name: str, threshold: int, *, above: bool) -> ComputedPredicate:
    """The predicate that a text has more than a number of words, sentences, ..., or at most as many."""
    compared = f"len(re.findall({COUNTS[name]!r}, text)) {'>' if above else '<='} {threshold}"
    words = f"has {'more than' if above else 'at most'} {threshold} {name}"
    return ComputedPredicate(words, f"def predicate(text):\n    return {compared}", "pattern")


def _sides(scores: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The texts that are compared, and which of them are high: the texts between are on neither side."""
    order = np.argsort(-scores, kind="stable")
    n_high = max(1, round(share * len(order)))
    # None where the scores have two values only, as those of groups.
    n_between = min(n_high // 2, max(0, len(order) - 2 * n_high)) if len(np.unique(scores)) > 2 else 0
    kept = np.concatenate([order[:n_high], order[n_high + n_between :]])
    return kept, np.arange(len(kept)) < n_high


def _phi_sparse(present, high: np.ndarray) -> np.ndarray:
    both = np.asarray(present.T @ high.astype(np.float32)).reshape(-1)
    return _correlation(both, np.asarray(present.sum(axis=0)).reshape(-1), float(high.sum()), len(high))


def _phi(present: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The correlation of each column with being high, `(n_columns,)`."""
    return _correlation(present.T @ high.astype(np.float32), present.sum(axis=0), float(high.sum()), len(high))


def _correlation(both: np.ndarray, having: np.ndarray, n_high: float, n: int) -> np.ndarray:
    spread = np.sqrt(np.maximum(having * (n - having) * n_high * (n - n_high), 1e-9))
    return np.where((having > 0) & (having < n), (n * both - having * n_high) / spread, 0.0)


def _threshold(counts: np.ndarray, high: np.ndarray) -> tuple[float, int, bool]:
    """The threshold of a count that tells most: the correlation, the threshold, and whether high texts are above."""
    values = np.unique(np.quantile(counts, np.linspace(0.05, 0.95, 19)).astype(int))
    told = _phi((counts[:, None] > values[None, :]).astype(np.float32), high)
    best = int(np.argmax(np.abs(told)))
    return float(abs(told[best])), int(values[best]), bool(told[best] > 0)
