"""The reports of the sibling systems: what they show, and that no text in them can act."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from nlparam.errors import ResultFolderError
from nlparam.evals.audit import Evaluations, audit
from nlparam.evals.audit.audit import SIDES
from nlparam.evals.audit.page import describe_audit
from nlparam.evals.code import Evaluation, probe
from nlparam.evals.code.page import reason
from nlparam.evals.decomposition import parse
from nlparam.evals.simulatability.page import RIGHT, describe_simulatability, outcome
from nlparam.guard.page import kept
from nlparam.results.folder import report_beside, write_json
from nlparam.results.page.blocks import Cell, Chart, Column, Counts, Table
from nlparam.results.page.quantities import QuantityView
from nlparam.results.page.sections import MAX_DRAWN, MAX_ROWS, Interval, interval_chart, table
from tests.evals.audit.test_audit import made
from tests.fitting.page.test_report import HOSTILE, Page
from tests.helpers.handmade_results import make_comparison
from tests.helpers.sibling_results import MAKERS, report_of

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

CHARTS = {"simulated": 2, "decomposed": 1, "audited": 4, "guarded": 3, "executed": 3}
EVIL = [*HOSTILE, "a\u202eb\u2066c", "\x1b[31mred\x1b[0m"]


def drawn_in(chart):
    """The values of a chart."""
    assert isinstance(chart.view, QuantityView)
    return chart.view


@pytest.fixture(scope="module")
def plain():
    return {name: make() for name, make in MAKERS.items()}


@pytest.mark.parametrize("name", MAKERS)
def test_hostile_texts_add_no_element_and_no_attribute(name):
    text = report_of(name, EVIL)
    evil, ordinary = Page(text), Page(report_of(name))
    attributes = [{a for element in page.elements for a in element.attributes} for page in (evil, ordinary)]
    assert {element.tag for element in evil.elements} <= {element.tag for element in ordinary.elements} | {"ul", "li"}
    assert attributes[0] <= attributes[1] | {"hidden"}
    assert not any(attribute.startswith("on") for attribute in attributes[0])
    # Theme, Vega, page, map, tables, and the data of the charts.
    assert len(evil.all("script")) == 5 + CHARTS[name]
    for element in evil.all("a"):
        assert str(element.attributes["href"]).startswith("#")
    assert not re.search("[\x00-\x08\x0b\x1b\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize("name", MAKERS)
def test_a_notebook_shows_the_first_table_without_scripts(plain, name):
    card = plain[name]._repr_html_()
    assert "<table" in card
    assert "<script" not in card
    page = Page(card)
    assert len(page.all("tr")) > 1


@pytest.mark.parametrize("name", MAKERS)
def test_a_terminal_shows_the_first_table_in_few_characters(plain, name):
    shown = repr(plain[name])
    assert len(shown) <= 2000
    assert len(shown.splitlines()) > 3
    assert shown == plain[name].page().card().text()


def test_every_explanation_and_counterfactual_is_on_the_page(plain):
    contents = json.loads(json.dumps(plain["simulated"].as_dict(), allow_nan=False))
    page = describe_simulatability(contents)
    found = {section.identity: section for section in page.sections}
    (rows,) = [block for block in found["counterfactuals"].blocks if isinstance(block, Table)]
    assert len(rows.rows) == contents["n_counterfactuals"] == 40
    right = sum(outcome(c) == RIGHT for e in contents["explanations"] for c in e["counterfactuals"])
    inferred = sum(c["inferred"] is not None for e in contents["explanations"] for c in e["counterfactuals"])
    assert sum(row[4].text == RIGHT for row in rows.rows) == right
    counted = next(block for block in found["counterfactuals"].blocks if isinstance(block, Counts))
    assert [int(value) for _, value in counted.rows] == [right, inferred - right, 40 - inferred]
    (drawn,) = [block for block in found["explanations"].blocks if isinstance(block, Chart)]
    # The vacuous explanation has no precision: it comes last, with a generality of 0.
    assert drawn_in(drawn).items[-1].startswith("4. ")
    assert math.isnan(drawn_in(drawn).values[0, -1])
    assert drawn_in(drawn).values[1, -1] == 0
    listed = page.first
    assert listed is not None
    assert [row[4].text for row in listed.rows][3] == "–"


def test_a_decomposition_says_which_texts_and_parts_are_wrong(plain):
    contents = json.loads(json.dumps(plain["decomposed"].as_dict(), allow_nan=False))
    assert contents["ranked"][0]["expression"] == '"is about sport" and "is negative"'
    assert contents["ranked"][0]["outline"] == [[0, "all of"], [1, "is about sport"], [1, "is negative"]]
    assert contents["ranked"][0]["repair"] is None
    assert all(one["repair"]["after"] > one["repair"]["before"] for one in contents["ranked"][1:])
    interval = Interval.read(contents["ranked"][1]["held_out"])
    assert interval.low < contents["ranked"][1]["agreement"] == interval.value < interval.high
    assert contents["texts"][0]["words"].startswith("Sadly, the match")
    assert [one["right"] for one in contents["texts"]] == [True] * 48
    assert parse('not ("a" or not "b") and "c"').outline() == [
        (0, "all of"),
        (1, "not: any of"),
        (2, "a"),
        (2, "not: b"),
        (1, "c"),
    ]


def test_an_audit_shows_effects_towards_the_mistakes(plain, tmp_path):
    found = plain["audited"]
    contents = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert [one["system"] for one in contents["systems"]] == ["before", "after"]
    html = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "predicates/report.html" not in html
    for finding in found.comparison.tested:
        sign = 1 if finding.more == SIDES[found.side][0] else -1
        assert f"{100 * sign * finding.estimate.effect:+.1f} [" in html
    # With the report of the comparison beside it, the page leads there.
    (tmp_path / "predicates").mkdir()
    (tmp_path / "predicates" / "report.html").write_text("a comparison", encoding="utf-8")
    assert found.save(tmp_path) == tmp_path
    assert 'href="predicates/report.html"' in found.report(**found.beside(tmp_path))
    assert json.loads((tmp_path / "audit.json").read_text(encoding="utf-8")) == {"format": 1} | contents


def test_an_audit_without_a_tested_predicate_says_whether_one_was_sought(plain):
    found = plain["audited"]
    untested = make_comparison(groups=SIDES[found.side], n_tested=0, n_dropped=3)
    assert "None could be tested." in dataclasses.replace(found, comparison=untested).report()
    assert "None was sought." in dataclasses.replace(found, comparison=None).report()


def test_every_odds_ratio_of_an_audit_is_drawn(plain):
    found = plain["audited"]
    effect = next(one for one in found.effects if one.kind == "false positives")
    values = [f"{'a value with a long name ' * 4}{number}" for number in range(3)]
    effects = [effect._replace(value=value, odds_ratio=2.0 + n) for n, value in enumerate(values)]
    charts = describe_audit(dataclasses.replace(found, effects=effects).as_dict()).charts
    (chart,) = [one for one in charts if one.key == "covariates"]
    assert drawn_in(chart).values.tolist() == [[2.0, 3.0, 4.0]]


def test_a_confidence_is_said_as_it_was_chosen(plain):
    audit = plain["audited"]
    html = dataclasses.replace(audit, settings=audit.settings | {"confidence": 0.999}).report()
    assert "Wilson&#39;s 99.9% interval" in html
    executed, more = plain["executed"], probe(plain["executed"])
    html = dataclasses.replace(executed, confidence=0.9).report(probe=more)
    assert "Wilson&#39;s 90% interval" in html
    assert "95%" not in Page(html).all("main")[0].text


def test_rates_of_nothing_are_unknown_in_json_and_on_the_page(tmp_path):
    right = np.arange(40) >= 20
    systems = ["a"] * 20 + ["b"] * 20
    given = Evaluations(["t"] * 40, [str(i) for i in range(40)], np.arange(40) % 2 == 0, right, systems)
    found = audit(given, predicates=False, out=tmp_path / "audit")
    contents = json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))
    assert contents["systems"][0]["false_negatives"]["rate"] is None
    assert math.isnan(found.rates[0].false_negatives.rate)
    assert "None was sought." in (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")


def test_an_audit_keeps_off_the_folders_of_other_results(tmp_path):
    (tmp_path / "fit.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultFolderError, match="holds a fit"):
        audit(made(), predicates=False, out=tmp_path)


def test_a_guard_quotes_what_it_is_wrong_about(plain, tmp_path):
    found = plain["guarded"]
    threshold = found.guard["threshold"]["value"]
    kinds = {one.kind for one in found.mistakes}
    assert kinds == {"missed", "permitted, refused", "benign, refused"}
    n_missed = sum(rule["detection"].n - rule["detection"].hits for rule in found.rules.values())
    assert sum(one.kind == "missed" for one in found.mistakes) == n_missed
    assert sum(one.kind == "permitted, refused" for one in found.mistakes) == found.permitted.hits
    assert len({one.text for one in found.mistakes if one.kind == "benign, refused"}) == found.refusals.hits
    assert all((one.margin > 0) == (one.kind != "missed") for one in found.mistakes)
    assert np.isfinite(threshold)
    folder = found.save(tmp_path / "evaluation")
    assert "take two tablets daily" in found.report()
    contents = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert contents["guard"]["threshold"]["max_refusals"] == 0.02
    found.save(folder)  # the same evaluation may be written again
    other = dataclasses.replace(found, settings=found.settings | {"attacks": "others"})
    with pytest.raises(ResultFolderError, match=r"another guard's evaluation .*attacks"):
        other.save(folder)
    (tmp_path / "guard.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultFolderError, match="holds a guard"):
        found.save(tmp_path)


@pytest.mark.parametrize(
    ("n_true", "n", "low", "high", "said"),
    [
        (0, 1000, 0.0, 0.004, "yes"),
        (9, 900, 0.005, 0.02, "perhaps not:"),
        (50, 900, 0.04, 0.07, "no"),
        (0, 9, 0, 0.3, "perhaps:"),
    ],
)
def test_a_promise_is_kept_only_if_the_interval_says_so(n_true, n, low, high, said):
    assert kept({"share": n_true / n, "low": low, "high": high}, 0.005).startswith(said)


def test_failures_are_counted_by_reason(plain):
    contents = plain["executed"].as_dict()
    counted: dict[str, int] = {}
    for one in contents["problems"]:
        if not one["passed"]:
            counted[reason(one)] = counted.get(reason(one), 0) + 1
    assert set(counted) == {"AssertionError", "form ruled out", "tests do not run"}
    assert counted["form ruled out"] == contents["wrong_form"]
    html = Evaluation.from_dict(json.loads(json.dumps(contents, allow_nan=False))).report()
    for name, count in counted.items():
        assert re.search(rf"<dt[^>]*>{name}</dt><dd>{count}</dd>", html)
    assert "Memorisation" not in html
    assert "is in no rate" in html


def test_charts_and_tables_say_what_they_leave_out():
    many = [Interval(k / 100, k / 100, 1.0) for k in range(100)]
    (chart,) = interval_chart("x", "X", [str(k) for k in range(100)], {"": many}, label="Share", caption="Lines.")
    assert isinstance(chart, Chart)
    assert len(drawn_in(chart).items) == MAX_DRAWN
    assert drawn_in(chart).items[:1] + drawn_in(chart).items[-1:] == ["0", "99"]
    assert "Drawn are 40 of 100" in chart.caption
    nothing = Interval(math.nan, math.nan, math.nan)
    assert interval_chart("x", "X", ["a"], {"": [nothing]}, label="Share") == []
    shown = table("t", "T", [Column("A", "head")], [[Cell("a")]] * (MAX_ROWS + 7))
    assert (len(shown.rows), shown.omitted) == (MAX_ROWS, 7)


def test_a_result_that_is_one_file_has_its_report_beside_it(plain, tmp_path):
    path = tmp_path / "out" / "mine.json"
    assert plain["simulated"].save(path) == path
    assert report_beside(path) == path.with_name("mine.html")
    assert "Counterfactuals" in report_beside(path).read_text(encoding="utf-8")
    assert report_beside("mine.html").name == "mine.html.html"
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ResultFolderError, match="choose another --out"):
        plain["decomposed"].save(tmp_path / "file" / "mine.json")


def test_half_a_surrogate_pair_is_written_as_json_has_it(tmp_path):
    write_json(tmp_path / "a.json", {"text": "a\ud800b", "b": "\u00e9"})
    written = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(written) == {"text": "a\ud800b", "b": "\u00e9"}
    assert "\u00e9" in written


def test_a_card_names_the_column_that_its_rows_are_of(plain):
    card = describe_simulatability(plain["simulated"].as_dict()).card().html()
    assert "Explanation</th>" in card
