"""The store as the rest of nlparam uses it: put an answer, get an answer."""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlparam.lm.base import Completion, Message, Request
from nlparam.lm.store.database import Database
from nlparam.lm.store.schema import Names, encodable
from nlparam.runtime.cache_dir import cache_dir

# Below 999, the limit on variables of an old SQLite. With the keys in order, larger parts, a temporary table or
# json_each were no faster, and a statement for each key was slower.
_KEYS_PER_QUERY = 900


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
        "messages": [_parts(message) for message in request.messages],
        "labels": request.labels,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """Judgments, completions and embeddings by content, in one SQLite file (WAL), shared by threads and processes.

    What is stored first stays: storing under a key that is there already changes nothing. An answer is on its way to
    the disk when a `put_*` returns, and the death of the process at any moment loses none.

    **Arguments:** `path` of the file (made with its folders if missing, migrated if an older nlparam made it),
    `":memory:"`, or `None` for `default_store_path()`; `busy_timeout`, the seconds to wait while another process
    writes.

    Raises `StoreError`, also from every method, if the file cannot be opened, read or written: a folder, read-only,
    locked, full, damaged, another program's, or made by a newer nlparam.
    """

    def __init__(self, path: Path | str | None = None, *, busy_timeout: float = 30.0):
        self.path = default_store_path() if path is None else Path(path).expanduser()
        self.database = Database(self.path, in_memory=str(self.path) == ":memory:", busy_timeout=busy_timeout)
        self._unread = False

    @contextlib.contextmanager
    def unread(self) -> Iterator[None]:
        """In the `with` block no judgment and no completion is found, so that all are asked for; new ones are stored.

        For what measures how long an answer takes.
        """
        self._unread = True
        try:
            yield
        finally:
            self._unread = False

    def get_judgments(
        self, model: str, prompt_version: str, pairs: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], float]:
        """The stored probabilities among `(predicate, text digest)` pairs."""
        if self._unread:
            return {}
        by_key = {_key(model, prompt_version, *pair): pair for pair in pairs}
        found = {}
        for key, probability in self._find("SELECT key, probability FROM judgments", by_key):
            if not (isinstance(probability, float) and 0.0 <= probability <= 1.0):
                raise self.database.damaged(f"it holds the probability {probability!r}")
            found[by_key[key]] = probability
        return found

    def put_judgments(self, model: str, prompt_version: str, items: Sequence[tuple[str, str, float]]) -> None:
        """Stores `(predicate, text digest, probability)` items, all or none.

        Raises `ValueError` for a probability outside [0, 1] or not finite: a failure is not an answer.
        """
        rows = []
        for predicate, digest, probability in items:
            if not (math.isfinite(probability) and 0.0 <= probability <= 1.0):
                raise ValueError(f"got probability {probability} for {predicate!r}, expected one in [0, 1]")
            rows.append((_key(model, prompt_version, predicate, digest), float(probability), predicate))
        if not rows:
            return
        rows.sort()  # neighbours share a page
        now = time.time()
        with self.database.write(len(rows)) as connection:
            names = Names(connection)
            source = names.source(model, prompt_version)
            connection.executemany(
                "INSERT OR IGNORE INTO judgments (key, probability, time, source, predicate) VALUES (?, ?, ?, ?, ?)",
                # A list: ids are given out before the statement begins, not in the midst of it.
                [(key, probability, now, source, names.predicate(predicate)) for key, probability, predicate in rows],
            )

    def get_completion(self, key: str) -> Completion | None:
        """The completion stored under a `completion_key`, or `None`."""
        if self._unread:
            return None
        query = "SELECT key, text, prompt_tokens, completion_tokens FROM completions"
        for _, text, prompt_tokens, completion_tokens in self._find(query, [bytes.fromhex(key)]):
            return Completion(text, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        return None

    def put_completion(self, key: str, completion: Completion, *, model: str | None = None) -> None:
        """Stores generated text under its `completion_key`; label reads are judgments and have a table of their own.

        `model` is who generated it, for `nlparam store stats` and `gc`.
        """
        if completion.label_logprobs is not None:
            raise ValueError("got a label read, expected generated text: store it with put_judgments")
        tokens = (completion.prompt_tokens, completion.completion_tokens)
        row = (bytes.fromhex(key), encodable(completion.text), *tokens, time.time())
        with self.database.write() as connection:
            source = None if model is None else Names(connection).source(model)
            connection.execute(
                "INSERT OR IGNORE INTO completions (key, text, prompt_tokens, completion_tokens, time, source) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*row, source),
            )

    def get_embeddings(self, embedder: str, digests: Sequence[str]) -> dict[str, np.ndarray]:
        """The stored embeddings, `(embed_dim,)` float32 each, among the texts with these digests."""
        by_key = {_key(embedder, digest): digest for digest in digests}
        found = {}
        for key, vector in self._find("SELECT key, vector FROM embeddings", by_key):
            if not isinstance(vector, bytes) or len(vector) % 4:
                raise self.database.damaged("it holds an embedding that is no vector")
            found[by_key[key]] = np.frombuffer(vector, dtype="<f4")
        return found

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
        if not len(digests):
            return
        keys = sorted((_key(embedder, digest), row) for row, digest in enumerate(digests))
        now = time.time()
        with self.database.write(len(keys)) as connection:
            source = Names(connection).source(embedder)
            connection.executemany(
                "INSERT OR IGNORE INTO embeddings (key, vector, time, source) VALUES (?, ?, ?, ?)",
                ((key, matrix[row].tobytes(), now, source) for key, row in keys),
            )

    def counts(self) -> Counts:
        """How many judgments, completions and embeddings are stored."""
        return Counts(*(self.database.number(f"SELECT count(*) FROM {kind}") for kind in Counts._fields))

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        self.database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _find(self, select: str, keys: Iterable[bytes]) -> list[tuple]:
        # In the order of the index each page is visited once: five times as fast when the file is not in memory.
        wanted = sorted(keys)
        rows: list[tuple] = []
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            part = wanted[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            # The lock is free between the parts, so that a long look-up does not keep answers from being stored.
            with self.database.read() as connection:
                rows += connection.execute(f"{select} WHERE key IN ({marks})", part).fetchall()
        return rows


def _parts(message: Message) -> list:
    # Without images as it always was: what older versions have stored is found.
    images = [[image.key for image in message.images]] if message.images else []
    return [message.role, message.content, *images]


def _key(*parts: str) -> bytes:
    # JSON keeps ("ab", "c") and ("a", "bc") apart.
    return hashlib.sha256(json.dumps(parts).encode()).digest()
