"""Which texts the report quotes for and against each predicate, and how much of each."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nlparam.corpus.corpus import Corpus

PER_SIDE = 8
MAX_EXCERPT = 400
MAX_WHOLE = 20_000
# Quotations of all predicates together stay within these bounds, so that the page stays small with many predicates
# and with very long texts.
MAX_EXAMPLES = 800
MAX_BYTES = 1_200_000

# Two probabilities just above and just below one half are no disagreement worth reading about.
MIN_GAP = 0.2

CONFIDENT, BOUNDARY, DISAGREES = "most confident", "near the boundary", "language model disagrees"


@dataclasses.dataclass(frozen=True)
class Example:
    """One quoted text.

    `number` is its place in the corpus, from 0; `text` what is quoted at once; `whole` a longer quotation if `text` is
    not all, without its last `left_out` characters; `answered` the probability that the language model gave, if it was
    asked; `elsewhere` the number (from 1) of the predicate that the text is assigned to, if that is another one.
    """

    number: int
    text: str
    whole: str | None
    n_characters: int
    left_out: int
    denotation: float
    answered: float | None
    reason: str
    elsewhere: int | None


class Sides(NamedTuple):
    """The quoted texts of one predicate."""

    examples_for: list[Example]
    examples_against: list[Example]


def folded(text: str) -> str:
    """The text without empty lines and with at most three line breaks, so that many fit on a screen."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return "\n".join([*lines[:3], " ".join(lines[3:])]).strip()


def excerpt(text: str, length: int) -> str:
    """The beginning of a text, folded, and cut between words to at most `length` characters with an ellipsis."""
    text = folded(text)
    if len(text) <= length:
        return text
    head = text[: length - 1]
    words = head.rsplit(None, 1)
    # One very long "word" (base64, a URL) is cut inside.
    return (words[0] if len(words) == 2 and len(words[0]) > length // 2 else head).rstrip() + "…"


def choose_examples(
    corpus: Corpus, denotations: np.ndarray, answers: list[dict[int, float]], clusters: np.ndarray | None
) -> list[Sides]:
    """Chooses at most `PER_SIDE` distinct texts for and against each predicate.

    Each side mixes the texts that are most confident, those nearest to the boundary, and those where the language
    model's answer lies furthest on the other side; `Example.reason` is empty where a text is none of these.

    **Arguments:** `denotations`, `(n_texts, n_predicates)`, not a number where a text is not to be quoted; `answers[k]`
    maps text numbers to the language model's probabilities for predicate `k`; `clusters` gives the predicate that each
    text is assigned to, if the model assigns texts.
    """
    n_predicates = denotations.shape[1]
    if n_predicates == 0:
        return []
    per_side = max(1, min(PER_SIDE, MAX_EXAMPLES // (2 * n_predicates)))
    # The whole texts share the bytes, whichever alphabet they are written in.
    max_bytes = min(MAX_WHOLE, MAX_BYTES // (2 * per_side * n_predicates))
    distinct, first = np.unique(corpus.row, return_index=True)
    first = first[distinct >= 0]
    sides = []
    for k in range(n_predicates):
        answered = np.full(len(corpus.distinct), np.nan)
        for text, probability in answers[k].items():
            if corpus.row[text] >= 0:
                answered[corpus.row[text]] = probability
        column = denotations[first, k]
        # Another predicate's texts are marked; those of this one and those of none (-1) are not.
        other = None if clusters is None else np.where(clusters == k, -1, clusters)[first]
        quoted = [
            [
                _quote(corpus, int(first[at]), max_bytes)(
                    denotation=float(column[at]),
                    answered=None if np.isnan(answered[at]) else float(answered[at]),
                    reason=reason,
                    elsewhere=None if other is None or other[at] < 0 else int(other[at]) + 1,
                )
                for at, reason in _choose_side(column, answered, side, per_side)
            ]
            for side in (True, False)
        ]
        sides.append(Sides(*quoted))
    return sides


def _choose_side(column: np.ndarray, answered: np.ndarray, side: bool, n: int) -> list[tuple[int, str]]:
    """Positions and reasons, ordered from most to least certain."""
    members = np.flatnonzero(((column >= 0.5) == side) & np.isfinite(column))
    sureness = np.abs(column[members] - 0.5)
    sure = members[np.argsort(-sureness, kind="stable")]
    near = members[np.argsort(sureness, kind="stable")]
    gap = np.nan_to_num(np.abs(answered - column))
    contradicted = members[((answered[members] >= 0.5) != side) & (gap[members] > MIN_GAP)]
    contradicted = contradicted[np.argsort(-gap[contradicted], kind="stable")]
    # A confident "no" is rarely news, so texts against are taken mostly from where it is close or contested.
    n_contested = n // 4 if side else (3 * n) // 8
    n_sure = max(1, n // 2 if side else n // 4)
    chosen: dict[int, str] = {}
    for order, reason, limit in (
        (contradicted[:n_contested], DISAGREES, n),
        (sure, CONFIDENT, min(n, len(contradicted[:n_contested]) + n_sure)),
        (near, BOUNDARY, n),
    ):
        for at in order[: 2 * n]:
            if len(chosen) < limit:
                chosen.setdefault(int(at), reason if reason != BOUNDARY or abs(column[at] - 0.5) < 0.25 else "")
    ordered = sorted(chosen, key=lambda at: -column[at] if side else column[at])
    return [(at, chosen[at]) for at in ordered]


def _quote(corpus: Corpus, number: int, max_bytes: int) -> Callable[..., Example]:
    """An `Example` that lacks only what depends on the predicate."""
    text = corpus.texts[number].strip()
    short = excerpt(text, MAX_EXCERPT)
    whole = text[:max_bytes].encode("utf-8", errors="replace")[:max_bytes].decode("utf-8", errors="ignore")
    return functools.partial(
        Example,
        number=number,
        text=short,
        # With many predicates little room is left for each text: then the excerpt is all.
        whole=whole if short != folded(text) and len(whole) > len(short) else None,
        n_characters=len(text),
        left_out=len(text) - len(whole),
    )
