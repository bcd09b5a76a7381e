"""The tables of a store, and how an older file becomes one of today."""

import sqlite3
from typing import Any

from nlparam.errors import StoreError

SCHEMA_VERSION = 2
APPLICATION_ID = 0x6E6C7061  # "nlpa": tells our files from the databases of other programs
KINDS = ("judgments", "completions", "embeddings")

# Keys are digests, so the tables are flat: a clustered index on 32 bytes, and the answer. Embeddings are too long for
# one: SQLite would give each a page of its own, so they are rows with an index beside them, in a third of the space.
# Two small tables say which model, prompt version and predicate a row is about.
_TABLES = {
    "judgments": "CREATE TABLE judgments (key BLOB PRIMARY KEY, probability REAL NOT NULL, time REAL NOT NULL, "
    "source INTEGER, predicate INTEGER) WITHOUT ROWID",
    "completions": "CREATE TABLE completions (key BLOB PRIMARY KEY, text TEXT NOT NULL, "
    "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, time REAL NOT NULL, source INTEGER) "
    "WITHOUT ROWID",
    "embeddings": "CREATE TABLE embeddings (key BLOB NOT NULL PRIMARY KEY, vector BLOB NOT NULL, time REAL NOT NULL, "
    "source INTEGER)",
}
_SIDE_TABLES = (
    "CREATE TABLE sources (id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, prompt_version TEXT NOT NULL, "
    "UNIQUE (model, prompt_version))",
    "CREATE TABLE predicates (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE)",
)
# What version 2 added. SQLite adds columns without touching the rows, so the largest file is migrated at once. (Its
# embeddings stay in a clustered index: the same statements work on both.)
_FROM_1 = (
    *_SIDE_TABLES,
    "ALTER TABLE judgments ADD COLUMN source INTEGER",
    "ALTER TABLE judgments ADD COLUMN predicate INTEGER",
    "ALTER TABLE completions ADD COLUMN source INTEGER",
    "ALTER TABLE embeddings ADD COLUMN source INTEGER",
)


def version_of(connection: sqlite3.Connection, path: object) -> int:
    """The schema version of a store, 0 of an empty file. Raises `StoreError` for a file that is not ours or newer."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return 0
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program: choose another file with --store")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store {path} was made by a newer nlparam (schema {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade nlparam, or choose another file with --store"
        )
    return version


def bring_up_to_date(connection: sqlite3.Connection, path: object) -> None:
    """Makes the tables of an empty file, or migrates an older one, inside the write transaction of the caller."""
    # Read again inside the transaction: another process may have done it in the meantime.
    version = version_of(connection, path)
    if version == 0:
        for statement in (*_TABLES.values(), *_SIDE_TABLES):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    elif version == 1:
        for statement in _FROM_1:
            connection.execute(statement)
    # Written each time, because only a real write shows that the file is read-only.
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


class Names:
    """The ids of sources and predicates within one write transaction; what is new gets one.

    Not kept longer than the transaction: another process may collect names that nothing refers to.
    """

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self._ids: dict[tuple[str, ...], Any] = {}

    def source(self, model: str, prompt_version: str = "") -> int:
        """The id of a model under a prompt version; an embedder has none."""
        return self._id("sources", model=model, prompt_version=prompt_version)

    def predicate(self, text: str) -> int:
        """The id of a predicate."""
        return self._id("predicates", text=text)

    def _id(self, table: str, **names: str) -> int:
        key = (table, *names.values())
        if key not in self._ids:
            values = {column: encodable(name) for column, name in names.items()}
            find = f"SELECT id FROM {table} WHERE {' AND '.join(f'{column} = :{column}' for column in names)}"
            new = f"INSERT INTO {table} ({', '.join(names)}) VALUES (:{', :'.join(names)})"
            found = self._connection.execute(find, values).fetchone()
            self._ids[key] = found[0] if found else self._connection.execute(new, values).lastrowid
        return self._ids[key]


def encodable(text: str) -> str:
    """What is stored for a text. Half of a surrogate pair, which JSON may hold, cannot be: it is spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()
