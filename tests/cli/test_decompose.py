"""The command that takes predicates apart: printed, written, recorded."""

import json

import pytest
from typer.testing import CliRunner

from nlparam.cli import app
from nlparam.evals.decomposition import read_repairs
from nlparam.lm.base import Message, Request
from tests.helpers.cli_corpus import said
from tests.helpers.fake_server import FakeServer, default_answer
from tests.helpers.planted_compound import COMPOUND, LABELS, LAMENT, TEXTS, WORDS, WRONG, Oracle


def run(*arguments):
    return CliRunner().invoke(app, ["decompose", *map(str, arguments)])


def as_server(oracle):
    def answer(body):
        content = body["messages"][-1]["content"]
        labels = ("yes", "no") if body.get("logprobs") else None
        if labels is not None and not any(f"Property: {predicate}." in content for predicate in WORDS):
            return default_answer(body)
        return oracle(Request((Message("user", content),), labels=labels, seed=body.get("seed", 0)))

    return answer


@pytest.mark.slow
def test_the_command_prints_writes_and_records(tmp_path):
    texts, log, out = tmp_path / "t.jsonl", tmp_path / "repairs.jsonl", tmp_path / "out.json"
    rows = [{"text": text, "holds": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    texts.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with FakeServer(answer=as_server(Oracle(WRONG, mends=False))) as server:
        options = ("--texts", texts, "--label-field", "holds", "--lm", server.url, "--proposals", 1)
        result = run(LAMENT, *options, "--out", out, "--repairs", log, "--record")
        assert result.exit_code == 0, result.output
        again = tmp_path / "again.jsonl"
        again.write_bytes(log.read_bytes())
        same = run(LAMENT, *options, "--out", out, "--repairs", again, "--record")  # it knows now what it has recorded
        assert same.exit_code == 0, same.output
        other = run(COMPOUND, *options, "--out", out)
        assert other.exit_code == 1
        assert "holds another result (it differs in predicate)" in said(other)
    assert '"is about sport" and "is negative"' in result.stdout
    assert json.loads(out.read_text())["suggestion"]["part"] == 1
    (record,) = read_repairs(log)
    assert (record.part, record.replacement) == ("is long", '"is negative"')
    result = run(COMPOUND, "--texts", texts)
    assert result.exit_code == 1
    assert "got no labels" in said(result)
    assert "expected one of the two" in said(run(COMPOUND, "--texts", texts, "--judged", "--label-field", "holds"))
    assert "needs a log" in said(run(COMPOUND, "--texts", texts, "--judged", "--record"))
