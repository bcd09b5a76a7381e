"""`nlparam refit`: what it prints, which folders it writes to, and that the tree before is kept."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from nlparam.corpus.marks import kept_labels
from nlparam.errors import ResultFolderError
from nlparam.results.folder import LOCK
from nlparam.results.page.text import text_key
from nlparam.taxonomies.editing import Editing
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.history import keep
from nlparam.taxonomies.records import STATUS, judged
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.yaml_file import read, written
from tests.helpers.cli_corpus import run, said
from tests.helpers.taxonomy_corpus import answer, grown, make_texts, scripted

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:1/v1"


@pytest.fixture(scope="module")
def texts():
    return make_texts(14)[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store") / "store.sqlite"


@pytest.fixture(scope="module")
def folder(texts, store, tmp_path_factory):
    """A taxonomy in a folder."""
    return grown(texts, tmp_path_factory.mktemp("tree") / "tree", store=store, n_stated=60)


@pytest.fixture(scope="module")
def tree(folder):
    return Taxonomy.load(folder)


def test_on_the_command_line_the_tree_before_is_kept(folder, tree, store, tmp_path):
    out = tmp_path / "tree"
    shutil.copytree(folder, out)
    path = out / "taxonomy.yaml"
    text = path.read_text(encoding="utf-8")
    nothing = run("refit", out, "--lm", NOWHERE, "--store", store)
    assert nothing.exit_code == 0, nothing.output
    assert "nothing was edited" in nothing.stdout
    edited = text.replace("name: is about sports", "name: Sport")
    path.write_text(edited, encoding="utf-8")
    checked = run("refit", out, "--check")
    assert "renamed:" in checked.stdout
    assert path.read_text(encoding="utf-8") == edited
    result = run("refit", out, "--lock", "is about tennis", "--lm", NOWHERE, "--store", store)
    assert result.exit_code == 0, result.output
    assert "renamed:" in result.stdout
    assert "asked:     0 calls" in result.stdout
    assert Taxonomy.load(out).to_dict()["nodes"] != tree.to_dict()["nodes"]
    assert Taxonomy.load(out / "history" / "1").to_dict()["nodes"] == tree.to_dict()["nodes"]
    assert (out / "history" / "1" / "taxonomy.edited.yaml").read_text(encoding="utf-8") == edited
    assert "name: Sport\n" in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("    name: Sport", "\tname: Sport"), encoding="utf-8")
    broken = run("refit", out, "--lm", NOWHERE, "--store", store)
    assert broken.exit_code == 1
    assert "line " in said(broken)
    assert "indent with spaces" in said(broken)
    assert not (out / "history" / "2").exists()
    path.write_text(written(Taxonomy.load(out)), encoding="utf-8")
    as_json = run("refit", out, "--forbid", "2.1", "--check")
    assert as_json.exit_code == 0, as_json.output
    elsewhere = run("refit", out, "--lock", "2", "--out", tmp_path / "other", "--json")
    assert elsewhere.exit_code == 0, elsewhere.output
    assert json.loads(elsewhere.stdout)["changes"] == [f"locked: 2 {Taxonomy.load(out).nodes['2'].name}"]
    assert not (out / "history" / "2").exists()


def test_what_was_edited_is_not_grown_over(folder, texts, store, tmp_path):
    out = shutil.copytree(folder, tmp_path / "tree")
    again = {"goal": "the topic", "lm": scripted(), "store": store, "out": out}
    again["options"] = {"n_stated": 60, "least_texts": 14}
    path = out / "taxonomy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: is about sports", "name: Sport"), encoding="utf-8")
    with pytest.raises(ResultFolderError, match=r"was edited \(renamed: .* first"):
        taxonomy(texts, **again)
    assert run("refit", out).exit_code == 0
    with pytest.raises(ResultFolderError, match="it differs in edits"):
        taxonomy(texts, **again)
    assert "name: Sport\n" in path.read_text(encoding="utf-8")
    Taxonomy.load(out).save(out)  # the same may be written again


def test_another_folder_takes_the_same_edit_again_and_no_other(folder, tree, tmp_path):
    out = tmp_path / "out"
    locking = ("refit", folder, "--lock", "is about tennis", "--out", out)
    for _ in range(2):
        assert run(*locking).exit_code == 0
    other = run("refit", folder, "--lock", "is about football", "--out", out)
    assert other.exit_code == 1
    assert "it differs in edits" in said(other)
    # Nothing is asked for what would be refused.
    asking = run("refit", folder, "--forbid", "is about football", "--out", out, "--lm", NOWHERE)
    assert "it differs in edits" in said(asking)
    assert {judged(node) for node in Taxonomy.load(out).nodes.values() if node.status is STATUS.locked} == {
        "is about tennis"
    }
    assert run("refit", folder, "--lock", "is about football", "--out", out, "--overwrite").exit_code == 0
    assert refit(tree) is tree


def test_without_an_edit_the_tree_is_copied(folder, tree, tmp_path):
    copied = run("refit", folder, "--out", tmp_path / "copy")
    assert copied.exit_code == 0, copied.output
    assert copied.stdout.startswith("nothing was edited: the taxonomy is copied to")
    assert Taxonomy.load(tmp_path / "copy").to_dict() == tree.to_dict()
    as_json = run("refit", folder, "--json")
    assert json.loads(as_json.stdout)["changes"] == []
    assert json.loads(as_json.stdout)["taxonomy"]["nodes"]


def test_what_another_command_has_changed_meanwhile_is_not_replaced(folder, tree, tmp_path):
    out = shutil.copytree(folder, tmp_path / "tree")
    assert run("refit", out, "--lock", "is about tennis").exit_code == 0
    with pytest.raises(ResultFolderError, match="another command has changed the taxonomy"):
        keep(tree, out)
    assert not (out / "history" / "2").exists()
    assert not (out / "history" / "1" / LOCK).exists()


def test_a_time_of_day_is_no_node(folder):
    said_of = run("refit", folder, "--check", "--candidate", "10:30 is mentioned", "--candidate", "2: mentions a price")
    assert "candidates for root: 10:30 is mentioned" in said_of.stdout
    assert "candidates for 2: mentions a price" in said_of.stdout


class Page:
    """What the page of a folder asks of the process behind it."""

    def __init__(self, folder, **asking):
        self.editing = Editing(folder, who="Ann", asking=asking)

    def ask(self, name, **given):
        version = self.editing.desk.call("tree", {})["version"]
        found = self.editing.desk.call(name, {"version": version} | given)
        while (fitting := self.state["fitting"]) is not None and not fitting["ended"]:
            time.sleep(0.05)
        return found

    @property
    def state(self):
        return self.editing.desk.call("tree", {})


def test_a_tree_is_fitted_from_its_page_and_brought_back(folder, tree, store, tmp_path):
    out = shutil.copytree(folder, tmp_path / "tree")
    page = Page(out, lm=scripted(), store=store)
    page.ask("edit", operation={"operation": "forbid", "node": "2.1"})
    predicate = judged(tree.nodes["1"])
    page.ask("mark", text=text_key(tree.texts[0]), predicate=predicate, label="yes")
    assert page.ask("refit")["fitting"]["ended"] is False
    state = page.state
    assert (state["fitting"]["error"], state["changes"]) == (None, [])
    assert Taxonomy.load(out).settings["excluded"] == [judged(tree.nodes["2.1"])]
    assert [kept["changes"] for kept in state["history"]] == [(f"forbidden: node 2.1 {judged(tree.nodes['2.1'])}",)]
    # Back to the tree before; what people said stays, and the tree that was fitted is kept as well.
    state = page.ask("go_back", number=1)
    assert Taxonomy.load(out).to_dict()["nodes"] == tree.to_dict()["nodes"]
    assert ([kept["number"] for kept in state["history"]], state["changes"]) == ([2, 1], [])
    assert [row["predicate"] for row in kept_labels(out / "labels.csv")] == [predicate]


@pytest.mark.parametrize(("does", "words"), [("stops", "stopped"), ("edits", "edited while it was fitted")])
def test_a_refit_that_is_stopped_or_overtaken_changes_nothing(does, words, folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "tree")
    model, path = scripted(), out / "taxonomy.yaml"
    page = Page(out, lm=model, store=tmp_path / "new.sqlite")

    def answered(request):
        if does == "stops":
            page.editing.desk.call("stop", {})
        else:
            path.write_text(path.read_text(encoding="utf-8").replace("name: Second", "name: Third"), encoding="utf-8")
        return answer(request)

    model._answer = answered
    page.ask("edit", operation={"operation": "rename", "node": "2", "name": "Second"})
    page.ask("edit", operation={"operation": "add", "under": "1", "predicate": "is about tennis or so"})
    before = (out / "taxonomy.json").read_bytes()
    page.ask("refit")
    assert words in page.state["fitting"]["error"]
    assert (out / "taxonomy.json").read_bytes() == before
    assert len(page.state["changes"]) == 2
    assert not (out / "history").exists()


def test_what_was_acknowledged_is_there_when_the_process_is_killed(folder, tmp_path):
    out = shutil.copytree(folder, tmp_path / "tree")
    command = [sys.executable, "-m", "nlparam", "open", str(out), "--no-browser", "--who", "Ann"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()

        def ask(name, given):
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}api/{name}", json.dumps(given).encode(), headers)
            with urllib.request.urlopen(request, timeout=60) as found:
                return json.load(found)

        operation = {"operation": "rename", "node": "1", "name": "First"}
        edited = ask("edit", {"version": ask("tree", {})["version"], "operation": operation})
        assert len(edited["changes"]) == 1
        process.kill()
    assert read(out / "taxonomy.yaml").required("1").name == "First"
    assert "now First" in run("refit", out, "--check").stdout
