"""One SQLite file in WAL mode: opened, checked, locked, and its failures put in words."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlparam.errors import StoreError
from nlparam.lm.store.schema import KINDS, bring_up_to_date, version_of

PAGE_SIZE = 4096
CACHE_KIB = 65536
AUTOCHECKPOINT_PAGES = 8000
LOG_KEPT = 64 << 20  # bytes of the log that stay on the disk once it has been emptied
LOG_LIMIT = 256 << 20  # bytes at which a writer waits for the readers, so that the log can be emptied
_ROWS_BETWEEN_LOOKS = 1000
# Failures to read, unlike the other input and output errors, which are failures to write.
_UNREADABLE = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
}


def beside(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database: `-wal` or `-shm`."""
    return path.with_name(path.name + ending)


class Database:
    """A connection with a lock, shared by threads. `":memory:"` for one without a file.

    Raises `StoreError`, also from every method.
    """

    def __init__(self, path: Path, *, in_memory: bool, busy_timeout: float):
        self.path = path
        self.in_memory = in_memory
        self.busy_timeout = busy_timeout
        # One connection, one lock: SQLite would serialise the writers anyway, and ":memory:" has one connection only.
        self.lock = threading.RLock()
        self._rows_until_look = _ROWS_BETWEEN_LOOKS
        if not in_memory:
            _make_room(path)
        with self.explained():
            self.connection = self._connect(":memory:" if in_memory else path)
        try:
            self._prepare()
        except BaseException:
            self.connection.close()
            raise

    @contextlib.contextmanager
    def write(self, n_rows: int = 1) -> Iterator[sqlite3.Connection]:
        """A write transaction: all or nothing. `n_rows` is about how many rows it writes."""
        with self.lock, self.explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # a full disk rolls back by itself
                    self.connection.execute("ROLLBACK")
                raise
            self._rows_until_look -= n_rows
            if self._rows_until_look <= 0:
                self._rows_until_look = _ROWS_BETWEEN_LOOKS
                self._keep_log_short()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The shared connection, for a query that is over soon."""
        with self.lock, self.explained():
            yield self.connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that sees one state of the file, for a long read; nobody waits for it."""
        if self.in_memory:
            with self.read() as connection:
                yield connection
            return
        with self.explained(), contextlib.closing(self._connect(self.path)) as connection:
            connection.execute("BEGIN")
            yield connection

    def number(self, query: str, parameters: tuple = ()) -> int:
        """The one number that a query gives."""
        with self.read() as connection:
            return connection.execute(query, parameters).fetchone()[0]

    def damaged(self, what: str) -> StoreError:
        """The error for a file that is damaged."""
        return StoreError(damage_message(self.path, what))

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of SQLite into a `StoreError` that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(explanation(self.path, error, self.busy_timeout)) from error

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        with self.lock:
            self.connection.close()

    def _connect(self, where: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(where, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection

    def _prepare(self) -> None:
        with self.explained():
            if version_of(self.connection, self.path) == 0:
                self.connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
            self._use_wal()
            # Safe against the death of the process; a power cut may lose the last answers, never the file.
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT_PAGES}")
            self.connection.execute(f"PRAGMA journal_size_limit={LOG_KEPT}")
        with self.write() as connection:
            bring_up_to_date(connection, self.path)
            for kind in KINDS:
                # The first and last row: a quick look at the root and two branches of each tree.
                connection.execute(f"SELECT key FROM {kind} ORDER BY key LIMIT 1").fetchone()
                connection.execute(f"SELECT key FROM {kind} ORDER BY key DESC LIMIT 1").fetchone()

    def _use_wal(self) -> None:
        # SQLite does not wait for a lock here when two processes create the file at once, so we do.
        deadline = time.monotonic() + self.busy_timeout
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode=WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _keep_log_short(self) -> None:
        """Empties a long log. SQLite does it by itself, except while some process or other is always reading."""
        try:
            if self.in_memory or beside(self.path, "-wal").stat().st_size <= LOG_LIMIT:
                return
        except OSError:
            return
        # A long read, an export for instance, is not waited for: the next look comes soon enough.
        self.connection.execute("PRAGMA busy_timeout=1000")
        try:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self.connection.execute(f"PRAGMA busy_timeout={int(self.busy_timeout * 1000)}")


def explanation(path: Path, error: sqlite3.Error, busy_timeout: float) -> str:
    """What an error of SQLite means for a store and what to do about it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _UNREADABLE:
        return damage_message(path, str(error))
    # Extended codes keep the primary code in their low byte.
    match code & 0xFF:
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return _read_only(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return (
                f"the store {path} has been locked by another process for {busy_timeout:g} s: wait until that one "
                "ends or stop it, or choose another file with --store"
            )
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return (
                f"the store {path} cannot grow ({error}): free some space and run the same command again (what is "
                "stored is kept), or choose a file on another disk with --store"
            )
        case sqlite3.SQLITE_NOTADB:
            return (
                f"{path} is not a store or is damaged ({error}): put a copy of it in its place, or choose another file "
                "with --store"
            )
        case sqlite3.SQLITE_CORRUPT:
            return damage_message(path, str(error))
    return f"the store {path} failed: {error}"


def damage_message(path: Path, what: str) -> str:
    """What to say of a store that is damaged."""
    return (
        f"the store {path} is damaged ({what}): stop what uses it and run `nlparam store salvage --store {path}`, "
        "which saves every readable answer in a new file and keeps the damaged one; or choose another file with --store"
    )


def _read_only(path: Path) -> str:
    return (
        f"the store {path} cannot be written, it or its folder is read-only: choose another file with --store "
        "(or NLPARAM_STORE), or change its permissions"
    )


def _make_room(path: Path) -> None:
    try:
        if path.is_dir():
            raise StoreError(
                f"{path} is a folder, expected a file: choose for instance --store {path / 'store.sqlite'}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{path.parent} is not a folder: choose another file with --store") from error
    except OSError as error:
        raise StoreError(_read_only(path)) from error
