"""Edits as operations: applied one after another, found again in an edited file, kept as JSON, undone."""

import json

import pytest

from nlparam.denotation.definitions import Definition
from nlparam.errors import EditError
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.entries import entries_of
from nlparam.taxonomies.operations import (
    OPERATIONS,
    Add,
    Define,
    Delete,
    Exclude,
    Forbid,
    Lock,
    Merge,
    Move,
    Rename,
    Reword,
    Split,
    applied,
    operation_of,
)
from nlparam.taxonomies.records import ROOT
from nlparam.taxonomies.refit import changes_of
from nlparam.taxonomies.yaml_file import parse, written
from tests.helpers.handmade_results import make_taxonomy

PRICE = Definition(('of money: not "priceless"', "in any currency"), ("It costs 3 #euros.\nOr 4.",), ("Free.",))
EDITS = {
    "rename": [Rename("2", "Money")],
    "reword": [Reword("2.1", "mentions a price")],
    "reword and rename": [Reword("2.1", "mentions a price"), Rename("2.1", "Prices")],
    "define": [Define("2.1", PRICE)],
    "define what is new": [Add("mentions a price", "2", "Prices", PRICE)],
    "reword and define": [Reword("2.1", "mentions a price"), Define("2.1", PRICE)],
    "lock": [Lock("2.1"), Lock("1", locked=False)],
    "forbid": [Forbid("2.3")],
    "exclude": [Exclude("is about the weather")],
    "delete": [Delete("3")],
    "merge": [Merge(("3",), "2", "asks about matter 2, or asks about matter 3")],
    "merge with a name": [Merge(("2", "3"), "1", "Matters")],
    "split": [Split("2"), Split("3", 4)],
    "move": [Move("2.1", "3")],
    "move out of what is deleted": [Move("2.1"), Delete("2")],
    "move above the parent": [Move("2.1"), Move("2", "2.1")],
    "add": [Add("mentions a price", "2", "Prices"), Add("in euros", "asks about matter 2 > mentions a price")],
    "split what is new": [Add("mentions a price"), Split("mentions a price", 3)],
    "move under what is new": [Add("mentions a price"), Move("2.1", "mentions a price")],
}


@pytest.fixture(scope="module")
def tree():
    return make_taxonomy(depth=2, n_children=3)


def shape(entry):
    """A planned tree, in whatever order siblings are."""
    fields = (entry.ids, entry.predicate, entry.shown, entry.locked, entry.forbidden, entry.split)
    return (*fields, sorted((shape(child) for child in entry.children), key=repr))


@pytest.mark.parametrize("case", EDITS)
def test_what_was_done_is_found_in_the_edited_tree_and_done_again(tree, case):
    planned = plan(applied(EDITS[case], tree), tree)
    assert set(planned.operations) == set(EDITS[case])
    again = plan(applied(planned.operations, tree), tree)
    assert shape(again.root) == shape(planned.root)
    assert (again.operations, again.forbidden) == (planned.operations, planned.forbidden)
    assert len(planned.changes) == len(EDITS[case])


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_is_written_to_the_file_and_read_back(tree, case):
    edited = applied(EDITS[case], tree)
    planned, again = plan(edited, tree), plan(parse(written(tree, edited)), tree)
    assert shape(again.root) == shape(planned.root)
    assert (again.operations, again.forbidden) == (planned.operations, planned.forbidden)


@pytest.mark.parametrize("case", EDITS)
def test_operations_are_kept_as_json(case):
    kept = json.loads(json.dumps([operation.as_dict() for operation in EDITS[case]]))
    assert [operation_of(one) for one in kept] == EDITS[case]


def test_every_operation_is_tried():
    tried = {type(operation) for operations in EDITS.values() for operation in operations}
    assert tried == set(OPERATIONS.values())


def test_an_edited_file_says_the_same_as_the_operations(tree):
    text = written(tree).replace("name: asks about matter 2\n", "name: Money\n")
    text = text.replace("        predicate: asks about matter 2.3\n", "        predicate: asks about matter 2.3\n"
                        "        forbidden: true\n")  # fmt: skip
    operations = [Rename("2", "Money"), Forbid("2.3")]
    assert list(plan(parse(text), tree).operations) == operations
    assert changes_of(tree, parse(text)) == changes_of(tree, operations)


def test_a_predicate_has_one_definition(tree):
    both = applied([Reword("2.1", "asks about matter 3.1"), Define("3.1", PRICE)], tree)
    assert [one.definition for one in both.walk() if one.predicate == "asks about matter 3.1"] == [PRICE, PRICE]
    planned = plan(both, tree)
    assert (planned.definitions, planned.redefined) == ({"asks about matter 3.1": PRICE}, {"asks about matter 3.1"})
    with pytest.raises(EditError, match=r"means something else here than .*a predicate has one definition"):
        plan(both.changed("2.1", definition=None), tree)


def test_what_is_merged_means_what_its_parts_do(tree):
    planned = plan(applied([Define("2", PRICE), Merge(("3",), "2")], tree), tree)
    name = "asks about matter 2, or asks about matter 3"
    assert planned.definitions[name].clauses == tuple(f"asks about matter 2: {one}" for one in PRICE.clauses)
    assert (planned.definitions[name].holds, planned.definitions[name].fails) == (PRICE.holds, ())


def test_leaving_out_the_last_undoes_it(tree):
    before = entries_of(tree)
    operations = [Rename("2", "Money"), Move("2.1", "3")]
    after = applied(operations, tree)
    assert entries_of(tree) == before
    assert applied(operations[:1], tree) == Rename("2", "Money").on(before) != after
    assert applied([], tree) == before
    allowed = applied([Exclude("is about x"), Exclude("Is about  x", excluded=False)], tree)
    assert not plan(allowed, tree).operations


def test_children_of_merged_parents_with_one_predicate_are_merged_again(tree):
    edited = applied([Reword("3.1", "asks about matter 2.1"), Merge(("3",), "2")], tree)
    planned = plan(edited, tree)
    assert Merge(("3.1",), "2.1", "asks about matter 2.1, or asks about matter 3.1") in planned.operations
    again = plan(applied(planned.operations, tree), tree)
    assert [child.ids for child in again.root.walk()] == [child.ids for child in planned.root.walk()]


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (Rename("9", "x"), "no node with the id or predicate '9'"),
        (Add("x", "9"), "no node with the id or predicate '9'"),
        (Merge(("1",), "9"), "no node with the id or predicate '9'"),
        (Move("2", "2.1"), "which is the node or below it"),
        (Move("2", "2"), "which is the node or below it"),
    ],
)
def test_nodes_that_are_not_there_are_refused(tree, operation, said):
    with pytest.raises(EditError, match=said):
        applied([operation], tree)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ({"operation": "burn", "node": "2"}, "got the operation 'burn', expected one of rename"),
        ({"node": "2"}, "got the operation ''"),
        ({"operation": "rename", "node": "2"}, "rename got the fields node, expected node, name"),
        ({"operation": "lock", "node": "2", "until": 3}, "lock got the fields node, until, expected node, locked"),
    ],
)
def test_unknown_operations_are_refused(kept, said):
    with pytest.raises(EditError, match=said):
        operation_of(kept)


def test_impossible_edits_are_refused_as_in_a_file(tree):
    for operations, said in (
        ([Merge(("2.1",), "3.1")], "are not siblings"),
        ([Lock("2"), Forbid("2")], "choose one"),
        ([Add("asks about matter 1")], "two siblings have the predicate"),
        ([Move("1.1"), Reword("2", "asks about matter 1.1")], "two siblings have the predicate"),
    ):
        with pytest.raises(EditError, match=said):
            plan(applied(operations, tree), tree)
    assert plan(applied([Move("2.1", ROOT)], tree), tree).changes == (
        "moved: 2.1 asks about matter 2.1: from 2 to root",
    )
