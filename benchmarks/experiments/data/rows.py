"""Rows of JSON Lines with fields of known types: what is wrong is said with its file, line and field."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments.base import DataError


class Rows:
    """The objects of a file, one per line. Raises `DataError` if there are none, or a line is no object."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._lines: list[int] = []
        # Not splitlines: it would split at U+2028 and its like, which may stand inside a JSON string.
        for number, line in enumerate(read(path).split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number} is not JSON ({error}): expected one object per line") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number} holds {type(row).__name__}, expected an object")
            self.rows.append(row)
            self._lines.append(number)
        if not self.rows:
            raise DataError(f"{path} holds no texts: it is empty")

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, field: str) -> bool:
        """Some row has the field, and something in it."""
        return any(row.get(field) is not None for row in self.rows)

    def place(self, index: int) -> str:
        return f"{self.path}, line {self._lines[index]}"

    def texts(self) -> list[str]:
        return strings(self.column("text"), lambda index: f"{self.place(index)}: the field 'text'")

    def column(self, field: str) -> list[Any]:
        """The values of a field that every row must have."""
        for index, row in enumerate(self.rows):
            if row.get(field) is None:
                there = ", ".join(map(repr, row)) or "none"
                raise DataError(f"{self.place(index)}: the field {field!r} is missing; the fields there are: {there}")
        return [row[field] for row in self.rows]

    def indicators(self, field: str, names: Sequence[str], *, multiple: bool) -> np.ndarray:
        """`(n_rows, n_names)` booleans.

        With `multiple`, the field holds a 0 or 1 for each of the names, else it holds one of the names.
        """
        values = self.column(field)
        if multiple:
            return indicators(values, names, lambda index: f"{self.place(index)}: the field {field!r}")
        for index, value in enumerate(values):
            if value not in names:
                raise DataError(
                    f"{self.place(index)}: the field {field!r} is {value!r}, expected one of {shown(names)}"
                )
        return np.asarray([[value == name for name in names] for value in values], dtype=bool)


def strings(values: list[Any], place: Callable[[int], str]) -> list[str]:
    """The values, all of which must be strings; `place` says where one stands."""
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{place(index)} is {value!r}, expected a string")
    return values


def indicators(values: list[Any], names: Sequence[str], place: Callable[[int], str]) -> np.ndarray:
    """`(n_rows, n_names)` booleans of lists with a 0 or 1 for each of the names; `place` says where one stands."""
    for index, value in enumerate(values):
        if not (isinstance(value, list) and len(value) == len(names) and set(value) <= {0, 1}):
            raise DataError(
                f"{place(index)} is {str(value)[:60]}, expected a list of {len(names)} zeros and ones, one for each of "
                f"{shown(names)}"
            )
    return np.asarray(values, dtype=bool)


def whole(k: Any, path: Path, field: str) -> int | None:
    """A number of predicates, or none."""
    if k is None or (isinstance(k, int) and not isinstance(k, bool) and k > 0):
        return k
    raise DataError(f"{path}: the field {field!r} is {k!r}, expected a whole number above 0")


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}): convert it") from error


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a JSON {type(content).__name__}, expected an object")
    return content


def read_json(path: Path) -> Any:
    """The JSON in a file."""
    text = read(path)
    if not text.strip():
        raise DataError(f"{path} is empty, expected JSON")
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error


def shown(names: Sequence[object]) -> str:
    """Some of the names, for a message."""
    return ", ".join(map(repr, names[:12])) + (", ..." if len(names) > 12 else "")
