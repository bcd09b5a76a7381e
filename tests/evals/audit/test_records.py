"""Evaluations read from a file."""

import json

import pytest

from nlparam.errors import CorpusError
from nlparam.evals.audit import read_evaluations


def rows(n=40, **extra):
    words = [("pass", "no"), ("fail", "yes"), (1, 0), (False, True)]
    return [
        {"task": f"t{i}", "output": f"output {i}", "verdict": words[i % 4][0], "correct": words[i % 4][1], **extra}
        for i in range(n)
    ]


def write(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def test_files_are_read_whatever_their_words(tmp_path):
    read = read_evaluations(write(tmp_path / "e.jsonl", rows(40, seconds=3)), covariates=["seconds"])
    assert read.verdict.tolist()[:4] == [True, False, True, False]
    assert read.correct.tolist()[:4] == [False, True, False, True]
    assert read.systems == ["(all)"]
    assert read.covariates["seconds"][0] == 3
    named = read_evaluations(write(tmp_path / "n.jsonl", rows(40, system=7, month="May")), system_field="month")
    assert named.systems == ["May"]
    assert read_evaluations(tmp_path / "n.jsonl").systems == ["7"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "perhaps"}, "evaluation 4: verdict is 'perhaps'"),
        ({"correct": None}, "evaluation 4: the field 'correct' is missing"),
        ({"task": " "}, "evaluation 4: the field 'task' is missing"),
        ({"output": 3}, "'output' is '3'"),
        ({"system": "a"}, "evaluation 1: the field 'system' is missing"),
    ],
)
def test_rows_that_are_wrong(tmp_path, change, message):
    entries = rows()
    entries[3] |= change
    with pytest.raises(CorpusError, match=message):
        read_evaluations(write(tmp_path / "e.jsonl", entries))


def test_a_blank_system_is_a_missing_one(tmp_path):
    named, blank = rows(40, system="a"), rows(40, system=" ")
    assert read_evaluations(write(tmp_path / "e.jsonl", blank)).systems == ["(all)"]
    with pytest.raises(CorpusError, match="evaluation 13: the field 'system' is missing"):
        read_evaluations(write(tmp_path / "e.jsonl", named[:12] + blank[:12] + named))


def test_fields_that_are_not_there(tmp_path):
    path = write(tmp_path / "e.jsonl", [{"task": "t", "output": "o", "verdict": True}] * 20)
    with pytest.raises(CorpusError, match="no field 'correct'"):
        read_evaluations(path)
    path = write(tmp_path / "e.jsonl", rows())
    with pytest.raises(CorpusError, match="no field 'seconds'"):
        read_evaluations(path, covariates=["seconds"])
    with pytest.raises(CorpusError, match="no field 'month'"):
        read_evaluations(path, system_field="month")
