"""Answers go out of a store and into another, and what is no longer wanted is deleted."""

import json
import sqlite3
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nlparam.errors import StoreError
from nlparam.lm.base import Completion
from nlparam.lm.store import Store
from nlparam.lm.store.contents import collect, contents, faults
from nlparam.lm.store.transfer import export, merge
from tests.lm.store.test_schema import check_version_1, version_1

DAY = 86400.0
VECTORS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.sqlite") as opened:
        opened.put_judgments("a", "1", [("p", str(n), n / 300) for n in range(300)])
        opened.put_judgments("a", "2", [("q", "x", 1.0)])
        opened.put_judgments("b", "1", [("q", "x", 0.0)])
        opened.put_completion("0f" * 32, Completion("two\nlines, “quoted” \u2028 é", None, 3, 4), model="a")
        opened.put_embeddings("e", ["x", "y", "z"], VECTORS)
        yield opened


def aged(store: Store, model: str, days: float) -> None:
    """Makes all judgments of a model so many days old."""
    with store.database.write() as connection:
        connection.execute(
            "UPDATE judgments SET time = ? WHERE source IN (SELECT id FROM sources WHERE model = ?)",
            (time.time() - days * DAY, model),
        )


def everything(store: Store) -> list[str]:
    """All rows with names instead of ids, so that two stores can be compared."""
    with store.database.read() as connection:
        return sorted(
            str(row)
            for query in (
                "SELECT hex(key), model, prompt_version, predicates.text, probability, time FROM judgments "
                "LEFT JOIN sources ON sources.id = source LEFT JOIN predicates ON predicates.id = predicate",
                "SELECT hex(key), model, text, prompt_tokens, completion_tokens, time FROM completions "
                "LEFT JOIN sources ON sources.id = source",
                "SELECT hex(key), model, hex(vector), time FROM embeddings LEFT JOIN sources ON sources.id = source",
            )
            for row in connection.execute(query)
        )


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_what_is_exported_and_imported_is_the_same(store, tmp_path, suffix):
    files = [tmp_path / f"{what}{suffix}" for what in ("judgments", "completions", "embeddings")]
    assert [export(store, file, what=file.stem) for file in files] == [302, 1, 3]
    with Store(tmp_path / "other.sqlite") as other:
        other.put_judgments("a", "2", [("q", "x", 0.25)])  # what is there already stays
        found = [merge(other, file) for file in files]
        assert found == [[("judgments", 302, 301)], [("completions", 1, 1)], [("embeddings", 3, 3)]]
        assert other.get_judgments("a", "2", [("q", "x")]) == {("q", "x"): 0.25}
        assert [merge(other, file)[0].n_new for file in files] == [0, 0, 0]
        assert faults(other) == []
    with Store(tmp_path / "empty.sqlite") as other:
        for file in files:
            merge(other, file)
        assert everything(other) == everything(store)
    assert not list(tmp_path.glob("*.partial"))


def test_an_export_can_be_read_by_others(store, tmp_path):
    export(store, tmp_path / "judgments.parquet")
    table = pq.read_table(tmp_path / "judgments.parquet")
    assert table.column_names == ["key", "model", "prompt_version", "predicate", "probability", "time"]
    rows = {(row["model"], row["prompt_version"], row["predicate"]) for row in table.to_pylist()}
    assert rows == {("a", "1", "p"), ("a", "2", "q"), ("b", "1", "q")}
    export(store, tmp_path / "completions.jsonl", what="completions")
    (line,) = (tmp_path / "completions.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["text"] == "two\nlines, “quoted” \u2028 é"
    export(store, tmp_path / "embeddings.parquet", what="embeddings")
    vectors = pq.read_table(tmp_path / "embeddings.parquet")["vector"].to_pylist()
    np.testing.assert_array_equal(np.sort(np.asarray(vectors, np.float32), axis=0), np.sort(VECTORS, axis=0))


@pytest.mark.slow
def test_more_rows_than_are_held_at_a_time(tmp_path):
    n = 70_000
    with Store(tmp_path / "store.sqlite") as store, Store(":memory:") as other:
        store.put_judgments("a", "1", [(f"p{number % 7}", str(number), 0.5) for number in range(n)])
        assert export(store, tmp_path / "all.parquet") == n
        assert merge(other, tmp_path / "all.parquet") == [("judgments", n, n)]
        assert everything(other) == everything(store)


def test_another_store_is_merged_and_left_as_it_is(store, tmp_path):
    old = version_1(tmp_path / "old.sqlite")
    before = old.read_bytes()
    found = merge(store, old)
    assert found == [("judgments", 3000, 3000), ("completions", 1, 1), ("embeddings", 1, 1)]
    check_version_1(store)
    assert old.read_bytes() == before
    with Store(tmp_path / "new.sqlite") as new:
        merge(new, store.path)
        assert everything(new) == everything(store)
    with pytest.raises(StoreError, match="is the store itself"):
        merge(store, store.path)


GOOD = {"key": "0" * 64, "probability": 0.5, "model": "m", "prompt_version": "1", "predicate": "p", "time": 1.0}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"key": "0" * 63}, r"line 2: key is '0+', expected 64 hexadecimal digits"),
        ({"key": None}, "key is 'None'"),
        ({"key": 7}, "key is '7'"),
        ({"probability": 1.5}, r"probability is '1\.5', expected a number in \[0, 1\]"),
        ({"probability": float("nan")}, "probability is 'nan'"),
        ({"probability": "0.5"}, "expected a number in"),
        ({"probability": True}, "expected a number in"),
        ({"model": 3}, "model is '3', expected a string or nothing"),
        ({"predicate": ["p"]}, "predicate is"),
        ({"time": "yesterday"}, "time is 'yesterday', expected seconds since 1970"),
        ({"time": float("inf")}, "time is 'inf'"),
    ],
)
def test_a_row_that_is_none_is_refused_with_its_place(tmp_path, bad, message):
    file = tmp_path / "some.jsonl"
    file.write_text("".join(json.dumps(GOOD | row) + "\n" for row in ({}, bad)))
    with Store(":memory:") as store, pytest.raises(StoreError, match=message):
        merge(store, file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "\n[1]\n", "line 2: got list, expected an object"),
        ("a.jsonl", '{"key"', "line 1 is no JSON"),
        ("a.jsonl", b"\xff\xfe\n", "line 1 is no JSON"),
        ("a.jsonl", '{"a": 1}', "has the fields a, expected key, model, prompt_version"),
        ("a.jsonl", json.dumps({"key": "0" * 64, "vector": [1.0, "x"]}), "vector is .*, expected finite numbers"),
        ("a.jsonl", json.dumps({"key": "0" * 64, "vector": []}), "expected finite numbers"),
        ("a.jsonl", json.dumps({"key": "0" * 64, "text": "x", "prompt_tokens": -1}), "expected a number of tokens"),
        ("a.parquet", "PAR1 not", "is no Parquet file"),
        ("a.csv", "key,probability", "is not a store or is damaged"),
        ("a.sqlite", "", r"is an empty file, expected a store, or a name that ends in \.parquet or \.jsonl"),
        ("a.sqlite", b"SQLite format 3\0" + b"x" * 5000, "is not a store or is damaged"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with Store(":memory:") as store:
        with pytest.raises(StoreError, match=message):
            merge(store, file)
        assert store.counts() == (0, 0, 0)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("what", ["judgments", "completions", "embeddings"])
def test_nothing_is_exported_and_imported(tmp_path, suffix, what):
    file = tmp_path / f"nothing{suffix}"
    with Store(":memory:") as store:
        assert export(store, file, what=what) == 0
        assert merge(store, file) == ([(what, 0, 0)] if suffix == ".parquet" else [])
        assert contents(store).groups == []
        assert contents(store).oldest is None


def test_a_file_that_is_not_there_or_of_another_program(tmp_path):
    other = tmp_path / "history.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE visits (url)")
    connection.close()
    with Store(":memory:") as store:
        with pytest.raises(StoreError, match="cannot be read"):
            merge(store, tmp_path / "nothing.jsonl")
        with pytest.raises(StoreError, match="is no file"):
            merge(store, tmp_path / "nothing.sqlite")
        with pytest.raises(StoreError, match="database of another program"):
            merge(store, other)


def test_columns_may_be_missing_and_of_other_types(tmp_path):
    # As somebody's own program writes them: keys as bytes, probabilities as float32, nothing else.
    table = pa.table({"probability": pa.array([0.5, 1], pa.float32()), "key": pa.array([b"k" * 32, b"l" * 32])})
    pq.write_table(table, tmp_path / "own.parquet")
    with Store(":memory:") as store:
        assert merge(store, tmp_path / "own.parquet") == [("judgments", 2, 2)]
        assert [group[:4] for group in contents(store).groups] == [("judgments", None, None, 2)]


def test_old_answers_are_collected(store):
    aged(store, "a", 40)
    dry = collect(store, older_than=30 * DAY, dry_run=True)
    assert (dry.deleted, store.counts()) == ((301, 0, 0), (302, 1, 3))
    found = collect(store, older_than=30 * DAY)
    assert (found.deleted, store.counts()) == ((301, 0, 0), (1, 1, 3))
    assert store.get_judgments("b", "1", [("q", "x")]) == {("q", "x"): 0.0}
    # A predicate that no judgment is about any more is forgotten, a model with a completion left is not.
    after = contents(store)
    assert after.n_predicates == 1
    assert {group.model for group in after.groups} == {"a", "b", "e"}
    assert faults(store) == []


@pytest.mark.parametrize(
    ("chosen", "deleted"),
    [
        ({"model": "a"}, (301, 1, 0)),
        ({"model": "a", "prompt_version": "1"}, (300, 0, 0)),
        ({"prompt_version": "1"}, (301, 0, 0)),
        ({"model": "e"}, (0, 0, 3)),
        ({"model": "a", "older_than": 30 * DAY}, (301, 0, 0)),
        ({"model": "b", "older_than": 30 * DAY}, (0, 0, 0)),
        ({}, (0, 0, 0)),
    ],
)
def test_models_and_prompts_are_collected(store, chosen, deleted):
    aged(store, "a", 40)
    before = everything(store)
    assert collect(store, **chosen, dry_run=True).deleted == deleted
    assert everything(store) == before
    assert collect(store, **chosen).deleted == deleted
    assert store.counts() == tuple(n - gone for n, gone in zip((302, 1, 3), deleted, strict=True))
    assert faults(store) == []


def test_what_is_not_there_is_not_collected(store):
    with pytest.raises(StoreError, match=r"nothing of 'c'; models and prompt versions in it: 'a' '', 'a' '1', 'a' '2'"):
        collect(store, model="c")
    with pytest.raises(StoreError, match="nothing of 'a' '3'"):
        collect(store, model="a", prompt_version="3")


@pytest.mark.slow
def test_the_oldest_go_until_the_file_is_small_enough(tmp_path):
    path = tmp_path / "store.sqlite"
    n, now = 30_000, time.time()
    with Store(path) as store:
        store.put_judgments("a", "1", [("p", str(number), 0.5) for number in range(n)])
        store.put_embeddings("e", [str(number) for number in range(300)], np.ones((300, 384)))
        with store.database.write() as connection:
            # Each a minute older than the one before.
            for kind in ("judgments", "embeddings"):
                connection.execute(
                    f"UPDATE {kind} SET time = ? - 60.0 * place FROM (SELECT key AS k, row_number() OVER () AS place "
                    f"FROM {kind}) WHERE key = k",
                    (now,),
                )
        limit = 1_500_000
        dry = collect(store, max_size=limit, dry_run=True)
        found = collect(store, max_size=limit)
        assert found.size_before > limit
        assert 0.8 * limit < found.size_after <= limit
        assert path.stat().st_size == found.size_after
        assert 0.8 * limit < dry.size_after <= limit
        assert abs(dry.deleted.judgments - found.deleted.judgments) < 0.1 * n
        # The newest are left: so many minutes and no more, in both tables.
        counts, after = store.counts(), contents(store)
        assert after.oldest == pytest.approx(now - 60.0 * counts.judgments, abs=61)
        assert counts.embeddings == min(300, counts.judgments)
        assert faults(store) == []
        assert collect(store, max_size=limit).deleted == (0, 0, 0)
        assert collect(store, max_size=0).deleted[:2] == (counts.judgments, 0)


def test_the_space_is_given_back(store):
    store.put_judgments("big", "1", [("p", f"more {number}", 0.5) for number in range(20_000)])
    found = collect(store, model="big")
    assert found.size_before > 1_000_000 > found.size_after
    assert Path(store.path).stat().st_size == found.size_after
