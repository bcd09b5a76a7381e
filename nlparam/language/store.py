"""The store: everything a language model or an embedder has answered, in one SQLite file, kept by content.

An answer is found again by the SHA-256 of everything that could change it, so a run that is killed and started again
repeats no finished call. Failures are never stored.
"""

import contextlib
import hashlib
import json
import math
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlparam.cache_dir import cache_dir
from nlparam.errors import StoreError
from nlparam.language.lm.base import Completion, Request

SCHEMA_VERSION = 1
APPLICATION_ID = 0x6E6C7061  # "nlpa": tells our files from the databases of other programs

# Keys are digests, so the tables are small and flat: a clustered index on 32 bytes, and the answer.
_SCHEMA = (
    "CREATE TABLE judgments (key BLOB PRIMARY KEY, probability REAL NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE completions (key BLOB PRIMARY KEY, text TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, "
    "completion_tokens INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
)
_KEYS_PER_QUERY = 900  # below 999, the limit on variables of an old SQLite


class Counts(NamedTuple):
    """How many answers of each kind a store holds."""

    judgments: int
    completions: int
    embeddings: int


def default_store_path() -> Path:
    """Where the store lives unless told otherwise: `NLPARAM_STORE`, else `store.sqlite` in `cache_dir()`."""
    chosen = os.environ.get("NLPARAM_STORE")
    if chosen:
        return Path(chosen).expanduser()
    return cache_dir() / "store.sqlite"


def completion_key(identity: str, request: Request) -> str:
    """The address of a completion: SHA-256 of the model's identity and every field of the request."""
    fields = {
        "identity": identity,
        "messages": [[message.role, message.content] for message in request.messages],
        "labels": request.labels,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """Judgments, completions and embeddings by content, in one SQLite file (WAL), shared by threads and processes.

    What is stored first stays: storing under a key that is there already changes nothing.

    **Arguments:** `path` of the file (made with its folders if missing), `":memory:"`, or `None` for
    `default_store_path()`; `busy_timeout`, the seconds to wait while another process writes.

    Raises `StoreError`, also from every method, if the file cannot be opened, read or written: a folder, read-only,
    locked, full, damaged, another program's, or made by a newer nlparam.
    """

    def __init__(self, path: Path | str | None = None, *, busy_timeout: float = 30.0):
        self.path = default_store_path() if path is None else Path(path).expanduser()
        self._busy_timeout = busy_timeout
        # One connection, one lock: SQLite would serialise the writers anyway, and ":memory:" has one connection only.
        self._lock = threading.RLock()
        in_memory = str(path) == ":memory:"
        if not in_memory:
            _make_room(self.path)
        with self._explained():
            self._connection = sqlite3.connect(
                ":memory:" if in_memory else self.path,
                timeout=busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def get_judgments(
        self, model: str, prompt_version: str, pairs: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], float]:
        """The stored probabilities among `(predicate, text digest)` pairs."""
        by_key = {_key(model, prompt_version, *pair): pair for pair in pairs}
        return {by_key[row[0]]: row[1] for row in self._find("SELECT key, probability FROM judgments", by_key)}

    def put_judgments(self, model: str, prompt_version: str, items: Sequence[tuple[str, str, float]]) -> None:
        """Stores `(predicate, text digest, probability)` items, all or none.

        Raises `ValueError` for a probability outside [0, 1] or not finite: a failure is not an answer.
        """
        now = time.time()
        rows = []
        for predicate, digest, probability in items:
            if not (math.isfinite(probability) and 0.0 <= probability <= 1.0):
                raise ValueError(f"got probability {probability} for {predicate!r}, expected one in [0, 1]")
            rows.append((_key(model, prompt_version, predicate, digest), float(probability), now))
        self._insert("INSERT OR IGNORE INTO judgments VALUES (?, ?, ?)", rows)

    def get_completion(self, key: str) -> Completion | None:
        """The completion stored under a `completion_key`, or `None`."""
        query = "SELECT key, text, prompt_tokens, completion_tokens FROM completions"
        for _, text, prompt_tokens, completion_tokens in self._find(query, [bytes.fromhex(key)]):
            return Completion(text, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        return None

    def put_completion(self, key: str, completion: Completion) -> None:
        """Stores generated text under its `completion_key`; label reads are judgments and have a table of their own."""
        if completion.label_logprobs is not None:
            raise ValueError("got a label read, expected generated text: store it with put_judgments")
        tokens = (completion.prompt_tokens, completion.completion_tokens)
        row = (bytes.fromhex(key), completion.text, *tokens, time.time())
        self._insert("INSERT OR IGNORE INTO completions VALUES (?, ?, ?, ?, ?)", [row])

    def get_embeddings(self, embedder: str, digests: Sequence[str]) -> dict[str, np.ndarray]:
        """The stored embeddings, `(embed_dim,)` float32 each, among the texts with these digests."""
        by_key = {_key(embedder, digest): digest for digest in digests}
        rows = self._find("SELECT key, vector FROM embeddings", by_key)
        return {by_key[row[0]]: np.frombuffer(row[1], dtype="<f4") for row in rows}

    def put_embeddings(self, embedder: str, digests: Sequence[str], matrix: np.ndarray) -> None:
        """Stores one row of `matrix`, `(n_digests, embed_dim)`, per digest.

        Raises `ValueError` if the rows do not fit the digests or are not finite.
        """
        matrix = np.ascontiguousarray(matrix, dtype="<f4")
        if matrix.ndim != 2 or len(matrix) != len(digests):
            raise ValueError(
                f"got embeddings of shape {matrix.shape} for {len(digests)} digests, expected a row for each"
            )
        if not np.isfinite(matrix).all():
            raise ValueError("got embeddings with NaN or infinite values, expected finite ones")
        now = time.time()
        rows = ((_key(embedder, digest), row.tobytes(), now) for digest, row in zip(digests, matrix, strict=True))
        self._insert("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", rows)

    def counts(self) -> Counts:
        """How many judgments, completions and embeddings are stored."""
        with self._lock, self._explained():
            return Counts(*(self._number(f"SELECT count(*) FROM {table}") for table in Counts._fields))

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _prepare(self) -> None:
        with self._explained():
            self._check_it_is_ours()
            self._use_wal()
            # Safe against the death of the process; a power cut may lose the last answers, never the file.
            self._connection.execute("PRAGMA synchronous=NORMAL")
        with self._write():
            if self._number("SELECT count(*) FROM sqlite_schema") == 0:
                for statement in _SCHEMA:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            # Written each time, because only a real write shows that the file is read-only.
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _check_it_is_ours(self) -> None:
        if self._number("SELECT count(*) FROM sqlite_schema") == 0:
            return
        if self._number("PRAGMA application_id") != APPLICATION_ID:
            raise StoreError(f"{self.path} is a database of another program: choose another file with --store")
        version = self._number("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the store {self.path} was made by a newer nlparam (schema {version}, this one knows "
                f"{SCHEMA_VERSION}): upgrade nlparam, or choose another file with --store"
            )

    def _number(self, query: str) -> int:
        return self._connection.execute(query).fetchone()[0]

    def _use_wal(self) -> None:
        # SQLite does not wait for a lock here when two processes create the file at once, so we do.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _find(self, select: str, keys: Iterable[bytes]) -> list[tuple]:
        wanted = list(keys)
        rows: list[tuple] = []
        with self._lock, self._explained():
            for start in range(0, len(wanted), _KEYS_PER_QUERY):
                part = wanted[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                rows += self._connection.execute(f"{select} WHERE key IN ({marks})", part).fetchall()
        return rows

    def _insert(self, statement: str, rows: Iterable[tuple]) -> None:
        with self._write():
            self._connection.executemany(statement, rows)

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        with self._lock, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk rolls back by itself
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(self._explanation(error)) from error

    def _explanation(self, error: sqlite3.Error) -> str:
        # Extended codes keep the primary code in their low byte.
        match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                return _read_only(self.path)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return (
                    f"the store {self.path} has been locked by another process for {self._busy_timeout:g} s: wait "
                    "until that one ends or stop it, or choose another file with --store"
                )
            case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
                return (
                    f"the store {self.path} cannot grow ({error}): free some space and run the same command again "
                    "(what is stored is kept), or choose a file on another disk with --store"
                )
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return (
                    f"{self.path} is not a store or is damaged ({error}): move it away to start an empty one, or "
                    "choose another file with --store"
                )
        return f"the store {self.path} failed: {error}"


def _key(*parts: str) -> bytes:
    # JSON keeps ("ab", "c") and ("a", "bc") apart.
    return hashlib.sha256(json.dumps(parts).encode()).digest()


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
