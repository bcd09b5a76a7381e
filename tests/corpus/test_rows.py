"""Which field holds the text, and which rows are left out."""

import gzip
import json
import zipfile

import pytest

from nlparam.corpus.readers import read_texts
from nlparam.errors import CorpusError

LONG = ["The parcel came two weeks late.", "I was charged twice for one order.", "Works fine, no complaints so far."]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_field_with_most_words_is_named_with_the_flag(tmp_path):
    rows = [{"title": "Late box", "body": text, "when": "Sat, 3 Feb 2024 10:11"} for text in LONG]
    table = read_texts(write(tmp_path / "a.jsonl", rows))
    assert table.texts == LONG
    (warning,) = table.warnings
    assert "'body' was taken for the text (6 words in a row; next is" in warning
    assert "--text-field" in warning


def test_words_that_are_the_same_everywhere_do_not_count(tmp_path):
    question = "How was your stay? Please tell us in your own words what we should do better."
    rows = [{"question": question, "answer": text} for text in LONG * 3]
    for number, row in enumerate(rows):
        row["answer"] += f" {number}."
    assert read_texts(write(tmp_path / "a.jsonl", rows)).texts == [row["answer"] for row in rows]


def test_two_fields_of_many_words_are_not_told_apart(tmp_path):
    rows = [{"first": text, "second": text[::-1], "id": "x"} for text in LONG]
    with pytest.raises(CorpusError, match=r"which field holds the text.*--text-field NAME.*'first', 'second'"):
        read_texts(write(tmp_path / "a.jsonl", rows))


def test_a_field_in_an_object_has_the_name_of_both(tmp_path):
    rows = [{"id": n, "fields": {"body": text, "a.b": {"c": n}}} for n, text in enumerate(LONG)]
    table = read_texts(write(tmp_path / "a.jsonl", rows), text_field="fields.body", fields=["fields.a.b.c", "fields"])
    assert table.texts == LONG
    assert table.columns["fields.a.b.c"] == [0, 1, 2]
    assert table.columns["fields"][0] == rows[0]["fields"]


def test_objects_with_keys_of_their_own_are_no_fields(tmp_path):
    rows = [
        {"body": text, "scores": {f"token {100 * n + k}": k for k in range(50)}} for n, text in enumerate(LONG * 10)
    ]
    with pytest.raises(CorpusError, match=r"no field 'none'; its fields are 'body', 'scores'$"):
        read_texts(write(tmp_path / "a.jsonl", rows), fields=["none"])


def test_rows_without_text_or_label_are_left_out(tmp_path):
    rows = [{"text": "a", "label": "x"}, {"text": None, "label": "x"}, {"text": "b", "label": " "}, {"text": "c"}]
    rows += [{"text": float("nan"), "label": "y"}, {"text": "d", "label": "y"}]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.raises(CorpusError, match=r"line 2: the field 'text' is missing.*--drop-missing"):
        read_texts(path, fields=["label"])
    table = read_texts(path, fields=["label"], drop_missing=True)
    assert table.texts == ["a", "d"]
    assert table.columns == {"label": ["x", "y"]}
    assert "4 of 6 rows left out, which lack one of 'text', 'label'" in table.warnings[0]


def test_windows_text_is_read_and_another_encoding_is_given(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("“größer” – ça\n".encode("cp1252"))
    table = read_texts(path)
    assert table.texts == ["“größer” – ça"]
    assert "--encoding" in table.warnings[0]
    path.write_bytes("Привет\n".encode("cp1251"))
    assert read_texts(path, encoding="cp1251").texts == ["Привет"]
    with pytest.raises(CorpusError, match="got the encoding 'klingon'"):
        read_texts(path, encoding="klingon")


def test_compressed_files(tmp_path):
    content = "".join(json.dumps({"text": text}) + "\n" for text in LONG).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    assert read_texts(tmp_path / "a.jsonl.gz").texts == LONG
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(content)[:-12])
    with pytest.raises(CorpusError, match=r"cannot read .*b.jsonl.gz: Compressed file ended"):
        read_texts(tmp_path / "b.jsonl.gz")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("a.jsonl", content)
        archive.writestr("b.jsonl", content)
    with pytest.raises(CorpusError, match=r"holds 2 files \(a.jsonl, b.jsonl\), expected one: unzip it"):
        read_texts(tmp_path / "c.zip")
