"""A file of an older nlparam keeps every answer, and new answers say what they are about."""

import contextlib
import hashlib
import json
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from nlparam.errors import StoreError
from nlparam.lm.base import Completion, Message, Request
from nlparam.lm.store import Store, completion_key
from nlparam.lm.store.contents import contents, faults

REQUEST = Request((Message("user", "hello"),), max_tokens=8)
VERSION_1 = (
    "CREATE TABLE judgments (key BLOB PRIMARY KEY, probability REAL NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE completions (key BLOB PRIMARY KEY, text TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, "
    "completion_tokens INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL, time REAL NOT NULL) WITHOUT ROWID",
    "PRAGMA application_id=1852600417",
    "PRAGMA user_version=1",
)


def version_1(path: Path, *, n: int = 3000) -> Path:
    """A store as the first version wrote it, with `n` judgments of p on the texts 0, 1, ..."""

    def key(*parts: str) -> bytes:
        return hashlib.sha256(json.dumps(parts).encode()).digest()

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in VERSION_1:
            connection.execute(statement)
        connection.execute("BEGIN")
        rows = [(key("m", "1", "p", str(number)), number / n, 1e9 + number) for number in range(n)]
        connection.executemany("INSERT INTO judgments VALUES (?, ?, ?)", rows)
        row = (bytes.fromhex(completion_key("m", REQUEST)), "hi", 3, 1, 1e9)
        connection.execute("INSERT INTO completions VALUES (?, ?, ?, ?, ?)", row)
        vector = np.arange(384, dtype="<f4").tobytes()
        connection.execute("INSERT INTO embeddings VALUES (?, ?, ?)", (key("e", "a"), vector, 1e9))
        connection.execute("COMMIT")
    return path


def check_version_1(store: Store, *, n: int = 3000) -> None:
    pairs = [("p", str(number)) for number in range(n)]
    assert store.get_judgments("m", "1", pairs) == {("p", str(number)): number / n for number in range(n)}
    assert store.get_completion(completion_key("m", REQUEST)) == Completion("hi", None, 3, 1)
    np.testing.assert_array_equal(store.get_embeddings("e", ["a"])["a"], np.arange(384))


def test_keys_have_not_changed():
    # Written down from the first version, so that no change of code and test together can lose the answers of users.
    with Store(":memory:") as store:
        store.put_judgments("model", "1-w400", [("is about sport", "abc", 0.25)])
        store.put_embeddings("embedder", ["abc"], np.zeros((1, 2)))
        with store.database.read() as connection:
            (judgment,) = connection.execute("SELECT hex(key) FROM judgments").fetchone()
            (embedding,) = connection.execute("SELECT hex(key) FROM embeddings").fetchone()
    assert [judgment, embedding] == [
        "38E34FAEFDCCA5D3EAFF324BD400FAF2526CF2AE5C1A785D2915F6603CD11066",
        "78D6B7864B50196942FA0972F954387DA7311E75BE643DDCCC757B5312AA271D",
    ]
    assert completion_key("m", REQUEST) == "83c71fb1d8f217cc1b6806294e1e1cea203e3bd9ca3143bb80f948f4f44e9396"


def test_a_file_of_version_1_keeps_every_answer(tmp_path):
    path = version_1(tmp_path / "store.sqlite")
    with Store(path) as store:
        check_version_1(store)
        store.put_judgments("m", "1", [("p", "0", 0.5), ("p", "new", 0.5)])  # the first answer stays
        store.put_embeddings("e", ["b"], np.ones((1, 384)))
        check_version_1(store)
        assert store.counts() == (3001, 1, 2)
        assert faults(store) == []
    with Store(path) as store:
        check_version_1(store)
        found = contents(store)
        # What nobody wrote down is not known.
        assert [group[:4] for group in found.groups] == [
            ("judgments", None, None, 3000),
            ("judgments", "m", "1", 1),
            ("completions", None, None, 1),
            ("embeddings", None, None, 1),
            ("embeddings", "e", "", 1),
        ]
        assert found.schema == 2
        assert found.oldest == 1e9


def _open_and_check(path: Path, start: threading.Barrier) -> None:
    start.wait(timeout=120)
    with Store(path) as store:
        check_version_1(store)
        store.put_judgments("m", "2", [("p", str(number), 0.5) for number in range(50)])


@pytest.mark.slow
def test_processes_that_migrate_at_once(tmp_path):
    path = version_1(tmp_path / "store.sqlite")
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(4)  # until all have started
    processes = [spawn.Process(target=_open_and_check, args=(path, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    with Store(path) as store:
        check_version_1(store)
        assert store.counts() == (3050, 1, 1)


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = version_1(tmp_path / "store.sqlite")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # In the way of the last but one step.
        connection.execute("ALTER TABLE completions ADD COLUMN source TEXT")
    with pytest.raises(StoreError, match="duplicate column name"):
        Store(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'sources'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM judgments").fetchone() == (3000,)


def test_a_judgment_says_which_model_prompt_and_predicate_it_is_of():
    with Store(":memory:") as store:
        store.put_judgments("a", "1", [("p", "x", 0.5), ("q", "x", 0.5)])
        store.put_judgments("a", "2", [("p", "x", 0.5)])
        store.put_judgments("b", "1", [("p", "x", 0.5)])
        store.put_completion("00" * 32, Completion("text"), model="a")
        store.put_completion("01" * 32, Completion("text"))
        with store.database.read() as connection:
            rows = connection.execute(
                "SELECT model, prompt_version, predicates.text FROM judgments JOIN sources ON sources.id = source "
                "JOIN predicates ON predicates.id = predicate ORDER BY 1, 2, 3"
            ).fetchall()
            models = connection.execute(
                "SELECT model FROM completions LEFT JOIN sources ON sources.id = source ORDER BY completions.key"
            ).fetchall()
    assert rows == [("a", "1", "p"), ("a", "1", "q"), ("a", "2", "p"), ("b", "1", "p")]
    assert models == [("a",), (None,)]


def test_half_a_character_in_a_predicate_is_no_obstacle():
    # What json.loads makes of a language model's "\ud83d".
    pair = ("is about \ud83d", "x")
    with Store(":memory:") as store:
        store.put_judgments("m", "1", [(*pair, 0.5)])
        assert store.get_judgments("m", "1", [pair]) == {pair: 0.5}
        with store.database.read() as connection:
            assert connection.execute("SELECT text FROM predicates").fetchone() == (r"is about \ud83d",)


def test_nothing_stored_names_nothing():
    with Store(":memory:") as store:
        store.put_judgments("m", "1", [])
        store.put_embeddings("e", [], np.zeros((0, 3)))
        with pytest.raises(ValueError, match="expected one in"):
            store.put_judgments("m", "1", [("p", "a", 2.0)])
        assert store.database.number("SELECT count(*) FROM sources") == 0
