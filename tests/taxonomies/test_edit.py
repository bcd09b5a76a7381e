"""`taxonomy.yaml`: written for a person, read back, checked against the tree, and turned into a plan."""

import pytest

from nlparam.errors import EditError
from nlparam.taxonomies.edit import children_of, plan
from nlparam.taxonomies.entries import Edited, Entry, entries_of, one_line
from nlparam.taxonomies.yaml_file import parse, read, written
from tests.helpers.handmade_results import make_taxonomy

# As predicates; more than the nodes of the first level have.
ODD = ["is about: sport", "no", "- weird", "'quoted' # not a comment", "1.10", "ends with: ", "über ☃", "null"]


@pytest.fixture(scope="module")
def tree():
    return make_taxonomy(depth=2, n_children=3)


@pytest.fixture(scope="module")
def text(tree):
    return written(tree, folder="out/chats")


def changed(text: str, old: str, new: str) -> str:
    """The text with one change, which must be possible."""
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


def under(identity: str, *lines: str) -> tuple[str, str]:
    """How lines are put under the `predicate:` of a node of the handmade tree."""
    level = identity.count(".")
    indent = " " * (4 + 4 * level)
    old = f"{indent}predicate: asks about matter {identity}\n"
    return old, old + "".join(f"{indent}{line}\n" for line in lines)


def block(text: str, identity: str) -> str:
    """The lines of a node and all that is under it."""
    lines = text.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if line.lstrip().startswith(f"- id: '{identity}' "))
    indent = len(lines[first]) - len(lines[first].lstrip())
    last = first + 1
    while last < len(lines) and len(lines[last]) - len(lines[last].lstrip()) > indent:
        last += 1
    return "".join(lines[first:last])


def planned(text, tree):
    return plan(parse(text), tree)


def kept(entry):
    """The children of an entry of a plan that are not forbidden."""
    return [child for child in entry.children if not child.forbidden]


def shapes(entry):
    return [(node.ids, node.name, node.locked, shapes(node)) for node in kept(entry)]


@pytest.mark.parametrize("names", [None, ODD])
def test_what_is_written_is_read_back_as_it_is(names):
    tree = make_taxonomy(names=names)
    text = written(tree)
    edited = parse(text)
    assert [(e.id, e.predicate, e.name, e.locked) for e in edited.walk()] == [
        (e.id, one_line(e.predicate), one_line(e.shown), e.locked) for e in entries_of(tree).walk()
    ]
    assert not plan(edited, tree).changes
    assert not any(children_of(entry, tree).changed for entry in plan(edited, tree).root.walk())
    lines = text.splitlines()
    for entry in edited.walk():
        assert f"id: '{entry.id}'" in lines[(entry.line or 0) - 1]


def test_the_file_says_how_to_edit_it_and_how_large_the_nodes_are(tree, text):
    header = "".join(line for line in text.splitlines() if line.startswith("#"))
    for word in ("rename", "reword", "lock", "forbid", "delete", "merge", "split", "move", "add", "refit out/chats"):
        assert word in header
    assert f"id: '2.1'  # {len(tree.nodes['2.1'])} texts" in text
    assert text.count("locked: true") == 2  # in the header, and of node 1


def test_a_new_name_is_no_new_predicate(tree, text):
    new = planned(changed(text, "name: asks about matter 2\n", "name: Money & more\n"), tree)
    assert new.changes == ("renamed: 2 asks about matter 2: now Money & more",)
    assert not children_of(new.root, tree).changed
    node = kept(new.root)[1]
    assert (node.name, node.predicate, node.locked) == ("Money & more", "asks about matter 2", False)


def test_a_new_predicate_is_locked_and_takes_its_name_with_it(tree, text):
    new = planned(changed(text, "    predicate: asks about matter 2\n", "    predicate: mentions a price\n"), tree)
    node = kept(new.root)[1]
    assert (node.name, node.predicate, node.locked) == ("mentions a price", "mentions a price", True)
    assert children_of(new.root, tree).solved
    assert children_of(new.root, tree).n == 3
    assert new.changes == ("reworded: 2 asks about matter 2: now mentions a price",)


def test_locking_changes_no_division(tree, text):
    new = planned(changed(text, *under("2.3", "locked: true")), tree)
    assert new.changes == ("locked: 2.3 asks about matter 2.3",)
    assert not any(children_of(entry, tree).changed for entry in new.root.walk())
    unlocked = planned(changed(text, "    locked: true\n", ""), tree)
    assert unlocked.changes == ("unlocked: 1 asks about matter 1",)


def test_another_takes_the_place_of_what_is_forbidden(tree, text):
    new = planned(changed(text, *under("2.3", "forbidden: true")), tree)
    children = children_of(kept(new.root)[1], tree)
    assert [node.ids for node in children.there] == [("2.1",), ("2.2",)]
    assert (children.n, children.solved, children.excluded) == (3, True, ("asks about matter 2.3",))
    assert new.forbidden == ("asks about matter 2.3",)
    # A line under `forbid:` does the same wherever the predicate is.
    listed = changed(text, "forbid: #", "forbid:\n  - Asks about  matter 2.3\n#")
    assert shapes(planned(listed, tree).root) == shapes(new.root)


def test_nothing_takes_the_place_of_what_is_deleted(tree, text):
    new = planned(changed(text, block(text, "2.3"), ""), tree)
    children = children_of(kept(new.root)[1], tree)
    assert (children.n, children.changed, children.solved) == (2, True, False)
    assert new.forbidden == ("asks about matter 2.3",)
    whole = planned(changed(text, block(text, "2"), ""), tree)
    assert [node.ids for node in kept(whole.root)] == [("1",), ("3",)]
    assert whole.forbidden == ("asks about matter 2",)  # what was under it may be found elsewhere


def test_merged_nodes_have_the_texts_and_children_of_both(tree, text):
    new = planned(changed(text, *under("3", "merge_into: '2'")), tree)
    node = kept(new.root)[1]
    assert node.ids == ("2", "3")
    assert node.predicates == ("asks about matter 2", "asks about matter 3")
    assert node.name == "asks about matter 2, or asks about matter 3"
    assert node.locked
    assert (children_of(new.root, tree).n, children_of(new.root, tree).solved) == (2, False)
    assert [child.ids[0] for child in kept(node)] == ["2.1", "2.2", "2.3", "3.1", "3.2", "3.3"]
    # In a chain, and with a name of its own.
    chain = changed(changed(text, *under("3", "merge_into: '2'")), *under("2", "merge_into: '1'"))
    chain = changed(chain, "name: asks about matter 1\n", "name: Matters\n")
    node = kept(planned(chain, tree).root)[0]
    assert (node.ids, node.name) == (("1", "2", "3"), "Matters")


def test_children_of_merged_parents_with_one_predicate_are_one_node(tree, text):
    same = changed(text, "predicate: asks about matter 3.1\n", "predicate: Asks about matter 2.1\n")
    same = changed(same, "name: asks about matter 3.1\n", "name: asks about matter 2.1\n")
    new = planned(changed(same, *under("3", "merge_into: '2'")), tree)
    node = kept(kept(new.root)[1])[0]
    assert (node.ids, node.predicates, node.name) == (
        ("2.1", "3.1"),
        ("asks about matter 2.1",),
        "asks about matter 2.1",
    )
    assert [child.ids for child in kept(kept(new.root)[1])[1:]] == [
        ("2.2",), ("2.3",), ("3.2",), ("3.3",),
    ]  # fmt: skip
    assert "merged: 3.1 into 2.1: asks about matter 2.1" in new.changes
    # Where one of them is deleted, the other is none the less wanted.
    less = planned(changed(changed(same, block(text, "2.1"), ""), *under("3", "merge_into: '2'")), tree)
    assert children_of(kept(less.root)[1], tree).excluded == ()


def test_what_has_a_locked_node_below_it_stays(tree, text):
    new = planned(changed(text, *under("2.1", "locked: true")), tree)
    assert [(node.locked, node.stays) for node in kept(new.root)] == [
        (True, True),
        (False, True),
        (False, False),
    ]


def test_a_split_seeks_new_children(tree, text):
    for wanted, n_children in (("true", None), ("4", 4)):
        new = planned(changed(text, *under("2", f"split: {wanted}")), tree)
        children = children_of(kept(new.root)[1], tree)
        assert (children.anew, children.solved, children.n) == (True, True, n_children)
    few = changed(changed(text, *under("2.1", "locked: true")), *under("2.2", "locked: true"))
    few = changed(few, *under("2.3", "locked: true"))
    new = planned(changed(few, *under("2", "split: 2")), tree)
    assert children_of(kept(new.root)[1], tree).n == 3
    assert "fewer than the 3 locked children" in new.warnings[0]


def test_splitting_the_deepest_is_possible_with_a_warning(tree, text):
    new = planned(changed(text, *under("2.1", "split: true")), tree)
    assert new.warnings == (
        "node 2.1 is on level 2, the deepest that was asked for: it is divided all the same, and the tree becomes 3 "
        "levels deep",
    )


def test_moved_and_added_nodes_are_locked(tree, text):
    moved = block(text, "2.1")
    new = planned(changed(changed(text, moved, ""), block(text, "3.1"), block(text, "3.1") + moved), tree)
    assert new.changes == ("moved: 2.1 asks about matter 2.1: from 2 to 3",)
    left, came = (children_of(entry, tree) for entry in kept(new.root)[1:])
    assert (left.n, left.changed, left.solved, left.excluded) == (2, True, False, ("asks about matter 2.1",))
    assert (came.n, came.solved) == (4, True)
    assert [(node.ids, node.locked) for node in came.there][1] == (("2.1",), True)
    added = planned(text + "  - predicate: mentions a price\n    children:\n      - name: in euros\n", tree)
    node = kept(added.root)[3]
    assert (node.ids, node.predicate, node.name, node.locked) == ((), "mentions a price", "mentions a price", True)
    assert kept(node)[0].predicate == "in euros"
    assert added.changes == ("added: mentions a price", "added: in euros")


def test_a_node_moved_above_its_parent_is_no_cycle(tree, text):
    """2.1 becomes a node of the first level, and 2 goes under it: possible, as each has one place."""
    inner = block(text, "2.1")
    outer = changed(block(text, "2"), inner, "")
    raised = "".join(line[4:] for line in inner.splitlines(keepends=True)) + "    children:\n"
    raised += "".join("    " + line for line in outer.splitlines(keepends=True))
    new = planned(changed(text, block(text, "2"), raised), tree)
    assert [node.ids for node in kept(new.root)] == [("1",), ("2.1",), ("3",)]
    assert [node.ids for node in kept(kept(new.root)[1])] == [("2",)]


IMPOSSIBLE = {
    "tab": (("    name: asks about matter 2\n", "\tname: asks about matter 2\n"), "begins with a tab"),
    "colon": (("name: asks about matter 2\n", "name: about: 2: x\n"), "put a value that has ': ' in it into quotes"),
    "unknown key": (under("2", "lock: true"), "unknown key `lock:`; did you mean `locked:`"),
    "key twice": (under("2", "name: x"), "`name:` stands twice"),
    "alias": (under("2", "split: &a [*a]"), "anchors and aliases"),
    "anchor": (("name: asks about matter 2\n", "name: &x y\n"), "anchors and aliases"),
    "object": (("name: asks about matter 2\n", "name: !!python/object/apply:os.system ['x']\n"), "expected words"),
    "tag": (("name: asks about matter 2\n", "name: !x y\n"), "has the tag"),
    "second document": (("tree: #", "---\ntree: #"), "second document"),
    "empty": (("    predicate: asks about matter 2\n", "    predicate:\n    locked: true\n"), "`predicate:` is empty"),
    "list": (("name: asks about matter 2\n", "name: [a, b]\n"), "`name:` is a list"),
    "flag": (under("2", "locked: perhaps"), "expected `true` or `false`"),
    "one child": (under("2", "split: 1"), "expected between 2 and 50"),
    "split": (under("2", "split: some"), "expected `true` or the number"),
    "unknown id": (("id: '2.1' ", "id: '2.7' "), "the tree has no node '2.7' (did you mean 2."),
    "none of these": (("id: '2.1' ", "id: '2.0' "), '2.0 is "none of these"'),
    "id twice": (("id: '3.1' ", "id: '2.1' "), "node 2.1 stands twice (first in line"),
    "name twice": (("name: asks about matter 2.1\n", "name: asks about matter 2.2\n"), "two siblings have the name"),
    "predicate twice": (
        ("predicate: asks about matter 2.1\n", "predicate: Asks about matter 2.2\n"),
        "two siblings have the predicate",
    ),
    "as above": (("predicate: asks about matter 2.1\n", "predicate: asks about matter 2\n"), "of a node above it too"),
    "both": (under("2", "locked: true", "forbidden: true"), "has `forbidden: true` and `locked:`"),
    "other parents": (under("2.1", "merge_into: '3.1'"), "are not siblings (under 2, under 3)"),
    "own child": (under("2", "merge_into: '2.1'"), "are not siblings (at the top, under 2)"),
    "itself": (under("2", "merge_into: '2'"), "is merged into itself"),
    "nowhere": (under("2", "merge_into: '9'"), "there is no such node in the file"),
    "no place": (under("2", "merge_into:"), "`merge_into:` is empty"),
    "children": (("name: asks about matter 2.1\n", "name: x\n        children: 3\n"), "expected a list"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_nonsense_is_refused_with_its_line(tree, text, case):
    (old, new), said = IMPOSSIBLE[case]
    edited = changed(text, old, new)
    with pytest.raises(EditError, match=r"line \d+") as error:
        planned(edited, tree)
    assert said in str(error.value)
    first = next(n for n, (a, b) in enumerate(zip(text.splitlines(), edited.splitlines(), strict=False), 1) if a != b)
    line = int(str(error.value).partition("line ")[2].partition(":")[0])
    assert abs(line - first) <= 4, str(error.value)  # the line itself, or the first of its node


def test_a_node_under_itself_is_refused(tree, text):
    copied = "        children:\n" + "".join("        " + line for line in block(text, "2").splitlines(keepends=True))
    with pytest.raises(EditError, match="stands twice, the second time under itself"):
        planned(changed(text, block(text, "2.1"), block(text, "2.1") + copied), tree)


def test_all_mistakes_are_said_at_once(tree, text):
    edited = changed(text, *under("2", "locked: true", "forbidden: true"))
    edited = changed(edited, *under("3.1", "merge_into: '2.1'"))
    with pytest.raises(EditError, match="has 2 mistakes, nothing was changed") as error:
        planned(edited, tree)
    assert str(error.value).count("\n  line ") == 2


def test_forbidden_and_kept_is_refused(tree, text):
    locked_below = changed(changed(text, *under("2.1", "locked: true")), *under("2", "forbidden: true"))
    with pytest.raises(EditError, match=r"2\.1 is locked under a node that is forbidden"):
        planned(locked_below, tree)
    listed_above = changed(
        changed(text, *under("2.1", "locked: true")), "forbid: #", "forbid: [asks about matter 2]\n#"
    )
    with pytest.raises(EditError, match=r"2\.1 is locked under a node that is forbidden in line"):
        planned(listed_above, tree)
    with pytest.raises(EditError, match="is locked here, and under `forbid:` \\(line "):
        planned(changed(text, "forbid: #", "forbid: [asks about matter 1]\n#"), tree)
    twice = changed(text, *under("2.1", "forbidden: true"))
    twice = changed(twice, "predicate: asks about matter 3.1\n", "predicate: asks about matter 2.1\n")
    with pytest.raises(EditError, match="is forbidden here and stands in line"):
        planned(twice, tree)
    for gone in ("2", "3"):
        merged = changed(
            changed(text, *under("3", "merge_into: '2'")), "forbid: #", f"forbid: [asks about matter {gone}]\n#"
        )
        with pytest.raises(
            EditError, match=r"merged into node 2, which is forbidden|is under `forbid:` and has `merge_into:`"
        ):
            planned(merged, tree)
    circle = changed(changed(text, *under("2", "merge_into: '3'")), *under("3", "merge_into: '2'"))
    with pytest.raises(EditError, match="merged in a circle"):
        planned(circle, tree)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["", "just words", "[1, 2]", "goal: x\n", "tree: {a: 1}\n", "tree:\n  - x\n", "{" * 3000]
)
def test_what_is_no_taxonomy_is_refused(tree, text):
    with pytest.raises(EditError):
        planned(text, tree)


def test_files_that_cannot_be_read_are_refused(tmp_path, text):
    with pytest.raises(EditError, match="cannot read"):
        read(tmp_path / "taxonomy.yaml")
    path = tmp_path / "taxonomy.yaml"
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(EditError, match="line 1: not UTF-8"):
        read(path)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())  # as an editor on Windows saves it
    assert len(list(read(path).walk())) == 12


def test_a_plan_of_python_entries_needs_no_lines(tree):
    edited = entries_of(tree)
    plus = Edited((*edited.tree, Entry("mentions a price"), Entry("Mentions a price")))
    with pytest.raises(EditError, match="two siblings have the predicate 'Mentions a price'"):
        plan(plus, tree)
