"""The page of a result in a notebook asks the same desk as the page that is served."""

import json

import pytest

from nlparam.corpus.marks import kept_labels
from nlparam.results.page.render import read_template
from nlparam.results.page.text import text_key
from nlparam.results.serving.desk import Desk
from nlparam.results.serving.widget import widget_of
from tests.helpers.browser import Visit, launched
from tests.helpers.handmade_results import make_comparison

pytest.importorskip("anywidget", reason="anywidget is not installed: pip install -e .[dev]")
TEXTS = [*(f"Complaint {i} about a parcel." for i in range(40)), "<script>alert(1)</script>"]


@pytest.fixture
def desk(tmp_path):
    return Desk(make_comparison(texts=TEXTS).page(), tmp_path, who="Ann")


def test_what_a_page_asks_is_answered_by_its_desk(desk, monkeypatch):
    widget = widget_of(desk)
    assert 'data-served="widget"' in widget.html
    sent = []
    monkeypatch.setattr(widget, "send", sent.append)
    asked = {"text": text_key(TEXTS[0]), "predicate": desk.texts.searched.predicates[0], "label": "yes"}
    widget._handle_custom_msg({"nlparam": "7", "name": "mark", "given": asked}, [])
    (answer,) = sent
    assert answer["nlparam"] == "7"
    assert [row["text"] for row in kept_labels(desk.labels)] == [TEXTS[0]]
    # After a refit another result is shown.
    desk.show(make_comparison(texts=TEXTS, predicates=[f"names place {k}" for k in range(10)]).page())
    widget._handle_custom_msg({"nlparam": "8", "name": "reload", "given": {}}, [])
    assert "names place 3" in widget.html


@pytest.mark.slow
def test_a_text_is_found_and_marked_in_a_notebook(desk, tmp_path):
    """The notebook is a page with the model of a widget, as Jupyter gives it to `render`."""
    notebook = tmp_path / "notebook.html"
    script = read_template("widget.js").replace("export default", "const widget =")
    model = """
    const acts = [];
    const answered = async (said) => {
      const answer = JSON.parse(await asked(JSON.stringify(said)));
      acts.forEach((act) => act(answer));
    };
    const on = (what, act) => what === "msg:custom" && acts.push(act);
    const model = { get: () => html, off() {}, on, send: answered };
    widget.render({ model, el: document.body });"""
    html = json.dumps(desk.html("widget")).replace("<", "\\u003c")
    notebook.write_text(f"<!DOCTYPE html><title>n</title><body><script>const html = {html};{script}{model}</script>")

    def answer(said):
        asked = json.loads(said)
        return json.dumps({"nlparam": asked["nlparam"], "answer": desk.call(asked["name"], asked["given"])})

    with launched() as browser, Visit(browser, "about:blank") as visit:
        visit.page.expose_function("asked", answer)
        visit.page.goto(notebook.as_uri())
        frame = visit.page.frame_locator("iframe")
        frame.locator("#desk-words").fill("alert(1)")
        frame.locator("#desk-column").select_option("0")
        frame.locator("#desk-side").select_option("no")
        frame.locator("#desk-found").wait_for()
        mark = frame.locator("#desk-texts button[value=yes], #texts-table button[value=yes]").first
        mark.click()
        visit.wait_until(lambda: bool(kept_labels(desk.labels)))
        visit.wait_until(lambda: mark.get_attribute("aria-pressed") == "true")
        # The page can reach nothing of the notebook around it.
        assert (
            visit.page.frames[1].evaluate("(() => { try { return !!parent.document; } catch { return false; } })()")
            is False
        )
        assert [one for one in visit.problems if "sandbox" not in one] == []
