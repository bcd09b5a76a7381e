"""Answers out of a store and into another: `nlparam store export` and `import`. Nothing is held in memory whole."""

import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import StoreError
from nlparam.lm.store.database import explanation
from nlparam.lm.store.schema import KINDS, Names, encodable, version_of
from nlparam.lm.store.store import Store
from nlparam.runtime.files import replacing

SUFFIXES = (".parquet", ".jsonl")
_FILES = " or ".join(SUFFIXES)
# The columns of an export, and the field by which a file shows which kind of answer it holds.
COLUMNS = {
    "judgments": ("key", "model", "prompt_version", "predicate", "probability", "time"),
    "completions": ("key", "model", "text", "prompt_tokens", "completion_tokens", "time"),
    "embeddings": ("key", "model", "vector", "time"),
}
_TELLING = {"probability": "judgments", "text": "completions", "vector": "embeddings"}
_OF_NAMES = {"model": "sources.model", "prompt_version": "sources.prompt_version", "predicate": "predicates.text"}

Row = tuple  # the values of COLUMNS of a kind, with the key and a vector as bytes
Found = tuple[str, dict[str, Any]]  # where a row stands in a file, and what is there


def select(kind: str, *, named: bool = True) -> str:
    """The query for all rows of a kind; not `named`, without what the two small tables say of them."""
    of_names = _OF_NAMES if named else dict.fromkeys(_OF_NAMES, "NULL")
    query = f"SELECT {', '.join(of_names.get(name, f'{kind}.{name}') for name in COLUMNS[kind])} FROM {kind}"
    if named:
        query += " LEFT JOIN sources ON sources.id = source"
    if named and kind == "judgments":
        query += " LEFT JOIN predicates ON predicates.id = predicate"
    return query


class Merged(NamedTuple):
    """How many rows of one kind were read, and how many of them were new to the store."""

    kind: str
    n_read: int
    n_new: int


def export(store: Store, out: Path, *, what: str = "judgments") -> int:
    """Writes all answers of a kind into a .parquet or .jsonl file and returns how many there are.

    Raises `ValueError` for another kind or suffix, `OSError` if the file cannot be written.
    """
    if what not in KINDS or out.suffix not in SUFFIXES:
        raise ValueError(f"got {what!r} and {out.name!r}, expected one of {KINDS} and a name that ends in {SUFFIXES}")
    write = _write_parquet if out.suffix == ".parquet" else _write_jsonl
    # Embeddings in the order of the file: in that of the keys each row would be on another page.
    query = select(what) + ("" if what == "embeddings" else " ORDER BY key")
    with replacing(out) as partial, store.database.snapshot() as connection:
        return write(partial, what, connection.execute(query))


def merge(store: Store, path: Path) -> list[Merged]:
    """Stores what an exported file or another store holds; what is there already stays. Nothing for an empty .jsonl.

    Raises `StoreError` that names the first row which is not as `export` writes it. Rows before it may have been
    stored; to import the mended file is to go on.
    """
    try:
        # By its name, not by a look inside: to close a database that is open elsewhere in this process, other than by
        # SQLite, ends the locks on it.
        if path.suffix not in SUFFIXES:
            return _merge_store(store, path)
        names, found = _read_parquet(path) if path.suffix == ".parquet" else _read_jsonl(path)
        if names is None:
            return []
        kind = _kind_of(path, names)
        rows = (checked(kind, [row.get(name) for name in COLUMNS[kind]], where) for where, row in found)
        return [merge_rows(store, kind, rows)]
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): choose another file") from error


def _write_parquet(path: Path, kind: str, rows: Iterable[Row]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "probability": pa.float64(),
        "time": pa.float64(),
        "prompt_tokens": pa.int64(),
        "completion_tokens": pa.int64(),
        "vector": pa.list_(pa.float32()),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS[kind]])
    n_rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for part in _parts(rows, 4 * _at_once(kind)):
            columns: dict[str, Any] = dict(zip(COLUMNS[kind], zip(*part, strict=True), strict=True))
            columns["key"] = [key.hex() for key in columns["key"]]
            if kind == "embeddings":
                columns["vector"] = [np.frombuffer(vector, "<f4") for vector in columns["vector"]]
            writer.write_table(pa.table({name: pa.array(columns[name], schema.field(name).type) for name in columns}))
            n_rows += len(part)
    return n_rows


def _write_jsonl(path: Path, kind: str, rows: Iterable[Row]) -> int:
    n_rows = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            values = dict(zip(COLUMNS[kind], row, strict=True)) | {"key": row[0].hex()}
            if kind == "embeddings":
                # Python's shortest decimal of a float32 as float64 gives the same float32 back.
                values["vector"] = np.frombuffer(values["vector"], "<f4").tolist()
            file.write(json.dumps(values) + "\n")
            n_rows += 1
    return n_rows


def _read_parquet(path: Path) -> tuple[list[str], Iterator[Found]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows() -> Iterator[Found]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(4096):
                    for values in batch.to_pylist():
                        number += 1
                        yield f"{path}, row {number}", values
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{path} is damaged behind row {number} ({error})") from error

    try:
        return pq.read_schema(path).names, rows()
    except pa.ArrowException as error:
        raise StoreError(f"{path} is no Parquet file ({error})") from error


def _read_jsonl(path: Path) -> tuple[list[str] | None, Iterator[Found]]:
    """The names are those of the first row; `None` for an export of nothing."""
    first = next(_objects(path), None)
    return None if first is None else list(first[1]), _objects(path)


def _objects(path: Path) -> Iterator[Found]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError as error:  # UnicodeDecodeError is one
                raise StoreError(f"{path}, line {number} is no JSON ({error})") from error
            if not isinstance(values, dict):
                raise StoreError(f"{path}, line {number}: got {type(values).__name__}, expected an object")
            yield f"{path}, line {number}", values


def _kind_of(path: Path, names: Iterable[str]) -> str:
    for name in names:
        if name in _TELLING:
            return _TELLING[name]
    wanted = "; ".join(f"{', '.join(columns)} for {kind}" for kind, columns in COLUMNS.items())
    raise StoreError(f"{path} has the fields {', '.join(names) or 'none'}, expected {wanted}")


def _merge_store(store: Store, path: Path) -> list[Merged]:
    if not path.is_file():
        raise StoreError(f"{path} is no file: choose a store, or a name that ends in {_FILES}")
    if store.path.exists() and path.samefile(store.path):
        raise StoreError(f"{path} is the store itself: choose the other one")
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as other:
            other.execute("BEGIN")
            version = version_of(other, path)
            if version == 0:
                raise StoreError(f"{path} is an empty file, expected a store, or a name that ends in {_FILES}")
            found = []
            for kind in KINDS:
                rows = (
                    checked(kind, row, f"{path}, {kind}, row {number}")
                    for number, row in enumerate(other.execute(select(kind, named=version > 1)), start=1)
                )
                found.append(merge_rows(store, kind, rows))
            return found
    except sqlite3.Error as error:
        raise StoreError(explanation(path, error, 5.0)) from error


def merge_rows(store: Store, kind: str, rows: Iterator[Row]) -> Merged:
    """Stores checked rows of one kind; what is there already stays."""
    n_read = n_new = 0
    for part in _parts(rows, _at_once(kind)):
        with store.database.write(len(part)) as connection:
            n_new += _insert(connection, kind, part)
        n_read += len(part)
    return Merged(kind, n_read, n_new)


def _insert(connection: sqlite3.Connection, kind: str, rows: list[Row]) -> int:
    names = Names(connection)
    values = []
    for row in sorted(rows, key=lambda row: row[0]):  # keys in order, also of a file that somebody has shuffled
        found = dict(zip(COLUMNS[kind], row, strict=True))
        model, version, predicate = (found.pop(name, None) for name in _OF_NAMES)
        found["source"] = None if model is None else names.source(model, version or "")
        if kind == "judgments":
            found["predicate"] = None if predicate is None else names.predicate(predicate)
        values.append(found)
    marks = ", ".join(f":{name}" for name in values[0])
    query = f"INSERT OR IGNORE INTO {kind} ({', '.join(values[0])}) VALUES ({marks})"
    return connection.executemany(query, values).rowcount


def checked(kind: str, row: Sequence[Any], where: str) -> Row:
    """A row as it is stored, the values of `COLUMNS`; raises `StoreError` if it is not one."""
    values = []
    for name, value in zip(COLUMNS[kind], row, strict=True):
        expected, stored = _CHECKS[name]
        try:
            values.append(stored(value))
        except (TypeError, ValueError) as error:
            said = f"{where}: {name} is {str(value)[:80]!r}, expected {expected}; mend or drop the row"
            raise StoreError(said) from error
    return tuple(values)


def _key(value: Any) -> bytes:
    key = value if isinstance(value, bytes) else bytes.fromhex(value)
    if len(key) != 32:
        raise ValueError
    return key


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return encodable(value)


def _number(value: Any, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError
    return float(value)


def _whole(value: Any) -> int:
    if _number(value, 0, 2**63 - 1) % 1:
        raise ValueError
    return int(value)


def _vector(value: Any) -> bytes:
    vector = np.frombuffer(value, "<f4") if isinstance(value, bytes) else np.asarray(value, "<f4")
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise ValueError
    return vector.tobytes()


# What each column has to be, in words, and what is stored for a value; `ValueError` or `TypeError` if it is not that.
_NAME = ("a string or nothing", lambda value: value if value is None else _string(value))
_CHECKS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "key": ("64 hexadecimal digits", _key),
    **dict.fromkeys(_OF_NAMES, _NAME),
    "probability": ("a number in [0, 1]", lambda value: _number(value, 0, 1)),
    "time": ("seconds since 1970", lambda value: _number(time.time() if value is None else value)),
    "text": ("a string", _string),
    **dict.fromkeys(("prompt_tokens", "completion_tokens"), ("a number of tokens", _whole)),
    "vector": ("finite numbers", _vector),
}


def _at_once(kind: str) -> int:
    return 20_000 if kind == "judgments" else 1024


def _parts(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while part := list(islice(iterator, size)):
        yield part
