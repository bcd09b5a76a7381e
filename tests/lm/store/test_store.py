import contextlib
import multiprocessing
import os
import sqlite3
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.errors import StoreError
from nlparam.lm.base import Completion, Message, Request
from nlparam.lm.store import Store, completion_key, default_store_path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "store.sqlite"


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.tuples(st.text(), st.text()), st.floats(0.0, 1.0), max_size=20), st.text(), st.text())
def test_judgments_come_back_exactly_and_only_for_their_model_and_prompt(judgments, model, version):
    with Store(":memory:") as store:
        store.put_judgments(model, version, [(*pair, probability) for pair, probability in judgments.items()])
        unknown = ("a predicate", "a digest that is not there")
        assert store.get_judgments(model, version, [*judgments, unknown]) == judgments
        assert store.get_judgments(model + "x", version, list(judgments)) == {}
        assert store.get_judgments(model, version + "x", list(judgments)) == {}


def test_key_parts_do_not_run_together():
    with Store(":memory:") as store:
        store.put_judgments("m", "1", [("ab", "c", 0.25)])
        assert store.get_judgments("m", "1", [("a", "bc"), ("abc", "")]) == {}
        assert store.get_judgments("m1", "", [("ab", "c")]) == {}


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), -0.01, 1.01])
def test_what_is_no_probability_is_not_stored_nor_its_neighbours(probability):
    with Store(":memory:") as store:
        with pytest.raises(ValueError, match="expected one in"):
            store.put_judgments("m", "1", [("p", "a", 0.5), ("p", "b", probability)])
        assert store.counts().judgments == 0


def test_everything_survives_closing_and_the_first_answer_stays(path):
    request = Request((Message("user", "hello"),), max_tokens=8)
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    with Store(path) as store:
        store.put_judgments("m", "1", [("p", "a", 0.125)])
        store.put_completion(completion_key("m", request), Completion("hi", prompt_tokens=3, completion_tokens=1))
        store.put_embeddings("e", ["a", "b"], vectors)
    with Store(path) as store:
        store.put_judgments("m", "1", [("p", "a", 0.75)])
        assert store.get_judgments("m", "1", [("p", "a")]) == {("p", "a"): 0.125}
        assert store.get_completion(completion_key("m", request)) == Completion("hi", None, 3, 1)
        found = store.get_embeddings("e", ["b", "a", "c"])
        assert set(found) == {"a", "b"}
        np.testing.assert_array_equal(np.stack([found["a"], found["b"]]), vectors)
        assert store.get_embeddings("another", ["a"]) == {}
        assert store.counts() == (1, 1, 2)


def test_every_field_of_a_request_is_in_its_key():
    base = Request((Message("user", "hello"),))
    others = [
        Request((Message("system", "hello"),)),
        Request((Message("user", "hello "),)),
        Request((Message("user", "hello"), Message("user", ""))),
        Request(base.messages, labels=("yes", "no")),
        Request(base.messages, max_tokens=65),
        Request(base.messages, temperature=0.5),
        Request(base.messages, seed=1),
    ]
    keys = {completion_key("m", request) for request in [base, *others]} | {completion_key("m2", base)}
    assert len(keys) == len(others) + 2
    assert completion_key("m", Request((Message("user", "hello"),))) == completion_key("m", base)


def test_embeddings_must_fit_their_digests_and_be_finite():
    with Store(":memory:") as store:
        with pytest.raises(ValueError, match="a row for each"):
            store.put_embeddings("e", ["a", "b"], np.zeros((1, 3)))
        with pytest.raises(ValueError, match="finite"):
            store.put_embeddings("e", ["a"], np.array([[np.nan]]))
        with pytest.raises(ValueError, match="label read"):
            store.put_completion("00", Completion("yes", (0.0, -1.0)))
        assert store.counts() == (0, 0, 0)


def test_more_keys_than_one_query_takes():
    pairs = [(f"predicate {number % 7}", str(number)) for number in range(5000)]
    with Store(":memory:") as store:
        store.put_judgments("m", "1", [(*pair, 0.5) for pair in pairs[::2]])
        assert set(store.get_judgments("m", "1", pairs)) == set(pairs[::2])


def test_threads_share_one_store(path):
    with Store(path) as store:

        def write(thread: int) -> None:
            for number in range(50):
                store.put_judgments("m", "1", [("p", f"{thread} {number}", 0.5)])
                store.get_judgments("m", "1", [("p", f"{thread} {number}")])

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.counts().judgments == 300


def _write_some(path: Path, number: int) -> None:
    with Store(path) as store:
        for item in range(20):
            store.put_judgments("m", "1", [("p", f"{number} {item}", 0.5)])


@pytest.mark.slow
def test_processes_create_and_share_one_file(path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write_some, args=(path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    with Store(path) as store:
        assert store.counts().judgments == 80


@contextlib.contextmanager
def _ordinary_user():
    """Root may write everything, so as root these tests become an ordinary user for a moment."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no read-only permissions to test with")
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder that an ordinary user can reach, which pytest's own are not when root makes them."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_read_only_file(open_folder, folder_mode):
    path = open_folder / "store.sqlite"
    Store(path).close()
    path.chmod(0o444)
    open_folder.chmod(folder_mode)
    with _ordinary_user(), pytest.raises(StoreError, match=r"store\.sqlite cannot be written.*read-only.*--store"):
        Store(path)


def test_read_only_folder(open_folder):
    open_folder.chmod(0o555)
    for path in (open_folder / "store.sqlite", open_folder / "below" / "store.sqlite"):
        with _ordinary_user(), pytest.raises(StoreError, match=r"cannot be written.*read-only.*--store"):
            Store(path)


def test_locked_by_another_process_for_too_long(path):
    with Store(path, busy_timeout=0.05) as store, contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked by another process for 0\.05 s.*--store"):
            store.put_judgments("m", "1", [("p", "a", 0.5)])
        with pytest.raises(StoreError, match="locked by another process"):
            Store(path, busy_timeout=0.05)
        other.execute("ROLLBACK")
        store.put_judgments("m", "1", [("p", "a", 0.5)])
        assert store.counts().judgments == 1


def test_full_disk_loses_nothing_that_was_stored(path):
    with Store(path) as store:
        store.put_judgments("m", "1", [("p", "a", 0.5)])
        pages = store.database.connection.execute("PRAGMA page_count").fetchone()[0]
        store.database.connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreError, match=r"cannot grow.*free some space.*--store"):
            store.put_judgments("m", "1", [("p", str(number), 0.5) for number in range(5000)])
        assert store.counts().judgments == 1
        store.database.connection.execute("PRAGMA max_page_count=100000")
        store.put_judgments("m", "1", [("p", "b", 0.5)])
    with Store(path) as store:
        assert set(store.get_judgments("m", "1", [("p", "a"), ("p", "b"), ("p", "0")])) == {("p", "a"), ("p", "b")}


def test_not_a_database(path):
    path.parent.mkdir()
    path.write_text("some notes\n" * 500)
    with pytest.raises(StoreError, match=r"not a store or is damaged.*put a copy of it in its place"):
        Store(path)
    assert path.read_text().startswith("some notes")


def test_damaged_file(path):
    with Store(path) as store:
        store.put_judgments("m", "1", [("p", str(number), 0.5) for number in range(2000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreError, match=r"is damaged.*nlparam store salvage"), Store(path) as store:
        store.get_judgments("m", "1", [("p", str(number)) for number in range(2000)])


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "history.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE visits (url)")
    with pytest.raises(StoreError, match="database of another program"):
        Store(path)
    with contextlib.closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("visits",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_newer_schema_is_refused(path):
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match=r"newer nlparam \(schema 99.*upgrade"):
        Store(path)


def test_a_folder_is_not_a_store(tmp_path):
    with pytest.raises(StoreError, match="is a folder, expected a file"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is not a folder"):
        Store(tmp_path / "file" / "store.sqlite")


def test_the_default_path_is_in_the_cache_folder_unless_named(monkeypatch, tmp_path):
    monkeypatch.delenv("NLPARAM_STORE", raising=False)
    assert default_store_path().name == "store.sqlite"
    assert "nlparam" in str(default_store_path())
    monkeypatch.setenv("NLPARAM_STORE", str(tmp_path / "mine.sqlite"))
    with Store() as store:
        assert store.path == tmp_path / "mine.sqlite"
    assert (tmp_path / "mine.sqlite").exists()
