"""A tree that is edited on its page: what an edit would do, that it is kept, and that no window writes over another."""

import json

import pytest

from nlparam.taxonomies import editing
from nlparam.taxonomies.editing import Editing
from nlparam.taxonomies.yaml_file import parse, read, written
from tests.helpers.handmade_results import make_taxonomy


@pytest.fixture(scope="module")
def tree():
    return make_taxonomy(200)


@pytest.fixture
def open_folder(tree, tmp_path, monkeypatch):
    """Opens the folder of the tree, once more with each call."""
    monkeypatch.setattr(editing, "load_or_hint", lambda _: tree)
    (tmp_path / "taxonomy.json").write_text(json.dumps({"settings": {}}), encoding="utf-8")
    (tmp_path / "taxonomy.yaml").write_text(written(tree), encoding="utf-8")
    return lambda: Editing(tmp_path, who="Ann")


RENAME = {"operation": "rename", "node": "1.2", "name": "Tennis"}
FORBID = {"operation": "forbid", "node": "1.1"}


def edited(one, operation, version=None):
    version = one.desk.call("tree", {})["version"] if version is None else version
    return one.desk.call("edit", {"version": version, "operation": operation})


def test_what_an_edit_would_do_and_ask_is_said_before_it_is_done(open_folder):
    one = open_folder()
    would = one.desk.call("check", {"operation": RENAME})
    assert would["changes"] == ["renamed: 1.2 asks about matter 1.2: now Tennis"]
    assert would["cost"] == "This asks the language model nothing."
    would = one.desk.call("check", {"operation": FORBID})
    assert would["cost"].startswith("The children of 1 are chosen anew. Dividing so took 100 calls")
    assert one.desk.call("tree", {})["changes"] == []
    assert read(one.folder / "taxonomy.yaml").required("1.2").name == "asks about matter 1.2"


def test_an_edit_is_in_the_file_when_it_is_acknowledged(open_folder):
    one = open_folder()
    assert edited(one, RENAME)["changes"] == ["renamed: 1.2 asks about matter 1.2: now Tennis"]
    assert read(one.folder / "taxonomy.yaml").required("1.2").name == "Tennis"
    state = edited(one, {"operation": "add", "predicate": "mentions a price", "under": "2", "name": None})
    assert state["changes"][1] == "added: mentions a price"
    (new,) = [node for node in state["tree"]["children"][1]["children"] if node["id"] is None]
    # A new node is named by its path, so that it can be edited, too.
    state = edited(one, {"operation": "reword", "node": new["node"], "predicate": "mentions a sum"})
    assert state["changes"][1] == "added: mentions a sum"
    # Whoever opens the folder after the process was killed finds all of it, and takes back what was wrong.
    again = open_folder()
    state = again.desk.call("tree", {})
    assert len(state["changes"]) == 2
    state = again.desk.call("take_back", {"version": state["version"], "at": 0})
    assert state["changes"] == ["added: mentions a sum"]
    assert read(one.folder / "taxonomy.yaml").required("1.2").name == "asks about matter 1.2"
    assert again.desk.call("take_back", {"version": state["version"], "at": None})["changes"] == []


def test_a_window_that_is_old_is_told_and_writes_nothing(open_folder):
    one, other = open_folder(), open_folder()
    old = other.desk.call("tree", {})["version"]
    edited(one, RENAME)
    told = edited(other, FORBID, old)
    assert told["stale"]
    assert told["changes"] == ["renamed: 1.2 asks about matter 1.2: now Tennis"]
    assert len(edited(other, FORBID, told["version"])["changes"]) == 2
    assert one.desk.call("tree", {"version": old, "made": 0})["version"] != old
    # An editor counts as another window.
    path = one.folder / "taxonomy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Tennis", "Golf"), encoding="utf-8")
    assert [said for said in one.desk.call("tree", {})["changes"] if said.endswith("now Golf")]


def test_nothing_new_is_said_shortly(open_folder):
    one = open_folder()
    state = one.desk.call("tree", {})
    assert one.desk.call("tree", {"version": state["version"], "made": state["made"]}) == {
        "same": True,
        "fitting": None,
    }


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"operation": "merge", "nodes": ["1.1"], "into": "2.1"}, "are not siblings"),
        ({"operation": "move", "node": "1", "under": "1.1"}, "cannot be moved under"),
        ({"operation": "split", "node": "1.1", "children": 1}, "expected between 2 and 50 children"),
        ({"operation": "rename", "node": "9.9", "name": "x"}, "no node with the id or predicate '9.9'"),
        ({"operation": "add", "predicate": " ", "under": "root"}, "without a predicate"),
        ({"operation": "paint", "node": "1"}, "got the operation 'paint'"),
        ({"operation": "rename", "node": "1", "name": 7}, "makes no sense"),
    ],
)
def test_what_is_impossible_is_refused_in_words_and_not_written(open_folder, operation, words):
    one = open_folder()
    before = (one.folder / "taxonomy.yaml").read_bytes()
    assert words in edited(one, operation)["error"]
    assert (one.folder / "taxonomy.yaml").read_bytes() == before


def test_a_file_that_somebody_broke_is_said_and_not_lost(open_folder):
    one = open_folder()
    path = one.folder / "taxonomy.yaml"
    path.write_text("tree: [", encoding="utf-8")
    state = one.desk.call("tree", {})
    assert "not valid YAML" in state["problem"]
    assert "not valid YAML" in edited(one, RENAME)["error"]
    assert path.read_text(encoding="utf-8") == "tree: ["
    assert one.desk.call("take_back", {"version": state["version"], "at": None})["problem"] is None
    assert parse(path.read_text(encoding="utf-8")).find("1.2")


def test_a_refit_without_an_edit_does_not_begin(open_folder):
    one = open_folder()
    assert "nothing was edited" in one.desk.call("refit", {"version": one.desk.call("tree", {})["version"]})["error"]


def test_predicates_that_try_to_get_out_are_kept_as_they_are(open_folder):
    one = open_folder()
    odd = ["is about: sport", "- weird # not a comment", "</script><b>", "'quoted' \"twice\"", "über ☃ \u202etxet"]
    for said in odd:
        assert "error" not in edited(one, {"operation": "add", "predicate": said, "under": "root"})
    assert [entry.predicate for entry in read(one.folder / "taxonomy.yaml").tree if entry.id is None] == odd


def test_comments_of_a_person_stay_where_they_were(open_folder):
    one = open_folder()
    path = one.folder / "taxonomy.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("    name: asks about matter 1\n", "    name: asks about matter 1  # Ann's word\n")
    text = text.replace("  - id: '2' ", "  # Bob: is this one of its own?\n  - id: '2' ")
    text = text.replace("% of 2\n", "% of 2; look again\n", 1)
    text = text.replace("tree: #", "# two levels are enough\ntree: #")
    text += "  # in doubt\n  - predicate: 'asks # of parcels'  # new\n# the end\n"
    path.write_text(text, encoding="utf-8")
    assert len(edited(one, RENAME)["changes"]) == 2
    after = path.read_text(encoding="utf-8")
    lines = after.splitlines()
    assert "    name: asks about matter 1  # Ann's word" in lines
    assert lines[lines.index("  # Bob: is this one of its own?") + 1].startswith("  - id: '2'")
    assert "% of 2; look again\n" in after
    assert lines[lines.index("# two levels are enough") + 1].startswith("tree: #")
    assert lines[lines.index("  # in doubt") + 1] == "  - name: 'asks # of parcels'  # new"
    assert lines[-1] == "# the end"
    # What the page writes beside them is there once, and their own places last.
    edited(one, RENAME | {"name": "Chess"})
    assert path.read_text(encoding="utf-8") == after.replace("Tennis", "Chess")
    edited(one, {"operation": "delete", "node": "2"})
    assert "# Bob: is this one of its own?" in path.read_text(encoding="utf-8").splitlines()
