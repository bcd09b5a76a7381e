"""The search with an oracle for a language model: what it finds, and what it asks, beside coordinate refinement.

    python -m benchmarks.experiments.oracle --out outputs/oracle

hides the gold predicates of every data set among ten times as many distractors and lets both searches look for them,
with the embeddings of real texts. It writes a run folder for each data set, arm and seed, and prints one JSON object.
A run that is there already is not repeated.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.experiments import execute
from benchmarks.experiments.base import Dataset
from benchmarks.experiments.build import build_model, search_options
from benchmarks.experiments.data import files, load, names
from benchmarks.experiments.oracle_parts import Candidates, OracleJudge, OracleProposer
from benchmarks.experiments.runs import Run, claimed, run_folder
from benchmarks.experiments.schema import Config, validate
from nlparam.corpus.corpus import Corpus
from nlparam.fitting.search import Found, Search, SearchOptions, run_search
from nlparam.fitting.setup import default_options
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.features import NgramFeatures
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

# Coordinate refinement goes on until no slot gains.
REFINEMENT: dict[str, dict[str, Any]] = {
    "full": {},
    "coordinate": {"refinement": "coordinate", "n_rounds": 20, "n_slots_refined": "all"},
}
N_DISTRACTORS, N_CANDIDATES = 10, 5
# How the search is told to save waits, and on how many texts it screens a candidate.
SAVING = {"n_ahead": 2, "pricing": True, "n_screening": 64}
# A series is divided into so many steps of time (with one text for each of 2,048 steps a search takes sixteen times as
# long), and this is the variance of what its log-odds may drift by over the whole time. By the default smoothness they
# may drift by one from text to text: any predicate at random then fits noise better than a gold one fits the series.
N_STEPS, DRIFT = 128, 10.0


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A data set, embedded."""

    dataset: Dataset
    corpus: Corpus
    embeddings: np.ndarray
    ngrams: NgramFeatures
    ngram_features: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, embedder: AbstractEmbedder, store: Store) -> "Prepared":
        if dataset.task == "time_series":
            dataset = dataclasses.replace(dataset, data=in_steps(dataset.data))
        corpus = Corpus.from_texts(dataset.texts)
        embeddings = embed_corpus(corpus.distinct, embedder, store, progress=Progress(False))
        return cls(dataset, corpus, embeddings, *NgramFeatures.fit_transform(corpus.distinct))

    def candidates(self, *, n_distractors: int, seed: int) -> Candidates:
        """The gold predicates of the distinct texts, hidden among distractors."""
        reference = self.dataset.reference
        if reference is None:
            raise ValueError(f"the data set {self.dataset.name!r} has no gold predicates to hide: choose another")
        _, first = np.unique(self.corpus.row, return_index=True)
        holds = reference[first[self.corpus.row[first] >= 0]]
        # A series is linear in the denotations, and so is a classification.
        options = {"unions": self.dataset.task == "clustering" or not self.dataset.exclusive, "seed": seed}
        gold = list(self.dataset.reference_predicates)
        return Candidates.among_distractors(gold, holds, n_distractors=n_distractors, **options)


def in_steps(times: Sequence[float], n_steps: int = N_STEPS) -> list[float]:
    """The times of a series, each moved to the beginning of its step."""
    values, position = np.unique(np.asarray(times, dtype=float), return_inverse=True)
    width = -(-len(values) // n_steps)
    return values[position // width * width].tolist()


def with_gold(folder: Path) -> list[str]:
    """The names of the data sets in a folder whose truth is known."""
    there = [name for name in names(folder) if name not in files.CORPORA]
    return [name for name in there if load(name, folder=folder).reference is not None]


def config_of(dataset: Dataset, arm: str, seed: int, *, out: Path, data_folder: Path) -> Config:
    """The configuration of one run, which names its folder."""
    series = dataset.task == "time_series"
    how = {"n_distractors": N_DISTRACTORS, "n_candidates": N_CANDIDATES} | ({"n_steps": N_STEPS} if series else {})
    return validate(
        {
            "name": "oracle",
            "dataset": {"name": dataset.name},
            "model": {"smoothness": np.ptp(np.asarray(dataset.data, float)) / DRIFT} if series else {},
            "lm": {"name": "oracle"},
            "arm": {"name": arm} | how | (SAVING if arm == "full" else {}),
            "refinement": REFINEMENT[arm],
            "seed": seed,
            "out": str(out),
            "data_folder": str(data_folder),
        }
    )


def search(prepared: Prepared, config: Config) -> tuple[Found, Costs]:
    """One search with the oracle."""
    corpus, dataset, arm = prepared.corpus, prepared.dataset, config.arm.options
    candidates = prepared.candidates(n_distractors=arm["n_distractors"], seed=config.seed)
    model, costs = build_model(config.model, dataset), Costs()
    data, _ = model.prepare(dataset.data, len(corpus))
    search = Search(
        model,
        corpus,
        prepared.embeddings,
        data,
        goal=dataset.goal,
        ngrams=prepared.ngrams,
        ngram_features=prepared.ngram_features,
        proposer=OracleProposer(candidates, costs, n_candidates=arm["n_candidates"]),
        judge=OracleJudge(corpus.distinct, candidates, costs),
        options=options_of(config, model, corpus),
        costs=costs,
        meter=Meter(costs),
        progress=Progress(False),
        seed=config.seed,
    )
    return run_search(search), costs


def options_of(config: Config, model: AbstractPredicateModel, corpus: Corpus) -> SearchOptions:
    """The options that a fit with a strong language model has, as far as the configuration sets none."""
    arm = config.arm.options
    given = search_options(config) | {name: arm[name] for name in ("n_ahead", "pricing") if name in arm}
    if "n_screening" in arm:
        given["n_screened"] = -(-arm["n_screening"] // model.n_predicates)
    return dataclasses.replace(default_options(model, corpus, ScriptedModel((), strong=True)), **given)


def recovered(predicates: Sequence[str], gold: Sequence[str], n_predicates: int) -> float:
    """The share of the gold predicates that were chosen; where fewer can be chosen, the share of those."""
    return len(set(predicates) & set(gold)) / min(len(set(gold)), n_predicates)


def run(prepared: Prepared, config: Config, *, embedder: AbstractEmbedder) -> Run:
    """One run and its folder; the run that is there already if there is one."""
    folder = run_folder(config)
    with claimed(folder, config) as there:
        if there is not None:
            return there
        began = time.perf_counter()
        found, costs = search(prepared, config)
        seconds = time.perf_counter() - began
        dataset, model = prepared.dataset, build_model(config.model, prepared.dataset)
        predicates = [found.pool.predicates[column] for column in found.chosen]
        metrics = {"recovered": recovered(predicates, dataset.reference_predicates, model.n_predicates)}
        metrics |= {"judgments": float(costs.judgments_asked), "rounds": float(costs.rounds), "loss": found.loss}
        return execute.finished(
            config,
            dataset,
            model=type(model).__name__,
            lm="oracle",
            identities={"dataset": execute.dataset_digest(dataset), "lm": "oracle", "embedder": embedder.identity},
            seconds=seconds,
            metrics=metrics,
            costs=costs.as_dict(),
            notes={"n_candidates": float(len(found.pool.predicates)), "n_texts": float(len(prepared.corpus.distinct))},
            predicates=predicates,
        )


def summarise(runs: Iterable[Run]) -> dict[str, Any]:
    """What the experiment comes to, over all data sets and for each.

    `oracle_recovered` is the mean over the runs of the full search and `oracle_recovered_least` their minimum; the
    ratios are those of the sums, of the full search to coordinate refinement.
    """
    runs = list(runs)
    by_name = {name: [run for run in runs if run.dataset == name] for name in sorted({run.dataset for run in runs})}
    figures = _figures(runs, "oracle_") | {"datasets": {name: _figures(those) for name, those in by_name.items()}}
    return figures | {"runs": [str(run.folder) for run in runs]}


def _figures(runs: Sequence[Run], prefix: str = "") -> dict[str, float]:
    full, coordinate = ([r.metrics for r in runs if r.arm == arm] for arm in ("full", "coordinate"))

    def ratio(name: str) -> float:
        return sum(of[name] for of in full) / sum(of[name] for of in coordinate)

    return {
        f"{prefix}recovered": float(np.mean([of["recovered"] for of in full])),
        f"{prefix}recovered_least": min(of["recovered"] for of in full),
        f"{prefix}recovered_by_coordinate": float(np.mean([of["recovered"] for of in coordinate])),
        f"{prefix}judgment_ratio": ratio("judgments"),
        f"{prefix}round_ratio": ratio("rounds"),
    }


def main(arguments: Sequence[str] | None = None, *, embedder: AbstractEmbedder | None = None) -> dict[str, Any]:
    """The command; returns what it prints. `embedder` takes the place of MiniLM."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments.oracle", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run folders")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="by default all with gold predicates")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=0, metavar="SEED", help="the first of them")
    parser.add_argument("--store", type=Path, help="where embeddings are kept, by default in the user's cache")
    parser.add_argument("--data-folder", type=Path, default=Path("../shared/data"))
    given = parser.parse_args(arguments)
    embedder = SentenceTransformerEmbedder() if embedder is None else embedder
    runs = []
    for name in given.datasets or with_gold(given.data_folder):
        with Store(given.store) as store:
            prepared = Prepared.of(load(name, folder=given.data_folder), embedder, store)
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            for arm in REFINEMENT:
                config = config_of(prepared.dataset, arm, seed, out=given.out, data_folder=given.data_folder)
                runs.append(run(prepared, config, embedder=embedder))
                print(_line(runs[-1]), file=sys.stderr, flush=True)
    summary = summarise(runs)
    print(json.dumps(summary))
    return summary


def _line(made: Run) -> str:
    metrics = made.metrics
    return (
        f"{made.dataset} {made.arm} seed {made.seed}: {metrics['recovered']:.0%} recovered, "
        f"{metrics['judgments']:,.0f} judgments, {metrics['rounds']:.0f} rounds, {made.seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
