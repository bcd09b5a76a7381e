"""Texts in data frames of pandas, Polars and Arrow."""

from typing import Any, cast

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from nlparam.comparing.grouping import by_name
from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import beside, is_frame, listed, renamed, texts_of
from nlparam.errors import CorpusError
from nlparam.language.propose.listed import checked_predicates

COLUMNS = {"id": [3, 5], "story": ["a match", "a budget"], "section": ["sport", "money"]}
MAKERS = [pandas.DataFrame, polars.DataFrame, pyarrow.table]


@pytest.mark.parametrize("make", MAKERS)
def test_texts_and_what_belongs_to_them_are_columns_of_a_frame(make):
    frame = make(COLUMNS)
    data = {"target": "id", "controls": {"kind": "section", "given": [1, 2]}}
    texts, (sections, read) = texts_of(frame, "story", "section", data)
    assert Corpus.from_texts(texts).texts == Corpus.from_texts(frame["story"]).texts == ("a match", "a budget")
    assert sections == ["sport", "money"]
    # Numbers are arrays, so that a model of one's own can compute with them.
    assert isinstance(read["target"], np.ndarray)
    assert read["target"].tolist() == [3, 5]
    assert read["controls"] == {"kind": ["sport", "money"], "given": [1, 2]}
    assert texts_of(["a"], None, frame["section"])[1] == [["sport", "money"]]


@pytest.mark.parametrize("make", MAKERS)
def test_a_frame_gets_columns_beside_its_own(make):
    frame = beside(make(COLUMNS | {"cluster": [1, 1]}), {"cluster": [0, -1], "P(is short)": [0.5, 0.25]})
    assert type(frame) is type(make(COLUMNS))
    assert listed(frame["cluster"]) == [0, -1]
    assert listed(frame["cluster (given)"]) == [1, 1]
    assert listed(frame["P(is short)"]) == [0.5, 0.25]
    assert listed(frame["story"]) == COLUMNS["story"]


def test_no_column_takes_the_name_of_another():
    names = renamed(["node", "node (given)", "id"], ["node", "name"])
    assert names == {"node": "node (given)", "node (given)": "node (given) (given)", "id": "id"}
    assert renamed(["node (given)", "node"], ["node"]) == {
        "node (given)": "node (given)",
        "node": "node (given) (given)",
    }


@pytest.mark.parametrize("make", MAKERS)
def test_the_only_column_of_strings_holds_the_texts_unless_one_is_called_text(make):
    assert texts_of(make({"id": [3, 5], "story": ["a", "b"]}), None)[0] == ["a", "b"]
    assert texts_of(make({"text": ["a", "b"], "section": ["c", "d"]}), None)[0] == ["a", "b"]
    with pytest.raises(CorpusError, match=r"which column of the frame holds the text.*'id', 'story', 'section'"):
        texts_of(make(COLUMNS), None)


def test_predicates_and_groups_that_are_no_lists_are_refused():
    with pytest.raises(CorpusError, match="got predicates='is short', expected a list of sentences"):
        checked_predicates("is short")
    with pytest.raises(CorpusError, match="got the predicate 3 of type int, expected a sentence"):
        checked_predicates(["is short", 3])  # type: ignore[list-item]
    with pytest.raises(CorpusError, match="got a DataFrame for a group, expected its texts"):
        by_name({"a": FRAME, "b": FRAME})  # type: ignore[dict-item]


FRAME = pandas.DataFrame(COLUMNS)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: texts_of(FRAME, "body"), "the frame has no column 'body'; its columns are 'id', 'story', 'section'"),
        (lambda: texts_of(FRAME, "story", "label"), "the frame has no column 'label'"),
        (lambda: texts_of(FRAME, "story", FRAME), r"got a DataFrame in place of values, expected one of its columns"),
        (lambda: texts_of(["a"], None, "section"), "got the name 'section' in place of values"),
        (lambda: texts_of(["a"], "story"), "got text_field='story' for texts of type list, expected a data frame"),
        (lambda: is_frame(polars.DataFrame(COLUMNS).lazy()), r"call .collect\(\) first"),
        (lambda: Corpus.from_texts(FRAME), r"got a DataFrame, expected texts: give those of one column"),
        (lambda: Corpus.from_texts(COLUMNS), "got a dict, expected texts"),
        (lambda: Corpus.from_texts("stories.csv"), r"got one string \('stories.csv'\), expected a list of texts"),
        (lambda: Corpus.from_texts(cast(Any, 3)), "got int, expected a list of texts"),
        (lambda: Corpus.from_texts(polars.Series(["a", None])), "text number 1 is of type NoneType, expected str"),
    ],
)
def test_what_is_no_column_of_texts_is_refused(read, message):
    with pytest.raises(CorpusError, match=message):
        read()
