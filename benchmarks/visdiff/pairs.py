"""Pairs of image sets: what is said of them, and where their images or captions lie."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import read_rows
from nlparam.comparing.images import holds_images

# What the ImageNet sets are compared with has the name of a data set instead of a description.
_PLAIN = {"imagenet": "ordinary photographs", "base": "ordinary photographs"}


class Pair(NamedTuple):
    """A pair: `source` is the part of the benchmark (easy, medium, hard, imagenetr, imagenetstar)."""

    id: str
    source: str
    set_a: str
    set_b: str


def read_pairs(path: Path, *, sources: Sequence[str] = (), most: int | None = None) -> list[Pair]:
    """The pairs of a JSON Lines file with the fields id, difficulty_path, set_a and set_b.

    **Arguments:** `sources` to keep, by default all; `most`, how many of each source.
    """
    pairs, counts = [], Counter()
    for row in read_rows(path):
        source = row["difficulty_path"]
        if (not sources or source in sources) and (most is None or counts[source] < most):
            counts[source] += 1
            pairs.append(Pair(row["id"], source, row["set_a"], _PLAIN.get(row["set_b"]) or row["set_b"]))
    return pairs


class Sets(NamedTuple):
    """Where the two sets of a pair lie: folders of images, or files of captions."""

    a: Path
    b: Path
    images: bool


def find_sets(folder: Path, pair: Pair) -> Sets | None:
    """The folders `FOLDER/ID/a` and `/b` with images, or the files `a.jsonl`, `a.txt`, ... of captions; else `None`."""
    a, b = folder / pair.id / "a", folder / pair.id / "b"
    if holds_images(a) and holds_images(b):
        return Sets(a, b, images=True)
    for suffix in (".jsonl", ".csv", ".txt"):
        files = a.with_suffix(suffix), b.with_suffix(suffix)
        if all(file.is_file() for file in files):
            return Sets(*files, images=False)
    return None
