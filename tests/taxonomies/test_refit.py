"""Refitting an edited taxonomy: what is locked stays, what was judged is not judged again, nothing is lost."""

import dataclasses
import warnings

import numpy as np
import pytest
import yaml

from nlparam.denotation.definitions import Definition, kept_definitions
from nlparam.errors import BudgetError, EditError, FitWarning, LanguageModelError
from nlparam.lm.scripted import ScriptedModel
from nlparam.taxonomies.assign import assign
from nlparam.taxonomies.entries import Entry, entries_of
from nlparam.taxonomies.operations import Rename
from nlparam.taxonomies.records import ROOT, STATUS, STOPS, judged
from nlparam.taxonomies.refit import changes_of, last_edit, refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.yaml_file import parse, written
from tests.helpers.taxonomy_corpus import answer, grown, make_texts, scripted

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1/v1"
GENERAL = {"is about sports", "is about business", "is about science"}


class Counting:
    """The script, and what it was asked."""

    def __init__(self):
        self.judged, self.others = [], []
        self.model = scripted()
        self.model._answer = self._answered

    def _answered(self, request):
        content = request.messages[-1].content
        (self.others if request.labels is None else self.judged).append(content)
        # The script knows its topics in one wording; here another one is the same.
        known = dataclasses.replace(request.messages[-1], content=content.replace("is on the topic of", "is about"))
        return answer(dataclasses.replace(request, messages=(*request.messages[:-1], known)))

    @property
    def predicates(self):
        return {content.rpartition("Property: ")[2].removesuffix(". Yes or no?") for content in self.judged}


@pytest.fixture(scope="module")
def texts():
    return make_texts(14)[0]


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory):
    """A taxonomy in a folder. What was asked for it is in no store: only what the folder keeps can be used again."""
    store = tmp_path_factory.mktemp("store") / "store.sqlite"
    return grown(texts, tmp_path_factory.mktemp("tree") / "tree", store=store, n_stated=60)


@pytest.fixture(scope="module")
def tree(folder):
    return Taxonomy.load(folder)


@pytest.fixture(scope="module")
def embedded(texts, tmp_path_factory):
    """A store with nothing but the embeddings of the texts."""
    from nlparam.language.embed import SentenceTransformerEmbedder, embed_corpus
    from nlparam.lm.store import Store

    path = tmp_path_factory.mktemp("embedded") / "store.sqlite"
    with Store(path) as store:
        embed_corpus(texts, SentenceTransformerEmbedder(), store)
    return path


def ids(tree) -> dict[str, str]:
    """The id of each predicate."""
    return {judged(node): node.id for node in tree.nodes.values() if node.predicate is not None}


def shape(tree, node=ROOT):
    return {judged(child): shape(tree, child.id) for child in tree.children(node)}


def same(one, other) -> bool:
    """Whether two nodes have the same texts and denotations."""
    return np.array_equal(one.members, other.members) and np.allclose(one.denotations, other.denotations)


def test_without_an_edit_the_taxonomy_is_what_it_was(tree):
    """No language model is looked for, let alone asked."""
    assert refit(tree) is tree
    assert refit(tree, parse(written(tree)), lm=NOWHERE) is tree
    assert changes_of(tree) == ([], [])


def test_names_and_locks_ask_nothing_and_move_no_text(tree):
    at = ids(tree)
    node = at["is about sports"]
    text = written(tree).replace("name: is about sports", "name: Sport & games")
    new = refit(tree, parse(text), locked=[at["is about tennis"], "is about science"], lm=NOWHERE)
    assert new.nodes[node].name == "Sport & games"
    assert new.nodes[node].judged_as == "is about sports"
    assert {judged(n) for n in new.nodes.values() if n.status is STATUS.locked} == {
        "is about tennis",
        "is about science",
    }
    assert all(same(new.nodes[one], tree.nodes[one]) for one in tree.nodes)
    assert last_edit(new)["calls"] == 0
    assert "locked" not in written(tree).split("tree:")[1]
    # It is written, and read back, as it is.
    assert refit(new, parse(written(new))) is new
    assert "name: Sport & games\n    predicate: is about sports" in written(new)


def test_what_is_forbidden_is_replaced_from_what_was_considered(tree, embedded):
    """The open nodes beside it compete again; nothing is judged twice, and other divisions stay as they are."""
    at, model = ids(tree), Counting()
    before = {
        (c.predicate, tree.texts[t]) for n in tree.nodes.values() for c in n.candidates for t in c.judged.tolist()
    }
    new = refit(tree, excluded=[at["is about tennis"]], lm=model.model, store=embedded)
    asked = {
        (
            content.rpartition("Property: ")[2].removesuffix(". Yes or no?"),
            content.partition("\n")[0].removeprefix("Text: "),
        )
        for content in model.judged
    }
    assert not asked & before
    assert "is about tennis" not in ids(new)
    assert new.settings["excluded"] == ["is about tennis"]
    assert set(shape(new)) == GENERAL
    # Nothing else divides the node as well: what is left of it stays.
    assert "is about football" in shape(new)["is about sports"]
    for predicate in ("is about banking", "is about space"):
        assert same(new.nodes[ids(new)[predicate]], tree.nodes[at[predicate]])
    # What was judged of it is kept, and may be allowed again without a call.
    kept = next(c for c in new.nodes[at["is about sports"]].candidates if c.predicate == "is about tennis")
    assert len(kept.judged) > 0
    assert "- is about tennis" in written(new)
    again = parse(written(new).replace("  - is about tennis\n", "").replace("forbid:", "forbid: []"))
    assert not again.forbid
    assert changes_of(new, again)[0] == ["allowed again: 'is about tennis'"]


def test_what_is_defined_is_judged_anew_by_its_definition_and_keeps_it(tree, embedded, tmp_path):
    at, model = ids(tree), Counting()
    node, definition = at["is about tennis"], Definition(("played with a racket",), ("A volley.",))
    text = written(tree).replace(
        "        predicate: is about tennis\n",
        "        predicate: is about tennis\n        definition: played with a racket\n        for: [A volley.]\n",
    )
    assert (
        changes_of(tree, parse(text))[0]
        == [
            f'defined: {node} is about tennis: - played with a racket Holds for: "A volley."',
            f"locked: {node} is about tennis",
        ][:1]
    )
    new = refit(tree, parse(text), lm=model.model, store=embedded)
    by_definition = [one for one in model.judged if "Property: is about tennis" in one]
    assert by_definition
    assert all('It is meant so:\n- played with a racket\nHolds for: "A volley."' in one for one in by_definition)
    assert not [one for one in model.judged if "Property: is about football" in one]
    tennis = new.nodes[ids(new)["is about tennis"]]
    assert tennis.status is STATUS.locked
    assert same(new.nodes[ids(new)["is about banking"]], tree.nodes[at["is about banking"]])
    # It is written and read back, kept by another edit, and shown to people and in the report.
    loaded = Taxonomy.load(new.save(tmp_path / "defined"))
    assert refit(loaded, parse(written(loaded))) is loaded
    assert loaded.labelling().definitions == {"is about tennis": definition}
    assert "meant so: played with a racket" in loaded.report(tmp_path / "report.html").read_text(encoding="utf-8")
    renamed = refit(loaded, [Rename(tennis.id, "Tennis")], lm=NOWHERE)
    assert kept_definitions(renamed.settings) == {"is about tennis": definition}
    model.judged.clear()
    assigned = assign(loaded, tree.texts[:6], by="exact", lm=model.model, store=embedded)
    assert assigned.n_failed == 0
    assert not [one for one in model.judged if "is about tennis. Yes or no?" in one]


def test_a_locked_child_stays_whatever_is_beside_it(tree, embedded):
    at = ids(tree)
    edited = entries_of(tree)
    new = refit(
        tree,
        edited,
        locked={ROOT: ["is about sports", "is about energy"], at["is about sports"]: ["is about football"]},
        lm=scripted(),
        store=embedded,
    )
    assert {"is about sports", "is about energy"} <= set(shape(new))
    assert "is about football" in shape(new)["is about sports"]
    locked = {judged(node) for node in new.nodes.values() if node.status is STATUS.locked}
    assert locked == {"is about sports", "is about energy", "is about football"}
    assert len(new.children()) == 4
    # Whatever is forbidden beside them, they stay.
    open_ones = [node.id for node in new.children() if node.status is STATUS.open]
    third = refit(new, excluded=open_ones, lm=scripted(), store=embedded)
    assert {"is about sports", "is about energy"} <= set(shape(third))
    assert len(third.settings["edits"]) == 2


def test_deleting_asks_nothing_and_the_others_stay(tree, embedded):
    at = ids(tree)
    text = written(tree)
    lines = text.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if f"id: '{at['is about tennis']}'" in line)
    new = refit(tree, parse("".join(lines[:first] + lines[first + 3 :])), lm=NOWHERE, store=embedded)
    assert last_edit(new)["calls"] == 0
    assert shape(new)["is about sports"] == {"is about football": {}}
    football = ids(new)["is about football"]
    assert np.array_equal(new.nodes[football].members, tree.nodes[at["is about football"]].members)
    # Its texts are under "none of these", and the head for new texts knows of it no more.
    left = new.children(at["is about sports"], residual=True)[-1]
    assert set(tree.nodes[at["is about tennis"]].members) - set(new.nodes[football].members) <= set(left.members)
    assert new.denoter is not None
    assert new.denoter.columns[at["is about sports"]] == (football,)


def test_all_children_taken_out_leave_a_leaf(tree, embedded):
    at = ids(tree)
    text = written(tree)
    contents = yaml.safe_load(text)
    node = next(one for one in contents["tree"] if one["id"] == at["is about sports"])
    del node["children"]
    new = refit(tree, parse(yaml.safe_dump(contents)), lm=NOWHERE, store=embedded)
    assert new.nodes[at["is about sports"]].stopped is STOPS.by_hand
    assert not new.nodes[at["is about sports"]].children
    assert new.nodes[at["is about sports"]].candidates  # nothing that was judged is lost


def test_merged_nodes_hold_where_either_does_and_ask_nothing(tree, embedded, tmp_path):
    at = ids(tree)
    contents = yaml.safe_load(written(tree))
    sports = next(one for one in contents["tree"] if one["id"] == at["is about sports"])
    tennis = next(one for one in sports["children"] if one["id"] == at["is about tennis"])
    tennis["merge_into"] = at["is about football"]
    new = refit(tree, parse(yaml.safe_dump(contents)), lm=NOWHERE, store=embedded)
    assert last_edit(new)["calls"] == 0
    (merged,) = new.children(at["is about sports"])
    assert merged.status is STATUS.locked
    assert set(merged.name.split(", or ")) == {"is about football", "is about tennis"}
    both = set(tree.nodes[at["is about football"]].members) | set(tree.nodes[at["is about tennis"]].members)
    assert set(merged.members) == both
    # New texts of either kind are under it, others are not.
    fresh = ["The racket and the serve and the volley of a deuce.", "The striker and the keeper saw a penalty, a goal."]
    assert new.denoter is not None
    from nlparam.corpus.corpus import Corpus

    denoted = new.denoter.denote(Corpus.from_texts(fresh))[merged.id]
    assert denoted.min() > 0.5
    new.save(tmp_path / "merged")
    assert refit(Taxonomy.load(tmp_path / "merged")).to_dict()["nodes"] == new.to_dict()["nodes"]


def test_merged_parents_have_the_children_of_both(tree, embedded):
    at = ids(tree)
    contents = yaml.safe_load(written(tree))
    node = next(one for one in contents["tree"] if one["id"] == at["is about science"])
    node["merge_into"] = at["is about sports"]
    new = refit(tree, parse(yaml.safe_dump(contents)), lm=scripted(), store=embedded)
    merged = next(child for child in new.children() if ", or " in child.name)
    assert {judged(child) for child in new.children(merged.id)} <= {
        "is about football", "is about tennis", "is about space", "is about medicine",
    }  # fmt: skip
    assert len(new.children(merged.id)) >= 3
    assert len(new.children()) == 2


def test_a_new_wording_is_judged_and_its_children_stay(tree, embedded):
    at, model = ids(tree), Counting()
    text = written(tree).replace("    predicate: is about sports\n", "    predicate: is on the topic of sports\n")
    new = refit(tree, parse(text), lm=model.model, store=embedded)
    node = new.nodes[ids(new)["is on the topic of sports"]]
    assert node.status is STATUS.locked
    assert node.name == "is on the topic of sports"
    assert model.predicates == {"is on the topic of sports"}
    assert shape(new)["is on the topic of sports"].keys() == shape(tree)["is about sports"].keys()
    assert last_edit(new)["gone"][0] == "is about sports"
    assert at["is about sports"] in tree.nodes


def test_a_split_proposes_and_a_new_node_is_divided_as_deep_as_the_others(tree, embedded):
    contents = yaml.safe_load(written(tree))
    at = ids(tree)
    tennis = next(
        child
        for one in contents["tree"]
        for child in one.get("children", ())
        if child["predicate"] == "is about tennis"
    )
    tennis["split"] = True
    contents["tree"].append({"predicate": "is about medicine"})
    science = next(one for one in contents["tree"] if one.get("id") == at["is about science"])
    science["children"] = [one for one in science["children"] if one["predicate"] != "is about medicine"]
    model = Counting()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        new = refit(tree, parse(yaml.safe_dump(contents)), lm=model.model, store=embedded)
    assert any("the deepest that was asked for" in str(one.message) for one in caught)
    assert "is about medicine" in shape(new)
    assert model.others  # statements and proposals


def test_a_locked_predicate_that_holds_nowhere_is_kept_with_a_warning(tree, embedded):
    with pytest.warns(
        FitWarning, match="'is about weather' is locked, and the language model says that it holds for none"
    ):
        new = refit(tree, locked={ROOT: ["is about weather"]}, lm=scripted(), store=embedded)
    node = new.nodes[ids(new)["is about weather"]]
    assert len(node) == 0
    assert node.status is STATUS.locked


def test_a_budget_that_ends_before_what_is_locked_is_judged_changes_nothing(tree, embedded):
    from nlparam.runtime.budget import Budget

    with pytest.raises(BudgetError, match="'is about cooking' was judged: allow more; nothing was changed"):
        refit(tree, locked={ROOT: ["is about cooking"]}, lm=scripted(), store=embedded, budget=Budget(max_calls=3))


def test_another_language_model_is_refused(tree, embedded):
    with pytest.raises(LanguageModelError, match=r"the language model here is 'other', expected 'scripted'"):
        refit(
            tree, excluded=["is about tennis"], lm=ScriptedModel(answer, identity="other", strong=False), store=embedded
        )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"locked": ["9"]}, "no node with the id or predicate '9'"),
        ({"locked": "1"}, "put it into a list"),
        ({"locked": {"9": ["x"]}}, "got the parent '9'"),
        ({"pool": {"1.0": ["x"]}}, "got the parent '1.0'"),
        ({"pool": "is about x"}, "put it into a list"),
        ({"locked": {ROOT: ["is about weather"]}, "excluded": ["is about weather"]}, "choose one"),
    ],
)
def test_impossible_arguments_are_refused(tree, given, said):
    with pytest.raises(EditError, match=said):
        refit(tree, **given)


def test_candidates_of_ones_own_compete(tree, embedded):
    model = Counting()
    new = refit(tree, pool={ROOT: ["is about energy"]}, lm=model.model, store=embedded)
    considered = {candidate.predicate for candidate in new.root.candidates}
    assert {"is about energy", *GENERAL} <= considered
    assert model.predicates <= {"is about energy", *considered}


def test_what_is_excluded_under_a_node_goes_with_its_name(tree):
    node = tree.nodes[ids(tree)["is about sports"]]
    under = {"is about sports": ["is about rugby"], "is nowhere": ["is about chess"]}
    tree = dataclasses.replace(tree, settings=tree.settings | {"excluded_under": under})
    text = written(tree).replace("name: is about sports", "name: Sport")
    new = refit(tree, parse(text), lm=NOWHERE)
    assert new.nodes[node.id].name == "Sport"
    assert new.settings["excluded_under"] == {"Sport": ["is about rugby"], "is nowhere": ["is about chess"]}


def test_the_children_of_merged_nodes_with_one_predicate_lose_nothing(tree, embedded):
    def today(request):
        content = request.messages[-1].content
        if request.labels is None or "mentions " not in content.rpartition("Property: ")[2]:
            return answer(request)
        word = content.rpartition("mentions ")[2].removesuffix(". Yes or no?")
        yes = 0.95 if word in content.rpartition("Property: ")[0] else 0.05
        return {"yes": yes, "no": 1 - yes}

    model = scripted()
    model._answer = today
    below = {"is about business": ("people", "report"), "is about science": ("said", "yesterday")}

    def plus(entry):
        words = below.get(entry.predicate)
        new = () if words is None else (Entry("mentions today", children=tuple(Entry(f"mentions {w}") for w in words)),)
        return dataclasses.replace(entry, children=(*entry.children, *new))

    edited = entries_of(tree)
    both = refit(tree, dataclasses.replace(edited, tree=tuple(map(plus, edited.tree))), lm=model, store=embedded)
    at, edited = ids(both), entries_of(both)
    merged = tuple(
        dataclasses.replace(one, merge_into=at["is about business"]) if one.predicate == "is about science" else one
        for one in edited.tree
    )
    new = refit(both, dataclasses.replace(edited, tree=merged), lm=model, store=embedded)
    (general,) = (words for words in shape(new).values() if "mentions today" in words)
    assert general["mentions today"].keys() == {f"mentions {word}" for words in below.values() for word in words}
