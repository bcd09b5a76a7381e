"""`nlparam label`: answers are written one by one, a plan says how many are needed, and how people agree."""

import csv
import dataclasses
import json

import numpy as np
import pytest

import nlparam.results.load
from nlparam.corpus.corpus import Cited, Corpus, place_of
from nlparam.corpus.marks import LABELS_FILE, Mark, add_labels, kept_labels
from nlparam.fitting.posterior import kept_posterior
from nlparam.fitting.result import Fit
from nlparam.fitting.sample import Sample
from nlparam.taxonomies.result import Taxonomy
from tests.helpers.cli_corpus import run, said
from tests.helpers.handmade_fit import make_fit
from tests.helpers.handmade_results import make_taxonomy

PREDICATES = ["is short", "is \x1b[31mrude"]
TEXTS = [f"Text {number}: \x1b[2Jcomplains about parcel {number}." for number in range(60)]


@pytest.fixture(scope="module")
def fit():
    texts = [*TEXTS[:-1], "Long. " + "word " * 400 + "the end"]
    made, answers = make_fit(texts=texts, predicates=PREDICATES), (np.arange(120).reshape(60, 2) % 3 == 0).astype(float)
    drawn = np.arange(60) < 40
    sample = Sample(
        eligible=np.ones(60, bool), inclusion=np.full(60, 2 / 3), drawn=drawn, head=answers,
        judged=np.where(drawn[:, None], answers, np.nan), clusters=None, split=False,
    )  # fmt: skip
    return dataclasses.replace(made, sample=sample)


@pytest.fixture(autouse=True)
def loaded(fit, monkeypatch):
    """The folder of a test stands for that of the fit."""
    monkeypatch.setattr(nlparam.results.load, "load", lambda _: fit)
    monkeypatch.setattr(Fit, "load", lambda _: fit)
    # A test against chance takes seconds, and is not what is tested here.
    monkeypatch.setattr("nlparam.fitting.inference.chance", lambda *_: None)


def test_answers_are_written_as_they_are_given(fit, tmp_path):
    result = run("label", tmp_path, "--who", "ann", "--n", 3, input="y\nwhat\nn\ns\nb\ny\nb\nn\nq\n")
    assert result.exit_code == 0, result.output
    texts = fit.labelling().texts
    rows = kept_labels(tmp_path / LABELS_FILE)
    found = [(row["text"], row["predicate"], row["label"], row["who"]) for row in rows]
    # The third was skipped, gone back to, and said yes; gone back to once more, and said no.
    assert found == [
        (texts[0], PREDICATES[0], "yes", "ann"),
        (texts[0], PREDICATES[1], "no", "ann"),
        (texts[1], PREDICATES[0], "no", "ann"),
    ]
    assert "--- text 1 of 3" in result.stdout
    assert "y yes, n no, s skip" in result.stdout
    assert "\x1b" not in result.stdout
    assert f"`nlparam label {tmp_path}` goes on" in result.stdout
    assert f"nlparam infer {tmp_path}" in result.stdout


def test_it_goes_on_where_somebody_stopped_and_another_begins_anew(tmp_path):
    run("label", tmp_path, "--who", "ann", "--n", 2, input="y\ny\ny\n")
    again = run("label", tmp_path, "--who", "ann", "--n", 2, input="n\n")
    assert "--- text 2 of 2" in again.stdout
    assert "--- text 1 of 2" not in again.stdout
    assert "goes on" not in again.stdout
    assert "--- text 1 of 2" in run("label", tmp_path, "--who", "bob", "--n", 2, input="y\n").stdout
    assert [row["who"] for row in kept_labels(tmp_path / LABELS_FILE)] == ["ann"] * 4 + ["bob"]
    nothing_left = run("label", tmp_path, "--who", "ann", "--n", 2, input="")
    assert "0 answers were written" in nothing_left.stdout


def test_more_shows_the_whole_text_and_skipping_is_warned_of(fit, tmp_path):
    at = fit.labelling().texts.index(fit.texts[-1])
    for text in fit.labelling().texts[:at]:
        add_labels(tmp_path / LABELS_FILE, [Mark(text, predicate, "no", "ann") for predicate in PREDICATES])
    result = run("label", tmp_path, "--who", "ann", "--n", 60, input="m\ns\nq\n")
    before, _, after = result.stdout.partition("characters more: m")
    assert "the end" not in before
    assert "the end" in after
    assert "1 question skipped" in result.stdout


def test_the_plan_says_what_is_needed_and_what_is_next(fit, tmp_path):
    empty = run("label", tmp_path, "--plan", "--half-width", 0.1)
    assert empty.exit_code == 0, empty.output
    assert "at most" in empty.stdout
    assert "there are none yet" in empty.stdout
    labelling = fit.labelling()
    for text in labelling.texts[:35]:
        marks = [Mark(text, one, "yes" if labelling.judge(text, one) > 0.5 else "no", "ann") for one in PREDICATES]
        add_labels(tmp_path / LABELS_FILE, marks)
    found = run("label", tmp_path, "--plan", "--agreement", "--n", 40)
    assert "at most" not in found.stdout
    assert "5 of 40 random texts have no label yet" in found.stdout
    assert "100%" in found.stdout
    as_json = json.loads(run("label", tmp_path, "--plan", "--agreement", "--n", 40, "--json").stdout)
    assert [row["n_labels"] for row in as_json["needed"]] == [35, 35]
    assert as_json["agreement"][0]["with_judge"]["concord"]["kappa"] == 1.0
    assert len(as_json["next"]) == 5
    assert as_json["next"][0]["inclusion"] == pytest.approx(40 / 60)


def test_what_cannot_be_is_refused(tmp_path, monkeypatch):
    assert "got neither --plan nor --agreement" in said(run("label", tmp_path, "--json"))
    monkeypatch.setattr(nlparam.results.load, "load", lambda _: object())
    result = run("label", tmp_path)
    assert result.exit_code == 1
    assert "holds no predicates to label: give the folder of a fit" in result.stderr


def test_labels_of_earlier_predicates_do_no_harm(fit, tmp_path):
    add_labels(tmp_path / LABELS_FILE, [Mark("gone", "is short", "yes", "ann"), Mark(fit.texts[0], "is gone", "no")])
    found = run("label", tmp_path, "--plan")
    assert "there are none yet" in found.stdout
    assert "2 labels in" in said(found)


@pytest.mark.slow
def test_infer_takes_the_labels_of_the_folder(fit, tmp_path):
    few = run("infer", tmp_path)
    assert "what the language model would say" in few.stdout
    labelling = fit.labelling()
    with (tmp_path / LABELS_FILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "predicate", "label"])
        number = {text: at for at, text in enumerate(fit.texts)}
        rows = [(number[text], one, "") for text in labelling.texts[:35] for one in PREDICATES]
        writer.writerows((*row[:2], ("yes", "no")[at % 2]) if at < 8 else row for at, row in enumerate(rows))
    too_few = run("infer", tmp_path)
    assert too_few.exit_code == 0, too_few.output
    assert "do not do yet" in said(too_few)
    assert "what the language model would say" in too_few.stdout
    assert run("infer", tmp_path, "--target", "people").exit_code == 1
    for at, text in enumerate(labelling.texts[:35]):
        marks = [Mark(text, one, "yes" if (at + k) % 3 else "no") for k, one in enumerate(PREDICATES)]
        (tmp_path / LABELS_FILE).unlink() if at == 0 else None
        add_labels(tmp_path / LABELS_FILE, marks)
    people = run("infer", tmp_path, "--half-width", 0.1)
    assert people.exit_code == 0, people.output
    assert "what people would say, from answers to 35 of 60 texts" in people.stdout
    assert "Agreement of people" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "what the language model would say" in run("infer", tmp_path, "--target", "judge").stdout
    assert "got --labels too" in said(run("infer", tmp_path, "--target", "judge", "--labels", tmp_path / LABELS_FILE))


@pytest.mark.slow
def test_a_posterior_takes_the_labels_and_is_kept(fit, tmp_path, monkeypatch):
    import arviz

    asked = []

    def posterior(_, **given):
        asked.append(given)
        return arviz.from_dict(posterior={"share": np.zeros((1, 10, len(PREDICATES)))})

    monkeypatch.setattr(Fit, "posterior", posterior)
    for at, text in enumerate(fit.labelling().texts[:35]):
        marks = [Mark(text, one, "yes" if (at + k) % 3 else "no", "ann") for k, one in enumerate(PREDICATES)]
        add_labels(tmp_path / LABELS_FILE, marks)
    monkeypatch.setattr("nlparam.fitting.posterior.read_json", lambda *_, **__: {"fields": {}})
    result = run("infer", tmp_path, "--posterior", "svi", "--seed", 3)
    assert result.exit_code == 0, result.output
    assert (asked[0]["method"], asked[0]["seed"], len(asked[0]["labels"])) == ("svi", 3, 70)
    assert f"posterior: {tmp_path / 'posterior.nc'}, as people would answer" in result.stdout
    assert kept_posterior(fit, tmp_path)["posterior"]["share"].shape == (1, 10, len(PREDICATES))


def test_of_a_tree_the_shares_are_said(tmp_path, monkeypatch):
    tree = make_taxonomy(120, n_children=2, names=["is short", "is \x1b[31mrude", *"abcd"])
    monkeypatch.setattr(Taxonomy, "load", lambda _: tree)
    (tmp_path / "taxonomy.json").touch()
    assert "(120)" in run("infer", tmp_path).stdout
    for text in tree.labelling().texts[:40]:
        add_labels(tmp_path / LABELS_FILE, [Mark(text, node.name, "yes", "ann") for node in tree.children()])
    result = run("infer", tmp_path, "--half-width", 0.1)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("people (40)") == 2
    assert "labels for 1 is short to ±10.0%" in result.stdout
    assert "\x1b" not in result.stdout
    assert "people" not in run("infer", tmp_path, "--target", "judge").stdout
    assert json.loads(run("infer", tmp_path, "--json").stdout)["targets"][:2] == ["people", "people"]
    assert "use `nlparam label" in said(run("infer", tmp_path, "--to-label", tmp_path / "table.csv"))


def test_a_message_is_shown_with_its_place(fit, tmp_path, monkeypatch):
    texts = [Cited(text, f"conversation {at}, message 2 (user)") for at, text in enumerate(fit.corpus.texts)]
    cited = dataclasses.replace(fit, corpus=Corpus.from_texts(texts))
    monkeypatch.setattr(nlparam.results.load, "load", lambda _: cited)
    shown = run("label", tmp_path, "--who", "ann", "--n", 1, input="q\n").output
    assert f"text 1 of 1, {place_of(cited.labelling().texts[0])} ---" in shown
    assert "message 2 (user) ---" in shown
