"""A fit as data frames: its texts, predicates and examples; and what every count and share is of."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest

from nlparam.corpus.frames import listed
from nlparam.errors import CorpusError
from nlparam.fitting.page.predicates import describe_predicates, predicates_section
from nlparam.fitting.result import Fit
from nlparam.numerics.core.device import to_device
from nlparam.results.page.blocks import Table
from tests.helpers.handmade_fit import fit_of, make_fit

# One text three times, a blank one, one that several predicates hold for, one that none holds for.
TEXTS = ["the match", "", "the match", "a budget of a club", "bananas", "the match"]
DENOTATIONS = np.array(
    [[0.9, 0.2], [0.0, 0.0], [0.9, 0.2], [0.95, 0.7], [0.25, 0.2], [0.9, 0.2]],
    dtype=np.float32,
)


class Fixed:
    """A denoter that knows the denotations of some texts."""

    goal_map = None

    def denote(self, corpus, *, store):
        del store
        known = dict(zip(TEXTS, DENOTATIONS, strict=True))
        return np.stack([known[text] for text in corpus.texts])


@pytest.fixture(scope="module")
def clustered() -> Fit:
    predicates = ["is about sport", "is about money"]
    return make_fit(texts=TEXTS, predicates=predicates, denotations=DENOTATIONS, denoter=Fixed())


@pytest.fixture(scope="module")
def classified() -> Fit:
    return fit_of("two classes", n_texts=40)


def test_a_text_belongs_to_the_most_specific_predicate_that_holds_or_to_none(clustered):
    assert clustered.assignments.tolist() == [0, -1, 0, 1, -1, 0]
    # The nearest cluster is that of the model, whether its predicate holds or not.
    assert clustered.predictions.tolist() == [0, -1, 0, 1, 1, 0]
    assert clustered.predict(["bananas", "the match"]).tolist() == [-1, 0]
    model, columns = clustered.model, to_device(np.asarray([[0.49, 0.1], [0.95, 0.45]], np.float32))
    assert model.assign(clustered.weights, columns).tolist() == [-1, 0]


def test_every_share_is_of_the_texts_with_words_each_as_often_as_it_occurs(clustered):
    summary = clustered.summary()
    assert summary["predicate"].tolist() == [*clustered.predicates, "none of these"]
    assert summary["texts"].tolist() == [3, 1, 1]
    assert summary["share"].tolist() == [0.6, 0.2, 0.2]
    assert summary["holds"].tolist() == [4, 1, 1]
    worded = DENOTATIONS[[0, 2, 3, 4, 5]]
    np.testing.assert_allclose(summary["prevalence"][:2], (worded >= 0.5).mean(axis=0))
    np.testing.assert_allclose(clustered.quantities()["share"].values, [0.6, 0.2])
    table, _ = predicates_section(clustered, describe_predicates(clustered)).blocks
    assert isinstance(table, Table)
    assert [cell.text for cell in table.foot or ()][1:4] == ["none of these", "1", "20.0%"]


def test_the_reason_says_why_the_cluster_is_not_the_most_likely_predicate(clustered):
    frame = clustered.to_frame()
    assert frame["text"].tolist() == TEXTS
    assert frame["predicate"].tolist()[1:5] == ["", "is about sport", "is about money", "none of these"]
    sport, blank, _, both, none, _ = frame["reason"]
    assert sport == ""
    assert blank == "the text has no words"
    assert both.startswith("'is about sport' (0.95) holds too, but for more texts")
    assert none == "no predicate has a probability of 0.5 or more; the most likely is 'is about sport' (0.25)"


def test_examples_are_whole_texts_and_each_once(clustered):
    shown = clustered.examples(1)
    assert list(zip(shown["predicate"], shown["side"], shown["text"], strict=True)) == [
        ("is about sport", "for", "a budget of a club"),
        ("is about sport", "against", "bananas"),
        ("is about money", "for", "a budget of a club"),
        ("is about money", "against", "the match"),
    ]
    assert len(clustered.examples(5)) == 6
    with pytest.raises(ValueError, match="got k=0, expected at least 1"):
        clustered.examples(0)


def test_frames_are_of_the_library_that_is_asked_for(clustered):
    assert isinstance(clustered.to_frame(), pandas.DataFrame)
    assert isinstance(clustered.summary(backend="polars"), polars.DataFrame)
    assert isinstance(clustered.examples(backend="pyarrow"), pyarrow.Table)
    with pytest.raises(ValueError, match="got backend='excel', expected one of pandas, polars, pyarrow"):
        clustered.to_frame(backend="excel")


def test_the_summary_of_a_classification_has_its_coefficients(classified):
    summary = classified.summary()
    assert "none of these" not in summary["predicate"].tolist()
    assert "texts" not in summary
    np.testing.assert_allclose(summary["coefficient"], classified.quantities()["coefficient"].values)
    assert {"class", "P(class ham)", "P(class spam)"} <= set(classified.to_frame().columns)


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_a_prediction_of_a_frame_is_the_frame_with_more_columns(clustered, make):
    given = {"id": [7, 8], "story": ["bananas", "the match"], "predicate": ["fruit", "ball"]}
    predicted = clustered.predict(make(given), text_field="story")
    assert type(predicted) is type(make(given))
    assert listed(predicted["id"]) == [7, 8]
    assert listed(predicted["predicate (given)"]) == ["fruit", "ball"]
    assert listed(predicted["predicate"]) == ["none of these", "is about sport"]
    assert listed(predicted["P(is about sport)"]) == pytest.approx([0.25, 0.9])


def test_a_prediction_keeps_the_index_of_a_frame(clustered):
    frame = pandas.DataFrame({"text": ["bananas", "the match"], "kind": ["a", "b"]}, index=[30, 10])
    predicted = clustered.predict(frame)
    assert predicted.index.tolist() == [30, 10]
    assert predicted.loc[10, "cluster"] == 0
    assert frame.columns.tolist() == ["text", "kind"]
    assert clustered.predict(frame["text"]).tolist() == [-1, 0]
    with pytest.raises(CorpusError, match="the frame has no column 'body'; its columns are 'text', 'kind'"):
        clustered.predict(frame, text_field="body")
