"""What the report shows: examples that deserve to be read, and figures that agree with the fit."""

import numpy as np
import pytest

from nlparam.corpus.corpus import Corpus
from nlparam.fitting.page import FitPage
from nlparam.results.page.examples import BOUNDARY, CONFIDENT, DISAGREES, PER_SIDE, choose_examples
from nlparam.results.page.text import excerpt, visible
from nlparam.results.records import Judgment
from tests.helpers.handmade_fit import make_fit


def section(fit, identity):
    """The blocks of a section by their kind."""
    sections = {section.identity: section for section in FitPage(fit).described().sections}
    return {type(block).__name__.lower(): block for block in sections[identity].blocks}


def rows(chart):
    """What a chart draws."""
    (values,) = chart["datasets"].values()
    return values


def test_blank_and_repeated_texts_are_counted():
    fit = make_fit(texts=["one story", "another", "one story", " "])
    assert dict(FitPage(fit).described().facts)["Texts"] == "4 (2 distinct, 1 without words)"
    for k, row in enumerate(section(fit, "predicates")["table"].rows):
        holds = fit.denotations[:3, k] >= 0.5
        assert (row[2].text, row[3].text) == (str(holds.sum()), f"{holds.sum() / 3:.1%}")
    sides = [side for item in section(fit, "examples")["folded"].items for side in item.blocks]
    assert all(quote.name in ("text 0", "text 1") for side in sides for quote in side.quotes)


def test_the_date_of_the_fit_is_kept():
    assert dict(FitPage(make_fit(settings={"date": "2001-02-03"})).described().facts)["Date"] == "2001-02-03"


def choose(column, answers=None, clusters=None):
    corpus = Corpus.from_texts([f"text {i}" for i in range(len(column))])
    (sides,) = choose_examples(corpus, np.asarray(column)[:, None], [answers or {}], clusters)
    return sides


@pytest.mark.parametrize("seed", range(5))
def test_examples_are_on_their_side_and_hold_the_extremes(seed):
    rng = np.random.default_rng(seed)
    column = rng.uniform(size=300)
    answers = {int(i): float(rng.uniform()) for i in rng.choice(300, 80, replace=False)}
    sides = choose(column, answers)
    for examples, members in zip(sides, (np.flatnonzero(column > 0.5), np.flatnonzero(column <= 0.5)), strict=True):
        numbers = [example.number for example in examples]
        assert len(set(numbers)) == len(numbers) == PER_SIDE
        assert set(numbers) <= set(members.tolist())
        assert {CONFIDENT, BOUNDARY, DISAGREES} <= {example.reason for example in examples}
        assert members[np.abs(column[members] - 0.5).argmax()] in numbers
        assert members[np.abs(column[members] - 0.5).argmin()] in numbers
        other = [i for i in members.tolist() if i in answers and (answers[i] > 0.5) != (column[i] > 0.5)]
        assert max(other, key=lambda i: abs(answers[i] - column[i])) in numbers
        for example in examples:
            assert example.denotation == column[example.number]
            assert example.answered == answers.get(example.number)


def test_few_texts_are_all_shown_and_none_is_called_near_the_boundary_that_is_not():
    sides = choose([0.99, 0.98, 0.97, 0.55])
    assert [example.number for example in sides.examples_for] == [0, 1, 2, 3]
    assert sides.examples_against == []
    assert all(example.denotation < 0.75 for example in sides.examples_for if example.reason == BOUNDARY)


def test_texts_that_look_alike_are_quoted_once():
    texts = ["A parcel came late.", "a parcel came late", "A  PARCEL came late!", "Another came.", "?!", "!?"]
    corpus = Corpus.from_texts(texts)
    (sides,) = choose_examples(corpus, np.array([0.9, 0.95, 0.8, 0.7, 0.6, 0.6])[:, None], [{}], None)
    assert [example.number for example in sides.examples_for] == [1, 3, 4, 5]


def test_an_example_assigned_elsewhere_says_where():
    sides = choose([0.9, 0.8, 0.1], clusters=np.array([0, 4, -1]))
    assert [example.elsewhere for example in sides.examples_for] == [None, 5]
    assert [example.elsewhere for example in sides.examples_against] == [None]


@pytest.mark.slow
@pytest.mark.parametrize("n_predicates", [1, 2, 5, 40])
def test_overlap_counts_texts(n_predicates):
    fit = make_fit(n_predicates=n_predicates)
    overlap = section(fit, "overlap")
    holds = fit.denotations > 0.5
    counted = [int(value) for _, value in overlap["counts"].rows]
    assert sum(counted) == len(fit.texts)
    assert counted[0] == (holds.sum(axis=1) == 0).sum()
    if n_predicates == 1:
        assert "table" not in overlap
        return
    numbers = [int(column.name) for column in overlap["table"].columns[1:]]
    assert ("10 least prevalent" in overlap["table"].caption) == (n_predicates == 40) == (len(numbers) == 30)
    for i, row in zip(numbers, overlap["table"].rows, strict=True):
        assert [int(cell.text) for cell in row[1:]] == [(holds[:, i - 1] & holds[:, j - 1]).sum() for j in numbers]
        assert [cell.value is None for cell in row[1:]] == [i == j for j in numbers]


def test_trace_says_which_predicates_changed():
    steps = section(make_fit(), "trace")["table"].rows
    assert [step[1].text for step in steps] == ["relaxation", "selection", "refinement 1"]
    assert steps[0][-1].lines == []
    assert [line.mark for line in steps[1][-1].lines] == ["added"] * 3
    assert steps[2][-1].lines == [("is about something else", "added", None), ("is about subject 2", "dropped", None)]


def test_charts_hold_the_figures_of_the_fit():
    fit = make_fit()
    drawn = fit.page().figures()
    assert [row["loss"] for row in rows(drawn["trace"])] == [entry.loss for entry in fit.trace]
    points = rows(drawn["agreement"])
    assert len(points) == len(fit.judgments)
    by_text = {(j.predicate, j.text): j.probability for j in fit.judgments}
    for point in points:
        k = int(point["p"].split()[-1]) - 1
        assert point["x"] == pytest.approx(by_text[fit.predicates[k], point["text"]], abs=1e-3)
        assert point["y"] == pytest.approx(fit.denotations[point["text"], k], abs=1e-3)


def test_judgments_of_other_candidates_are_not_drawn():
    fit = make_fit()
    fit.judgments.append(Judgment(0, "is about something else", 0.5))
    assert len(rows(fit.page().figures()["agreement"])) == len(fit.judgments) - 1


@pytest.mark.parametrize("text", ["", "short", "word " * 300, "x" * 5000, "a\n\nb\r\nc\n\n\nd\ne " * 200, "字" * 900])
def test_excerpts_are_short_and_begin_like_the_text(text):
    short = excerpt(text, 400)
    assert len(short) <= 400
    assert "".join(text.split()).startswith("".join(short.removesuffix("…").split()))
    assert short.endswith("…") == (len(" ".join(text.split())) > 400)
    assert short.count("\n") <= 3


def test_visible_leaves_ordinary_writing_alone():
    text = "Żółć, 中文, \u200fקר\u200e, नमस्ते, 👩\u200d🚀\n\ttab"
    assert visible(text) == text
    assert visible("a\r\nb\rc") == "a\nb\nc"
