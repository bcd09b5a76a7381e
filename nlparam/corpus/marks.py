"""`labels.csv`: what people say of texts, kept in a file that is added to."""

import contextlib
import csv
import getpass
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from nlparam.corpus.corpus import whole_characters
from nlparam.corpus.decoding import Source
from nlparam.corpus.readers import field_names, read_texts
from nlparam.errors import CorpusError

# In the folder of a result, what people say of its texts.
LABELS_FILE = "labels.csv"
_FIELDS = ("text", "predicate", "label", "who")
# The field that says how a text came to be labelled, and what it says of one that a reader marked on a page.
HOW, ON_PAGE = "how", "page"


class Mark(NamedTuple):
    """A person (`who`) says "yes" or "no" of a text and a predicate; with the `label` "" the answer is taken back.

    `how` is `ON_PAGE` for a text that the reader of a page has chosen, and empty for one drawn at random.
    """

    text: str
    predicate: str
    label: str
    who: str = ""
    how: str = ""


def user_name() -> str:
    """Who labels if no other name is given; empty where nobody has a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def has_rows(path: Path) -> bool:
    """Whether there is a file with more than a heading. Raises `CorpusError` if it cannot be read."""
    return path.exists() and "\n" in Source(path).text([]).strip()


def kept_labels(path: str | Path) -> list[dict[str, str]]:
    """The rows of `labels.csv`: `text`, `predicate`, `label`, `who`, and fields of the user's own. None without a file.

    Raises `CorpusError` if the file cannot be read, or lacks one of the first three fields.
    """
    path = Path(path)
    if not has_rows(path):
        return []
    try:
        names = field_names(path)
        others = [name for name in names if name != "text"]
        table = read_texts(path, text_field="text", fields=[*others, "predicate", "label"])
    except CorpusError:
        if has_rows(path):
            raise
        return []  # somebody took the last label back in the meantime
    columns = {"text": table.texts} | table.columns | ({} if "who" in names else {"who": [""] * len(table.texts)})
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, ("" if value is None else str(value) for value in row), strict=True)) for row in rows]


def add_labels(path: str | Path, marks: Iterable[Mark]) -> list[dict[str, str]]:
    """Adds what people say to a `labels.csv`, which is made if need be, and returns all its rows as `kept_labels` does.

    One person has one answer for a text and a predicate: a later one takes the place of an earlier one. Texts are
    compared without the blanks around them, predicates without their case. Fields of the user's own stay. The file is
    there as a whole at any time, and two processes that add to it at once both do.

    Raises `CorpusError` if there is something else than "yes", "no" or "" for a label, or the file cannot be read or
    written.
    """
    from filelock import FileLock

    path, marks = Path(path), list(marks)
    for mark in marks:
        if mark.label not in ("yes", "no", "") or not mark.text.strip() or not mark.predicate.strip():
            raise CorpusError(
                f"got the label {mark.label!r} of the text {mark.text[:60]!r} for {mark.predicate[:60]!r}, expected "
                "'yes', 'no' or '' of a text and a predicate that are not blank"
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.resolve().with_name(f".{path.name}.lock"), is_singleton=True):
            rows = {_pair(row): row for row in kept_labels(path)}
            for mark in marks:
                said = {name: whole_characters(value) for name, value in mark._asdict().items() if name != HOW}
                before = rows.get(_pair(said), {HOW: mark.how})
                # A text drawn at random stays one, even if its label is changed on a page.
                how = mark.how and before.get(HOW, "")
                rows[_pair(said)] = {name: value for name, value in before.items() if name != HOW} | said
                rows[_pair(said)] |= {HOW: how} if how else {}
            _write(path, [row for row in rows.values() if row["label"]])
            return kept_labels(path)
    except OSError as error:
        raise CorpusError(f"{path} cannot be written ({error}): change its permissions") from error


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    names = list(dict.fromkeys([*_FIELDS, *(name for row in rows for name in row)]))
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def pair(text: str, predicate: str) -> tuple[str, str]:
    """A text and a predicate as they are compared: without the blanks around them and NUL characters, which readers of
    files leave out; the predicate without its case."""
    return text.replace("\0", "").strip(), predicate.strip().casefold()


def _pair(row: dict[str, str]) -> tuple[str, str, str]:
    return *pair(row["text"], row["predicate"]), row["who"].strip()
