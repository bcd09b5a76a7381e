"""The command line does what the issue of its users says: fit, predict, report, and help without delay."""

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import webbrowser
from typing import Annotated

import numpy as np
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

import nlparam
from nlparam.cli.run_options import FitOptions, spread_options
from nlparam.corpus.corpus import Corpus
from nlparam.fitting.tables import prediction_columns
from nlparam.lm.store import Store
from tests.helpers.cli_corpus import MONEY, TEXTS, answer, embedded_store, fit, run, said, write_texts
from tests.helpers.fake_server import FakeServer
from tests.helpers.handmade_fit import Plain, make_fit
from tests.helpers.sibling_results import decomposed

# Its fixtures take seconds.
pytestmark = pytest.mark.slow

HEAVY = ["jax", "torch", "sklearn", "pandas", "openai", "altair", "pyarrow", "arviz", "numpyro"]
HEAVY += ["sentence_transformers", "xllamacpp", "numpy"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The folder of a fit that the command line has made, its texts, its store, and what was printed."""
    folder = tmp_path_factory.mktemp("fitted")
    store = embedded_store(folder / "store.sqlite")
    texts = write_texts(folder, [*TEXTS, "", TEXTS[0]])
    with FakeServer(answer=answer) as server:
        result = fit(folder / "out", texts, server.url, "--store", store, "--text-field", "body")
        assert result.exit_code == 0, result.output
        yield folder / "out", texts, store, result, server


def test_help_imports_nothing_heavy():
    code = (
        "import sys; import nlparam\n"
        f"assert not set({HEAVY}) & set(sys.modules)\n"
        "from nlparam.cli import app\n"
        "for words in ('--help', 'fit clustering --help', 'fit difference --help', 'doctor --help', '--version'):\n"
        "    app(words.split(), prog_name='nlparam', standalone_mode=False)\n"
        f"print('imported:', [name for name in {HEAVY} if name in sys.modules])\n"
        "print('models' in dir(nlparam), nlparam.models.Clustering(5).n_predicates)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("imported: []\nTrue 5\n")
    assert "--label-field" in done.stdout


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nlparam", "--version"])
    monkeypatch.setattr("nlparam.cli.keep_compiled", lambda: None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("nlparam", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("nlparam ")


def test_every_shared_option_is_in_the_help_of_a_model():
    shown = run("fit", "clustering", "--help", env={"COLUMNS": "200"}).stdout
    names = {f"--{name.replace('_', '-')}" for name in FitOptions.__dataclass_fields__} - {"--file"}
    assert [option for option in [*names, "--json", "--lm", "--k", "FILE"] if option not in shown] == []


def test_a_new_model_takes_the_shared_options():
    app, got = typer.Typer(), {}

    @app.command()
    @spread_options
    def regression(options: FitOptions, ridge: Annotated[float, typer.Option()] = 0.5) -> None:
        """Regresses."""
        got.update(ridge=ridge, options=options)

    arguments = ["--ridge", "2", "--out", "there", "--dataset", "bbc", "--proposer", "state"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert got["ridge"] == 2.0
    assert (str(got["options"].out), got["options"].dataset, got["options"].proposer) == ("there", "bbc", "state")
    assert got["options"].goal is None


def test_a_fit_prints_its_predicates_and_leaves_a_folder(fitted):
    out, _, _, result, _ = fitted
    lines = result.stdout.splitlines()
    assert re.split(r" {2,}", lines[0].strip()) == [
        *("predicate", "assigned", "share", "holds for", "head agrees", "by chance", "kappa")
    ]
    rows = sorted(line.split("  ") for line in lines[1:3])
    assert {row[1].strip() for row in rows} == {"is about sport", "is about money"}
    assert f"report:  {out / 'report.html'}" in lines
    assert "asked" in result.stdout
    assert nlparam.RESULTS[json.loads((out / "fit.json").read_text())["result"]].value in result.stdout
    loaded = nlparam.load(out)
    sizes = {loaded.predicates[k]: int((loaded.assignments == k).sum()) for k in range(2)}
    assert sizes == {"is about sport": 9, "is about money": 8}
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


def test_blank_and_repeated_texts_are_mentioned_beside_the_result(fitted):
    *_, result, _ = fitted
    assert "1 of 18 texts is blank" in said(result)
    assert "1 of 18 texts repeats another" in said(result)
    assert "warning" not in result.stdout


def test_the_same_command_again_is_allowed_and_makes_no_call(fitted):
    out, texts, store, _, server = fitted
    calls = len(server.calls)
    before = json.loads((out / "fit.json").read_text())
    again = fit(out, texts, server.url, "--store", store, "--text-field", "body", "--json")
    assert again.exit_code == 0, again.output
    assert len(server.calls) == calls > 0
    printed = json.loads(again.stdout)
    assert printed == json.loads((out / "fit.json").read_text())
    assert printed["predicates"] == before["predicates"]
    assert printed["costs"]["calls"] == 0
    assert printed["costs"]["judgments_served"] == before["costs"]["judgments_asked"]


def test_options_that_are_not_given_keep_their_defaults(tmp_path, fitted):
    *_, server = fitted
    store = embedded_store(tmp_path / "store.sqlite")
    texts = write_texts(tmp_path)
    plain = json.loads((fitted[0] / "fit.json").read_text())["settings"]
    given = ["--rounds", 0, "--n-judged", 6, "--max-judgments", 60, "--seed", 3, "--goal", "the topic"]
    result = fit(tmp_path / "out", texts, server.url, "--store", store, *given)
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "out" / "fit.json").read_text())["settings"]
    changed = {"n_rounds": 0, "n_judged": 6, "max_judgments": 60}
    assert settings["options"] == plain["options"] | changed
    assert plain["options"] | changed != plain["options"]
    assert (settings["seed"], settings["goal"]) == (3, "the topic")


def test_a_list_of_predicates_is_selected_from_and_nothing_is_proposed(tmp_path, fitted):
    *_, server = fitted
    store = embedded_store(tmp_path / "store.sqlite")
    texts = write_texts(tmp_path)
    candidates = tmp_path / "predicates.txt"
    candidates.write_text("is about money\n\nis about the sea\nis about sport\nis about money\n", encoding="utf-8")
    calls = len(server.calls)
    arguments = (tmp_path / "out", texts, server.url, "--store", store, "--n-judged", "all", "--predicates", candidates)
    result = fit(*arguments)
    assert result.exit_code == 0, result.output
    assert all(call.get("logprobs") for call in server.calls[calls:])
    contents = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert set(contents["predicates"]) == {"is about money", "is about sport"}
    assert contents["settings"]["options"]["n_judged"] is None
    candidates.write_text("is about money\nis about sport\nis about a river\n", encoding="utf-8")
    refused = fit(*arguments)
    assert refused.exit_code == 1
    assert "holds another fit (it differs in proposer)" in said(refused)


def _labels(path):
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_predict_writes_one_row_per_text(tmp_path, fitted, ending):
    folder, _, _, _, server = fitted
    store = embedded_store(tmp_path / "store.sqlite")
    new = [MONEY[1], "  ", 'A "match",\nwith a goal: caf\u00e9.', MONEY[1]]
    texts, out = tmp_path / "new.jsonl", tmp_path / "new" / f"labels{ending}"
    other = [7, "seven", None, {"a": [1]}]
    given = [
        {"id": number, "body": text, "other": one, "predicate": "mine"}
        for number, (text, one) in enumerate(zip(new, other, strict=True))
    ]
    texts.write_text("\n".join(map(json.dumps, given)), encoding="utf-8")
    calls = len(server.calls)
    result = run("predict", folder, "--texts", texts, "--text-field", "body", "--out", out, "--store", store)
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    assert len(server.calls) == calls  # no language model is asked
    rows, loaded = _labels(out), nlparam.load(folder)
    # All fields of the input are there, those whose name is taken under another.
    assert [row["body"] for row in rows] == new
    assert [int(row["id"]) for row in rows] == [0, 1, 2, 3]
    assert [row["predicate (given)"] for row in rows] == ["mine"] * 4
    assert str(rows[1]["other"]) == "seven"
    kept = rows[3]["other"]
    assert (kept if ending == ".jsonl" else json.loads(kept)) == {"a": [1]}
    assert [int(row["cluster"]) for row in rows] == loaded.predict(new).tolist()
    assert int(rows[1]["cluster"]) == -1
    assert rows[1]["predicate"] == ""
    assert rows[0]["predicate"] == "is about money"
    columns = [f"P({predicate})" for predicate in loaded.predicates]
    named = ["id", "body", "other", "predicate (given)"]
    assert list(rows[0]) == [*named, "cluster", "predicate", "reason", *columns]
    written = np.array([[float(row[column]) for column in columns] for row in rows])
    np.testing.assert_allclose(written, loaded.denote(new), atol=1e-6)
    with Store(store) as kept:
        assert kept.counts().embeddings == len(TEXTS) + 1  # the new text is embedded once and for all


def test_predict_replaces_a_file_only_when_told_to(tmp_path, fitted):
    folder, texts, store, *_ = fitted
    out = tmp_path / "labels.csv"
    out.write_text("mine")
    arguments = ["predict", folder, "--texts", texts, "--text-field", "body", "--out", out, "--store", store]
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "exists already" in said(refused)
    assert "--overwrite" in said(refused)
    assert out.read_text() == "mine"
    assert run(*arguments, "--overwrite").exit_code == 0
    assert len(_labels(out)) == len(TEXTS) + 2
    wrong = run(*arguments[:-3], tmp_path / "labels.xlsx")
    assert wrong.exit_code == 2
    assert "expected one of .parquet, .csv, .jsonl" in said(wrong)


def test_report_is_built_anew_and_can_be_opened(fitted, monkeypatch):
    folder, opened = fitted[0], []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    path = folder / "report.html"
    path.write_text("old")
    result = run("report", folder)
    assert result.stdout == f"{path}\n"
    assert "is about sport" in path.read_text(encoding="utf-8")
    assert opened == []
    assert run("report", folder, "--open").exit_code == 0
    assert opened == [path.resolve().as_uri()]


def test_report_takes_a_result_in_a_file(tmp_path):
    path = decomposed().save(tmp_path / "parts.json")
    (tmp_path / "parts.html").write_text("old")
    result = run("report", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'parts.html'}\n"
    assert "<html" in (tmp_path / "parts.html").read_text(encoding="utf-8")
    path.write_text("{}")
    assert "holds no result of nlparam" in said(run("report", path))


@pytest.mark.parametrize("command", [["report"], ["predict", "--texts", "new.txt", "--out", "labels.csv"]])
def test_a_folder_without_a_fit(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.txt").write_text("A text.\n")
    result = run(command[0], tmp_path, *command[1:])
    assert result.exit_code == 1
    assert "holds no " in said(result)
    (tmp_path / "fit.json").write_text("{}")
    assert "was not written by nlparam" in said(run(command[0], tmp_path, *command[1:]))


def test_an_unexpected_error_keeps_its_traceback_and_an_expected_one_on_request(tmp_path, monkeypatch):
    arguments = ["report", tmp_path]
    assert "Traceback" not in run(*arguments).output
    monkeypatch.setenv("NLPARAM_DEBUG", "1")
    assert isinstance(run(*arguments).exception, nlparam.errors.ResultFolderError)
    monkeypatch.delenv("NLPARAM_DEBUG")

    def broken(folder):
        del folder
        raise ZeroDivisionError

    (tmp_path / "fit.json").write_text("{}")
    monkeypatch.setattr("nlparam.Fit.load", broken)
    assert isinstance(run(*arguments).exception, ZeroDivisionError)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupted_fit_says_so_and_goes_on(tmp_path):
    store = embedded_store(tmp_path / "store.sqlite")
    with FakeServer(answer=answer, delay=0.3) as server:
        command = ["fit", "clustering", "--k", "2", "--lm", server.url, "--texts", write_texts(tmp_path)]
        command += ["--text-field", "body", "--store", store, "--out", tmp_path / "out"]
        started = [sys.executable, "-m", "nlparam", *command]
        environment = os.environ | {"NLPARAM_DEBUG": "1"}  # an interruption is no error
        with subprocess.Popen(started, stderr=subprocess.PIPE, text=True, env=environment) as process:
            deadline = time.monotonic() + 120
            while len(server.calls) < 10:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.4)  # the judgments under way are answered
            process.send_signal(signal.SIGINT)
            _, message = process.communicate(timeout=60)
        assert process.returncode == 130
        assert message.startswith("interrupted: everything judged so far is stored")
        assert "Traceback" not in message
        with Store(store) as kept:
            assert kept.counts().judgments + kept.counts().completions > 0
        server.delay = 0.0
        assert run(*command).exit_code == 0
        asked = [call["messages"][-1]["content"] for call in server.calls if call.get("logprobs")]
        assert len(asked) - len(set(asked)) <= 64  # those in flight


def test_a_model_that_assigns_no_texts_has_a_column_of_predictions():
    fit, corpus = make_fit(model=Plain()), Corpus.from_texts(["one", "two"])
    columns = prediction_columns(fit, corpus, np.full((2, 3), 0.5), np.asarray([1.5, 2.5]))
    assert list(columns) == ["prediction", *(f"P({predicate})" for predicate in fit.predicates)]
    assert columns["prediction"] == [1.5, 2.5]
