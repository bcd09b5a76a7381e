"""What an input of the suite is: the bytes of a file as somebody has it, and what it says."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

TEXTS = [
    "The parcel came two weeks late and the box was open.",
    "Größe passt, aber die Farbe ist blasser als auf dem Foto.",
    "I was charged twice; the refund took a month.",
    "Très bon service, je recommande.",
    'She said "never again", and I agree.',
    "Works fine so far, no complaints.",
]
PLAIN = [
    "The parcel came two weeks late and the box was open.",
    "The colour is paler than on the photo, but it fits.",
    "I was charged twice, and the refund took a month.",
    "Very good service, can recommend it.",
]


class Input(NamedTuple):
    """A file and what it says.

    Either `texts` are what a person would say its texts are, or `messages` are, for each conversation, what was
    written in it. `way_out` is what a refusal has to name (one of several words), and `then` are the options that
    follow it. `steps` are the times of the texts. A folder has several `files`.
    """

    name: str
    file: str
    content: bytes = b""
    texts: Sequence[str] | None = None
    messages: Sequence[Sequence[str]] | None = None
    way_out: tuple[str, ...] = ()
    then: dict[str, Any] | None = None
    steps: Sequence[str] | None = None
    files: dict[str, bytes] | None = None


def table(
    rows: Iterable[Sequence[Any]], *, delimiter: str = ",", newline: str = "\r\n", quote_all: bool = False
) -> str:
    """Rows as a program for spreadsheets writes them."""
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=quoting).writerows(rows)
    return text.getvalue()


def lines(objects: Iterable[Any], newline: str = "\n") -> str:
    """Objects as lines of JSON."""
    return "".join(json.dumps(item, ensure_ascii=False) + newline for item in objects)
