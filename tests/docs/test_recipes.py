"""The recipes of `docs/how-to/challenges.md`: each is run with a scripted language model whose faults are planted."""

import dataclasses
import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nlparam
from examples import contradictions, fooled, values
from examples.common import run
from nlparam.corpus.datasets import load_dataset
from nlparam.lm.scripted import ScriptedModel
from tests.helpers.fake_server import FakeServer

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "how-to" / "challenges.md"
_SEEN = 12  # so many words at its beginning tell a text from most others
_READ = 40


def _begin(text: str) -> str:
    return " ".join(text.split()[:_SEEN])


@functools.cache
def _known(dataset: str, column: str) -> dict[str, str]:
    """What is known of each text, by its first words."""
    table = load_dataset(dataset)
    return dict(zip(map(_begin, table.texts), map(str, table.columns[column]), strict=True))


def _judged(content: str) -> tuple[str, str]:
    """The text and the predicate of a prompt that asks for a judgment."""
    text, _, question = content.rpartition("\n\nProperty: ")
    return text.removeprefix("Text: "), question.removesuffix(". Yes or no?")


def newsreader(fault: Callable[[str, str], bool | None]) -> ScriptedModel:
    """Knows the topic of each article; `fault(topic, predicate)` overrules it where it is not `None`."""

    def answer(request):
        content = request.messages[-1].content
        if request.labels is None:
            words = " ".join(content.split())
            named = next((topic for begin, topic in _known("bbc", "label").items() if begin in words), None)
            return named or "is about " + content.rpartition("Category: ")[2].partition(".")[0]
        if "Property: " not in content:
            return "yes"
        text, predicate = _judged(content)
        topic = _known("bbc", "label")[_begin(re.sub("^The topic is [a-z]+: ", "", text))]
        overruled = fault(topic, predicate)
        holds = (topic in predicate) != ("not" in predicate) if overruled is None else overruled
        return "yes" if holds else "no"

    return ScriptedModel(answer, strong=False)


@pytest.fixture(autouse=True)
def beginnings(monkeypatch):
    """Of articles only what comes first: most of the time went to embedding the rest."""

    def cut(name):
        table = load_dataset(name)
        return dataclasses.replace(table, texts=[" ".join(text.split()[:_READ]) for text in table.texts])

    for recipe in (contradictions, fooled):
        monkeypatch.setattr(recipe, "load_dataset", cut)


def test_a_model_that_never_contradicts_itself_is_told_so(capsys):
    assert contradictions.main(newsreader(lambda *_: None), n_texts=60) is None
    said = capsys.readouterr().out
    assert "60 articles, contradictions: 0 times yes to both, 0 times no to both" in said
    assert "too few to be compared" in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:group 'contradictions' has")  # few of them, which is said
def test_contradictions_are_told_by_what_they_are_about(capsys):
    # It says that articles about sports are about business, and that they are not.
    confused = newsreader(lambda topic, predicate: True if topic == "sports" and "business" in predicate else None)
    found = contradictions.main(confused)
    assert found is not None
    odd, others = found.groups
    said = capsys.readouterr().out
    assert f"160 articles, contradictions: {odd.n_texts} times yes to both, 0 times no to both" in said
    assert odd.n_texts + others.n_texts == 160
    assert found.claims[0].predicate == "is about sports"
    assert found.claims[0].more == "contradictions"
    assert "* is about sports " in said


@pytest.mark.slow
def test_an_evaluator_is_fooled_by_plausible_answers(capsys, tmp_path):
    # It takes politics for business, which is the topic most like it.
    lenient = newsreader(lambda topic, predicate: True if topic == "politics" and "business" in predicate else None)
    found = fooled.main(lenient, str(tmp_path / "audit"))
    absurd, plausible = found.rates
    assert absurd.correctness == plausible.correctness
    assert (absurd.correctness.hits, absurd.correctness.n) == (80, 160)
    assert absurd.false_negatives.hits == plausible.false_negatives.hits == 0
    assert plausible.false_positives.hits > absurd.false_positives.hits
    assert {change.test for change in found.changes} == {"within tasks"}
    assert f"plausible  wrong and accepted {plausible.false_positives.hits} of 80" in capsys.readouterr().out
    assert (tmp_path / "audit" / "audit.json").exists()


def test_values_that_changed_are_claimed(tmp_path, capsys, monkeypatch):
    years = _known("sotu", "year")

    def answer(body):
        text, predicate = _judged(body["messages"][-1]["content"])
        early = int(years[_begin(text)]) < 1990
        holds = early if "freedom" in predicate else len(text) % 3 == 0
        return {"yes": float(holds), "no": float(not holds)}

    out = tmp_path / "values"
    with FakeServer(answer=answer) as server:
        monkeypatch.setattr(sys, "argv", ["values", "--lm", server.url, "--out", str(out)])
        run(values.main, values.__doc__)
    claimed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("* ")]
    assert len(claimed) == 1
    assert claimed[0].startswith("* appeals to freedom")
    found = nlparam.Comparison.load(out)
    assert found.covariates == ("words",)
    assert found.finding("appeals to freedom").more == "1947 to 1989"
    assert [finding.predicate for finding in found.tested if finding.predicate not in values.VALUES] == []
    assert (out / "report.html").exists()


def test_the_page_has_all_recipes_and_challenges():
    page = _PAGE.read_text(encoding="utf-8")
    for module in (contradictions, fooled, values):
        name = module.__name__
        assert f"python -m {name} " in page
        assert f'--8<-- "{name.replace(".", "/")}.py"' in page
    sections = re.findall(r"^\| (\d\.\d) \|", page, re.MULTILINE)
    assert sections == [f"2.{n}" for n in range(1, 8)] + [f"3.{n}" for n in range(1, 7)] + [
        f"4.{n}" for n in range(1, 6)
    ]
