"""Where the denotations of a fit and the language model's answers say opposite things."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlparam.results.page.examples import MIN_GAP, excerpt

if TYPE_CHECKING:
    from nlparam.corpus.corpus import Corpus

MAX_ROWS = 60
PER_PREDICATE = 5
MAX_WORDS = 240
MAX_SENTENCE = 120


class Crossed(NamedTuple):
    """How many judged texts of one predicate the denotation and the language model say yes to."""

    number: int
    sentence: str
    both: int
    neither: int
    model_only: int
    denotation_only: int


class Disagreement(NamedTuple):
    """One judged text of which the two say opposite things; `words` begin the text."""

    number: int
    sentence: str
    text: int
    words: str
    denoted: float
    answered: float


@dataclasses.dataclass(frozen=True)
class DisagreementView:
    """`crossed` has a line per predicate; `widest` at most `per_predicate` texts of each, the widest gap first.

    A gap below `min_gap` is none worth reading about.
    """

    crossed: list[Crossed]
    widest: list[Disagreement]
    per_predicate: int = PER_PREDICATE
    min_gap: float = MIN_GAP


def disagreements(
    corpus: "Corpus", predicates: Sequence[str], denotations: np.ndarray, answers: Sequence[Mapping[int, float]]
) -> DisagreementView:
    """Compares denotations, `(n_texts, n_predicates)`, with the answers for each predicate by text number."""
    crossed, widest = [], []
    for index, sentence in enumerate(predicates):
        known = {text: given for text, given in answers[index].items() if np.isfinite(given)}
        texts = np.fromiter(known, dtype=np.int64, count=len(known))
        answered = np.fromiter(known.values(), dtype=float, count=len(known))
        denoted = np.asarray(denotations[texts, index], dtype=float)
        yes, said = denoted >= 0.5, answered >= 0.5
        name = excerpt(sentence, MAX_SENTENCE)
        counts = [int(pairs.sum()) for pairs in (yes & said, ~yes & ~said, ~yes & said, yes & ~said)]
        crossed.append(Crossed(index + 1, name, *counts))
        gap = np.where(yes != said, np.abs(denoted - answered), 0.0)
        seen: set[int] = set()
        for at in np.argsort(-gap, kind="stable").tolist():
            if gap[at] <= MIN_GAP or len(seen) == PER_PREDICATE:
                break
            text = int(texts[at])
            # Equal texts have equal figures: one of them is enough.
            if (row := int(corpus.row[text])) in seen:
                continue
            seen.add(row)
            words = excerpt(corpus.texts[text][: 8 * MAX_WORDS], MAX_WORDS)
            widest.append(Disagreement(index + 1, name, text, words, float(denoted[at]), float(answered[at])))
    widest.sort(key=lambda line: -abs(line.denoted - line.answered))
    return DisagreementView(crossed, widest[:MAX_ROWS])
