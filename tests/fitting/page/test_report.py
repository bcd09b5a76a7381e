"""The report: complete, accessible, small, in agreement with the fit, and indifferent to what the texts contain."""

import base64
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nlparam.fitting.page.predicates import describe_predicates, said_of_predicates
from nlparam.fitting.records import RESULTS, Agreement, TraceEntry
from nlparam.fitting.result import Fit
from nlparam.results.page.charts import as_script, vega_program
from nlparam.results.page.text import as_json
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs
from tests.helpers.handmade_fit import Plain, make_fit

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    '" onmouseover="alert(4)" x="',
    "' autofocus onfocus='alert(5)'",
    "</style></title></textarea></blockquote></table><iframe src=//evil.example></iframe>",
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b]0;owned\x07\x1b[2J\x00\x9b31m",
    "safe \u202egnp.exe\u202c \u2066x\u2069",
    "javascript:alert(6)",
]
VOID = {"meta", "br", "img", "link", "input", "hr"}


@dataclasses.dataclass(eq=False)
class Element:
    tag: str
    attributes: dict[str, str | None]
    parents: list["Element"]
    parts: list[str] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def text(self) -> str:
        return "".join(self.parts)

    def inside(self, tag: str) -> bool:
        return any(parent.tag == tag for parent in self.parents)


class Page(HTMLParser):
    """The elements of a page in order, each with all the text inside it."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), list(self._open))
        assert len(element.attributes) == len(attrs), f"an attribute occurs twice in {tag}: {attrs}"
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.parts.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def table(self, identity: str) -> list[list[str]]:
        (table,) = [element for element in self.all("table") if element.attributes.get("id") == identity]
        rows = [element for element in self.all("tr") if table in element.parents]
        cells = [element for element in self.all("th", "td") if table in element.parents]
        return [[cell.text.strip() for cell in cells if row in cell.parents] for row in rows]


@pytest.fixture(scope="module")
def hostile() -> tuple[str, Page]:
    fit = make_fit(
        texts=[*HOSTILE * 2, *(f"{text} {'long ' * 200}" for text in HOSTILE), "   "],
        predicates=HOSTILE[:6],
        settings={"goal": "".join(HOSTILE), "lm": HOSTILE[2], **{text: [text, {"inner": text}] for text in HOSTILE}},
        versions={text: text for text in HOSTILE},
        trace=[TraceEntry(text, 1.0 + i, (text,)) for i, text in enumerate(HOSTILE)],
        costs=Costs(seconds=dict.fromkeys(HOSTILE, 1.0)),
    )
    html = fit.report()
    return html, Page(html)


@pytest.fixture(scope="module")
def ordinary() -> tuple[Fit, str, Page]:
    fit = make_fit()
    html = fit.report()
    return fit, html, Page(html)


@pytest.mark.slow
def test_hostile_text_adds_no_element_and_no_attribute(hostile, ordinary):
    _, page = hostile
    _, _, plain = ordinary
    assert {element.tag for element in page.elements} == {element.tag for element in plain.elements}
    known = {name for element in plain.elements for name in element.attributes}
    assert {name for element in page.elements for name in element.attributes} <= known
    assert not any(name.startswith("on") for name in known)
    # Theme, Vega, page, map, tables, five where a reader marks; two charts, the data of the texts and of the marks.
    assert len(page.all("script")) == len(plain.all("script")) == 14


def test_only_the_scripts_named_by_the_policy_are_in_the_page(hostile):
    _, page = hostile
    (policy,) = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    programs = [e.text for e in page.all("script") if e.attributes.get("type") != "application/json"]
    hashes = {"'sha256-" + base64.b64encode(hashlib.sha256(p.encode()).digest()).decode() + "'" for p in programs}
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert set(directives["script-src"].split()) == hashes
    assert directives["default-src"] == "'none'"


def test_control_and_reordering_characters_are_shown_not_sent(hostile):
    html, page = hostile
    outside = html.replace(vega_program(), "")
    assert not set(outside) & ({chr(c) for c in [*range(32), *range(127, 160)]} - {"\n", "\t"})
    assert not set(outside) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    quoted = "".join(element.text for element in page.all("blockquote"))
    assert "[U+001B]]0;owned[U+0007]" in quoted
    assert "[U+202E]gnp.exe" in quoted
    assert "<img src=x onerror=alert(3)>" in quoted


def test_template_syntax_in_a_text_is_only_text(hostile):
    _, page = hostile
    assert "{{ 7 * 7 }}{% raw %}" in "".join(element.text for element in page.all("blockquote"))


def test_charts_stay_json_whatever_the_step_is_called(hostile):
    _, page = hostile
    charts = [e for e in page.all("script") if e.attributes.get("type") == "application/json"]
    assert len(charts) == 4
    for chart in charts:
        assert not set(chart.text) & set("<>&")
        assert {"data", "texts"} & json.loads(chart.text).keys()


@pytest.mark.slow
def test_lone_surrogates_do_not_prevent_writing():
    fit = make_fit(settings={"goal": "half \ud83d a smile"}, predicates=["\udcff is broken", "b"])
    assert fit.report().encode("utf-8")


def test_scripts_cannot_close_their_element():
    script = as_script('a = "</SCRIPT><!--";\r\nb = 1;\r')
    assert "</script" not in script.lower()
    assert "<!--" not in script
    assert "\r" not in script
    assert "</script" not in vega_program().lower()
    assert as_json({"a": "</script>&\u2028"}).isascii()


def test_nothing_is_loaded_from_anywhere(ordinary):
    _, html, page = ordinary
    for element in page.elements:
        assert "src" not in element.attributes, element
        assert element.attributes.get("href", "#").startswith("#"), element
    assert not page.all("link", "iframe", "img", "object", "embed", "base")
    outside = html.replace(vega_program(), "")
    assert "://" not in outside
    assert "url(" not in outside
    assert "@import" not in outside


def test_everything_has_an_accessible_name(ordinary):
    _, _, page = ordinary
    identities = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(identities) == len(set(identities))
    for element in page.elements:
        for name in ("aria-labelledby", "data-chart"):
            assert element.attributes.get(name, identities[0]) in identities
        if element.tag == "a":
            assert element.attributes["href"].removeprefix("#") in identities
        if element.tag in ("a", "button", "summary", "h1", "h2", "h3", "h4", "caption", "title"):
            assert element.text.strip(), element
        if element.tag == "section":
            assert element.attributes.get("aria-label") or element.attributes.get("aria-labelledby")
        if element.attributes.get("role") in ("img", "region", "group"):
            assert element.attributes["aria-label"].strip()
        if element.tag == "th":
            assert element.attributes["scope"] in ("row", "col")
    captions = page.all("caption")
    assert len(captions) == len(page.all("table"))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5


def test_headings_do_not_skip_a_level(ordinary):
    _, _, page = ordinary
    levels = [int(element.tag[1]) for element in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_each_predicate_stands_with_its_figures(ordinary):
    fit, _, page = ordinary
    header, *rows, none = page.table("table-predicates")
    assert len(rows) == len(fit.predicates)
    assert none[1:3] == ["none of these", str((fit.denotations < 0.5).all(axis=1).sum())]
    for k, row in enumerate(rows):
        figures = dict(zip(header, row, strict=True))
        assert figures["Predicate"] == fit.predicates[k]
        holds = fit.denotations[:, k] >= 0.5
        assert figures["Holds for"] == str(holds.sum())
        assert figures["Of all texts"] == f"{holds.mean():.1%}"
        assert figures["Head agrees"] == f"{fit.agreement[k].agreement:.1%}"
    header, *rows = page.table("table-agreement")
    for k, row in enumerate(rows):
        figures = dict(zip(header, row, strict=True))
        assert figures["Judgments left out in turn"] == str(fit.agreement[k].n_judgments)
        assert figures["F1"] == f"{fit.agreement[k].f1:.2f}"
    summaries = [e.text for e in page.all("summary") if e.parents[-1].attributes.get("class") == "predicate"]
    assert len(summaries) == len(fit.predicates)
    assert [e for e in page.all("details") if "open" in e.attributes] == page.all("details")[:1]


def test_header_and_costs_say_what_the_fit_says(ordinary):
    fit, _, page = ordinary
    pairs = [e for e in page.all("tr") if any(p.attributes.get("class") == "pairs" for p in e.parents)]
    cells = [[e.text for e in page.all("th", "td") if row in e.parents] for row in pairs]
    facts = dict(cells)
    assert page.all("h1")[0].text == fit.settings["goal"]
    most = (fit.denotations >= 0.5).sum(axis=0)
    lead = next(e.text for e in page.all("p") if e.attributes.get("class") == "lead")
    assert f"“{fit.predicates[most.argmax()]}”, holds for {most.max()} of 60 texts" in lead
    # What was found stands before how it was made.
    sections = [e.attributes["id"] for e in page.all("h2")]
    assert sections[0] == "predicates"
    assert sections[-1] == "settings"
    assert facts["Model"] == "Clustering"
    assert facts["Texts"] == "60"
    assert facts["Ended because"] == RESULTS.converged.value
    text = page.all("main")[0].text
    assert "1,234" in text
    assert "56,789" in text
    assert "1 min 15 s" in text
    assert "1 min 20 s" in text


@pytest.mark.slow
@pytest.mark.parametrize("predictions", [np.linspace(0, 1, 60), np.zeros((60, 2), int), np.full(60, 17)])
def test_every_model_has_one_size_that_is_counted_alike(predictions, ordinary):
    fit = make_fit(predictions=predictions, model=Plain())
    page = Page(fit.report())
    assert page.table("table-predicates") == ordinary[2].table("table-predicates")


@pytest.mark.parametrize(
    "changes",
    [
        {"judgments": [], "agreement": []},
        {"trace": []},
        {"trace": [TraceEntry("relaxation", math.inf), TraceEntry("selection", math.nan)], "loss": math.inf},
        {"agreement": [Agreement(0, math.nan, math.nan, math.nan)] * 3},
        {"judgments": [Judgment(0, "is about subject 0", math.nan), Judgment(10**6, "is about subject 0", 0.5)]},
        {"texts": ["", " "]},
        {"texts": []},
        {"predicates": ["the only one"]},
        {"predicates": ["twice", "twice"]},
        {"settings": {"goal": None, "list": [1, None], "path": object}, "versions": {}, "costs": Costs()},
    ],
)
def test_gaps_in_a_fit_leave_a_whole_page(changes):
    fit = make_fit(**changes)
    page = Page(fit.report())
    titles = [e.attributes["id"] for e in page.all("h2")]
    texts = ["texts"] if len(fit.corpus.distinct) else []
    later = ["overlap", "agreement", "trace", "marking", "cost", "settings"]
    assert titles == ["predicates", "examples", *texts, *later]
    assert not re.search(r"\b(nan|inf)\b", page.all("header")[0].text + page.all("main")[0].text)


def test_the_same_fit_gives_the_same_page(ordinary):
    fit, html, _ = ordinary
    assert fit.report() == html


# In bytes, of a page with its own scripts.
SMALL = 3_200_000


def size_without_vega(html: str) -> int:
    return len(html.encode("utf-8")) - len(vega_program().encode("utf-8"))


@pytest.mark.slow
def test_a_hundred_thousand_texts_stay_a_small_page():
    words = "a report of something that happened elsewhere " * 30
    fit = make_fit(texts=[f"{i} {words}" for i in range(100_000)], n_predicates=10)
    assert size_without_vega(fit.report()) < SMALL


@pytest.mark.slow
def test_many_predicates_and_huge_texts_stay_a_small_page():
    huge = "слово " * 170_000
    fit = make_fit(texts=[f"{i} {huge if i < 3 else huge[:30_000]}" for i in range(200)], n_predicates=150)
    assert size_without_vega(fit.report()) < SMALL


def test_a_text_of_a_megabyte_is_quoted_in_part_and_says_so():
    fit = make_fit(texts=["x" * 1_000_000, "y"], denotations=np.full((2, 3), 0.9))
    page = Page(fit.report())
    short, whole = (e.text for e in page.all("blockquote")[:2])
    assert len(short) <= 400
    left_out = 1_000_000 - len(whole.removesuffix("…"))
    assert 0 < left_out < 1_000_000
    assert f"The last {left_out:,} characters are left out" in page.all("main")[0].text


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([[1, 0], [1, 0], [0, 1]], "Exactly one holds for every text."),
        ([[1, 1], [1, 0], [0, 1]], "At least one holds for every text, for 1 (33.3%) several do."),
        ([[1, 0], [1, 0], [0, 0]], "For 1 (33.3%) none holds, for none several do."),
        ([[1, 1], [1, 0], [0, 0]], "For 1 (33.3%) none holds, for 1 (33.3%) several do."),
    ],
)
def test_for_how_many_texts_none_or_several_hold(held, said):
    fit = make_fit(3, 2, denotations=np.asarray(held, np.float32))
    assert said_of_predicates(fit, describe_predicates(fit)).endswith(said)
