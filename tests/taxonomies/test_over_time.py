"""The shares of the nodes of a taxonomy over time: what is computed, kept and shown."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import nlparam.denotation.session
from nlparam.cli import app
from nlparam.errors import CorpusError, FitWarning
from nlparam.taxonomies.growing import taxonomy
from nlparam.taxonomies.over_time import MOST_STEPS, checked_stamps
from nlparam.taxonomies.refit import refit
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.update import update
from tests.fitting.page.test_report import Page
from tests.helpers.handmade_results import make_taxonomy
from tests.helpers.taxonomy_corpus import make_texts, scripted


def dates(n_texts, n_months=6):
    """A text each day or so, over some months of 2024."""
    return [f"2024-{1 + i * n_months // n_texts:02d}-{1 + i % 28:02d}" for i in range(n_texts)]


def with_stamps(tree, stamps, **settings):
    return dataclasses.replace(tree, stamps=checked_stamps(stamps, len(tree.corpus)), settings=settings)


def test_each_share_is_that_of_the_texts_of_its_step():
    tree = make_taxonomy(n_texts=300)
    months = np.arange(300) * 6 // 300
    found = with_stamps(tree, dates(300), time_unit="month").over_time()
    assert found.times == [f"2024-{month:02d}" for month in range(1, 7)]
    assert found.nodes == tuple(child.id for child in tree.children())
    np.testing.assert_array_equal(found.n_texts, np.bincount(months))
    for row, node in zip(found.shares, found.nodes, strict=True):
        under = np.bincount(months[tree.nodes[node].members], minlength=6)
        np.testing.assert_allclose(row, under / found.n_texts)
    assert (found.low < found.shares).all()
    assert (found.shares < found.high).all()


def test_texts_without_a_time_do_not_count_and_are_warned_of():
    tree = make_taxonomy(n_texts=100)
    stamps: list[float | None] = [2000 + i % 4 for i in range(100)]
    stamps[3], stamps[8] = None, float("nan")
    with pytest.warns(FitWarning, match="2 of 100 texts have no time"):
        found = with_stamps(tree, stamps).over_time()
    assert (found.times, found.unit) == ([2000.0, 2001.0, 2002.0, 2003.0], "1")
    assert found.n_texts.sum() == 98


def test_many_steps_are_put_together():
    tree = make_taxonomy(n_texts=2000)
    found = with_stamps(tree, [1000 + i // 5 for i in range(2000)]).over_time()
    assert len(found.times) == MOST_STEPS
    np.testing.assert_array_equal(found.n_texts, 50)
    assert with_stamps(tree, [f"{1990 + i // 100}-0{1 + i % 9}-11" for i in range(2000)]).over_time().unit == "year"


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        ([1, 2], "got 2 time stamps for 4 texts"),
        ([None, "", "nan", None], "all 4 time stamps are missing"),
        ([None, 2, "soon", 3], r"1 of 4 time stamps cannot be read: 'soon' \(text 2\)"),
        ([7, 7, 7, 7], "expected at least two different"),
    ],
)
def test_times_that_cannot_be_used_are_refused(stamps, message):
    with pytest.raises(CorpusError, match=message):
        checked_stamps(stamps, 4)


def test_a_tree_without_times_has_no_curves():
    tree = make_taxonomy(n_texts=100)
    with pytest.raises(CorpusError, match="without time stamps"):
        tree.over_time()
    assert "over-time" not in tree.report()


@pytest.mark.slow
def test_the_report_has_a_chart_and_tables_for_every_divided_node(tmp_path):
    tree = with_stamps(make_taxonomy(n_texts=300), dates(300), time_unit="month")
    divided = [node.id for node in tree.divided()]
    html = tree.report()
    assert [node for node in divided if f'id="chart-time-{node}"' in html] == divided
    page = Page(html)
    found, tables = tree.over_time(), [e.text for e in page.all("table") if "2024-06" in e.text]
    assert len(tables) == 2 * len(divided)
    assert all(f"{share:.1%} [" in tables[1] for share in found.shares.ravel().tolist())
    names = [path.name for path in tree.figures(tmp_path, formats=["svg"])]
    assert names == ["tree.svg", *(f"time-{node}.svg" for node in divided)]


@pytest.mark.slow
def test_times_are_kept_through_files_edits_and_updates(tmp_path):
    texts, _ = make_texts(14)
    store = tmp_path / "store.sqlite"
    grown = taxonomy(
        texts, goal="the topic", depth=1, children=3, lm=scripted(), store=store, out=tmp_path / "tree",
        stamps=dates(len(texts)), time_unit="month", options={"n_stated": 60},
    )  # fmt: skip
    tree = Taxonomy.load(tmp_path / "tree")
    assert tree.stamps == grown.stamps == tuple(dates(len(texts)))
    assert tree.over_time().times == [f"2024-{month:02d}" for month in range(1, 7)]
    edited = refit(tree, excluded=[tree.children()[0].name], lm=scripted(), store=store)
    assert edited.stamps == tree.stamps
    new, _ = make_texts(6, seed=1)
    later = ["2024-09-01"] * len(new)
    updated = update(tree, new, stamps=later, n_judged=0, propose="never", lm=scripted(), store=store)
    assert updated.taxonomy.stamps == (*dates(len(texts)), *later)
    assert updated.taxonomy.over_time().times[-1] == "2024-09"
    with pytest.warns(FitWarning, match=f"{len(new)} of {len(texts) + len(new)} texts have no time"):
        updated = update(tree, new, n_judged=0, propose="never", lm=scripted(), store=store)
    assert updated.taxonomy.over_time().times == tree.over_time().times
    with pytest.raises(CorpusError, match="got 1 time stamps for"):
        update(tree, new, stamps=later[:1], lm=scripted(), store=store)


@pytest.mark.slow
def test_a_field_of_times_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(nlparam.denotation.session, "load_language_model", lambda *_, **__: scripted())
    texts, _ = make_texts(12)
    rows = [{"text": text, "day": day} for text, day in zip(texts, dates(len(texts)), strict=True)]
    path, out = tmp_path / "chats.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["taxonomy", str(path), "--goal", "the topic", "--depth", "1", "--children", "3", "--n-stated", "60"]

    def run(*more):
        return CliRunner().invoke(app, [*arguments, "--out", str(out), *more])

    assert run().exit_code == 0
    # The same folder again, which is no other taxonomy.
    timed = run("--time-field", "day", "--time-unit", "month")
    assert timed.exit_code == 0, timed.output
    assert 'id="over-time"' in (out / "report.html").read_text(encoding="utf-8")
    assert Taxonomy.load(out).stamps == tuple(dates(len(texts)))
    assert "has no field 'when'" in run("--time-field", "when").stderr
    assert run("--time-unit", "month").exit_code == 2
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:40]), encoding="utf-8")
    rest = ["--n-judged", "0", "--propose", "never", "--time-field", "day"]
    updated = CliRunner().invoke(app, ["update", str(out), "--texts", str(path), *rest])
    assert updated.exit_code == 0, updated.output
    assert len(Taxonomy.load(out).stamps or ()) == len(texts) + 40
