"""Saves what SQLite can still read of a damaged store: `nlparam store salvage`."""

import contextlib
import gc
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nlparam.errors import StoreError
from nlparam.lm.store.database import beside, explanation
from nlparam.lm.store.schema import KINDS, version_of
from nlparam.lm.store.store import Counts, Store
from nlparam.lm.store.transfer import Row, checked, merge_rows, select

_LAST_KEY = 2**256 - 1


class Salvaged(NamedTuple):
    """How many answers of each kind were saved, in how many places some were lost, and where the damaged file is."""

    saved: Counts
    n_unreadable: int
    damaged: Path


def salvage(path: Path) -> Salvaged:
    """Copies every readable answer of a store into a new file under its name; the damaged one stays beside it.

    The copy steps over the pages that SQLite refuses, and over rows that are no answers. If a table's first page is
    damaged, the whole table is lost. SQLite has no checksums on pages, so a flipped bit within a probability cannot be
    noticed. A last page that is not whole is cut off the damaged file. Nothing else may use the store meanwhile.

    Raises `StoreError` if nothing can be read, or another process uses the store; nothing is changed then.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}: say with --store which one is damaged")
    fresh, kept = path.with_name(f"{path.name}.salvaged"), _free_name(path)
    _remove(fresh)
    gc.collect()  # a store of this process that failed to open may still hold its lock
    try:
        with Store(fresh) as store:
            n_unreadable = _copy(path, store)
            saved = store.counts()
        if not any(saved):
            raise _nothing_in(path, "it has no answers")
        # The log first: beside the new file it would be taken for that one's.
        for ending in ("-wal", "-shm", ""):
            if beside(path, ending).exists():
                beside(path, ending).rename(beside(kept, ending))
        fresh.rename(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be salvaged ({error}): see whether its folder can be written") from error
    finally:
        _remove(fresh)
    return Salvaged(saved, n_unreadable, kept)


def _copy(path: Path, store: Store) -> int:
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0.0)) as damaged:
            damaged.text_factory = _text
            # Fails if another process has the file open: what that one stores later would be lost.
            damaged.execute("PRAGMA locking_mode=EXCLUSIVE")
            # SQLite then reads on where the file is shorter than it should be.
            damaged.execute("PRAGMA writable_schema=ON")
            if version_of(damaged, path) == 0:
                raise _nothing_in(path, "it is an empty file")
            # SQLite would take what is missing of the last page for zeros, and a part of a text or vector for a whole.
            size, page_size = path.stat().st_size, damaged.execute("PRAGMA page_size").fetchone()[0]
            os.truncate(path, size - size % page_size)
            return sum(_copy_kind(damaged, store, kind, named=_has_names(damaged)) for kind in KINDS)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreError(f"another process uses {path}: stop it first, and salvage then") from error
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise _nothing_in(path, str(error)) from error
        raise StoreError(explanation(path, error, 0.0)) from error


def _copy_kind(damaged: sqlite3.Connection, store: Store, kind: str, *, named: bool) -> int:
    """Copies one table and returns the number of places in which something was lost."""
    n_unreadable, last = 0, -1  # the end of the last place that could not be read

    def rows() -> Iterator[Row]:
        nonlocal n_unreadable, last
        query = f"{select(kind, named=named)} WHERE key BETWEEN ? AND ? ORDER BY key"
        # Keys are digests, so a page holds about the same part of their range in each table. Ranges behind a bad page
        # are halved until they are smaller than what is on a page.
        smallest = _LAST_KEY // (8 * damaged.execute("PRAGMA page_count").fetchone()[0])
        ranges = [(0, _LAST_KEY)]
        while ranges:
            low, high = ranges.pop()
            try:
                for row in damaged.execute(query, (low.to_bytes(32, "big"), high.to_bytes(32, "big"))):
                    try:
                        yield checked(kind, row, "")
                        low = int.from_bytes(row[0], "big") + 1
                    except StoreError:
                        n_unreadable += 1
            except sqlite3.DatabaseError:
                if high - low < smallest:
                    n_unreadable += low != last + 1
                    last = high
                else:
                    middle = (low + high) // 2
                    ranges += [(middle + 1, high), (low, middle)]

    merge_rows(store, kind, rows())
    return n_unreadable


def _has_names(damaged: sqlite3.Connection) -> bool:
    """Whether models and predicates can be read, which only `nlparam store stats`, `gc` and `export` need."""
    try:
        damaged.execute("SELECT total(length(model) + length(prompt_version)) FROM sources NOT INDEXED").fetchone()
        damaged.execute("SELECT total(length(text)) FROM predicates NOT INDEXED").fetchone()
        return True
    except sqlite3.DatabaseError:
        return False


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _nothing_in(path: Path, why: str) -> StoreError:
    return StoreError(
        f"SQLite can read nothing of a store in {path} ({why}); it is left as it is: put a copy of it in its place, or "
        "choose another file with --store"
    )


def _free_name(path: Path) -> Path:
    name = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (path.with_name(name + ending) for ending in ("", *(f"-{number}" for number in range(2, 100))))
    return next(free for free in names if not free.exists())


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        beside(path, ending).unlink(missing_ok=True)
