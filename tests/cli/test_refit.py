"""`nlparam refit`: what it prints, which folders it writes to, and that the tree before is kept."""

import json
import shutil

import pytest

from nlparam.errors import ResultFolderError
from nlparam.results.folder import LOCK
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.history import keep
from nlparam.taxonomies.records import STATUS, judged
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.yaml_file import written
from tests.helpers.cli_corpus import run, said
from tests.helpers.taxonomy_corpus import grown, make_texts, scripted

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
