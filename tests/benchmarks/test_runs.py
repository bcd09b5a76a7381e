"""The folders of runs: claimed, completed, not repeated, never overwritten; and the command line."""

import dataclasses
import json
import math
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.experiments import build, runs
from benchmarks.experiments.base import AbstractArm, Outcome, Problem
from benchmarks.experiments.execute import execute
from benchmarks.experiments.runs import Run, RunFolderError, claimed, read_run, read_runs, run_folder, write_run
from benchmarks.experiments.schema import Config, validate
from nlparam.runtime.costs import Costs

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Counting(AbstractArm):
    """Puts every second text into the first cluster, and counts how often it was asked."""

    uses_language_model: ClassVar[bool] = False
    n_runs: ClassVar[int] = 0
    fails: bool = False

    def run(self, problem: Problem) -> Outcome:
        type(self).n_runs += 1
        if self.fails:
            raise ValueError("the arm cannot do it")
        assignments = np.arange(len(problem.dataset.texts)) % 2
        return Outcome(["first", "second"], np.eye(2)[assignments], Costs(calls=3), assignments, notes={"x": 1.0})


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    from benchmarks.experiments import arms

    monkeypatch.setitem(arms.ARMS, "counting", Counting)
    monkeypatch.setattr(Counting, "n_runs", 0)


@pytest.fixture
def texts(tmp_path) -> Path:
    path = tmp_path / "mine.jsonl"
    words = ("goal match player", "bank profit shares")
    lines = [json.dumps({"text": f"{words[n % 2]}, number {n}", "label": "ab"[n % 2]}) for n in range(8)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def config(tmp_path, texts) -> Config:
    return _config(tmp_path, texts)


def _config(tmp_path: Path, texts: Path, **changes) -> Config:
    values = {
        "name": "paper/clustering",
        "dataset": {"name": str(texts), "label_field": "label", "k": 2},
        "arm": {"name": "counting"},
        "lm": {"name": "scripted"},
        "embedder": {"name": "hashed"},
        "out": str(tmp_path / "outputs"),
    }
    return validate(values | changes)


def _run(folder: Path, config: Config) -> Run:
    return Run(
        folder=folder,
        experiment=config.name,
        task="clustering",
        dataset="mine",
        arm="counting",
        seed=0,
        model="Clustering",
        lm=None,
        embedder="hashed",
        commit=None,
        dirty=False,
        identities={},
        config_digest=config.digest(),
        date="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        metrics={"f1_hungarian": 0.5, "nmi": math.nan},
        costs=Costs().as_dict(),
        notes={},
        predicates=["first"],
        reference_predicates=[],
        versions={},
    )


def test_a_run_is_written_and_not_repeated(config):
    run, new = execute(config)
    assert new
    assert run.metrics["f1_hungarian"] == 1.0
    assert run.folder.relative_to(config.out).parts[:5] == ("paper", "clustering", "mine", "counting", "scripted")
    assert (run.folder / "config.yaml").exists()
    again, new = execute(config)
    assert (again, new) == (run, False)
    assert Counting.n_runs == 1
    assert read_runs([config.out]) == [run]
    written = json.loads((run.folder / "run.json").read_text())
    assert written["format"] == 1
    assert written["costs"]["calls"] == 3
    assert written["identities"]["lm"] is None
    assert not list(run.folder.glob("*.partial"))
    assert "f1_hungarian 1.000" in run.summary()


def test_the_folder_depends_on_what_matters_only(tmp_path, texts, config):
    same = _config(tmp_path, texts, lm={"name": "scripted", "timeout": 5.0}, store="elsewhere.sqlite", progress=False)
    assert run_folder(same) == run_folder(config)
    others = [{"seed": 1}, {"judge": {"form": "contrastive"}}, {"budget": {"max_judgments": 9}}]
    folders = {run_folder(_config(tmp_path, texts, **change)) for change in others}
    assert len(folders | {run_folder(config)}) == 4


def test_no_password_is_written(tmp_path, texts):
    config = _config(tmp_path, texts, lm={"name": "http://me:secret@host:8000/v1", "model": "m"})
    assert "secret" not in str(run_folder(config))
    run, _ = execute(config)
    assert all("secret" not in file.read_text() for file in run.folder.glob("*.*"))


def test_a_failure_is_kept_and_the_next_try_clears_it(tmp_path, texts):
    failing = _config(tmp_path, texts, arm={"name": "counting", "fails": True})
    with pytest.raises(ValueError, match="cannot do it"):
        execute(failing)
    folder = run_folder(failing)
    failed = json.loads((folder / "failed.json").read_text())
    assert failed["error"] == "ValueError"
    assert "test_runs.py" in failed["traceback"]
    assert not (folder / "run.json").exists()
    with pytest.raises(RunFolderError, match=r"no finished run: .*failed\.json says ValueError: the arm cannot do it"):
        read_runs([folder])
    with claimed(folder, failing) as there:
        assert there is None
        assert not (folder / "failed.json").exists()
        write_run(_run(folder, failing))
    assert read_run(folder).seconds == 1.5


def test_an_interrupted_run_is_done_again(config):
    folder = run_folder(config)
    with pytest.raises(KeyboardInterrupt), claimed(folder, config):
        raise KeyboardInterrupt
    assert not (folder / "failed.json").exists()
    (folder / "fit").mkdir()
    (folder / "run.json.partial").write_text('{"form')
    with pytest.raises(RunFolderError, match="did not end"):
        read_run(folder)
    assert execute(config).new


def test_runs_of_another_format_are_refused_and_stay(config):
    run, _ = execute(config)
    path = run.folder / "run.json"
    changed = json.loads(path.read_text()) | {"format": 2}
    path.write_text(json.dumps(changed))
    for use in (lambda: execute(config), lambda: read_runs([config.out])):
        with pytest.raises(RunFolderError, match="has the format 2, expected 1"):
            use()
    assert json.loads(path.read_text()) == changed


def test_a_folder_of_another_configuration_is_refused(tmp_path, texts, config):
    run, _ = execute(config)
    other = _config(tmp_path, texts, seed=1)
    with (
        pytest.raises(RunFolderError, match=r"another configuration \(it differs in seed\)"),
        claimed(run.folder, other),
    ):
        pass
    assert read_run(run.folder) == run


def test_a_configuration_that_this_version_does_not_know_is_refused(config):
    run, _ = execute(config)
    (run.folder / "config.yaml").write_text("dataset: {name: a}\nnew_key: 1\n")
    with pytest.raises(RunFolderError, match=r"cannot be read by this version .*no key 'new_key'"):
        execute(config)


@pytest.mark.parametrize("damage", ['{"format"', "[1]", '{"format": 1}'])
def test_damaged_results_are_refused(config, damage):
    run, _ = execute(config)
    (run.folder / "run.json").write_text(damage)
    with pytest.raises(RunFolderError, match=r"run\.json (cannot be read as JSON|was changed \(.*experiment)"):
        read_runs([run.folder])


def test_files_of_others_are_left_alone(config):
    folder = run_folder(config)
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="files in it that are no run's"):
        execute(config)
    assert [file.name for file in folder.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder(tmp_path, texts):
    (tmp_path / "outputs").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot be written"):
        execute(_config(tmp_path, texts))


def test_a_changed_data_set_is_noticed(texts, config):
    execute(config)
    texts.write_text(texts.read_text().replace("number 3", "number three"), encoding="utf-8")
    with pytest.raises(RunFolderError, match="the data set 'mine' has changed since"):
        execute(config)


def test_nothing_is_written_for_a_wrong_configuration(tmp_path, texts):
    with pytest.raises(ValueError, match="no arm 'none'"):
        execute(_config(tmp_path, texts, arm={"name": "none"}))
    assert not (tmp_path / "outputs").exists()


def _hold(folder: Path, config: Config, held, release) -> None:
    with claimed(folder, config):
        held.set()
        release.wait(30)


def test_two_processes_cannot_write_one_folder(config):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    folder = run_folder(config)
    process = context.Process(target=_hold, args=(folder, config, held, release))
    process.start()
    try:
        assert held.wait(60)
        with pytest.raises(RunFolderError, match="is being written by another process"):
            execute(config)
    finally:
        release.set()
        process.join(30)
    assert execute(config).new


def test_numbers_that_are_not_finite_come_back(tmp_path, config):
    folder = tmp_path / "run"
    folder.mkdir()
    write_run(_run(folder, config))
    assert '"nmi": null' in (folder / "run.json").read_text()
    assert math.isnan(read_run(folder).metrics["nmi"])


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    runs.write_json(path, {"a": 1})

    def full(*_args, **_options):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        runs.write_json(path, {"a": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}


def test_reading_says_what_is_not_there(tmp_path):
    with pytest.raises(RunFolderError, match="there is no folder"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(RunFolderError, match=r"holds no finished run: there is no run\.json in it"):
        read_runs([tmp_path])


def test_texts_can_be_left_out(tmp_path, texts, monkeypatch):
    seen = []

    def solve(_arm, problem):
        seen.append(problem.dataset)
        assignments = np.zeros(len(problem.dataset.texts), int)
        return Outcome([], np.ones((len(assignments), 1)), Costs(), assignments)

    monkeypatch.setattr(Counting, "run", solve)
    execute(_config(tmp_path, texts, metrics={"heldout": 0.25}))
    assert len(seen[0].texts) == len(seen[0].reference) == 6


def test_the_similarity_of_predicates_is_measured_where_asked(tmp_path, texts, monkeypatch):
    from nlparam.lm.scripted import ScriptedModel

    monkeypatch.setattr(build, "_language_model", lambda _config: ScriptedModel(lambda _request: "related"))
    run, _ = execute(_config(tmp_path, texts, metrics={"similarity": True}))
    assert run.metrics["similarity"] == 0.5
    assert run.costs["calls"] == 3  # what is asked to measure is no cost of the arm


def _command(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-X", "importtime", "-m", "benchmarks.run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [("--help",), ("--cfg", "job", "experiment=siblings/d5")])
def test_help_imports_nothing_heavy(arguments):
    done = _command(*arguments)
    assert done.returncode == 0
    assert "arm" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "hydra" in imported
    assert not imported & {"jax", "torch", "sklearn", "numpy"}


def test_wrong_options_end_without_a_stack_trace():
    done = _command("arm=full,fulll", "-m", "seed=0,1")
    assert done.returncode == 1
    assert "Could not find 'arm/fulll'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_goes_on_where_it_was(tmp_path, texts):
    arguments = (
        "dataset=file",
        f"dataset.name={texts}",
        "dataset.label_field=label",
        "embedder=hashed",
        f"out={tmp_path / 'outputs'}",
        "arm=tfidf_kmeans",
        "arm.n_dimensions=2",
    )
    first = _command(*arguments, "seed=0")
    assert first.stdout.startswith("custom mine tfidf_kmeans"), first.stderr[-2000:]
    sweep = _command(*arguments, "-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=1")
    assert sweep.returncode == 0
    assert sweep.stdout.count("there already: ") == 1
    assert [run.seed for run in read_runs([tmp_path / "outputs"])] == [0, 1]
