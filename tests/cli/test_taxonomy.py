"""`nlparam taxonomy` from a file of texts to a folder and a printed tree."""

import json

import pytest
from typer.testing import CliRunner

import nlparam.denotation.session
from nlparam.cli import app
from tests.helpers.taxonomy_corpus import make_texts, scripted


@pytest.fixture
def chats(tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.denotation.session, "load_language_model", lambda *_, **__: scripted())
    path = tmp_path / "chats.jsonl"
    texts, _ = make_texts(12)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, ""]), encoding="utf-8")
    return path


def _run(*arguments):
    return CliRunner().invoke(app, ["taxonomy", *map(str, arguments)])


@pytest.mark.slow
def test_a_file_becomes_a_tree_with_its_report_and_again_without_a_call(chats, tmp_path):
    out = tmp_path / "out"
    command = (chats, "--goal", "the topic", "--depth", 1, "--children", "3", "--out", out, "--n-stated", 60)
    done = _run(*command)
    assert done.exit_code == 0, done.output
    assert "is about sports" in done.stdout
    assert "└─ " in done.stdout
    assert "covered: 100.0%" in done.stdout
    assert "1 of 73 texts is blank" in done.stderr
    assert {"taxonomy.json", "taxonomy.yaml", "report.html", "texts.parquet"} <= {path.name for path in out.iterdir()}
    again = _run(*command, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["costs"]["calls"] == 0
    assert len(json.loads(again.stdout)["nodes"]) == 5
    other = _run(chats, "--goal", "something else", "--depth", 1, "--out", out)
    assert other.exit_code == 1
    assert "holds another taxonomy" in other.stderr


def test_what_it_will_cost_is_estimated_without_a_tree(chats, tmp_path):
    done = _run(chats, "--goal", "the topic", "--depth", 1, "--out", tmp_path / "out", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "judgments" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--children", "many"], "MIN-MAX"),
        (["--depth", "9"], "depth of at most"),
        (["--goal", " "], "expected a few words"),
        (["--dataset", "bbc"], "got both"),
        (["--depth", "1", "--max-calls", "3"], "before the first level"),
    ],
)
def test_mistakes_are_said_plainly(chats, tmp_path, arguments, message):
    done = _run(chats, "--out", tmp_path / "out", *arguments)
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.stderr.replace("│", " ").split())
