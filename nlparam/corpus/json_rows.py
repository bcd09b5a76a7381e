"""JSON as people have it: lines, lists, rows under a key, columns, and one object after another."""

import collections
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nlparam.corpus.conversations import is_conversation, is_service, joined, messages_of, unthreaded
from nlparam.corpus.decoding import Source
from nlparam.corpus.rows import DEFAULT_FIELD, Rows, row_place
from nlparam.errors import CorpusError

_DEEPEST = 4  # levels below which no rows and no fields are looked for
_LOOKED_AT = 1_000  # rows whose objects are looked into for names of fields
_BLANKS = re.compile(r"\s*")


def json_lines(path: Path | str, lines: str | Iterable[str], *, first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the object of every line that is not blank; a plain string counts as the field "text".

    Raises `CorpusError`, which names the line, counted from `first`.
    """
    # Not splitlines: it would split at U+2028 and its like, which may stand inside a JSON string.
    for number, line in enumerate(lines.split("\n") if isinstance(lines, str) else lines, start=first):
        if not line.strip():
            continue
        try:
            item = json.loads(line, strict=False)  # control characters in a text do no harm
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}, line {number} is not JSON ({error}): expected one object per line") from error
        yield number, _as_object(path, f"line {number}", item)


def read_jsonl(source: Source, warnings: list[str]) -> Rows:
    """One object per line; or objects over several lines, one after another."""
    try:
        with source.characters(warnings) as stream:
            lines = list(json_lines(source.path, stream))
    except CorpusError:
        with source.characters([]) as stream:
            begins = next((line.strip() for line in stream if line.strip()), "")
        if begins not in ("{", "["):
            raise
        return read_json(source, [])
    return object_rows([row for _, row in lines], lambda index: f"line {lines[index][0]}")


def read_json(source: Source, warnings: list[str]) -> Rows:
    """A list of objects or strings, wherever it stands in the file; columns; or one object after another."""
    path, text = source.path, source.text(warnings)
    try:
        found = json.loads(text, strict=False) if text.strip() else []
    except (ValueError, RecursionError) as error:
        found = _one_after_another(text)
        if found is None:
            raise CorpusError(
                f"{path} is not JSON ({error}): if it has one object per line, let its name end in .jsonl"
            ) from error
    if isinstance(found, dict):
        found = _rows_within(path, found)
    if not isinstance(found, list):
        raise CorpusError(f"{path} holds a JSON {type(found).__name__}, expected a list of objects or strings")
    return object_rows([_as_object(path, row_place(index), item) for index, item in enumerate(found)], row_place)


def _one_after_another(text: str) -> list[Any] | None:
    """JSON values with nothing but white space between, at least two; `None` if the text is something else."""
    decoder, found, at = json.JSONDecoder(strict=False), [], 0
    try:
        while at < len(text):
            item, at = decoder.raw_decode(text, at)
            found.append(item)
            at = _BLANKS.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess]
    except (ValueError, RecursionError):
        return None
    return found if len(found) > 1 else None


def _rows_within(path: Path, value: dict[str, Any]) -> list[Any]:
    """The rows of an object: itself, if it is a conversation; its columns; or a list in it."""
    if is_conversation(value):
        return [value]
    if (columns := _columns(value)) is not None:
        return columns
    if isinstance(value.get("samples"), list) and "eval" in value:  # a log of Inspect
        return value["samples"]
    found = max(_lists(value), key=lambda one: (isinstance(one[0], dict), len(one)), default=None)
    if found is None:
        raise CorpusError(
            f"{path} holds a JSON dict without a list of objects or strings, expected a list of objects or strings: "
            "write its rows as [{...}, {...}]"
        )
    return found


def _columns(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows of what pandas writes: `{"field": {"0": ...}}`, `{"field": [...]}`, or columns and data apart."""
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, names), row, strict=False)) for row in data]
    fields = list(value.values())
    if len(fields) < 2:
        return None
    if all(isinstance(field, dict) and field and field.keys() == fields[0].keys() for field in fields):
        cells = [list(field.values()) for field in fields]
    elif all(isinstance(field, list) and len(field) == len(fields[0]) > 0 for field in fields):
        cells = fields
    else:
        return None
    if any(isinstance(cell, dict | list) for column in cells for cell in column):
        return None
    return [dict(zip(value, row, strict=True)) for row in zip(*cells, strict=True)]


def _lists(value: Any, depth: int = 0) -> Iterator[list[Any]]:
    """Lists of objects or strings, in objects within objects."""
    if isinstance(value, list):
        if value and (all(isinstance(item, dict) for item in value) or all(isinstance(item, str) for item in value)):
            yield value
    elif isinstance(value, dict) and depth < _DEEPEST:
        for item in value.values():
            yield from _lists(item, depth + 1)


def _as_object(path: Path | str, place: str, item: Any) -> dict[str, Any]:
    if isinstance(item, list) and messages_of(item):
        return {"messages": item}
    if not isinstance(item, dict | str):
        raise CorpusError(f"{path}, {place}: got {type(item).__name__}, expected an object or a string")
    return {DEFAULT_FIELD: item} if isinstance(item, str) else item


def object_rows(rows: Sequence[dict[str, Any]], place: Callable[[int], str]) -> Rows:
    """Rows of objects; a field of an object in one is called as `outer.inner`."""
    kept = [number for number, row in enumerate(rows) if not is_service(row)]
    rows = [unthreaded(rows[number]) for number in kept]
    names = _common_names(rows)

    def column(name: str) -> list:
        return [joined(_value(row, name)) for row in rows]

    prose, talks = [], []
    for name in names:
        values = column(name)
        n_given = sum(value is not None for value in values)
        if n_given > len(rows) / 2 and all(value is None or isinstance(value, str) for value in values):
            prose.append(name)
        elif n_given and all(value is None or messages_of(value) is not None for value in values):
            talks.append(name)
    return Rows(len(rows), names, prose, column, lambda index: place(kept[index]), tuple(talks))


def _common_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The names of all fields, and of those within objects that are no mere keys (some rows have them in common)."""
    within = collections.Counter(name for row in rows[:_LOOKED_AT] for name in _names(row))
    least = min(len(rows), _LOOKED_AT) / 20
    named = dict.fromkeys(name for row in rows for name in row)
    return list(dict.fromkeys([*(name for name, n in within.items() if n >= least or name in named), *named]))


def _names(value: dict[str, Any], outer: str = "", depth: int = 0) -> Iterator[str]:
    for name, inner in value.items():
        yield outer + name
        if isinstance(inner, dict) and depth < _DEEPEST:
            yield from _names(inner, f"{outer}{name}.", depth + 1)


def _value(row: dict[str, Any], name: str) -> Any:
    """The value of a field, or of one in an object in it."""
    if name in row or "." not in name:
        return row.get(name)
    value: Any = row
    while isinstance(value, dict) and name not in value:
        outer = next((key for key in value if name.startswith(f"{key}.")), None)
        if outer is None:
            return None
        value, name = value[outer], name.removeprefix(f"{outer}.")
    return value.get(name) if isinstance(value, dict) else None
