"""The page that is served, and the same page as a file, in a real browser: editing, marking, searching, by keys too."""

import contextlib
import json

import numpy as np
import pytest

from nlparam.corpus.marks import kept_labels
from nlparam.denotation.definitions import Definition
from nlparam.denotation.labels import Labelled
from nlparam.results.page.text import visible
from nlparam.results.serving.server import serving
from nlparam.taxonomies import editing
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.editing import Editing
from nlparam.taxonomies.yaml_file import read, written
from tests.fitting.page.test_report import HOSTILE
from tests.helpers.browser import Visit, launched, violated
from tests.helpers.handmade_results import make_taxonomy

pytestmark = pytest.mark.slow

HIDDEN = "Object.defineProperty(document, 'hidden', {{ value: {}, configurable: true }})"
ODD = 'said "no",\r\nthen\n\n\n\nleft \x1b[31m'
TEXTS = [*HOSTILE, ODD, *(f"Question {i} about a matter, and how to go about it." for i in range(120))]


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def tree():
    names = ["is about sport", *HOSTILE[:3]]
    return make_taxonomy(texts=TEXTS, names=names, settings={"goal": HOSTILE[0], "lm": "scripted", "depth": 2})


@contextlib.contextmanager
def opened(tree, folder, monkeypatch):
    """The folder of a tree, and the address of its page."""
    monkeypatch.setattr(editing, "load_or_hint", lambda _: tree)
    (folder / "taxonomy.json").write_text(json.dumps({"settings": {}}), encoding="utf-8")
    if not (folder / "taxonomy.yaml").exists():
        (folder / "taxonomy.yaml").write_text(written(tree), encoding="utf-8")
    with serving(Editing(folder, who="Ann").desk) as address:
        yield address


@pytest.fixture
def served(tree, tmp_path, monkeypatch):
    with opened(tree, tmp_path, monkeypatch) as address:
        yield address


@pytest.fixture(scope="module")
def file(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    tree.report(path)
    return path


def opening(browser, place, **context):
    visit = Visit(browser, place, **context)
    visit.page.set_default_timeout(15_000)
    return visit


def edit(page, node, action, **fields):
    """Chooses an action for a node and fills its fields."""
    page.locator(f"#desk-tree button[data-node='{node}']").click()
    page.locator("#desk-action").select_option(action)
    for name, value in fields.items():
        field = page.locator(f"#desk-field-{name}")
        field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)


def do(visit, n_changes):
    """Does what the form says, and waits until the list has so many changes."""
    visit.page.locator("#desk-form button[type=submit]").click()
    visit.wait_until(lambda: visit.page.locator("#desk-changes li").count() == n_changes)


def test_an_edit_is_shown_then_done_and_taken_back(browser, served, tmp_path, tree):
    with opening(browser, served) as visit:
        page = visit.page
        edit(page, "1.2", "rename", name="<b>Tennis</b>")
        page.get_by_text("asks the language model nothing").first.wait_for()
        assert read(tmp_path / "taxonomy.yaml").required("1.2").name == visible_name(tree, "1.2")
        do(visit, 1)
        assert read(tmp_path / "taxonomy.yaml").required("1.2").name == "<b>Tennis</b>"
        edit(page, "1.1", "lock")
        do(visit, 2)
        assert read(tmp_path / "taxonomy.yaml").required("1.1").locked
        page.locator("#desk-changes button").first.click()
        visit.wait_until(lambda: page.locator("#desk-changes li").count() == 1)
        assert len(plan(read(tmp_path / "taxonomy.yaml"), tree).changes) == 1
        edit(page, "2.2", "define", clauses="of a race\n\n not of a <i>match</i>", fails="It rained.")
        do(visit, 2)
        meaning = Definition(("of a race", "not of a <i>match</i>"), (), ("It rained.",))
        assert read(tmp_path / "taxonomy.yaml").required("2.2").definition == meaning
        assert page.locator("#desk-tree", has_text="defined: of a race (and 2 more)").count() == 1
        # What is impossible is said, and what was typed stays.
        edit(page, "2.1", "reword", predicate="is about sport")
        do(visit, 3)
        edit(page, "2.2", "reword", predicate="is about sport")
        page.locator("#desk-form button[type=submit]").click()
        page.locator("#desk-problem", has_text="two siblings have the predicate").wait_for()
        assert page.locator("#desk-field-predicate").input_value() == "is about sport"
        assert visit.problems == []
        assert all(one.startswith(served) for one in visit.requests)


def visible_name(tree, node):
    return " ".join(tree.nodes[node].name.split())


def test_two_windows_lose_no_edit(browser, served, tmp_path):
    with opening(browser, served) as one, opening(browser, served) as other:
        for visit in (one, other):
            visit.wait_until(lambda visit=visit: visit.page.locator("#desk-refit").is_disabled())
            # It hears of nothing before it asks.
            visit.page.evaluate(HIDDEN.format("true"))
        other.page.wait_for_timeout(300)
        edit(one.page, "1", "rename", name="First")
        edit(other.page, "2", "rename", name="Second")
        do(one, 1)
        other.page.locator("#desk-form button[type=submit]").click()
        other.page.locator("#desk-problem", has_text="edited elsewhere").wait_for()
        assert "now First" in other.page.locator("#desk-problem").inner_text()
        assert other.page.locator("#desk-field-name").input_value() == "Second"
        assert read(tmp_path / "taxonomy.yaml").required("2").name != "Second"
        do(other, 2)
        assert [read(tmp_path / "taxonomy.yaml").required(node).name for node in "12"] == ["First", "Second"]
        one.page.evaluate(HIDDEN.format("false"))
        one.wait_until(lambda: one.page.locator("#desk-changes li").count() == 2)
        assert one.problems == other.problems == []


def test_texts_are_found_marked_and_unmarked(browser, served, tmp_path):
    with opening(browser, served) as visit:
        page = visit.page
        for text in (HOSTILE[0], HOSTILE[5], ODD):
            page.locator("#desk-words").fill(text.split("\n")[0])
            shown = visible(text).split("\n")[0].strip()
            visit.wait_until(lambda shown=shown: shown in "".join(page.locator("#desk-texts").all_inner_texts()))
        assert page.locator("#desk-texts .under").count() >= 1
        page.locator("#desk-words").fill("matter")
        page.locator("#desk-found", has_text="120 texts").wait_for()
        page.locator("#desk-column").select_option("0")
        yes = page.locator("#desk-texts button[value=yes]").first
        yes.click()
        visit.wait_until(lambda: yes.get_attribute("aria-pressed") == "true")
        ((row),) = kept_labels(tmp_path / "labels.csv")
        assert (row["predicate"], row["label"], row["who"]) == ("is about sport", "yes", "Ann")
        # The same text in the list of examples says the same.
        page.locator("#desk-who").fill("Bob")
        visit.wait_until(lambda: yes.get_attribute("aria-pressed") == "false")
        assert "Ann: yes" in page.locator("#desk-texts .others").first.inner_text()
        page.locator("#desk-who").fill("")
        yes.click()
        visit.wait_until(lambda: not kept_labels(tmp_path / "labels.csv"))
        assert visit.problems == []


def test_all_is_done_by_keys_alone(browser, served, tmp_path):
    with opening(browser, served) as visit:
        page = visit.page
        page.locator("#desk-tree button[data-node='1']").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "desk-action"
        page.keyboard.press("Tab")
        page.keyboard.press("Control+A")
        page.keyboard.type("Games")
        page.keyboard.press("Enter")
        visit.wait_until(lambda: page.locator("#desk-changes li").count() == 1)
        assert page.evaluate("document.activeElement.dataset.node") == "1"
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert page.locator("#desk-form").is_hidden()
        assert page.evaluate("document.activeElement.dataset.node") == "1"
        page.locator("#desk-changes button").focus()
        page.keyboard.press("Space")
        visit.wait_until(lambda: page.locator("#desk-changes li").count() == 0)
        assert read(tmp_path / "taxonomy.yaml").required("1").name == "is about sport"
        assert visit.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_barriers_while_it_is_edited(browser, served, scheme):
    with opening(browser, served, color_scheme=scheme, bypass_csp=True) as visit:
        edit(visit.page, "1.2", "move", under="2")
        do(visit, 1)
        visit.page.locator("#desk-words").fill("matter")
        visit.page.locator("#desk-column").select_option("0")
        visit.page.locator("#desk-texts button").first.wait_for()
        edit(visit.page, "2.1", "add")
        assert violated(visit.page, scheme) == []


def test_without_the_process_it_says_so_and_nothing_is_lost(browser, tree, tmp_path, monkeypatch):
    with opened(tree, tmp_path, monkeypatch) as address:
        visit = opening(browser, address)
        edit(visit.page, "1", "rename", name="First")
        do(visit, 1)
    with visit:
        edit(visit.page, "2", "rename", name="Second")
        visit.page.locator("#desk-form button[type=submit]").click()
        visit.page.locator("#desk-problem", has_text="does not answer").wait_for()
        assert visit.page.locator("#desk-field-name").input_value() == "Second"
    with opened(tree, tmp_path, monkeypatch) as address, opening(browser, address) as visit:
        visit.wait_until(lambda: visit.page.locator("#desk-changes li").count() == 1)
        assert "now First" in visit.page.locator("#desk-changes").inner_text()


def test_the_file_keeps_edits_and_marks_and_saves_them(browser, file, tree, tmp_path):
    with opening(browser, file, accept_downloads=True) as visit:
        page = visit.page
        edit(page, "1.2", "rename", name="Tennis: “yes” # no\u2028")
        do(visit, 1)
        edit(page, "1.1", "merge", into="1.2")
        do(visit, 2)
        edit(page, "2", "add", predicate="- mentions a price", name="Price")
        do(visit, 3)
        edit(page, "2 > - mentions a price".replace("2 >", f"{tree.nodes['2'].name} >"), "lock")
        do(visit, 4)
        edit(page, "3.1", "move", under="2")
        do(visit, 5)
        edit(page, "2.1", "define", holds='A "price": 3 # euros.')
        do(visit, 6)
        page.locator("#desk-who").fill("Ann")
        page.locator("#desk-who").press("Tab")
        first = page.locator("details[data-predicate]").first
        n_marked = min(4, first.locator("button[value=no]").count())
        for at in range(n_marked):
            first.locator("button[value=no]").nth(at).click()
        # What was done is there again when the file is opened again.
        page.reload()
        visit.wait_until(lambda: page.locator("#desk-changes li").count() == 6)
        assert visit.problems == []
        assert page.locator("#desk-marks").text_content().startswith(f"{n_marked} marks by 1 person")
        for name, button in (("taxonomy.yaml", "#desk-save-tree"), ("labels.csv", "#desk-save-marks")):
            with page.expect_download() as download:
                page.locator(button).click()
            assert download.value.suggested_filename == name
            download.value.save_as(tmp_path / name)
        assert visit.problems == []
    planned = plan(read(tmp_path / "taxonomy.yaml"), tree)
    assert [type(one).__name__ for one in planned.operations] == ["Merge", "Define", "Add", "Move"]
    assert "Tennis: “yes” # no" in [entry.name for entry in planned.root.children[0].children]
    said = Labelled.read(tmp_path / "labels.csv")
    assert said.who == ("Ann",) * n_marked
    assert set(said.predicates) == {"is about sport"}
    assert np.isfinite(said.matrix(tree.corpus.distinct, ["is about sport"])).sum() == n_marked


def test_long_texts_are_found_in_the_file_and_marked_as_they_are(browser, tmp_path):
    long = f"It begins here. {'word ' * 3000}needle"
    texts = [long, "odd \x1b[31m", *(f"Question {i} about a matter." for i in range(30))]
    tree = make_taxonomy(texts=texts, names=["is about sport"])
    tree.report(tmp_path / "report.html")
    with opening(browser, tmp_path / "report.html", accept_downloads=True) as visit:
        page = visit.page
        page.locator("#texts-tool[data-whole]").wait_for()
        page.locator("#texts-search").fill("needle")
        row = page.locator("#texts-table tbody tr")
        visit.wait_until(lambda: row.count() == 1)
        row.locator("button[value=yes]").click()
        visit.wait_until(lambda: row.locator("button[value=yes]").get_attribute("aria-pressed") == "true")
        # What the page does not have as it is cannot go into a file.
        page.locator("#texts-search").fill("odd")
        visit.wait_until(lambda: "odd" in row.first.inner_text())
        assert row.locator("button").count() == 0
        with page.expect_download() as download:
            page.locator("#desk-save-marks").click()
        download.value.save_as(tmp_path / "labels.csv")
        assert visit.problems == []
    (kept,) = kept_labels(tmp_path / "labels.csv")
    assert (kept["text"], kept["predicate"], kept["label"]) == (long, "is about sport", "yes")
