"""New texts in a taxonomy: the node of each, by the head and by the language model."""

import csv
import json

import numpy as np
import pandas
import pytest

import nlparam.denotation.session
from nlparam.errors import LanguageModelError
from nlparam.lm.scripted import ScriptedModel
from nlparam.taxonomies.assign import assign, assign_frame
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.records import HOLDS
from tests.helpers.cli_corpus import run, said
from tests.helpers.taxonomy_corpus import answer, scripted, topic_of

# Its fixtures take seconds.
pytestmark = pytest.mark.slow


def test_new_texts_are_assigned_by_the_head_and_by_the_language_model(tree, corpus, store):
    _, new, topics = corpus
    fresh = [*new, "", new[0]]
    by_head = assign(tree, fresh, store=store)
    frame = assign_frame(
        tree, pandas.DataFrame({"body": fresh, "name": range(len(fresh))}), text_field="body", store=store
    )
    assert frame.columns.tolist()[:4] == ["body", "name (given)", "node", "name"]
    assert frame["node"].tolist() == [node or "" for node in by_head.nodes]
    assert by_head.nodes[-2] is None
    assert by_head.nodes[-1] == by_head.nodes[0]
    exact = assign(tree, fresh, by="exact", lm=scripted(), store=store)
    names = [tree.nodes[node].name if node else None for node in exact.nodes[:-2]]
    for name, (general, specific) in zip(names, topics, strict=True):
        assert name in ({f"is about {general}", f"is about {specific}"} if general != "science" else {"none of these"})
    assert exact.n_failed == 0
    for assigned in (by_head, exact):
        for node in tree.nodes.values():
            if node.parent is not None:
                assert not np.any(assigned.under[node.id] & ~assigned.under[node.parent])
            if node.predicate is not None and node.parent is not None:
                holds = assigned.denotations[node.id] >= HOLDS
                assert np.array_equal(assigned.under[node.id], assigned.under[node.parent] & holds)
        usable = np.isfinite(assigned.probabilities)
        assert usable.sum() == len(fresh) - 1
        assert np.all((assigned.probabilities[usable] >= 0) & (assigned.probabilities[usable] <= 1))
    with pytest.raises(ValueError, match="expected one of head, exact"):
        assign(tree, fresh, by="cascade")
    with pytest.raises(LanguageModelError, match="expected 'scripted'"):
        assign(tree, fresh, by="exact", lm=ScriptedModel(answer, identity="other", strong=False), store=store)


def test_a_calibrated_taxonomy_is_asked_with_its_calibration(corpus, store, tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.denotation.session, "load_language_model", lambda *_, **__: scripted())
    labelled, out, table = tmp_path / "labelled.csv", tmp_path / "tree", tmp_path / "labels.csv"
    with labelled.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "predicate", "label"])
        rows.writerows([text, "is about sports", int(topic_of(text)[0] == "sports")] for text in corpus[0][:40])
    options = {"n_stated": 50, "least_texts": 14}
    taxonomy(corpus[0], lm=scripted(), store=store, depth=1, options=options, calibration=labelled, out=out)
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in corpus[1][:5]), encoding="utf-8")
    arguments = ["predict", out, "--texts", path, "--out", table, "--store", store, "--by", "exact"]
    without = run(*arguments)
    assert "--calibration" in said(without)
    done = run(*arguments, "--calibration", labelled)
    assert done.exit_code == 0, done.output
    fit = tmp_path / "fit"
    fit.mkdir()
    refused = run("predict", fit, "--texts", path, "--out", table, "--calibration", labelled, "--overwrite")
    assert "only a taxonomy takes one" in said(refused)
