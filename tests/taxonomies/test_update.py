"""New texts in a taxonomy: where they belong, what nothing explains, what is added, and what has changed."""

import csv
import dataclasses
import json
import warnings
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError, FitWarning
from nlparam.taxonomies.page.drift import measured
from nlparam.taxonomies.people import said_by_people
from nlparam.taxonomies.records import ROOT, judged
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import carried
from nlparam.taxonomies.update import update
from tests.helpers.cli_corpus import run, said
from tests.helpers.taxonomy_corpus import make_texts, scripted, topic_of

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1/v1"


def quiet(tree, texts, **options: Any):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return update(tree, texts, lm=scripted(), **options)


@pytest.fixture(scope="module")
def updated(tree, corpus, store):
    return quiet(tree, corpus[1], store=store, n_judged=40)


def test_the_predicates_stay_and_only_what_is_missing_is_added(tree, updated):
    there = {node.id: judged(node) for node in tree.nodes.values() if node.predicate is not None}
    now = {node.id: judged(node) for node in updated.taxonomy.nodes.values() if node.predicate is not None}
    assert {node: now[node] for node in there} == there
    assert {one.predicate for one in updated.added if one.parent == ROOT} <= {"is about medicine", "is about space",
                                                                            "is about science"}  # fmt: skip
    assert updated.added
    assert all(now[one.id] == one.predicate for one in updated.added)
    assert all(one.share_elsewhere < 0.5 * one.share_unexplained for one in updated.added)
    # The texts before are where they were.
    for node in there:
        before = tree.nodes[node].members
        after = updated.taxonomy.nodes[node].members
        assert np.array_equal(before, after[after < len(tree.corpus)])
    assert len(updated.taxonomy.corpus) == len(tree.corpus) + len(updated.assigned.corpus)


def test_what_nothing_explains_is_found_although_the_heads_do_not_see_it(updated):
    at_the_top = next(one for one in updated.unexplained if one.node == ROOT)
    assert at_the_top.outcome.startswith("added")
    assert at_the_top.now.low > at_the_top.before.share
    below = [one for one in updated.unexplained if one.node != ROOT]
    assert all("added" not in one.outcome for one in below)


def test_the_drift_is_that_of_the_truth(corpus, updated):
    before, new, topics = corpus
    del before, new
    share = {
        f"is about {field}": np.mean([field == general for general, _ in topics]) for field in ("sports", "business")
    }
    for one in updated.drift:
        if one.depth == 1 and one.name in share:
            assert one.now.low <= share[one.name] <= one.now.high
            assert one.now.corrected
            assert one.changed
            assert one.drift.high < 0
        if one.added and one.depth == 1:
            assert one.changed
            assert one.drift.low > 0
            assert one.before.share < 0.1
    assert sum(one.added for one in updated.drift if one.depth == 1) == len(
        [one for one in updated.added if one.parent == ROOT]
    )
    assert all(one.p_adjusted >= one.drift.p_value for one in updated.drift)


def test_texts_like_those_before_drift_nowhere_and_nothing_is_proposed(tree, corpus, store):
    again = [f"{text} Indeed." for text in corpus[0]]
    same = quiet(tree, again, store=store, n_judged=30)
    assert not same.changes
    assert not same.added
    assert {one.outcome for one in same.unexplained} <= {
        "fewer than 12 texts", "no more than before, as far as can be told",
    }  # fmt: skip


def test_without_judgments_nothing_is_asked_and_shares_are_the_heads(tree, corpus, store):
    alone = quiet(tree, corpus[1], store=store, n_judged=0, propose="never")
    assert alone.costs.calls == 0
    assert not alone.corrected
    assert not any(one.now.corrected for one in alone.drift)
    assert not alone.changes  # though the heads see a large one
    assert max(abs(one.drift.difference) for one in alone.drift) > 0.15
    assert alone.target == "head"
    assert "as the head sees them" in measured(alone.to_dict())
    assert all("cannot be told" in one.outcome or "asked for" in one.outcome or "fewer" in one.outcome
               for one in alone.unexplained)  # fmt: skip
    for one in alone.drift:
        members = alone.taxonomy.nodes[one.id].members
        assert one.now.share == pytest.approx(np.sum(members >= len(tree.corpus)) / len(corpus[1]))
        assert one.before.share == pytest.approx(np.sum(members < len(tree.corpus)) / len(tree.corpus))


def test_texts_of_one_thread_say_less_than_as_many_others(tree, corpus, store):
    """Two threads, one of sports and one of business: that the new ones are so differs from chance by nothing."""
    before, new, _ = corpus
    asked = {"store": store, "n_judged": None, "propose": "never"}
    alone = quiet(tree, new, **asked)
    threads = dataclasses.replace(tree, clusters=tuple(topic_of(text)[0] for text in before))
    together = quiet(threads, new, clusters=[topic_of(text)[0] for text in new], **asked)
    assert alone.changes
    assert not together.changes
    for one, other in zip(alone.drift, together.drift, strict=True):
        assert one.now.share == other.now.share
        assert other.now.high - other.now.low > one.now.high - one.now.low
    assert together.taxonomy.clusters is not None
    assert together.taxonomy.clusters[: len(before)] == threads.clusters
    half = quiet(tree, new, clusters=[topic_of(text)[0] for text in new], **asked)
    assert any("the texts before have no clusters" in one for one in half.warnings)
    with pytest.raises(CorpusError, match="got 3 clusters for"):
        quiet(tree, new, clusters=["a", "b", "c"], **asked)
    with pytest.raises(CorpusError, match="of one cluster"):
        quiet(dataclasses.replace(tree, clusters=("a",) * len(before)), new, clusters=["a"] * len(new), **asked)


def test_labels_of_people_correct_the_judge(tree, corpus, store):
    """People see sports in what the judge calls business too: the shares are theirs, and say so."""
    before, new, _ = corpus
    predicate = "is about sports"
    rows = [(text, predicate, float(topic_of(text)[0] != "science")) for text in [*before[::2], *new[::2]]]
    labelled = quiet(tree, new, store=store, n_judged=40, propose="never", labels=Labelled.of(rows))
    assert labelled.target == "people"
    assert labelled.n_labelled == (len(before[::2]), len(new[::2]))
    sports = next(one for one in labelled.drift if one.name == predicate)
    assert sports.target == "people"
    assert sports.before.share > 0.9
    assert sports.now.low <= np.mean([topic_of(text)[0] != "science" for text in new]) <= sports.now.high
    others = [one for one in labelled.drift if one.name != predicate and one.depth == 1]
    assert {one.target for one in others} == {"judge"}  # of these nobody said anything
    assert labelled.to_dict()["target"] == "people"
    of_old = Labelled.of([row for row in rows if row[0] in before])
    few = quiet(tree, new, store=store, n_judged=40, propose="never", labels=of_old)
    assert any(
        f"people labelled {len(before[::2])} of the texts before and 0 of the new" in one for one in few.warnings
    )
    assert next(one for one in few.drift if one.name == predicate).target == "judge"
    with pytest.raises(CorpusError, match="not in the corpus"):
        quiet(tree, new, store=store, labels=Labelled.of([("another text", predicate, 1.0)]))
    with pytest.raises(CorpusError, match="expected one of"):
        quiet(tree, new, store=store, labels=Labelled.of([(new[0], "is about nothing", 1.0)]))


def test_what_is_known_of_people_does_not_depend_on_what_they_say(tree, corpus):
    """Labels of children that are missing for some texts under the parent leave only texts that have both."""
    before = list(corpus[0])
    child = tree.nodes[tree.children(tree.children()[0].id)[0].id]
    parent = tree.nodes[child.parent]
    holds = [topic_of(text)[0] == parent.name.split()[-1] for text in before]
    above = [(text, parent.name, float(yes)) for text, yes in zip(before, holds, strict=True)]
    under = [text for text, yes in zip(before, holds, strict=True) if yes]
    whole = said_by_people(tree, Labelled.of([*above, *((text, child.name, 1.0) for text in under)]), before)
    assert np.isfinite(whole[child.id]).all()
    assert np.array_equal(whole[child.id] == 1, holds)
    half = said_by_people(tree, Labelled.of([*above, *((text, child.name, 1.0) for text in under[::2])]), before)
    assert child.id not in half
    some = [(text, child.name, float(yes)) for text, yes in zip(before[::2], holds[::2], strict=True)]
    both = said_by_people(tree, Labelled.of([*above, *some]), before)[child.id]
    assert np.flatnonzero(np.isfinite(both)).tolist() == list(range(0, len(before), 2))


def test_each_look_spends_its_part_of_the_level(tree, corpus, store):
    _, new, _ = corpus
    first = quiet(tree, new[:40], store=store, n_judged=0, propose="never")
    second = quiet(first.taxonomy, new[40:80], store=store, n_judged=0, propose="never")
    assert (first.look, second.look) == (1, 2)
    assert [one["look"] for one in second.taxonomy.settings["updates"]] == [1, 2]
    assert second.to_dict()["level_of_look"] == pytest.approx(0.05 / 6)
    fourth = quiet(tree, new[:40], store=store, n_judged=0, propose="never", look=4)
    assert fourth.look == 4
    with pytest.raises(ValueError, match="got look=0, expected at least 1"):
        quiet(tree, new, look=0)


def test_the_sample_is_kept_and_carried_over_an_edit(updated, tmp_path):
    sample = updated.taxonomy.sample
    assert sample is not None
    assert len(sample) == sum(updated.n_judged)
    assert set(sample.inclusion.round(6)) == {round(updated.n_judged[0] / updated.n_before, 6), round(
        updated.n_judged[1] / len(updated.assigned.corpus), 6)}  # fmt: skip
    for node in updated.taxonomy.nodes.values():
        if node.parent is not None:
            assert not np.any((sample.under[node.id] == 1) & (sample.under[node.parent] != 1))
    updated.save(tmp_path / "tree")
    again = Taxonomy.load(tmp_path / "tree")
    assert again.sample is not None
    assert np.array_equal(again.sample.texts, sample.texts)
    assert np.array_equal(again.sample.inclusion, sample.inclusion)
    for node in sample.under:
        np.testing.assert_array_equal(again.sample.under[node], sample.under[node])
    last = again.children()[-1]
    fewer = dict(again.nodes)
    del fewer[last.id]
    for below in [node for node in fewer if node.startswith(f"{last.id}.")]:
        del fewer[below]
    kept = [child for child in again.root.children if child != last.id]
    fewer[ROOT] = dataclasses.replace(again.root, children=tuple(kept))
    moved = carried(again, dataclasses.replace(again, nodes=fewer))
    assert moved is not None
    assert np.array_equal(moved.under["1"], sample.under["1"])
    assert np.isnan(moved.under["0"]).all()  # of none of fewer siblings nothing is known


def test_an_update_can_be_saved_edited_and_updated_again(updated, store, tmp_path):
    updated.save(tmp_path / "new")
    again = Taxonomy.load(tmp_path / "new")
    assert refit(again) is again
    contents = json.loads((tmp_path / "new" / "update.json").read_text(encoding="utf-8"))
    assert [one["predicate"] for one in contents["added"]] == [one.predicate for one in updated.added]
    table = pyarrow.parquet.read_table(tmp_path / "new" / "assignments.parquet").to_pydict()
    assert table["text"] == list(updated.assigned.corpus.texts)
    assert table["node"] == updated.taxonomy.assignments()[updated.n_before :]
    more = quiet(again, make_texts(4, seed=5)[0], store=store, n_judged=10, propose="never")
    assert len(more.taxonomy.settings["updates"]) == 2


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([f"{n} Der Ball rollt über den Rasen und das Tor fällt spät im Spiel." for n in range(40)], "in German"),
        ([*["A goal for the striker."] * 5, "", " "], "2 of 7 new texts are blank"),
        (["A goal for the striker."], "there is only 1 new text: "),
    ],
)
def test_odd_new_texts_are_taken_with_a_warning(tree, store, texts, said):
    with pytest.warns(FitWarning) as caught:
        update(tree, texts, lm=scripted(), store=store, n_judged=0, propose="never")
    assert any(said in str(one.message) for one in caught)


def test_texts_that_are_there_already_are_told(tree, corpus, store):
    with pytest.warns(FitWarning, match="all new texts are in the taxonomy already"):
        same = update(tree, corpus[0], lm=scripted(), store=store, n_judged=0)
    assert not same.changes
    assert same.costs.calls == 0


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        (["", "  "], {}, "all 2 new texts are blank"),
        (["a text"], {"propose": "perhaps"}, "expected one of auto, always, never"),
        (["a text"], {"n_judged": "many"}, "expected a number"),
        (["a text"], {"n_judged": -1}, "expected at least 0"),
        (["a text"], {"level": 0.0}, "expected a number between 0 and 1"),
    ],
)
def test_impossible_updates_are_refused(tree, texts, options, said):
    with pytest.raises((CorpusError, ValueError), match=said):
        update(tree, texts, lm=NOWHERE, **options)


def test_on_the_command_line(folder, tree, corpus, store, tmp_path):
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in corpus[1]), encoding="utf-8")
    labels = tmp_path / "labels.csv"
    predicted = run("predict", folder, "--texts", path, "--out", labels, "--store", store)
    assert predicted.exit_code == 0, predicted.output
    assert "none of these" in predicted.stdout
    with labels.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(corpus[1])
    assert list(rows[0])[:5] == ["text", "node", "name", "path", "probability"]
    assert {row["node"] for row in rows} <= set(tree.nodes)
    refused = run("predict", folder, "--texts", path, "--out", labels, "--overwrite", "--by", "cascade")
    assert "expected one of head, exact" in said(refused)
    out = tmp_path / "out"
    arguments = ["--texts", path, "--store", store, "--n-judged", 0, "--propose", "never", "--lm", NOWHERE]
    result = run("update", folder, *arguments, "--out", out)
    assert result.exit_code == 0, result.output
    assert "as the head sees them" in result.stdout
    assert "no change is claimed" in result.stdout
    drift = result.stdout.partition("Shares of the nodes")[2].partition("New texts that no child")[0]
    _, headings, *rows = drift.strip().splitlines()
    assert headings.split()[-1] == "Claimed"
    assert {row.split()[-1] for row in rows} == {"no"}
    assert "New texts that no child of their node explains" in result.stdout
    assert (out / "update.json").exists()
    assert (out / "report.html").exists()
    assert len(Taxonomy.load(out).corpus) == len(tree.corpus) + len(corpus[1])
    assert not (folder / "history").exists()
    edited = (out / "taxonomy.yaml").read_text(encoding="utf-8")
    name = f"name: {tree.children()[0].name}"
    assert name in edited
    (out / "taxonomy.yaml").write_text(edited.replace(name, "name: Another"), encoding="utf-8")
    waiting = run("update", out, *arguments)
    assert "nlparam refit" in said(waiting)
    (out / "taxonomy.yaml").write_text(edited, encoding="utf-8")
    in_place = run("update", out, *arguments, "--json")
    assert in_place.exit_code == 0, in_place.output
    assert json.loads(in_place.stdout)["n_before"] == len(tree.corpus) + len(corpus[1])
    assert len(Taxonomy.load(out / "history" / "1").corpus) == len(tree.corpus) + len(corpus[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-judged", "-5"], "expected at least 0"),
        (["--n-judged", "some"], "expected a number, all or auto"),
        (["--propose", "sometimes"], "expected one of auto, always, never"),
        (["--level", "2"], "got level=2.0, expected a number between 0 and 1"),
        (["--confidence", "0"], "got confidence=0.0, expected a number between 0 and 1"),
    ],
)
def test_impossible_numbers_are_mistakes_in_the_command(tmp_path, arguments, message):
    refused = run("update", tmp_path / "nowhere", "--texts", tmp_path / "none.jsonl", *arguments)
    assert refused.exit_code == 2
    assert message in said(refused)


def test_another_folder_takes_the_same_update_again_and_no_other(folder, corpus, store, tmp_path):
    path, other = tmp_path / "new.jsonl", tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in corpus[1]), encoding="utf-8")
    other.write_text("".join(json.dumps({"text": text}) + "\n" for text in corpus[1][:40]), encoding="utf-8")
    out = tmp_path / "out"
    options = ["--store", store, "--n-judged", 0, "--propose", "never", "--lm", NOWHERE, "--out", out]
    for _ in range(2):
        done = run("update", folder, "--texts", path, *options)
        assert done.exit_code == 0, done.output
    refused = run("update", folder, "--texts", other, *options)
    assert refused.exit_code == 1
    assert "it differs in corpus" in said(refused)
    # A tree that replaces it leaves no update of it.
    assert run("refit", folder, "--out", out, "--overwrite").exit_code == 0
    assert not (out / "update.json").exists()
    assert not (out / "assignments.parquet").exists()
