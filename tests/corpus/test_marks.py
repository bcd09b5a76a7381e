"""What people say of texts is kept: once for each person, whatever else is in the file, and whoever else adds to it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nlparam.corpus import marks
from nlparam.corpus.marks import Mark, add_labels, kept_labels
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError

HOSTILE = 'said "no", then\r\nleft; =HYPERLINK("x")\x00 \ud83d\u2028'


def test_what_people_say_is_kept_once_for_each_person(tmp_path):
    path = tmp_path / "result" / "labels.csv"
    add_labels(path, [Mark("a text", "is short", "yes", "Ann"), Mark(HOSTILE, "is rude", "no", "Ann")])
    add_labels(path, [Mark(" a text ", "Is short", "no", "Ann"), Mark("a text", "is short", "yes", "Bob")])
    said = Labelled.read(path)
    assert sorted(zip(said.predicates, said.labels, said.who, strict=True)) == [
        ("Is short", 0.0, "Ann"),
        ("is rude", 0.0, "Ann"),
        ("is short", 1.0, "Bob"),
    ]
    # No reader of tables keeps a NUL; a later answer for the text takes the place of the earlier one all the same.
    assert HOSTILE.replace("\ud83d", "\ufffd").replace("\0", "") in said.texts
    again = add_labels(path, [Mark(HOSTILE, "is rude", "yes", "Ann")])
    assert [row["label"] for row in again if row["predicate"] == "is rude"] == ["yes"]
    assert len(add_labels(path, [Mark("a text", "is short", "", "Bob")])) == 2
    assert (
        add_labels(
            path,
            [Mark(text, predicate, "", "Ann") for text, predicate in zip(said.texts, said.predicates, strict=True)],
        )
        == kept_labels(path)
        == []
    )


def test_fields_and_labels_of_the_user_stay(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id;text;predicate;label\n7;one;is short;1\n8;two;is short;0.5\n", encoding="utf-8")
    rows = add_labels(path, [Mark("three", "is short", "no", "Ann")])
    assert rows == kept_labels(path)
    assert [(row["id"], row["label"], row["who"]) for row in rows] == [
        ("7", "1", ""),
        ("8", "0.5", ""),
        ("", "no", "Ann"),
    ]


def test_two_who_label_at_once_lose_nothing(tmp_path):
    path = tmp_path / "labels.csv"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: add_labels(path, [Mark(f"text {at}", "is short", "yes", "Ann")]), range(20)))
    assert len(kept_labels(path)) == 20
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".partial"] == []


def test_the_last_label_may_be_taken_back_while_the_file_is_read(tmp_path, monkeypatch):
    path = tmp_path / "labels.csv"
    add_labels(path, [Mark("a text", "is short", "yes", "Ann")])
    looks = iter([True, False])

    def has_rows(file):
        file.write_text("text,predicate,label,who\n", encoding="utf-8")
        return next(looks)

    monkeypatch.setattr(marks, "has_rows", has_rows)
    assert kept_labels(path) == []


def test_labels_that_say_nothing_are_refused(tmp_path):
    for mark in (Mark("a text", "is short", "perhaps"), Mark(" ", "is short", "yes"), Mark("a text", "", "yes")):
        with pytest.raises(
            CorpusError, match="expected 'yes', 'no' or '' of a text and a predicate that are not blank"
        ):
            add_labels(tmp_path / "labels.csv", [mark])
    assert not (tmp_path / "labels.csv").exists()


def test_what_a_reader_marks_on_a_page_is_told_apart(tmp_path):
    path = tmp_path / "labels.csv"
    add_labels(path, [Mark("one", "is short", "yes", "ann", "page"), Mark("two", "is short", "no", "ann")])
    assert Labelled.read(path).texts == ("one", "two")
    assert Labelled.kept(tmp_path, ["one", "two"], ["is short"]).texts == ("two",)
    add_labels(path, [Mark("two", "is short", "yes", "ann", "page")])  # thought of again: it stays a random text
    assert Labelled.kept(tmp_path, ["one", "two"], ["is short"]).labels == (1.0,)
    add_labels(path, [Mark("one", "is short", "no", "ann")])  # asked at random later
    assert Labelled.kept(tmp_path, ["one", "two"], ["is short"]).texts == ("one", "two")
