"""`nlparam store` as a user meets it."""

import contextlib
import json
import os
import sqlite3

import numpy as np
import pyarrow.parquet as pq
import pytest

from nlparam.lm.base import Completion
from nlparam.lm.store import Store
from tests.helpers.cli_corpus import run, said


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        store.put_judgments("model-a", "1-w400", [("is about sport", str(n), 0.5) for n in range(2000)])
        store.put_judgments("model\x1b[31m", "1", [("p", "x", 0.5)])
        store.put_completion("00" * 32, Completion("text"), model="model-a")
        store.put_embeddings("embedder", ["x"], np.ones((1, 4)))
    return path


def test_stats(path):
    result = run("store", "stats", "--store", path)
    assert result.exit_code == 0
    assert "2,001 judgments of 2 predicates, 1 completion, 1 embedding\n" in result.stdout
    assert "\x1b" not in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.startswith("judgments") and "model-a" in line)
    assert line.split()[:4] == ["judgments", "model-a", "1-w400", "2,000"]
    found = json.loads(run("store", "stats", "--store", path, "--json").stdout)
    assert found["path"] == str(path)
    assert found["bytes"] == path.stat().st_size
    assert (found["schema"], found["judgments"], found["completions"], found["embeddings"]) == (2, 2001, 1, 1)
    assert found["groups"][0]["model"] == "model-a"
    assert found["groups"][0]["n"] == 2000
    assert found["oldest"] <= found["newest"]


def test_the_store_is_the_usual_one_unless_named(path, monkeypatch):
    monkeypatch.setenv("NLPARAM_STORE", str(path))
    assert json.loads(run("store", "stats", "--json").stdout)["judgments"] == 2001


@pytest.mark.parametrize("command", [["stats"], ["check"], ["gc"], ["salvage"], ["export", "--out", "x.jsonl"]])
def test_no_store_is_made_by_looking_at_it(tmp_path, command):
    result = run("store", *command, "--store", tmp_path / "nothing.sqlite")
    assert result.exit_code == 1
    assert "nothing.sqlite" in said(result)
    assert "--store" in said(result)
    assert list(tmp_path.iterdir()) == []


def test_export_and_import(path, tmp_path):
    out, other = tmp_path / "out" / "all.parquet", tmp_path / "other.sqlite"
    result = run("store", "export", "--store", path, "--out", out)
    assert result.exit_code == 0
    assert "2,001 judgments" in result.stdout
    assert pq.read_metadata(out).num_rows == 2001
    again = run("store", "export", "--store", path, "--out", out)
    assert again.exit_code == 1
    assert "--overwrite" in said(again)
    assert run("store", "export", "--store", path, "--out", out, "--overwrite").exit_code == 0
    vectors = tmp_path / "vectors.jsonl"
    assert run("store", "export", "--store", path, "--what", "embeddings", "--out", vectors).exit_code == 0
    result = run("store", "import", out, vectors, path, "--store", other)
    assert result.exit_code == 0
    lines = [line.partition(": ")[2] for line in result.stdout.splitlines()]
    assert lines == [
        "2,001 judgments, 2,001 of them new",
        "1 embeddings, 1 of them new",
        "2,001 judgments, 0 of them new",
        "1 completions, 1 of them new",
        "1 embeddings, 0 of them new",
    ]
    with Store(other) as store:
        assert store.counts() == (2001, 1, 1)


def test_export_to_what_cannot_be_written(path, tmp_path):
    assert "ends in .parquet or .jsonl" in said(run("store", "export", "--store", path, "--out", tmp_path / "x.csv"))
    (tmp_path / "file").write_text("")
    result = run("store", "export", "--store", path, "--out", tmp_path / "file" / "x.jsonl")
    assert result.exit_code == 1
    assert "choose another --out" in said(result)


def test_import_says_which_row_is_wrong(path, tmp_path):
    file = tmp_path / "some.jsonl"
    file.write_text(json.dumps({"key": "0" * 64, "probability": 2}) + "\n")
    result = run("store", "import", file, "--store", path)
    assert result.exit_code == 1
    assert "some.jsonl, line 1: probability is '2'" in said(result)


@pytest.mark.slow
def test_gc(path):
    result = run("store", "gc", "--store", path, "--model", "model-a", "--prompt-version", "1-w400", "--dry-run")
    assert "would delete 2,000 judgments, 0 completions, 0 embeddings" in result.stdout
    result = run("store", "gc", "--store", path, "--older-than", 1)
    assert "deleted 0 judgments" in result.stdout
    before = path.stat().st_size
    result = run("store", "gc", "--store", path, "--model", "model-a")
    assert result.exit_code == 0
    assert "deleted 2,000 judgments, 1 completions, 0 embeddings" in result.stdout
    assert path.stat().st_size < before
    assert "nothing of 'model-a'" in said(run("store", "gc", "--store", path, "--model", "model-a"))


@pytest.mark.parametrize(
    ("size", "n_left"), [("1GB", 2001), ("10 MiB", 2001), ("9" * 400 + "TB", 2001), ("60000", None), ("0.06MB", None)]
)
def test_gc_to_a_size(path, size, n_left):
    assert run("store", "gc", "--store", path, "--max-size", size).exit_code == 0
    with Store(path) as store:
        assert n_left is None or store.counts().judgments == n_left
    assert n_left is not None or path.stat().st_size <= 60000


def test_gc_to_what_is_no_size(path):
    assert "expected for instance 500MB" in said(run("store", "gc", "--store", path, "--max-size", "much"))


@pytest.mark.slow
def test_check_and_salvage(path):
    assert "is sound" in run("store", "check", "--store", path).stdout
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'judgments'").fetchone()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek((root + 12) * 4096)
        file.write(os.urandom(3 * 4096))
    result = run("store", "check", "--store", path)
    assert result.exit_code == 1
    assert f"nlparam store salvage --store {path}" in said(result)
    result = run("store", "salvage", "--store", path)
    assert result.exit_code == 0
    saved = int(result.stdout.split()[1].replace(",", ""))
    assert 2001 - 3 * 70 <= saved < 2001
    (kept,) = path.parent.glob("store.sqlite.damaged-*")
    assert kept.stat().st_size == size
    assert str(kept) in result.stdout
    assert "is sound" in run("store", "check", "--store", path).stdout


def test_help_names_every_command():
    result = run("store", "--help")
    for command in ("stats", "check", "export", "import", "gc", "salvage"):
        assert command in result.stdout
    assert "store" in run("--help").stdout
