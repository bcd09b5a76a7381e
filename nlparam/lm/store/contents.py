"""What is in a store, and how to throw a part of it away: `nlparam store stats`, `check` and `gc`."""

import dataclasses
import math
import sqlite3
import time
from typing import NamedTuple

from nlparam.errors import StoreError
from nlparam.lm.store.database import beside
from nlparam.lm.store.schema import KINDS, SCHEMA_VERSION
from nlparam.lm.store.store import Counts, Store

_ROWS_PER_SLICE = 20_000
# What a row takes on the disk, about; `collect` measures what it really was.
_BYTES = {
    "judgments": "66",
    "completions": "length(CAST(text AS BLOB)) + 70",
    "embeddings": "length(vector) * 1.25 + 120",
}


class Group(NamedTuple):
    """Answers of one kind from one model under one prompt version; `None` where an older nlparam did not record it."""

    kind: str
    model: str | None
    prompt_version: str | None
    n: int
    oldest: float
    newest: float


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a store holds: sizes in bytes (`log_size` is that of the write-ahead log), times in seconds since 1970."""

    path: str
    size: int
    log_size: int
    schema: int
    counts: Counts
    n_predicates: int
    groups: list[Group]

    @property
    def oldest(self) -> float | None:
        """When the oldest answer was stored."""
        return min((group.oldest for group in self.groups), default=None)

    @property
    def newest(self) -> float | None:
        """When the newest answer was stored."""
        return max((group.newest for group in self.groups), default=None)


class Collected(NamedTuple):
    """What `collect` deleted, or would: rows of each kind, and bytes of the file before and after."""

    deleted: Counts
    size_before: int
    size_after: int


def contents(store: Store) -> Contents:
    """Counts the answers of a store by kind, model and prompt version. Reads the file once."""
    query = (
        "SELECT model, prompt_version, n, oldest, newest FROM (SELECT source, count(*) AS n, min(time) AS oldest, "
        "max(time) AS newest FROM {} GROUP BY source) LEFT JOIN sources ON sources.id = source ORDER BY n DESC"
    )
    with store.database.snapshot() as connection:
        groups = [Group(kind, *row) for kind in KINDS for row in connection.execute(query.format(kind))]
        n_predicates = connection.execute("SELECT count(*) FROM predicates").fetchone()[0]
    counts = Counts(*(sum(group.n for group in groups if group.kind == kind) for kind in KINDS))
    size, log_size = _sizes(store)
    return Contents(str(store.path), size, log_size, SCHEMA_VERSION, counts, n_predicates, groups)


def faults(store: Store, *, at_most: int = 20) -> list[str]:
    """Reads the whole file and says what is wrong with it: nothing, if the list is empty."""
    found: list[str] = []
    with store.database.snapshot() as connection:
        try:
            found += [row[0] for row in connection.execute(f"PRAGMA integrity_check({at_most})") if row[0] != "ok"]
            for kind, wrong in _WRONG_ROWS.items():
                n_wrong = connection.execute(f"SELECT count(*) FROM {kind} WHERE {wrong}").fetchone()[0]
                if n_wrong:
                    found.append(f"{n_wrong} rows of {kind} are not what was stored")
        except sqlite3.DatabaseError as error:
            found.append(str(error))
    return found[:at_most]


_KEY_IS_WRONG = "typeof(key) <> 'blob' OR length(key) <> 32"
_WRONG_ROWS = {
    "judgments": f"{_KEY_IS_WRONG} OR typeof(probability) <> 'real' OR probability NOT BETWEEN 0 AND 1",
    "completions": f"{_KEY_IS_WRONG} OR typeof(text) <> 'text'",
    "embeddings": f"{_KEY_IS_WRONG} OR typeof(vector) <> 'blob' OR length(vector) % 4 <> 0",
}


def collect(
    store: Store,
    *,
    older_than: float | None = None,
    model: str | None = None,
    prompt_version: str | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
) -> Collected:
    """Deletes answers and makes the file as small as it can be.

    An answer goes if it meets all of `older_than` (seconds), `model` and `prompt_version` (only judgments have one);
    then, if the file is larger than `max_size` bytes, the oldest that are left go. With `dry_run` nothing changes, and
    the size after is an estimate. Others can use the store meanwhile, except while the file is rewritten at the end.

    Raises `StoreError` for a model or prompt version that the store does not have.
    """
    where, values = _conditions(store, older_than, model, prompt_version)
    before = sum(_sizes(store))
    if dry_run:
        deleted, left = _count(store, where, values), _estimate(store, f"NOT coalesce({where}, 0)", values)
        if max_size is not None and left > max_size:
            since = _cutoff(store, max_size)
            where, values = f"({where}) OR time < ?", (*values, since)
            deleted, left = _count(store, where, values), _estimate(store, "time >= ?", (since,))
        return Collected(deleted, before, min(before, int(left)))
    deleted = _delete(store, where, values)
    _compact(store)
    for share in (1.0, 0.97, 0.94, 0.9, 0.8):
        size = sum(_sizes(store))
        if max_size is None or size <= max_size:
            break
        # The estimate of the size of a row is corrected by what the file turned out to need.
        budget = share * max_size * min(1.0, _estimate(store, "1", ()) / size)
        older = _delete(store, "time < ?", (_cutoff(store, budget),))
        deleted = Counts(*map(sum, zip(deleted, older, strict=True)))
        _compact(store)
    return Collected(deleted, before, sum(_sizes(store)))


def _conditions(
    store: Store, older_than: float | None, model: str | None, prompt_version: str | None
) -> tuple[str, tuple]:
    """What the rows to delete have in common, as SQL and its parameters."""
    conditions, values = [], []
    if older_than is not None:
        conditions.append("time < ?")
        values.append(time.time() - older_than)
    if model is not None or prompt_version is not None:
        with store.database.read() as connection:
            sources = connection.execute("SELECT id, model, prompt_version FROM sources").fetchall()
        chosen = [row[0] for row in sources if model in (None, row[1]) and prompt_version in (None, row[2])]
        if not chosen:
            known = ", ".join(sorted({f"{row[1]!r} {row[2]!r}" for row in sources})) or "none"
            asked = " ".join(repr(name) for name in (model, prompt_version) if name is not None)
            raise StoreError(
                f"the store {store.path} has nothing of {asked}; models and prompt versions in it: {known}"
            )
        conditions.append(f"source IN ({', '.join(map(str, chosen))})")
    return " AND ".join(conditions) or "0", tuple(values)


def _count(store: Store, where: str, values: tuple) -> Counts:
    return Counts(*(store.database.number(f"SELECT count(*) FROM {kind} WHERE {where}", values) for kind in KINDS))


def _delete(store: Store, where: str, values: tuple) -> Counts:
    """Deletes the rows that meet a condition, and returns how many of each kind."""
    deleted = []
    for kind in KINDS:
        found = 0
        n_slices = min(1 + store.database.number(f"SELECT count(*) FROM {kind}") // _ROWS_PER_SLICE, 4096)
        # In slices, so that others can write in between and the log stays short. Keys are digests, hence uniform.
        starts = [(number * 65536 // n_slices).to_bytes(2, "big") for number in range(n_slices)]
        for start, end in zip(starts, [*starts[1:], b"\xff" * 33], strict=True):
            with store.database.write(_ROWS_PER_SLICE) as connection:
                query = f"DELETE FROM {kind} WHERE key >= ? AND key < ? AND ({where})"
                found += connection.execute(query, (start, end, *values)).rowcount
        deleted.append(found)
    return Counts(*deleted)


def _compact(store: Store) -> None:
    with store.database.write() as connection:
        used = "SELECT source FROM {} WHERE source IS NOT NULL"
        connection.execute(f"DELETE FROM sources WHERE id NOT IN ({' UNION '.join(used.format(k) for k in KINDS)})")
        connection.execute(
            "DELETE FROM predicates WHERE id NOT IN (SELECT predicate FROM judgments WHERE predicate IS NOT NULL)"
        )
    with store.database.read() as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _estimate(store: Store, where: str, values: tuple) -> float:
    """About how many bytes the rows that meet a condition take."""
    queries = (f"SELECT total({_BYTES[kind]}) FROM {kind} WHERE {where}" for kind in KINDS)
    with store.database.snapshot() as connection:
        return sum(connection.execute(query, values).fetchone()[0] for query in queries)


def _cutoff(store: Store, budget: float) -> float:
    """The time since which what was stored takes at most `budget` bytes."""
    sizes = " UNION ALL ".join(f"SELECT time, {_BYTES[kind]} AS size FROM {kind}" for kind in KINDS)
    # Rows of the same time come with the same sum: all of them are kept, or none.
    summed = f"SELECT time, sum(size) OVER (ORDER BY time DESC) AS total FROM ({sizes})"
    with store.database.snapshot() as connection:
        kept = connection.execute(f"SELECT min(time) FROM ({summed}) WHERE total <= ?", (budget,)).fetchone()[0]
    return math.inf if kept is None else kept


def _sizes(store: Store) -> tuple[int, int]:
    if store.database.in_memory:
        pages, page_size = (store.database.number(f"PRAGMA {name}") for name in ("page_count", "page_size"))
        return pages * page_size, 0
    log = beside(store.path, "-wal")
    return store.path.stat().st_size, log.stat().st_size if log.exists() else 0
