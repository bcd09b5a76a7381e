"""Every model on the command line: what is fitted, printed, predicted, and refused before a language model is asked."""

import dataclasses
import json
import re
from pathlib import Path

import arviz
import pytest

import nlparam
from nlparam.cli.reading import names_of, read_wishes
from nlparam.cli.results import show
from nlparam.corpus.readers import Table
from nlparam.models import Classification, Difference, TimeSeries
from tests.helpers.cli_corpus import MONEY, SPORT, TEXTS, answer, embedded_store, run, said, write_labelled, write_texts
from tests.helpers.fake_server import FakeServer
from tests.helpers.handmade_fit import fit_of, make_fit

NOWHERE = "http://127.0.0.1:1/v1"


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Runs `nlparam fit MODEL` on two predicates with the fake language model: as little search as there can be."""
    folder = tmp_path_factory.mktemp("models")
    candidates = folder / "predicates.txt"
    candidates.write_text("is about sport\nis about money\n", encoding="utf-8")
    store = embedded_store(folder / "store.sqlite")
    with FakeServer(answer=answer) as server:

        def ask(model, *arguments):
            shared = ["--k", 2, "--lm", server.url, "--store", store, "--text-field", "body", "--rounds", 0]
            return run("fit", model, *arguments, *shared, "--predicates", candidates, "--n-judged", "all")

        ask.store = store  # pyright: ignore[reportFunctionMemberAccess]
        yield ask


def predict(ask, out, texts):
    """Runs `nlparam predict` and reads what it wrote."""
    labels = out.with_suffix(".jsonl")
    result = run("predict", out, "--texts", texts, "--text-field", "body", "--out", labels, "--store", ask.store)
    assert result.exit_code == 0, result.output
    return result, [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]


def table(result) -> dict[str, list[str]]:
    """The printed table: the cells behind each predicate."""
    lines = [line for line in result.stdout.splitlines() if "is about" in line]
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]
    return {predicate: cells for _, predicate, *cells in rows}


def figure(cell: str) -> float:
    """The number of a cell, without its interval."""
    return float(cell.split()[0].strip("%"))


@pytest.mark.slow
def test_classification_names_its_classes(tmp_path, ask):
    out = tmp_path / "out"
    result = ask("classification", "--texts", write_labelled(tmp_path), "--label-field", "topic", "--out", out)
    assert result.exit_code == 0, result.output
    rows = table(result)
    assert figure(rows["is about sport"][0]) > 1
    assert figure(rows["is about money"][0]) < -1
    assert "Above 0 a predicate speaks for “sport”, below for “money”" in result.stdout
    assert "left out in turn: accuracy 100.0% [" in result.stdout
    assert "warning: the predicates separate the classes perfectly" in said(result)
    assert "Traceback" not in result.output
    loaded = nlparam.load(out)
    assert isinstance(loaded.model, Classification)
    assert (loaded.model.n_classes, loaded.coords["class"]) == (2, ["money", "sport"])
    printed, labels = predict(ask, out, write_texts(tmp_path, [SPORT[0], MONEY[0], MONEY[1]]))
    assert [row["class"] for row in labels] == ["sport", "money", "money"]
    assert list(labels[0])[:5] == ["body", "year", "class", "P(class money)", "P(class sport)"]
    assert labels[0]["P(class sport)"] + labels[0]["P(class money)"] == pytest.approx(1)
    assert [line.split()[:2] for line in printed.stdout.splitlines()[1:3]] == [["money", "2"], ["sport", "1"]]


@pytest.mark.slow
def test_a_locked_predicate_stays_and_is_said(tmp_path, ask):
    out, texts = tmp_path / "out", write_texts(tmp_path)
    mars = "is about the weather on Mars"
    result = ask("clustering", "--texts", texts, "--out", out, "--locked", mars)
    assert result.exit_code == 0, result.output
    assert f"Locked: {mars}" in result.stdout
    assert mars in nlparam.load(out).predicates
    other = ask("clustering", "--texts", texts, "--out", out)
    assert other.exit_code == 1
    assert "it differs in locked" in said(other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--candidates", "is long"], "'--candidates': got --predicates too"),
        (["--locked", "a", "--locked", "b", "--locked", "c"], "got 3 locked predicates, expected at most 2"),
        (["--excluded", "nothing.txt"], "cannot read the predicates nothing.txt"),
    ],
)
def test_wishes_that_cannot_be_kept(tmp_path, ask, arguments, message):
    result = ask("clustering", "--texts", write_texts(tmp_path), "--out", tmp_path / "out", *arguments)
    assert result.exit_code != 0
    assert message in said(result)


def test_wishes_are_words_or_files(tmp_path):
    listed = tmp_path / "wanted.txt"
    listed.write_text("is long\nis short\n", encoding="utf-8")
    assert read_wishes(["is about A/B tests", str(listed)]) == ["is about A/B tests", "is long", "is short"]
    assert read_wishes(None) == []


@pytest.mark.slow
def test_controls_are_allowed_for_and_are_no_predicates(tmp_path, ask):
    out, texts = tmp_path / "out", write_labelled(tmp_path)
    arguments = ["--texts", texts, "--label-field", "score", "--out", out]
    result = ask("regression", *arguments, "--control", "length")
    assert result.exit_code == 0, result.output
    assert set(table(result)) == {"is about sport", "is about money"}
    loaded = nlparam.load(out)
    assert loaded.coords["control"] == ["length"]
    assert loaded.weights.controls.shape == (1,)
    _, labels = predict(ask, out, texts)
    assert len(labels) == 16
    wrong = ask("regression", *arguments, "--control", "date")
    assert wrong.exit_code == 1
    assert "the covariate 'date' has 12 different values in 16 texts" in said(wrong)
    assert "the field 'score'" not in said(wrong)
    assert "'year'" in said(ask("classification", *arguments, "--control", "year"))


@pytest.mark.slow
def test_difference_of_two_files_is_counted_towards_the_first(tmp_path, ask):
    sport, money = write_texts(tmp_path, SPORT, name="sport.jsonl"), write_texts(tmp_path, MONEY, name="money.jsonl")
    # By the order of their names the second would be sport.
    result = ask("difference", "--texts", money, "--against", sport, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "speaks for “money”, below for “sport”" in result.stdout
    assert figure(table(result)["is about money"][0]) > 0.5
    loaded = nlparam.load(tmp_path / "out")
    assert isinstance(loaded.model, Difference)
    assert list(loaded.texts) == [*MONEY, *SPORT]
    assert loaded.coords["class"] == ["sport", "money"]


@pytest.mark.slow
def test_a_time_series_prints_where_its_curves_begin_and_end(tmp_path, ask):
    arguments = ["--texts", write_labelled(tmp_path), "--time-field", "date", "--time-unit", "month"]
    result = ask("time-series", *arguments, "--smoothness", 0.5, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "first (2004-01)" in result.stdout
    assert "last (2005-12)" in result.stdout
    first, last, highest, when = table(result)["is about sport"][:4]
    assert figure(first) > 60 > 40 > figure(last)
    assert figure(highest) >= figure(first)
    assert when.startswith("2004-")
    loaded = nlparam.load(tmp_path / "out")
    assert isinstance(loaded.model, TimeSeries)
    assert (loaded.model.unit, loaded.model.smoothness) == ("month", 0.5)
    _, labels = predict(ask, tmp_path / "out", write_texts(tmp_path, [SPORT[0], MONEY[0]]))
    assert [row["time"][:4] for row in labels] == ["2004", "2005"]


@pytest.mark.slow
def test_a_posterior_is_kept_with_the_fit_and_shown_by_every_report(tmp_path, ask):
    out = tmp_path / "out"
    arguments = ["--texts", write_labelled(tmp_path), "--label-field", "score", "--out", out]
    result = ask("regression", *arguments, "--posterior", "nuts")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if "is about sport" in line)
    low, high = (float(end) for end in line[line.index("[") + 1 : line.index("]")].split(","))
    value = float(line.partition("is about sport")[2].split()[0])
    assert low < value < high
    assert "intercept: " in result.stdout
    assert "R² 0." in result.stdout
    samples = arviz.from_netcdf(str(out / "posterior.nc"), engine="h5netcdf")
    assert "coefficient" in samples["posterior"]
    assert "credible intervals" in (out / "report.html").read_text(encoding="utf-8")
    (out / "report.html").unlink()
    assert run("report", out).exit_code == 0
    assert "credible intervals" in (out / "report.html").read_text(encoding="utf-8")
    other = nlparam.load(out)
    dataclasses.replace(other, denotations=1 - other.denotations).save(out)
    left_out = run("report", out)
    assert "is the posterior of another fit and is left out" in said(left_out)
    assert "credible intervals" not in (out / "report.html").read_text(encoding="utf-8")
    (out / "posterior.nc").write_text("damaged")
    refused = run("report", out)
    assert refused.exit_code == 1
    assert "posterior.nc cannot be read" in said(refused)
    # A fit without a posterior does not keep the samples of the one before.
    assert ask("regression", *arguments).exit_code == 0
    assert not (out / "posterior.nc").exists()
    assert "credible intervals" not in (out / "report.html").read_text(encoding="utf-8")


def ends(number):
    return number if number < 3 else None


@pytest.mark.parametrize(
    ("model", "arguments", "fields", "parts"),
    [
        ("classification", [], {}, ["no field 'label'", "'body', 'topic', 'score', 'date'"]),
        ("classification", ["--label-field", "x"], {"x": ends}, ["the field 'x': 13 of 16 texts", "no class label"]),
        (
            "classification",
            ["--label-field", "x"],
            {"x": lambda _: "one"},
            ["the field 'x'", "all 16 labels are 'one'"],
        ),
        ("classification", ["--label-field", "score"], {}, ["the field 'score'", "fit a regression"]),
        ("classification", ["--label-field", "x"], {"x": str}, ["16 different values in 16 texts", "another field"]),
        ("regression", ["--label-field", "topic"], {}, ["the field 'topic'", "not finite numbers: 'sport' (text 0)"]),
        ("regression", ["--label-field", "x"], {"x": lambda _: 3}, ["all 16 numbers to predict are 3"]),
        ("regression", ["--label-field", "x"], {"x": ends}, ["13 of 16 values are not finite numbers"]),
        ("difference", ["--label-field", "x"], {"x": lambda i: "abc"[i % 3]}, ["got 3 groups ('a', 'b', 'c')"]),
        ("difference", ["--label-field", "topic", "--towards", "art"], {}, ["'money' and 'sport'", "to be 'art'"]),
        ("time-series", ["--time-field", "topic"], {}, ["the field 'topic'", "'sport' (text 0)", "2024-05-31"]),
        ("time-series", ["--time-field", "x"], {"x": lambda i: 2000 + i if i else ...}, ["1 of 16", "None (text 0)"]),
        ("time-series", ["--time-field", "x"], {"x": lambda _: "2004-01-01"}, ["all 16 time stamps are 2004-01-01"]),
        ("time-series", ["--time-field", "when"], {}, ["no field 'when'", "'date'"]),
    ],
)
def test_data_are_checked_before_the_language_model_is_asked(tmp_path, model, arguments, fields, parts):
    texts = write_labelled(tmp_path, **fields)
    shared = ["--texts", texts, "--text-field", "body", "--k", 2, "--lm", NOWHERE, "--out", tmp_path / "out"]
    result = run("fit", model, *shared, *arguments)
    assert result.exit_code == 1, result.output
    assert [part for part in parts if part not in said(result)] == [], said(result)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["time-series"], "--time-field"),
        (["time-series", "--time-field", "date", "--time-unit", "hour"], "--time-unit"),
        (["time-series", "--time-field", "date", "--smoothness", "0"], "smoothness=0.0, expected a positive number"),
        (["classification", "--label-field", "topic", "--ridge", "0"], "ridge=0.0, expected a positive number"),
        (["difference", "--label-field", "topic", "--against", "other.jsonl"], "--against"),
        (["regression", "--label-field", "score", "--posterior", "exact"], "--posterior"),
        (["clustering", "--posterior", "nuts"], "No such option"),
    ],
)
def test_options_that_a_model_refuses(tmp_path, arguments, part):
    shared = ["--texts", write_labelled(tmp_path), "--text-field", "body", "--k", 2, "--lm", NOWHERE]
    result = run("fit", *arguments, *shared, "--out", tmp_path / "out", env={"COLUMNS": "200"})
    assert result.exit_code == 2, result.output
    assert part in said(result)


def test_a_file_is_not_compared_with_itself(tmp_path):
    texts = write_texts(tmp_path)
    shared = ["--texts", texts, "--text-field", "body", "--k", 2, "--lm", NOWHERE, "--out", tmp_path / "out"]
    result = run("fit", "difference", *shared, "--against", texts)
    assert result.exit_code == 1
    assert "expected different files to compare" in said(result)


def test_the_field_of_texts_is_that_of_the_file_that_a_data_set_is_compared_with(tmp_path, monkeypatch):
    monkeypatch.setattr("nlparam.corpus.datasets.load_dataset", lambda _: Table(TEXTS, {}, []))
    groups = ["--dataset", "bbc", "--against", write_labelled(tmp_path), "--text-field", "story"]
    result = run("fit", "difference", *groups, "--k", 2, "--lm", NOWHERE, "--out", tmp_path / "out")
    assert "labelled.jsonl has no field 'story'" in said(result)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/new.jsonl", "b/old.csv"], ["new", "old"]),
        (["a/texts.jsonl", "b/texts.csv"], ["texts.jsonl", "texts.csv"]),
        (["a/texts.csv", "b/texts.csv"], ["a/texts.csv", "b/texts.csv"]),
    ],
)
def test_files_of_one_name_are_told_apart(files, names):
    assert names_of(list(map(Path, files))) == names


def test_a_data_set_brings_its_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("nlparam.corpus.datasets.load_dataset", lambda _: Table(TEXTS, {"label": ["sport"] * 16}, []))
    shared = ["fit", "classification", "--dataset", "bbc", "--k", 2, "--lm", NOWHERE, "--out", tmp_path / "out"]
    assert "the field 'label': all 16 labels are 'sport'" in said(run(*shared))
    wrong = run(*shared, "--label-field", "year")
    assert wrong.exit_code == 1
    assert "the data set 'bbc' has no field 'year'; its fields are 'label'" in said(wrong)


@pytest.mark.slow
def test_what_is_printed_of_three_classes_and_of_many(tmp_path, capsys):
    fit = fit_of("three classes", predicates=["is red", "is \x1b[31mgreen", "is blue"])
    show(fit, tmp_path)
    printed = capsys.readouterr().out
    header, first, *_ = printed.splitlines()
    assert header.split() == ["predicate", "art", "money", "sport", "head", "agrees"]
    coefficients = fit.quantities()["coefficient"].values
    assert [float(cell) for cell in first.split()[3:6]] == pytest.approx(coefficients[:, 0].tolist(), abs=0.006)
    assert "\x1b" not in printed
    labels = [f"class {number:02d}" for number in range(20)] * 20
    show(make_fit(400, model=Classification(3, n_classes=20), data=labels), tmp_path)
    assert capsys.readouterr().out.splitlines()[0].split() == [
        *("predicate", "most", "for", "most", "against", "head", "agrees")
    ]


@pytest.mark.slow
def test_every_class_has_a_column_whatever_it_is_called(tmp_path, capsys):
    names = ["international news and trade", "international news and war", "predicate", "head agrees"]
    fit = make_fit(400, model=Classification(3, n_classes=4), data=[names[number % 4] for number in range(400)])
    show(fit, tmp_path)
    header, first, *_ = capsys.readouterr().out.splitlines()
    whole = [f"coefficient: {name}" for name in sorted(names)]
    assert re.split(r" {2,}", header.strip()) == ["predicate", *whole, "head agrees"]
    coefficients = fit.quantities()["coefficient"].values[:, 0]
    assert re.split(r" {2,}", first)[2:6] == [f"{value:+.3f}" for value in coefficients]


@pytest.mark.slow
def test_several_seeds_say_how_often_each_predicate_comes_back(tmp_path, ask):
    texts, out = write_labelled(tmp_path), tmp_path / "out"
    result = ask("clustering", "--texts", texts, "--seed", 3, "--seeds", 2, "--out", out)
    assert result.exit_code == 0, result.output
    _, share, _, found, *_ = table(result)["is about sport"]
    assert (share, found) == ("50.0%", "2 of 2")
    assert sorted(path.name for path in (out / "seeds").iterdir()) == ["3", "4"]
    assert (out / "seeds" / "4" / "report.html").exists()
    stability = nlparam.load(out).stability
    assert stability is not None
    assert f"stable:  {stability.sentence}" in result.stdout
    assert stability.seeds == (3, 4)
    result = ask("clustering", "--texts", texts, "--seed", 3, "--seeds", 1, "--out", out)
    assert result.exit_code == 2


@pytest.mark.slow
def test_an_estimate_counts_every_seed(tmp_path, ask):
    texts = write_labelled(tmp_path)

    def expected(*arguments):
        result = ask("clustering", "--texts", texts, "--out", tmp_path / "none", "--dry-run", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["judgments"]

    assert expected("--seeds", 4) == 5 * expected()
