"""Readers: the same texts from every format, and a message that helps when there are none."""

import csv
import json

import pyarrow
import pytest
from pyarrow import parquet

from nlparam.corpus.readers import read_texts
from nlparam.errors import CorpusError

TEXTS = ['The "first", with a comma', "zweiter “Straße”\nover two lines", "\u2028 odd space", "x" * 1_000_000]
ROWS = [{"id": index, "body": text, "when": f"{2000 + index}"} for index, text in enumerate(TEXTS)]


def write_jsonl(path):
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n", "utf-8", newline="")


def write_json(path):
    path.write_text(json.dumps(ROWS), "utf-8")


def write_csv(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "body", "when"], delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(ROWS)


def write_parquet(path):
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)


WRITERS = {
    "jsonl": write_jsonl,
    "ndjson": write_jsonl,
    "json": write_json,
    "csv": write_csv,
    "tsv": write_csv,
    "parquet": write_parquet,
    "JSONL": write_jsonl,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_every_table_format_gives_the_same_texts_and_columns(tmp_path, ending):
    path = tmp_path / f"stories.{ending}"
    WRITERS[ending](path)
    table = read_texts(path, text_field="body", fields=["id"])
    assert table.texts == TEXTS
    assert [int(value) for value in table.columns["id"]] == [0, 1, 2, 3]
    assert table.warnings == []


@pytest.mark.parametrize("ending", WRITERS)
def test_a_wrong_field_names_those_there_are(tmp_path, ending):
    path = tmp_path / f"stories.{ending}"
    WRITERS[ending](path)
    for text_field, fields in (("story", []), ("body", ["story"])):
        with pytest.raises(CorpusError, match="no field 'story'; its fields are 'id', 'body', 'when'"):
            read_texts(path, text_field=text_field, fields=fields)


def test_the_field_is_chosen_when_there_is_no_doubt(tmp_path):
    one = tmp_path / "one.jsonl"
    one.write_text('{"id": 1, "body": "a"}\n{"id": 2, "body": "b", "note": "only here"}')
    assert read_texts(one).texts == ["a", "b"]
    table = tmp_path / "one.csv"
    table.write_text("year,body\n1999,a\n2000,b\n")
    assert read_texts(table).texts == ["a", "b"]
    columns = tmp_path / "one.parquet"
    parquet.write_table(pyarrow.table({"n": [1], "body": pyarrow.array(["a"]).dictionary_encode()}), columns)
    assert read_texts(columns).texts == ["a"]
    two = tmp_path / "two.jsonl"
    two.write_text('{"title": "t", "body": "a"}\n')
    with pytest.raises(CorpusError, match=r"which field holds the text.*'title', 'body'"):
        read_texts(two)
    two.write_text('{"title": "t", "text": "a"}\n')
    assert read_texts(two).texts == ["a"]


def test_fields_that_some_rows_lack_are_none(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n"a plain string"\n')
    table = read_texts(path, fields=["label"])
    assert table.texts == ["a", "a plain string"]
    assert table.columns == {"label": ["x", None]}


def test_lines_of_a_text_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("one\r\n\r\nthree\u2028still three\n".encode())
    table = read_texts(path)
    assert table.texts == ["one", "three\u2028still three"]
    assert "lines left out, which are empty" in table.warnings[0]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name, text in {"b/2.txt": "two", "b/1.md": "one\r\nmore", "a/9.TXT": "nine"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "no.txt").write_text("no")
    (tmp_path / "b" / "data.jsonl").write_text("{}")
    table = read_texts(tmp_path, fields=["file", "folder"])
    assert table.texts == ["nine", "one\nmore", "two"]
    assert table.columns == {"file": ["a/9.TXT", "b/1.md", "b/2.txt"], "folder": ["a", "b", "b"]}


def test_bytes_that_are_not_utf8_are_replaced_with_a_warning(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"text": "größer als 3 "}\n'.encode() + b'{"text": "cut off \xe2\x82"}\n')
    table = read_texts(path)
    assert table.texts == ["größer als 3 ", "cut off \ufffd"]
    (warning,) = table.warnings
    assert "latin.jsonl" in warning
    assert "undecodable characters (1) were replaced" in warning


def test_many_bad_files_make_one_warning(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.txt").write_bytes("ä 1 ö ".encode() + b"\xa3")
    (warning,) = read_texts(tmp_path).warnings
    assert "9 files" in warning
    assert "0.txt" in warning


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_text("text\nsmörgås\n", encoding=encoding)
    assert read_texts(path) == read_texts(path, text_field="text")
    assert read_texts(path).texts == ["smörgås"]
    assert read_texts(path).warnings == []


def test_quotes_that_do_not_match_are_characters_where_tabs_separate(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('text\tid\nfirst\t1\n"hello there\t2\nhe said "hi"\t3\n')
    table = read_texts(path, fields=["id"])
    assert table.texts == ["first", '"hello there', 'he said "hi"']
    assert table.columns == {"id": ["1", "2", "3"]}
    (warning,) = table.warnings
    assert "line 3: the double quotes of the row that begins here do not match" in warning


def test_blanks_behind_closing_quotes_are_none_of_a_field(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,id,"note" \n"one, two" ,1,"" \n"a ""b"""  ,2,"c" ')
    table = read_texts(path, fields=["id", "note"], text_field="text")
    assert table.texts == ["one, two", 'a "b"']
    assert table.columns == {"id": ["1", "2"], "note": ["", "c"]}


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ";"), ("a.tsv", ",")])
def test_another_delimiter_than_the_ending_promises(tmp_path, name, delimiter):
    (tmp_path / name).write_text(f'text{delimiter}id\n"one{delimiter} two"{delimiter}1\n"a ""b"""{delimiter}2\n')
    table = read_texts(tmp_path / name, fields=["id"])
    assert table.texts == [f"one{delimiter} two", 'a "b"']
    assert table.columns == {"id": ["1", "2"]}
    (warning,) = table.warnings
    assert f"its fields are separated by {delimiter!r} instead of" in warning


def test_one_field_whose_name_holds_another_delimiter_stays_one_with_a_warning(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("remarks; please\ngood\nbad; very bad; worst\n")
    table = read_texts(path)
    assert table.texts == ["good", "bad; very bad; worst"]
    (warning,) = table.warnings
    assert "read as one field, 'remarks; please': if ';' is to separate fields" in warning


def test_the_csv_limit_of_the_process_is_left_as_it_was(tmp_path):
    before = csv.field_size_limit()
    write_csv(tmp_path / "a.csv")
    read_texts(tmp_path / "a.csv", text_field="body")
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", "\n \n", "is empty"),
        ("a.json", "", "is empty"),
        ("a.json", "[]", "is empty"),
        ("a.csv", "", "is empty"),
        ("a.csv", "text\n", "is empty"),
        ("a.txt", "", "is empty"),
        ("a.txt", " \n\n", "is empty"),
        ("a.csv", 'id,text\n1,""\n2," "\n', "all 2 are blank"),
        ("a.parquet", "", "cannot read .* as Parquet"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": \n', "line 3 is not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.jsonl", '{"text": "a"}\n7\n', "line 2: got int"),
        ("a.jsonl", '{"text": "a"}\n\n{"text": 7}\n', "line 3: the field 'text' is '7' of type int"),
        ("a.jsonl", '{"text": "a"}\n{"text": null}\n', "line 2: the field 'text' is missing"),
        ("a.jsonl", '{"text": "a"}\n{"body": "b"}\n', "line 2: the field 'text' is missing"),
        ("a.json", '[{"text": "a"}, {"text": ["b"]}]', "row 2: .* of type list"),
        ("a.json", '{"text": "a"}\n{"text": ', "end in .jsonl"),
        ("a.json", '{"text": "a"}', "expected a list"),
        ("a.csv", "id,text\n1,a\n2\n", "row 2: the field 'text' is missing"),
        ("a.csv", "id,text\n1,a, b\n", "row 1 has 3 fields, the header has 2"),
        (
            "a.csv",
            'text,id\nfirst,1\n\n"open,2\nthird,3\n',
            "line 4: the double quotes of the row that begins here do not",
        ),
        ("a.csv", 'text,id\n"hi" she said,1\n', "line 2: the double quotes .* double those in it"),
        ("a.csv", "text,id,text\na,1,b\n", "has 2 fields 'text', expected one"),
        ("a.docx", "a", "'.docx', expected one of .jsonl"),
        ("README", "a", "'nothing', expected one of .jsonl"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        read_texts(tmp_path / name)


def test_missing_file_and_folder_without_texts(tmp_path):
    with pytest.raises(CorpusError, match="no file or folder"):
        read_texts(tmp_path / "none.jsonl")
    (tmp_path / "data.jsonl").write_text('"a"')
    with pytest.raises(CorpusError, match=r"holds no \.txt or \.md files"):
        read_texts(tmp_path)


def test_a_parquet_column_of_numbers_is_no_text(tmp_path):
    parquet.write_table(pyarrow.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="row 1: the field 'text' is '1' of type int"):
        read_texts(tmp_path / "a.parquet")
