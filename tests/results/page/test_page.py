"""What all reports have: the table of texts, disagreements, figures as files, cards in notebooks."""

import base64
import dataclasses
import itertools
import json
import xml.etree.ElementTree as ElementTree
import zlib
from typing import Any

import jax.numpy as jnp
import numpy as np
import pyarrow
import pytest

import nlparam
from nlparam import Comparison
from nlparam.comparing.browsing import quotes_of
from nlparam.corpus.corpus import Cited, Corpus
from nlparam.fitting.page.judging import PER_PREDICATE, Judged, disagreements
from nlparam.fitting.recurrence import Recurrence, Stability
from nlparam.numerics.core.quantities import Quantity
from nlparam.results.page.blocks import Table
from nlparam.results.page.browser import MAX_BYTES, MAX_TEXTS, Groups, browse_texts
from nlparam.results.page.examples import MIN_GAP
from nlparam.results.page.text import visible
from nlparam.results.serving.texts import Texts
from nlparam.taxonomies.result import Taxonomy
from tests.fitting.page.test_report import HOSTILE, Page
from tests.helpers.cli_corpus import run, said
from tests.helpers.handmade_fit import Plain, fit_of, make_fit
from tests.helpers.handmade_results import make_comparison, make_taxonomy


@pytest.fixture(scope="module")
def taxonomy():
    return make_taxonomy(depth=3, n_texts=600)


@pytest.fixture(scope="module")
def comparison():
    return make_comparison()


def data_of(page):
    """The data of the table of texts."""
    (script,) = [e for e in page.all("script") if e.attributes.get("id") == "texts-data"]
    return json.loads(script.text)


def table_of(*arguments, **options):
    """The table of texts, which has some."""
    view = browse_texts(*arguments, **options)
    assert view is not None
    return view


# The table of texts


def browse(n_texts, n_predicates=3, *, texts=None, judged=40, **options):
    rng = np.random.default_rng(0)
    corpus = Corpus.from_texts([f"text {i}" for i in range(n_texts)] if texts is None else texts)
    denotations = corpus.spread(rng.uniform(size=(len(corpus.distinct), n_predicates)))
    answers = [{int(t): float(rng.uniform()) for t in rng.choice(len(corpus), judged)} for _ in range(n_predicates)]
    view = table_of(corpus, [f"is {k}" for k in range(n_predicates)], denotations, answers, **options)
    return view, corpus, denotations, answers


def cited(texts):
    return [Cited(text, f"conversation {n // 2 + 1}, message {n % 2 + 1} (user)") for n, text in enumerate(texts)]


@pytest.mark.parametrize("make", [make_fit, make_taxonomy])
def test_messages_are_cited(make):
    made = make(texts=cited(f"text \ud83d {i}" for i in range(60)))
    places = Corpus.of_table(pyarrow.table(made.corpus.columns())).places
    assert places is not None
    assert places == made.corpus.places
    assert places[3] == "conversation 2, message 2 (user)"
    page = Page(made.report())
    named = [quote.text for quote in page.all("li") if "data-number" in quote.attributes]
    assert named
    assert all("conversation " in text and " (user), text " in text for text in named)
    assert data_of(page)["places"] == places
    found = Texts(made.page().searched()).find("\ufffd 3")["texts"]
    assert places[3] in [one["place"] for one in found]
    # Of other texts nothing is kept or said.
    plain = make(texts=[f"text {i}" for i in range(60)])
    assert plain.corpus.columns().keys() == {"text"}
    assert data_of(Page(plain.report()))["places"] is None


def test_a_message_of_two_groups_is_cited_as_that_of_its_group(comparison, tmp_path):
    # A comparison keeps the texts of one group after those of another.
    texts: Any = cited([*comparison.corpus.texts[::2], *comparison.corpus.texts[1::2], *comparison.corpus.texts[:4:2]])
    before, after = comparison.groups
    groups = [before, dataclasses.replace(after, n_texts=after.n_texts + 2)]
    corpus, finding = Corpus.from_texts(texts), comparison.findings[0]
    both = dataclasses.replace(finding.examples[0], text=str(texts[0]), group="after", probability=1.0)
    finding = dataclasses.replace(finding, examples=(*finding.examples, both))
    found = dataclasses.replace(comparison, corpus=corpus, groups=groups)
    found = Comparison.load(found.save(tmp_path / "kept"))
    _, _, holding, _ = quotes_of(found, finding, 10_000)
    places = {(text, n < before.n_texts): text.place for n, text in enumerate(texts)}
    assert holding.quotes[0].name == places[texts[0], False] != places[texts[0], True]
    assert all(quote.name == places[quote.excerpt.text, False] for quote in holding.quotes)


def test_the_table_of_texts_says_what_the_fit_says():
    view, _, denotations, answers = browse(50)
    assert not view.sampled
    assert not view.cut
    assert view.data["texts"] == [f"text {i}" for i in range(50)]
    hundredths = np.asarray(view.data["denotations"]).T
    assert np.abs(hundredths / 100 - denotations).max() <= 0.01
    assert np.array_equal(hundredths >= 50, denotations >= 0.5)
    for column, (places, values) in zip(answers, view.data["answers"], strict=True):
        shown = dict(zip(places, values, strict=True))
        assert shown.keys() == column.keys()
        assert all(abs(shown[t] - 100 * p) <= 1 and (shown[t] >= 50) == (p >= 0.5) for t, p in column.items())


def test_a_text_that_occurs_twice_is_shown_once_with_its_answer():
    view, *_ = browse(0, texts=["a", "b", "a", " ", "b"], judged=0)
    assert view.data["numbers"] == [0, 1]
    corpus = Corpus.from_texts(["a", "b", "a"])
    view = table_of(corpus, ["is"], np.zeros((3, 1)), [{2: 0.75}])
    assert view.data["answers"] == [[[0], [75]]]


def test_a_large_corpus_is_sampled_from_judged_and_other_texts_alike():
    view, corpus, _, answers = browse(20_000, judged=3000)
    numbers = view.data["numbers"]
    assert view.sampled
    assert len(numbers) == len(set(numbers)) == MAX_TEXTS
    assert numbers == sorted(numbers)
    judged = {number for column in answers for number in column}
    shown = sum(number in judged for number in numbers)
    assert shown == MAX_TEXTS // 2
    again, *_ = browse(20_000, judged=3000)
    assert again.data == view.data
    # Few judged texts are shown all.
    view, corpus, _, answers = browse(20_000, judged=10)
    assert {number for column in answers for number in column} <= set(view.data["numbers"])
    assert len(corpus) == view.n_distinct


@pytest.mark.parametrize("text", ["x" * 1_000_000, "слово " * 3000, "word " * 3000, "\x1b[31m" * 900])
def test_long_texts_are_cut_alike_and_stay_small(text):
    view, *_ = browse(0, texts=[f"{i} {text}" for i in range(2000 if len(text) < 20_000 else 20)], judged=5)
    assert view.cut
    assert all(len(shown) <= 9 * view.length for shown in view.data["texts"])
    assert sum(len(shown.encode()) for shown in view.data["texts"]) <= 9 * MAX_BYTES
    if text.isprintable():
        assert sum(len(shown.encode()) for shown in view.data["texts"]) <= 1.05 * MAX_BYTES


def whole(view):
    """The whole texts that a page carries."""
    return zlib.decompress(base64.b64decode(view.data["whole"])).decode("utf-8").split("\0")


def test_the_search_and_the_download_have_the_whole_texts():
    long = [f"{i}\n\n\n{'word ' * 1000}the end\x00of {i}" for i in range(30)]
    view, *_ = browse(0, texts=long, judged=5)
    assert whole(view) == [visible(text) for text in long]
    assert view.whole_length is None
    assert browse(5, judged=2)[0].data["whole"] is None
    # Those that are longer than a page has room for are cut, which it says.
    view, *_ = browse(0, texts=["x" * 1_000_000, "y"], judged=1)
    assert [len(text) for text in whole(view)] == [view.whole_length, 1]


def test_rather_fewer_texts_are_shown_than_texts_that_are_not_whole():
    rng = np.random.default_rng(0)
    letters = "".join(rng.choice(list("abcdefgh "), 3_000))
    view, *_ = browse(0, texts=[f"{i} {letters}" for i in range(4_500)], judged=5)
    assert 1000 < view.n_shown < MAX_TEXTS
    assert view.whole_length is None


def test_the_map_has_the_most_common_predicates_as_corners():
    assert browse(50)[0].corners == []
    corpus = Corpus.from_texts([f"text {i}" for i in range(40)])
    columns = (np.arange(40)[:, None] < np.arange(1, 21)).astype(float)
    view = table_of(corpus, [f"is {k}" for k in range(20)], columns, [], mapped=range(20))
    assert view.corners == [(k, f"is {k}") for k in range(8, 20)]
    assert table_of(corpus, ["is"], columns[:, :1], [], mapped=[0]).corners == []


def test_a_text_says_how_often_it_occurs():
    view, *_ = browse(0, texts=["a", "b", "a", "c", "a"], judged=0)
    assert view.data["times"] == [3, 1, 1]
    assert ("times", "Occurs") in view.columns
    assert browse(3, judged=1)[0].data["times"] is None


def test_a_text_without_a_denotation_has_none_in_the_table():
    corpus = Corpus.from_texts(["a", "b", "c"])
    view = table_of(
        corpus, ["is"], np.array([[np.nan], [0.2], [1.0]]), [], groups=Groups(["x", "y"], np.array([0, 1, 1]))
    )
    assert view.data["denotations"] == [[-1, 20, 100]]
    assert view.data["groups"] == [0, 1, 1]
    assert not view.judged


def test_nothing_to_show_is_no_table():
    assert browse_texts(Corpus.from_texts([" "]), ["is"], np.zeros((1, 1)), [{}]) is None
    assert browse_texts(Corpus.from_texts(["a"]), [], np.zeros((1, 0)), []) is None


# Disagreements


@pytest.mark.parametrize("seed", range(3))
def test_disagreements_are_counted_and_the_widest_come_first(seed):
    rng = np.random.default_rng(seed)
    corpus = Corpus.from_texts([f"text {i % 150}" for i in range(200)])
    denotations = corpus.spread(rng.uniform(size=(150, 2)))
    answers = [{int(t): float(rng.uniform()) for t in rng.choice(200, 90, replace=False)} for _ in range(2)]
    answers[1][0] = float("nan")
    judged = [Judged(k, t, p, float(denotations[t, k])) for k, column in enumerate(answers) for t, p in column.items()]
    crossed, widest = (one for one in disagreements(corpus, ["first", "second"], judged) if isinstance(one, Table))
    for k, line in enumerate(crossed.rows):
        known = {t: p for t, p in answers[k].items() if p == p}
        counts = [int(cell.text) for cell in line[1:]]
        assert sum(counts) == len(known)
        assert counts[2] == sum(p > 0.5 and denotations[t, k] <= 0.5 for t, p in known.items())
    lines = [
        (int(text.text), place.text, float(denoted.text), float(answered.text))
        for text, _, place, denoted, answered in widest.rows
    ]
    gaps = [abs(denoted - answered) for *_, denoted, answered in lines]
    assert np.all(np.diff(gaps) < 0.02)
    assert min(gaps) > MIN_GAP - 0.01
    for k, name in enumerate(("1 first", "2 second")):
        texts = [text for text, place, *_ in lines if place == name]
        assert 0 < len(texts) <= PER_PREDICATE
        assert len({corpus.row[text] for text in texts}) == len(texts)
        opposed = [t for t, p in answers[k].items() if (p > 0.5) != (denotations[t, k] > 0.5)]
        assert texts[0] == max(opposed, key=lambda t: abs(answers[k][t] - denotations[t, k]))


# Stability


def test_stability_over_seeds_is_told_of_each_predicate():
    found = (
        Recurrence("is about a", (0, 1, 2), ("is about a", "concerns a", "is about a"), 0.9, 0.4, True),
        Recurrence("is about b", (1,), ("is about b",), 1.0, 0.1),
    )
    fit = dataclasses.replace(make_fit(), stability=Stability((0, 1, 2), (4.0, 4.1, 4.2), 0.8, found))
    page = Page(fit.report())
    rows = page.table("table-stability")
    assert [(row[0], row[1], row[3], row[5], row[6]) for row in rows[1:]] == [
        ("is about a", "3 of 3", "0.90", "yes", "concerns a"),
        ("is about b", "1 of 3", "1.00", "no", ""),
    ]
    assert "#stability" in [e.attributes["href"] for e in page.all("a")]
    assert "stability" not in [e.attributes.get("id") for e in Page(make_fit().report()).elements]


# Every kind


def pages(hostile):
    names = HOSTILE if hostile else [f"mentions {k}" for k in range(len(HOSTILE))]
    texts = [*HOSTILE, *(f"text {i}" for i in range(90))] if hostile else [f"text {i}" for i in range(101)]
    settings = {text: [text] for text in names} | {"goal": names[0], "lm": names[1]}
    taxonomy = make_taxonomy(texts=texts, names=names, depth=1, settings=settings)
    comparison = make_comparison(texts=texts, groups=tuple(names[:2]), predicates=names[:10], settings=settings)
    return taxonomy.report(), comparison.report()


def test_hostile_text_adds_no_element_and_no_attribute():
    for html, ordinary in zip(pages(True), pages(False), strict=True):
        page, plain = Page(html), Page(ordinary)
        # One quotation is long and can be opened, the other page has none.
        assert {e.tag for e in page.elements} <= {e.tag for e in plain.elements} | {"blockquote", "details", "summary"}
        known = {name for element in plain.elements for name in element.attributes}
        assert {name for element in page.elements for name in element.attributes} <= known
        assert not any(name.startswith("on") for name in known)
        assert len(page.all("script")) == len(plain.all("script"))
        # All of them are in the page, as the browser would print them.
        shown = "".join(e.text for e in page.all("main", "header")) + " ".join(data_of(page)["texts"])
        assert all(visible(text) in shown for text in HOSTILE)
        levels = [int(element.tag[1]) for element in page.all("h1", "h2", "h3", "h4")]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        for element in page.elements:
            assert "src" not in element.attributes
            assert (element.attributes.get("href") or "#").startswith("#")


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: fit_of("dates"), lambda: make_taxonomy(names=HOSTILE), make_comparison])
def test_figures_are_files_that_need_nothing_else(tmp_path, make):
    paths = make().figures(tmp_path / "new" / "figures")
    assert {path.suffix for path in paths} == {".svg", ".png"}
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
            continue
        drawing = ElementTree.parse(path)
        assert drawing.getroot().tag.endswith("}svg")
        tags = {element.tag.rsplit("}", 1)[-1] for element in drawing.iter()}
        assert not tags & {"script", "image", "foreignObject"}
        assert len([element for element in drawing.iter() if element.tag.endswith("}text")]) > 2


class Named(Plain):
    """A model whose quantities have the names of other figures, or of one another but for a space."""

    def quantities(self, weights, denotations, data=None):
        del weights, denotations, data
        return {name: Quantity(jnp.arange(3.0), ("predicate",), name) for name in ("by day", "by-day", "trace")}


def test_no_figure_takes_the_place_of_another():
    drawn = make_fit(model=Named(3)).page().figures()
    assert list(drawn) == ["by-day", "by-day-2", "trace-3", "agreement", "trace"]
    trace = drawn["trace"]
    assert isinstance(trace, dict)
    assert trace["encoding"]["y"]["field"] == "loss"


@pytest.mark.slow
def test_a_format_that_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got the format 'pdf', expected one of svg, png"):
        make_fit().figures(tmp_path, formats=["pdf"])
    assert {path.suffix for path in make_fit().figures(tmp_path, formats="svg")} == {".svg"}


def test_a_card_of_denotations_that_are_not_known_draws_no_bar():
    card = make_fit(20, denotations=np.full((20, 3), np.nan)).page().card().html()
    assert "width: 0.0%" in card
    assert "nan" not in card


def test_a_notebook_shows_a_card_in_which_no_text_can_act():
    cards = [
        make_fit(predicates=HOSTILE[:3], settings={"goal": HOSTILE[0]})._repr_html_(),
        make_taxonomy(names=HOSTILE, settings={"goal": HOSTILE[0]})._repr_html_(),
        make_comparison(groups=(HOSTILE[0], HOSTILE[1]), predicates=HOSTILE[:10])._repr_html_(),
    ]
    for card in cards:
        page = Page(card)
        assert {e.tag for e in page.elements} <= {
            "div", "p", "strong", "span", "table", "thead", "tbody", "tr", "th", "td"
        }  # fmt: skip
        assert {name for e in page.elements for name in e.attributes} <= {"style", "scope", "dir"}
        assert HOSTILE[2] in page.all("tbody")[0].text
    rows = [e.text.split() for e in Page(cards[0]).all("tr")]
    assert len(rows) == 5
    assert rows[-1][:3] == ["none", "of", "these"]


# The command


@pytest.mark.slow
def test_the_command_knows_the_three_kinds_of_folders(tmp_path, monkeypatch, comparison):
    comparison.save(tmp_path / "ab")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "taxonomy.json").write_text("{}")
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "fit.json").write_text("{}")
    monkeypatch.setattr(Taxonomy, "load", lambda _: make_taxonomy())
    monkeypatch.setattr(nlparam.Fit, "load", lambda _: make_fit())
    for name, written in (("ab", ["effects"]), ("tree", ["tree"]), ("fit", ["agreement", "trace"])):
        folder = tmp_path / name
        result = run("report", folder, "--figures", folder / "figures", "--format", "svg")
        assert result.exit_code == 0, result.output
        assert result.stdout.split() == [
            str(folder / "report.html"),
            *(str(folder / "figures" / f"{figure}.svg") for figure in written),
        ]
        assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    assert "what customers complain about" in (tmp_path / "ab" / "report.html").read_text(encoding="utf-8")


def test_the_command_says_what_it_cannot_do(tmp_path):
    assert "expected one of svg, png, both" in said(run("report", tmp_path, "--format", "gif"))
    assert "'--format': got no --figures" in said(run("report", tmp_path, "--format", "svg"))
    nothing = run("report", tmp_path / "nowhere")
    assert nothing.exit_code == 1
    assert "holds no result of nlparam" in said(nothing)


def test_a_terminal_shows_a_result_in_at_most_2000_characters():
    wide = fit_of("two classes", predicates=[f"{'talks at length about ' * 9}{k}" for k in range(3)])
    many = make_fit(200, 60, predicates=[f"{'is about a subject ' * 9}{k}" for k in range(60)])
    hostile = make_fit(predicates=HOSTILE[:3], settings={"goal": HOSTILE[0] * 99})
    compared = make_comparison(n_tested=40)
    texts = [(result, len(result.corpus)) for result in (wide, many, hostile, make_taxonomy(depth=3, n_texts=600))]
    for result, n_texts in [*texts, (compared, compared.groups[0].n_texts)]:
        shown = repr(result)
        assert len(shown) <= 2000
        assert visible(shown) == shown
        assert str(n_texts) in shown
    assert "and 48 more" in repr(many)
    assert repr(many.corpus) == "Corpus of 200 texts, 200 of them distinct"
