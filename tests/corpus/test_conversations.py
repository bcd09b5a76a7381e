"""Conversations: the same messages from every form, as whole texts and one by one."""

import json
import zipfile

import pyarrow
import pytest
from pyarrow import parquet

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.readers import read_texts
from nlparam.errors import CorpusError

SAID = [["Hi", "Hello, what is it?"], ["My parcel is late"]]
CALL = {"id": "1", "type": "function", "function": {"name": "track", "arguments": '{"order": 7}'}}


def openai(talk):
    return {
        "messages": [{"role": role, "content": text} for role, text in zip(["user", "assistant"], talk, strict=False)]
    }


def sharegpt(talk):
    return {
        "conversations": [{"from": role, "value": text} for role, text in zip(["human", "gpt"], talk, strict=False)]
    }


def blocks(talk):
    return {
        "messages": [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in openai(talk)["messages"]]
    }


def bare(talk):
    return openai(talk)["messages"]


@pytest.mark.parametrize("form", [openai, sharegpt, blocks, bare])
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_every_form_gives_the_same_texts(tmp_path, form, ending):
    path, talks = tmp_path / f"a.{ending}", [form(talk) for talk in SAID]
    path.write_text(json.dumps(talks) if ending == "json" else "\n".join(map(json.dumps, talks)))
    assert read_texts(path).texts == ["user: Hi\n\nassistant: Hello, what is it?", "user: My parcel is late"]
    table = read_texts(path, by_message=True, fields=["conversation", "message", "role"])
    assert table.texts == [text for talk in SAID for text in talk]
    assert table.columns == {"conversation": [1, 1, 2], "message": [1, 2, 1], "role": ["user", "assistant", "user"]}
    assert Corpus.from_texts(table.texts).places == [
        "conversation 1, message 1 (user)", "conversation 1, message 2 (assistant)", "conversation 2, message 1 (user)",
    ]  # fmt: skip


def test_a_column_of_messages_in_parquet(tmp_path):
    parquet.write_table(
        pyarrow.Table.from_pylist([{"id": n, **openai(t)} for n, t in enumerate(SAID)]), tmp_path / "a.parquet"
    )
    table = read_texts(tmp_path / "a.parquet", by_message=True, fields=["id"])
    assert table.texts == ["Hi", "Hello, what is it?", "My parcel is late"]
    assert table.columns == {"id": [0, 0, 1]}


def test_what_the_application_says_is_left_out_and_calls_of_tools_are_shown(tmp_path):
    messages = [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "in Ulm"},
        {
            "role": "assistant",
            "content": [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "In Ulm."}],
        },
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    table = read_texts(tmp_path / "a.jsonl", by_message=True, fields=["message", "role"])
    assert table.texts == ["Where is it?", '[calls track with {"order": 7}]', "in Ulm", "In Ulm."]
    assert table.columns == {"message": [2, 3, 4, 5], "role": ["user", "assistant", "tool", "assistant"]}


@pytest.mark.parametrize(
    "call",
    [
        {"content": [{"type": "tool_use", "id": "1", "name": "track", "input": {"order": 7}}]},
        {"content": "", "tool_calls": [{"id": "1", "function": "track", "arguments": {"order": 7}}]},
    ],
)
def test_calls_as_anthropic_and_inspect_keep_them(tmp_path, call):
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "in Ulm"}]}
    (tmp_path / "a.json").write_text(json.dumps({"messages": [{"role": "assistant", **call}, result]}))
    assert read_texts(tmp_path / "a.json", by_message=True).texts == ['[calls track with {"order": 7}]', "in Ulm"]


def test_samples_of_an_inspect_log_in_their_order_with_attachments(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("header.json", "{}")
        for number in (10, 9):
            messages = [{"role": "user", "content": f"Task {number}: attachment://abc"}]
            sample = {"id": number, "epoch": 1, "messages": messages, "attachments": {"abc": "the long part"}}
            archive.writestr(
                f"samples/{number}_epoch_1.json", json.dumps(sample | {"scores": {"match": {"value": "C"}}})
            )
    table = read_texts(tmp_path / "a.eval", fields=["id", "scores.match.value"])
    assert table.texts == ["user: Task 9: the long part", "user: Task 10: the long part"]
    assert table.columns == {"id": [9, 10], "scores.match.value": ["C", "C"]}


def test_an_inspect_log_without_samples_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(CorpusError, match=r"has no samples, expected samples/\*\.json"):
        read_texts(tmp_path / "a.eval")


def test_texts_are_no_conversations(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(CorpusError, match="the field 'text' holds no conversations"):
        read_texts(tmp_path / "a.jsonl", by_message=True)


def test_a_row_without_messages_is_missing(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(openai(SAID[0])) + '\n{"messages": null}\n')
    with pytest.raises(CorpusError, match=r"line 2: the field 'text' is missing.*--drop-missing"):
        read_texts(tmp_path / "a.jsonl")
    assert len(read_texts(tmp_path / "a.jsonl", drop_missing=True).texts) == 1
