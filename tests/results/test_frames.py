"""Taxonomies and comparisons as data frames."""

import numpy as np
import pyarrow
import pytest

from nlparam.comparing.grouping import by_name
from nlparam.corpus.corpus import Corpus
from tests.helpers.handmade_results import make_comparison, make_taxonomy

TEXTS = ["", *(f"Question {i % 90} about a matter." for i in range(120))]


@pytest.fixture(scope="module")
def taxonomy():
    return make_taxonomy(texts=TEXTS)


@pytest.fixture(scope="module")
def comparison():
    return make_comparison(n_texts=80)


def test_the_texts_of_a_taxonomy_have_their_nodes(taxonomy):
    frame = taxonomy.to_frame()
    assert frame["text"].tolist() == TEXTS
    assert frame["node"].tolist() == [node or "" for node in taxonomy.assignments()]
    for node in taxonomy.nodes.values():
        if node.parent is not None:
            # Nothing is known of texts that are not under the parent.
            known = np.flatnonzero(frame[f"P({node.id} {node.name})"].notna())
            np.testing.assert_array_equal(known, taxonomy.nodes[node.parent].members)


def test_the_shares_of_a_taxonomy_are_of_the_texts_with_words(taxonomy):
    summary = taxonomy.summary().set_index("id")
    assert summary.loc["1", "texts"] == len(taxonomy.nodes["1"])
    assert summary.loc["1", "share"] == taxonomy.share("1") == len(taxonomy.nodes["1"]) / 120
    assert summary.loc["1.1", "share_of_parent"] == len(taxonomy.nodes["1.1"]) / len(taxonomy.nodes["1"])
    assert summary.loc["0", "predicate"] == "none of these"


def test_examples_of_a_node_are_under_its_parent(taxonomy):
    shown = taxonomy.examples(2)
    assert set(shown.groupby(["node", "side"]).size()) <= {1, 2}
    for name, number in zip(shown["node"], shown["number"], strict=True):
        node = taxonomy.nodes[name.split(" ")[0]]
        assert number in taxonomy.nodes[node.parent or ""].members


def test_a_comparison_has_findings_texts_and_examples(comparison):
    summary = comparison.summary()
    assert summary["predicate"].tolist() == [finding.predicate for finding in comparison.findings]
    assert summary["effect"][0] == comparison.findings[0].estimate.effect
    assert {"share (before)", "share (after)"} <= set(summary.columns)
    frame = comparison.to_frame()
    assert len(frame) == len(comparison.units)
    np.testing.assert_array_equal(frame["P(mentions detail 0)"], comparison.judgments[:, 0])
    shown = comparison.examples(1)
    assert set(shown.groupby(["predicate", "group", "side"]).size()) == {1}
    assert (shown["probability"][shown["side"] == "for"] >= 0.5).all()


def test_groups_may_be_columns_of_frames():
    table = pyarrow.table({"text": ["a", "b"]})
    assert by_name({"x": table["text"], "y": ["c"]}) == {"x": ["a", "b"], "y": ["c"]}
    assert Corpus.from_texts(table["text"]).texts == ("a", "b")
