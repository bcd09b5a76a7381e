"""A tree against chance, on texts that did not choose its children."""

import dataclasses

import numpy as np
import pytest

from nlparam.taxonomies.chance import LEAST_TESTED, nothing_found, said_of_chance, separations
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.records import ROOT, Sample, Separation
from nlparam.taxonomies.result import Taxonomy
from tests.helpers.handmade_results import make_taxonomy
from tests.helpers.taxonomy_corpus import make_texts, scripted


def with_answers(tree, under_root, rng, n_drawn=80):
    """The tree with a sample of which the judge puts each text under one child of the root, `(n_texts,)` numbers."""
    texts = np.sort(rng.permutation(len(tree.corpus))[:n_drawn])
    under = {node: np.zeros(len(texts)) for node in tree.nodes} | {ROOT: np.ones(len(texts))}
    for number, child in enumerate(tree.children()):
        under[child.id] = (under_root[texts] == number).astype(float)
    return dataclasses.replace(tree, sample=Sample(texts, np.full(len(texts), n_drawn / len(tree.corpus)), under))


@pytest.fixture(scope="module")
def tree():
    made = make_taxonomy(n_texts=300)
    return dataclasses.replace(
        made, nodes={n: dataclasses.replace(one, candidates=()) for n, one in made.nodes.items()}
    )


def test_children_that_lie_together_are_told_from_noise(tree):
    rng, n_children, p_values = np.random.default_rng(0), len(tree.children()), []
    for _ in range(40):
        child = rng.integers(0, n_children, len(tree.corpus))
        embeddings = rng.normal(size=(len(tree.corpus.distinct), 8))
        found = separations(with_answers(tree, child, rng), embeddings)
        p_values.append(found[ROOT].p_value)
        assert all(one.reason for node, one in found.items() if node != ROOT)  # the judge puts nothing below
    assert np.mean(np.asarray(p_values) <= 0.05) <= 0.125  # 0.05, and what 40 runs may add
    assert np.mean(p_values) > 0.3
    child = rng.integers(0, n_children, len(tree.corpus))
    embeddings = rng.normal(size=(len(tree.corpus.distinct), 8))
    apart = np.eye(8)[child[np.unique(tree.corpus.row, return_index=True)[1]] % 8] + embeddings
    assert separations(with_answers(tree, child, rng), apart)[ROOT].adjusted <= 0.05


def test_texts_that_chose_are_left_out(tree):
    rng = np.random.default_rng(1)
    sampled = with_answers(tree, rng.integers(0, 3, len(tree.corpus)), rng)
    judged = make_taxonomy(n_texts=300).root.candidates[0]
    chose = dataclasses.replace(judged, judged=sampled.sample.texts[:-5], answers=np.ones(75, np.float32))
    nodes = dict(sampled.nodes) | {ROOT: dataclasses.replace(sampled.root, candidates=(chose,))}
    embeddings = rng.normal(size=(len(tree.corpus.distinct), 8))
    found = separations(dataclasses.replace(sampled, nodes=nodes), embeddings)[ROOT]
    assert (found.n_texts, found.p_value) == (5, 1.0)
    assert f"{5} texts that did not choose its children are too few" == found.reason
    assert LEAST_TESTED > 5
    assert separations(tree, embeddings) == {}


def test_what_is_said():
    chance = {ROOT: Separation(0.4, 0.4, 60), "1": Separation(0.01, 0.02, 20), "2": Separation(1.0, 1.0, 3, "too few")}
    assert "nothing found: on 60 texts" in str(nothing_found(chance))
    said = " ".join(said_of_chance(chance))
    assert "children of 1 separate texts better than chance" in said
    assert "Those of root do not" in said
    assert "Of 2 nothing can be said" in said
    assert nothing_found({}) is nothing_found({ROOT: Separation(0.01, 0.01, 60)}) is None
    assert list(said_of_chance({})) == []


@pytest.mark.slow
def test_a_grown_tree_is_tested_and_keeps_what_was_found(tmp_path):
    texts, _ = make_texts(30)
    grown = taxonomy(
        texts, goal="the topic", depth=1, children=3, lm=scripted(), store=tmp_path / "store.sqlite",
        out=tmp_path / "tree", inference=True, options={"n_stated": 60, "n_judged": 64},
    )  # fmt: skip
    assert grown.stamps is None
    assert grown.sample is not None
    assert grown.chance[ROOT].reason or grown.chance[ROOT].adjusted <= 0.05
    loaded = Taxonomy.load(tmp_path / "tree")
    assert loaded.chance == grown.chance
    assert "Against chance" in loaded.report()
