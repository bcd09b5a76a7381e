"""Which texts the report quotes for and against each predicate, and how much of each."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.corpus.corpus import Corpus, place_of
from nlparam.results.page.blocks import Excerpt, Quote, Quotes, Tag
from nlparam.results.page.text import excerpt, folded, text_key, visible
from nlparam.results.records import Judgment

PER_SIDE = 8
MAX_EXCERPT = 400
MAX_WHOLE = 20_000
# Quotations of all predicates together stay within these bounds, so that the page stays small with many predicates
# and with very long texts.
MAX_EXAMPLES = 800
MAX_BYTES = 1_200_000

# Two probabilities just above and just below one half are no disagreement worth reading about.
MIN_GAP = 0.2

# Of how many texts for each that is quoted it is looked whether they are alike.
_LOOKED_AT = 20

CONFIDENT, BOUNDARY, DISAGREES = "most confident", "near the boundary", "language model disagrees"


@dataclasses.dataclass(frozen=True)
class Example:
    """One quoted text.

    `number` is its place in the corpus, from 0; `answered` the probability that the language model gave, if it was
    asked; `place` where the text stands, if that is known; `elsewhere` the number (from 1) of the predicate that the
    text is assigned to, if that is another one.
    """

    number: int
    excerpt: Excerpt
    denotation: float
    answered: float | None
    reason: str
    elsewhere: int | None
    place: str = ""

    def quote(self) -> Quote:
        """As a page shows it."""
        tags = [Tag(f"{self.denotation:.2f}", "strong")]
        answered = self.answered
        tags.append(Tag("by the head", "head") if answered is None else Tag(f"language model {answered:.2f}", "model"))
        if self.reason:
            tags.append(Tag(self.reason, "alert" if self.reason == DISAGREES else ""))
        if self.elsewhere is not None:
            tags.append(Tag(f"assigned to {self.elsewhere}"))
        name = ", ".join(filter(None, (self.place, f"text {self.number:,}")))
        return Quote(self.excerpt, tags, name, number=self.number)


class Sides(NamedTuple):
    """The quoted texts of one predicate."""

    examples_for: list[Example]
    examples_against: list[Example]

    def quotes(self) -> list[Quotes]:
        """As a page shows them."""
        sides = (("Texts for", self.examples_for), ("Texts against", self.examples_against))
        return [Quotes(heading, [example.quote() for example in side]) for heading, side in sides]


def quotable(text: str, max_bytes: int) -> Excerpt:
    """A text as it is quoted: its beginning, and at most `max_bytes` of it to be opened."""
    text = text.strip()
    short = excerpt(text, MAX_EXCERPT)
    whole = text[:max_bytes].encode("utf-8", errors="replace")[:max_bytes].decode("utf-8", errors="ignore")
    # With many predicates little room is left for each text: then the excerpt is all.
    longer = short != folded(text) and len(whole) > len(short)
    shown = whole if longer else short
    differs = visible(shown) != text and len(text) <= max_bytes
    return Excerpt(
        short, whole if longer else None, len(text), len(text) - len(whole), text_key(text), text if differs else None
    )


def likeness(text: str) -> str:
    """The letters and figures of the beginning of a text: where they are the same, a reader sees one text twice."""
    return "".join(character for character in text[: 2 * MAX_EXCERPT].casefold() if character.isalnum()) or text


def answers_by_predicate(judgments: Iterable[Judgment], n_texts: int) -> dict[str, dict[int, float]]:
    """For each predicate the language model's answer by text number; the last answer counts."""
    answers: dict[str, dict[int, float]] = {}
    for judgment in judgments:
        if 0 <= judgment.text < n_texts:
            answers.setdefault(judgment.predicate, {})[int(judgment.text)] = float(judgment.probability)
    return answers


def choose_examples(
    corpus: Corpus,
    denotations: np.ndarray,
    answers: Sequence[dict[int, float]],
    clusters: np.ndarray | None,
    *,
    per_side: int | None = None,
) -> list[Sides]:
    """Chooses at most `per_side` distinct texts for and against each predicate, by default as many as a page has room
    for.

    Each side mixes the texts that are most confident, those nearest to the boundary, and those where the language
    model's answer lies furthest on the other side; `Example.reason` is empty where a text is none of these.

    **Arguments:** `denotations`, `(n_texts, n_predicates)`, not a number where a text is not to be quoted; `answers[k]`
    maps text numbers to the language model's probabilities for predicate `k`; `clusters` gives the predicate that each
    text is assigned to, if the model assigns texts.
    """
    n_predicates = denotations.shape[1]
    if n_predicates == 0:
        return []
    per_side = per_side or max(1, min(PER_SIDE, MAX_EXAMPLES // (2 * n_predicates)))
    # The whole texts share the bytes, whichever alphabet they are written in.
    max_bytes = min(MAX_WHOLE, MAX_BYTES // (2 * per_side * n_predicates))
    distinct, first = np.unique(corpus.row, return_index=True)
    first = first[distinct >= 0]
    sides = []
    alike = functools.cache(lambda at: likeness(corpus.texts[int(first[at])]))
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
                Example(
                    number=int(first[at]),
                    excerpt=quotable(corpus.texts[int(first[at])], max_bytes),
                    denotation=float(column[at]),
                    answered=None if np.isnan(answered[at]) else float(answered[at]),
                    reason=reason,
                    elsewhere=None if other is None or other[at] < 0 else int(other[at]) + 1,
                    place=place_of(corpus.texts[int(first[at])]),
                )
                for at, reason in _choose_side(column, answered, side, per_side, alike)
            ]
            for side in (True, False)
        ]
        sides.append(Sides(*quoted))
    return sides


def example_rows(names: Sequence[str], sides: Sequence[Sides], corpus: Corpus, *, named: str) -> dict[str, list[Any]]:
    """Examples as a table, by column; `named` is the heading of the names."""
    found = [
        (name, side, example)
        for name, two in zip(names, sides, strict=True)
        for side, examples in (("for", two.examples_for), ("against", two.examples_against))
        for example in examples
    ]
    return {
        named: [name for name, _, _ in found],
        "side": [side for _, side, _ in found],
        "text": [corpus.texts[example.number] for _, _, example in found],
        "denotation": [example.denotation for _, _, example in found],
        "answer": [example.answered for _, _, example in found],
        "number": [example.number for _, _, example in found],
    }


def _choose_side(
    column: np.ndarray, answered: np.ndarray, side: bool, n: int, alike: Callable[[int], str]
) -> list[tuple[int, str]]:
    """Positions and reasons, ordered from most to least certain; of texts that are alike one."""
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
    seen: set[str] = set()
    for order, reason, limit in (
        (contradicted[:n_contested], DISAGREES, n),
        (sure, CONFIDENT, min(n, len(contradicted[:n_contested]) + n_sure)),
        (near, BOUNDARY, n),
    ):
        for at in order[: _LOOKED_AT * n].tolist():
            if len(chosen) < limit and alike(at) not in seen:
                seen.add(alike(at))
                chosen[at] = reason if reason != BOUNDARY or abs(column[at] - 0.5) < 0.25 else ""
    ordered = sorted(chosen, key=lambda at: -column[at] if side else column[at])
    return [(at, chosen[at]) for at in ordered]
