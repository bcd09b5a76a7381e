"""Saves what can be read of a damaged store: `nlparam store salvage`."""

import contextlib
import itertools
import math
import os
import struct
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from nlparam.errors import StoreError
from nlparam.lm.store import log as write_ahead
from nlparam.lm.store.log import beside
from nlparam.lm.store.pages import Record, overflows, records
from nlparam.lm.store.schema import APPLICATION_ID
from nlparam.lm.store.store import Counts, Store

_MAGIC = b"SQLite format 3\0"
_BYTES_AT_ONCE = 64 << 20  # of rows that are sorted before they are stored
_INSERT = {
    "judgments": "INSERT OR IGNORE INTO judgments (key, probability, time, source, predicate) VALUES (?, ?, ?, ?, ?)",
    "completions": "INSERT OR IGNORE INTO completions (key, text, prompt_tokens, completion_tokens, time, source) "
    "VALUES (?, ?, ?, ?, ?, ?)",
    "embeddings": "INSERT OR IGNORE INTO embeddings (key, vector, time, source) VALUES (?, ?, ?, ?)",
    "sources": "INSERT OR IGNORE INTO sources (id, model, prompt_version) VALUES (?, ?, ?)",
    "predicates": "INSERT OR IGNORE INTO predicates (id, text) VALUES (?, ?)",
}


class Salvaged(NamedTuple):
    """How many answers of each kind are in the new file, how many pages were read, and where the damaged file is."""

    saved: Counts
    n_pages: int
    damaged: Path


def salvage(path: Path) -> Salvaged:
    """Copies every readable answer of a store into a new file under its name; the damaged one stays beside it.

    Answers are looked for in each page of the file and of its log by itself, so that broken headers, trees and
    checksums lose no row but those in the broken places. A row is what fits the form of one; SQLite has no checksums on
    pages, so a flipped bit within a probability cannot be noticed. Nothing else may use the store meanwhile.

    Raises `StoreError` if there is nothing of a store in the file, or another process uses it; nothing is changed then.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}: say with --store which one is damaged")
    fresh, kept = path.with_name(f"{path.name}.salvaged"), _free_name(path)
    _remove(fresh)
    try:
        with path.open("r+b") as file, contextlib.ExitStack() as stack:
            _claim(file, path)
            log = beside(path, "-wal")
            damaged = _Damaged(file, stack.enter_context(log.open("rb")) if log.exists() else None, path)
            with Store(fresh) as store:
                _copy(damaged.rows(), store)
                _forget_unknown_names(store)
                saved = store.counts()
        if not any(saved):
            raise StoreError(f"{path} holds nothing of a store; it is left as it is: choose another file with --store")
        # The log first: beside the new file it would be taken for that one's.
        for ending in ("-wal", "-shm", ""):
            if beside(path, ending).exists():
                beside(path, ending).rename(beside(kept, ending))
        fresh.rename(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be salvaged ({error}): see whether its folder can be written") from error
    finally:
        _remove(fresh)
    return Salvaged(saved, damaged.n_pages, kept)


class _Damaged:
    """The pages of a file and its log, each in its last version, and the frames of the log that are older."""

    def __init__(self, file: IO[bytes], log: IO[bytes] | None, path: Path):
        self._file, self._log = file, log
        header = file.read(100)
        whole = header.startswith(_MAGIC)
        if whole and struct.unpack_from(">I", header, 68)[0] not in (APPLICATION_ID, 0):
            raise StoreError(f"{path} is a database of another program: choose another file with --store")
        self._size = os.fstat(file.fileno()).st_size
        log_header = log.read(32) if log is not None else b""
        self._page_size = write_ahead.page_size(log_header) or self._find_page_size(header if whole else b"")
        self.n_pages = -(-self._size // self._page_size)
        # Where the log has the last version of a page.
        self._in_log: dict[int, int] = {}
        if log is not None:
            salts = log_header[16:24] if write_ahead.header_is_whole(log_header) else b""
            start = 32
            for block in write_ahead.frames(log, self._page_size):
                for frame in block:
                    salts = salts or frame[8:16].tobytes()
                    # Frames of an earlier round have other salts, and stand in the file already.
                    if frame[8:16].tobytes() == salts:
                        self._in_log[int.from_bytes(frame[:4].tobytes(), "big")] = start + 24
                    start += len(frame)
        self._free = self._trunks()
        self._claims = array("B", bytes(self.n_pages + len(self._in_log) + 2))

    def rows(self) -> Iterator[Record]:
        """Every row in any page; one with overflow pages only from the last version of its page."""
        # Two rows that go on in the same page: one is left over from before, and it cannot be told which.
        for number, page in self._pages():
            for overflow in overflows(page, first=number == 1):
                if overflow < len(self._claims):
                    self._claims[overflow] = min(2, self._claims[overflow] + 1)
        for number, page in self._pages():
            for record in records(page, first=number == 1, chain=self._chain):
                if record.overflow == 0 or self._claims[record.overflow] == 1:
                    yield record
        for page, first in self._older():
            yield from records(page, first=first, chain=lambda _number, _size: None)

    def _pages(self) -> Iterator[tuple[int, bytes]]:
        behind = sorted(number for number in self._in_log if number > self.n_pages)
        for number in itertools.chain(range(1, self.n_pages + 1), behind):
            yield number, self._page(number)

    def _older(self) -> Iterator[tuple[bytes, bool]]:
        for number in self._in_log:
            if number <= self.n_pages:
                yield self._read(self._file, (number - 1) * self._page_size), number == 1
        if self._log is not None:
            for block in write_ahead.frames(self._log, self._page_size):
                for frame in block:
                    yield frame[24:].tobytes(), int.from_bytes(frame[:4].tobytes(), "big") == 1

    def _page(self, number: int) -> bytes:
        if self._log is not None and number in self._in_log:
            return self._read(self._log, self._in_log[number])
        return self._read(self._file, (number - 1) * self._page_size)

    def _read(self, file: IO[bytes], start: int) -> bytes:
        try:
            file.seek(start)
            page = file.read(self._page_size)
        except OSError:  # a bad place of the disk
            page = b""
        return page.ljust(self._page_size, b"\0")

    def _chain(self, number: int, size: int) -> bytes | None:
        data = b""
        while size > 0:
            if number in self._free or not (0 < number < len(self._claims)):
                return None
            page = self._page(number)
            (number,) = struct.unpack_from(">I", page)
            data += page[4 : 4 + size]
            size -= len(page) - 4
        return data if number == 0 else None

    def _trunks(self) -> set[int]:
        """The pages that list the free pages: the only ones that SQLite overwrites when it frees them."""
        found: set[int] = set()
        (number,) = struct.unpack_from(">I", self._page(1), 32)
        while 0 < number <= self.n_pages and number not in found:
            found.add(number)
            (number,) = struct.unpack_from(">I", self._page(number))
        return found

    def _find_page_size(self, header: bytes) -> int:
        sizes = [1 << power for power in range(12, 17)] + [2048, 1024, 512]
        if header:
            size = struct.unpack_from(">H", header, 16)[0]
            size = 65536 if size == 1 else size
            if size in sizes:
                return size
        # The size at which most rows come to light.
        found = {}
        for self._page_size in sizes:
            starts = range(0, min(self._size, 16 << 20), self._page_size)
            pages = (self._read(self._file, start) for start in starts)
            found[self._page_size] = sum(
                _table_and_row(record) is not None
                for page in pages
                for record in records(page, first=False, chain=lambda _number, _size: None)
            )
        return max(sizes, key=found.__getitem__)


def _copy(rows: Iterable[Record], store: Store) -> None:
    waiting: dict[str, list[tuple]] = {table: [] for table in _INSERT}
    size = 0

    def put_away() -> None:
        for table, part in waiting.items():
            with store.database.write(len(part)) as connection:
                connection.executemany(_INSERT[table], sorted(part, key=lambda row: row[0]))
            part.clear()

    for record in rows:
        found = _table_and_row(record)
        if found is None:
            continue
        table, row = found
        waiting[table].append(row)
        size += 200 + (len(row[1]) if isinstance(row[1], bytes | str) else 0)
        if size > _BYTES_AT_ONCE:
            put_away()
            size = 0
    put_away()


def _table_and_row(record: Record) -> tuple[str, tuple] | None:
    """Which table a row belongs to, by its form, and what to store there; `None` if it fits none."""
    match record.values:
        case [bytes(key), int() | float() as probability, int() | float() as when, *names] if len(key) == 32:
            if 0.0 <= probability <= 1.0 and _is_time(when) and len(names) <= 2 and all(map(_is_id, names)):
                return "judgments", (key, float(probability), float(when), *names, *[None] * (2 - len(names)))
        case [bytes(key), str(text), int(prompt), int(completion), int() | float() as when, *names] if len(key) == 32:
            if "\0" not in text and _is_time(when) and len(names) <= 1 and all(map(_is_id, names)):
                return "completions", (key, text, prompt, completion, float(when), names[0] if names else None)
        case [bytes(key), bytes(vector), int() | float() as when, *names] if len(key) == 32:
            right = len(vector) % 4 == 0 and _is_time(when) and len(names) <= 1 and all(map(_is_id, names))
            if right and np.isfinite(np.frombuffer(vector, "<f4")).all():
                return "embeddings", (key, vector, float(when), names[0] if names else None)
        # A row of a table, whose id is its number, or of the index beside it.
        case [None, str(model), str(version)] if record.rowid is not None:
            return "sources", (record.rowid, model, version)
        case [str(model), str(version), int(number)] if record.rowid is None:
            return "sources", (number, model, version)
        case [None, str(text)] if record.rowid is not None:
            return "predicates", (record.rowid, text)
        case [str(text), int(number)] if record.rowid is None:
            return "predicates", (number, text)
    return None


def _is_time(value: float) -> bool:
    return math.isfinite(value) and 0 <= value < 1e11


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and value > 0)


def _forget_unknown_names(store: Store) -> None:
    with store.database.write() as connection:
        for kind in Counts._fields:
            connection.execute(f"UPDATE {kind} SET source = NULL WHERE source NOT IN (SELECT id FROM sources)")
        connection.execute("UPDATE judgments SET predicate = NULL WHERE predicate NOT IN (SELECT id FROM predicates)")


def _claim(file: IO[bytes], path: Path) -> None:
    """Raises `StoreError` if another process has the store open: what it stores later would be lost."""
    try:
        import fcntl
    except ImportError:  # Windows, which lets nobody rename an open file
        return
    try:
        # The bytes on which each open connection holds a shared lock.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError as error:
        raise StoreError(f"another process uses {path}: stop it first, and salvage then") from error


def _free_name(path: Path) -> Path:
    name = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (path.with_name(name + ending) for ending in ("", *(f"-{number}" for number in range(2, 100))))
    return next(free for free in names if not free.exists())


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        beside(path, ending).unlink(missing_ok=True)
