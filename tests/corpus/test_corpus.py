"""The corpus: each distinct text once, and back to one row per text."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlparam.corpus.corpus import Corpus, text_digest
from nlparam.errors import CorpusError

# Few distinct texts, so that repetitions occur; any character, lone surrogates and null bytes included.
ANY_TEXT = st.one_of(st.sampled_from(["a", "b", "", " \n", "\ud800"]), st.text(st.characters(), max_size=4))


@given(st.lists(ANY_TEXT, max_size=20))
def test_distinct_rows_and_texts_belong_together(texts):
    corpus = Corpus.from_texts(texts)
    assert len(corpus) == len(corpus.row) == len(texts)
    assert len(set(corpus.distinct)) == len(corpus.distinct)
    assert all(text.strip() for text in corpus.distinct)
    for text, row in zip(corpus.texts, corpus.row, strict=True):
        assert (row == -1) == (not text.strip())
        assert row == -1 or corpus.distinct[row] == text
    assert list(corpus.blank) == [not text.strip() for text in corpus.texts]
    assert corpus.multiplicity.sum() == (~corpus.blank).sum()
    assert (corpus.multiplicity > 0).all()


@given(st.lists(ANY_TEXT, max_size=20))
def test_every_text_can_be_encoded_and_only_the_others_are_changed(texts):
    for before, after in zip(texts, Corpus.from_texts(texts).texts, strict=True):
        try:
            before.encode()
        except UnicodeEncodeError:
            assert len(before) == len(after)
        else:
            assert after == before
        assert text_digest(after) == hashlib.sha256(after.encode()).hexdigest()


def test_distinct_texts_stand_in_order_of_first_appearance():
    corpus = Corpus.from_texts(["b", "a", "", "b", "c", "a"])
    assert corpus.distinct == ("b", "a", "c")
    assert corpus.row.tolist() == [0, 1, -1, 0, 2, 1]
    assert corpus.multiplicity.tolist() == [2, 2, 1]


@pytest.mark.parametrize("shape", [(), (2,)])
def test_spread_gives_equal_texts_equal_rows_and_blank_ones_the_filling(shape):
    corpus = Corpus.from_texts(["a", "", "b", "a"])
    values = np.arange(2 * int(np.prod(shape)), dtype=np.float32).reshape(2, *shape) + 1
    spread = corpus.spread(values, fill=-7.0)
    assert spread.shape == (4, *shape)
    assert spread.dtype == values.dtype
    np.testing.assert_array_equal(spread, np.stack([values[0], np.full(shape, -7.0), values[1], values[0]]))


def test_a_corpus_of_nothing():
    for texts in ([], ["", " "]):
        corpus = Corpus.from_texts(texts)
        assert corpus.distinct == ()
        assert corpus.spread(np.zeros((0, 3))).shape == (len(texts), 3)
        assert corpus.multiplicity.shape == (0,)


def test_texts_may_come_from_a_generator():
    assert Corpus.from_texts(str(number) for number in range(3)).texts == ("0", "1", "2")


@pytest.mark.parametrize("bad", [None, 3, b"bytes", float("nan")])
def test_what_is_not_a_string_is_refused_with_its_place(bad):
    with pytest.raises(CorpusError, match=f"text number 1 is of type {type(bad).__name__}"):
        Corpus.from_texts(["a", bad])


def test_one_string_is_not_a_corpus():
    with pytest.raises(CorpusError, match="one string"):
        Corpus.from_texts("the letters of a word")
