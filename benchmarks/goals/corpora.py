"""What a corpus of known answers is, how one is sampled, and which there are."""

import dataclasses
import random
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from benchmarks.goals.suite import SuiteError

# A judgment shows a small language model about the first 60 words; an embedder reads some more.
MOST_WORDS = 150
LEAST_WORDS = 5
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Row:
    """A text, and its answer on every axis (`None` where that is not known)."""

    text: str
    labels: dict[str, str | None]


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Texts whose answers are known on one or several axes; `axes[name][i]` is that of text `i`, or `None`.

    `crossed` says that the axes were drawn to be about independent, so that who follows another axis scores low.
    """

    name: str
    texts: list[str]
    axes: dict[str, list[str | None]]
    crossed: bool = False


def corpus_of(name: str, rows: Sequence[Row], *, crossed: bool = False) -> Corpus:
    """The rows as columns. Raises `SuiteError` if there are none."""
    if not rows:
        raise SuiteError(f"the corpus {name!r} is empty: run `python -m benchmarks.goals fetch` again")
    axes = {axis: [row.labels[axis] for row in rows] for axis in rows[0].labels}
    return Corpus(name, [row.text for row in rows], axes, crossed)


def sampled(
    rows: Iterable[Row], by: Callable[[Row], Hashable], most: int, *, least_words: int = LEAST_WORDS
) -> list[Row]:
    """At most `most` rows of each cell, drawn at random but always the same, in a random order.

    A text that occurs twice is taken once (the same text with two answers: not at all), and cut to 150 words.
    """
    generator = random.Random(_SEED)
    cells: dict[Hashable, list[Row]] = defaultdict(list)
    for row in _distinct(rows, least_words):
        cells[by(row)].append(row)
    chosen = []
    for cell in sorted(cells, key=repr):
        members = sorted(cells[cell], key=lambda row: row.text)
        generator.shuffle(members)
        chosen += members[:most]
    generator.shuffle(chosen)
    return chosen


def _distinct(rows: Iterable[Row], least_words: int) -> list[Row]:
    found: dict[str, Row | None] = {}
    for row in rows:
        text = cut(row.text)
        if len(text.split()) < least_words:
            continue
        key = " ".join(text.lower().split())
        known = found.get(key, row)
        found[key] = Row(text, row.labels) if known is not None and known.labels == row.labels else None
    return [row for row in found.values() if row is not None]


def cut(text: str, words: int = MOST_WORDS) -> str:
    """The first words of a text, with its own line breaks."""
    text = text.strip()
    match = re.match(rf"(?:\S+\s+){{{words - 1}}}\S+", text)
    return match.group() if match else text


def corpus(
    name: str, *, most: int, by: str | None = None, least_words: int = LEAST_WORDS
) -> Callable[[Callable[[], Iterable[Row]]], Callable[[], Iterable[Row]]]:
    """Makes a corpus of a function that gives rows: a sample with at most `most` of each label on the axis `by`, or,
    for crossed axes, of each combination of labels.
    """

    def cell(row: Row) -> Hashable:
        return tuple(row.labels.values()) if by is None else row.labels[by]

    def register(rows: Callable[[], Iterable[Row]]) -> Callable[[], Iterable[Row]]:
        LOADERS[name] = lambda: corpus_of(
            name, sampled(rows(), cell, most, least_words=least_words), crossed=by is None
        )
        return rows

    return register


def load(name: str) -> Corpus:
    """A corpus by name. Raises `SuiteError` for an unknown one, and if its files were not fetched."""
    from benchmarks.goals import archive, quotes, speech  # noqa: F401 (they fill `LOADERS`)

    if name not in LOADERS:
        raise SuiteError(f"got the corpus {name!r}, expected one of {', '.join(sorted(LOADERS))}")
    return LOADERS[name]()


LOADERS: dict[str, Callable[[], Corpus]] = {}
