"""One run: build it, claim its folder, solve it, score it, write it down."""

import dataclasses
import datetime
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.commands import timed
from benchmarks.experiments.arms.shared import embedded
from benchmarks.experiments.base import AbstractArm, Dataset, Outcome, Problem
from benchmarks.experiments.build import build
from benchmarks.experiments.runs import FIT, Run, RunFolderError, claimed, run_folder, write_run
from benchmarks.experiments.schema import Config, MetricsSection
from benchmarks.experiments.scores import accuracies, heldout_loss, score, similarity
from nlparam.corpus.corpus import Corpus
from nlparam.denotation.session import Session
from nlparam.errors import NlparamError
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.similarity import SimilarityJudge
from nlparam.lm import load_language_model
from nlparam.results.versions import installed_versions
from nlparam.runtime.costs import Costs

_ROOT = Path(__file__).resolve().parents[2]


class Executed(NamedTuple):
    """A finished run, and whether it is `new` or was there already."""

    run: Run
    new: bool


def execute(config: Config) -> Executed:
    """Runs what a configuration describes, unless its folder holds the finished run.

    **Raises:** `ConfigError` and `DataError` before anything is written; `RunFolderError` for a folder that cannot take
    the run; what the arm raises, which is then in `failed.json` too.
    """
    problem, arm = build(config)
    whole = problem.dataset
    digest = dataset_digest(whole)
    folder = run_folder(config)
    problem, left_out = _split(problem, config.metrics, config.seed)
    with claimed(folder, config) as there:
        if there is not None:
            if there.identities.get("dataset") != digest:
                raise RunFolderError(
                    f"the data set {whole.name!r} has changed since {folder} was run on it: move the folder away, or "
                    "choose another with out=FOLDER"
                )
            return Executed(there, new=False)
        outcome, seconds = timed(arm.run, problem)
        metrics = _metrics(config, problem, outcome, left_out)
        if outcome.fit is not None:
            outcome.fit.save(folder / FIT, overwrite=True)  # what a run that was interrupted has left there
        lm = config.kept()["lm"]["name"] + (f"#{config.lm.model}" if config.lm.model is not None else "")
        run = finished(
            config,
            whole,
            model=type(problem.model).__name__,
            lm=lm if arm.uses_language_model else None,
            identities={"dataset": digest} | _identities(problem, arm, outcome),
            seconds=seconds,
            metrics=metrics,
            costs=outcome.costs.as_dict(),
            notes={name: float(value) for name, value in outcome.notes.items()},
            predicates=list(outcome.predicates),
            trace=[
                {"loss": float(entry.loss), "judgments": entry.judgments} for entry in outcome.trace if entry.predicates
            ],
        )
    return Executed(run, new=True)


def finished(config: Config, dataset: Dataset, **found: Any) -> Run:
    """Writes down a run: `found` are the fields of `Run` that neither its configuration nor its data set says."""
    run = Run(
        folder=run_folder(config),
        experiment=config.name,
        task=dataset.task,
        dataset=dataset.name,
        arm=config.arm.name,
        seed=config.seed,
        embedder=config.embedder.name,
        config_digest=config.digest(),
        date=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        reference_predicates=list(dataset.reference_predicates),
        versions=installed_versions(),
        **_commit(),
        **found,
    )
    write_run(run)
    return run


def dataset_digest(dataset: Dataset) -> str:
    """The content address of a data set: texts, data and truth."""
    digest = hashlib.sha256()
    data = np.asarray(dataset.data).tolist() if dataset.data is not None else None
    digest.update(json.dumps([dataset.texts, data, dataset.goal, dataset.k], default=str).encode("utf-8"))
    if dataset.reference is not None:
        digest.update(np.ascontiguousarray(dataset.reference, dtype=bool).tobytes())
    return digest.hexdigest()


def _split(problem: Problem, metrics: MetricsSection, seed: int) -> tuple[Problem, Dataset | None]:
    """The problem without some of its texts, and those as a data set; all of them and `None` for no share."""
    dataset, share = problem.dataset, metrics.heldout
    n_texts = len(dataset.texts)
    free = np.arange(n_texts)
    if dataset.task == "classification":
        share = max(share, metrics.heldout_classes)
        # A fit has seen every class.
        free = np.delete(free, np.unique(np.asarray(dataset.data), return_index=True)[1])
    n_left_out = min(round(share * n_texts), len(free))
    if n_left_out == 0:
        return problem, None
    left_out = np.sort(np.random.default_rng(seed).choice(free, n_left_out, replace=False))
    kept = np.setdiff1d(np.arange(n_texts), left_out)
    rest = _take(dataset, left_out)
    return dataclasses.replace(problem, dataset=_take(dataset, kept), left_out=rest.texts), rest


def _take(dataset: Dataset, rows: np.ndarray) -> Dataset:
    data = None if dataset.data is None else [dataset.data[row] for row in rows]
    reference = None if dataset.reference is None else dataset.reference[rows]
    return dataclasses.replace(dataset, texts=[dataset.texts[row] for row in rows], data=data, reference=reference)


def _metrics(config: Config, problem: Problem, outcome: Outcome, left_out: Dataset | None) -> dict[str, float]:
    metrics = score(problem.dataset, outcome)
    if left_out is not None and outcome.fit is not None:
        metrics["heldout_loss"] = heldout_loss(outcome.fit, left_out.texts, left_out.data)
    if left_out is not None and left_out.task == "classification":
        both = [Corpus.from_texts(of.texts) for of in (problem.dataset, left_out)]
        vectors = [corpus.spread(embedded(problem, corpus.distinct, Costs())) for corpus in both]
        metrics |= accuracies(problem.dataset, left_out, outcome, *vectors)
    if config.metrics.similarity:
        # What that costs is no cost of the arm.
        running = ("lm", "store", "timeout", "progress")
        with Session(**{name: problem.settings[name] for name in running if name in problem.settings}) as session:
            metrics |= similarity(problem.dataset, outcome, SimilarityJudge(session.engine))
    return {name: float(value) for name, value in metrics.items()}


def _identities(problem: Problem, arm: AbstractArm, outcome: Outcome) -> dict[str, Any]:
    """Which models gave the answers, to the digest of their weights and the version of the prompts."""
    if outcome.fit is not None:
        settings = outcome.fit.settings
        names = {"lm": "lm_identity", "embedder": "embedder_identity", "judge": "judge", "proposer": "proposer"}
        return {name: settings.get(key) for name, key in names.items()}
    given = problem.settings.get("embedder")
    embedder = given if isinstance(given, AbstractEmbedder) else SentenceTransformerEmbedder(given)
    try:
        lm = load_language_model(problem.settings["lm"]).identity if arm.uses_language_model else None
        return {"lm": lm, "embedder": embedder.identity}
    except NlparamError as error:
        # What a finished run came to is not thrown away because a server has gone since.
        return {"lm": f"unknown ({error})", "embedder": None}


def _commit() -> dict[str, Any]:
    """The commit of the code, and whether files that it has were changed; `None` outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": False}
