"""The search with an oracle for a language model: what it finds, and what it asks, beside coordinate refinement.

    python -m benchmarks.experiments.oracle --out outputs/oracle

hides the gold predicates of every data set among ten times as many distractors and lets both searches look for them,
with the embeddings of real texts: the proposer names the candidates that go with a direction best, as a language model
would that reads the texts, and the judge looks an answer up. Both count what a language model would have been asked,
and how often the search waited for it. It writes a run folder for each data set, arm and seed, and prints one JSON
object. A run that is there already is not repeated.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import timed
from benchmarks.experiments import execute
from benchmarks.experiments.base import SEARCH_ALONE, Dataset
from benchmarks.experiments.build import build_model, search_options
from benchmarks.experiments.data import files, load, names
from benchmarks.experiments.runs import Run, claimed, run_folder
from benchmarks.experiments.schema import Config, validate
from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import AbstractJudge
from nlparam.fitting.search import Found, run_search
from nlparam.fitting.setup import prepared
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder
from nlparam.language.propose import AbstractProposer
from nlparam.lm.scripted import ScriptedModel
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


# Shares of texts for which a noisy copy of a gold predicate gives the wrong answer.
_FLIPS = (0.05, 0.1, 0.2)


@dataclasses.dataclass(frozen=True)
class Candidates:
    """`predicates`, in an order that says nothing, and `(n_texts, n_predicates)` booleans of where they hold."""

    predicates: list[str]
    holds: np.ndarray

    @classmethod
    def among_distractors(
        cls, gold: list[str], holds: np.ndarray, *, n_distractors: int, unions: bool, seed: int
    ) -> "Candidates":
        """The gold predicates and `n_distractors` times as many others.

        The distractors of each gold predicate are, in turn: a copy in which the answers for 5, 10 or 20% of the texts
        are wrong, a random half of it, a random set of texts of its size, and its union with another gold predicate.
        Without `unions` these are left out: where exactly one gold predicate holds for every text, a model that is
        linear in the denotations says the same with some unions as with the gold predicates.
        """
        rng = np.random.default_rng(seed)
        n_texts, n_gold = holds.shape
        predicates, columns = list(gold), list(holds.T)
        for number in range(n_distractors):
            for which, name in enumerate(gold):
                column = holds[:, which]
                other = int(rng.choice(np.delete(np.arange(n_gold), which))) if n_gold > 1 else which
                n_kinds = 4 if unions else 3
                kind = number % n_kinds
                if kind == 0:
                    flips = _FLIPS[number // n_kinds % len(_FLIPS)]
                    made = column ^ (rng.permutation(n_texts) < round(flips * n_texts))
                    what = f"{name}, with {flips:.0%} of the texts taken wrongly"
                elif kind == 1:
                    made, what = column & (rng.random(n_texts) < 0.5), f"{name}, of one half of them"
                elif kind == 2:
                    made, what = rng.permutation(column), f"as often as {name}, at random"
                else:
                    made, what = column | holds[:, other], f"{name}, or {gold[other]}"
                predicates.append(f"{what} ({number})")
                columns.append(made)
        order = rng.permutation(len(predicates))
        return cls([predicates[i] for i in order], np.stack([columns[i] for i in order], axis=1))


class OracleJudge(AbstractJudge):
    """Looks answers up. A question that was asked before is served, as a store would."""

    identity = "oracle"

    def __init__(self, texts, candidates: Candidates, costs: Costs):
        self.costs, self.holds = costs, candidates.holds
        self.row = {text: number for number, text in enumerate(texts)}
        self.column = {predicate: number for number, predicate in enumerate(candidates.predicates)}
        self.asked = np.zeros(self.holds.shape, dtype=bool)

    def judge(self, texts, predicates, pairs):
        asked: list[list[int]] = pairs.tolist()
        rows = np.asarray([self.row[texts[row]] for row, _ in asked], dtype=int)
        columns = np.asarray([self.column[predicates[column]] for _, column in asked], dtype=int)
        distinct = np.unique(np.stack([rows, columns], axis=1), axis=0)
        n_new = int((~self.asked[distinct[:, 0], distinct[:, 1]]).sum())
        self.asked[rows, columns] = True
        self.costs.judgments_asked += n_new
        self.costs.judgments_served += len(distinct) - n_new
        self.costs.calls += n_new
        self.costs.rounds += n_new > 0
        return self.holds[rows, columns].astype(float)


class OracleProposer(AbstractProposer):
    """Names the candidates that hold where a slot's scores are high: those of the highest correlation with them.

    **Arguments:** `n_candidates`, how many per slot at most, as the proposer of the paper is asked for 5.
    """

    def __init__(self, candidates: Candidates, costs: Costs, *, n_candidates: int = 5):
        self.candidates, self.costs, self.n_candidates = candidates, costs, n_candidates
        self.identity = f"oracle-{n_candidates}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del texts, goal, rng
        self.costs.calls += scores.shape[1]
        self.costs.proposals_asked += scores.shape[1]
        self.costs.rounds += 1
        known = set(avoid)
        fresh = [number for number, predicate in enumerate(self.candidates.predicates) if predicate not in known]
        correlations = _correlations(self.candidates.holds[:, fresh], scores)
        best = np.argsort(-correlations, axis=0, kind="stable")[: self.n_candidates]
        return [
            [self.candidates.predicates[fresh[i]] for i in slot if correlations[i, k] > 0]
            for k, slot in enumerate(best.T)
        ]


def _correlations(holds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`(n_candidates, n_slots)` Pearson correlations."""

    def standardised(values):
        centred = values - values.mean(axis=0)
        return centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12)

    return standardised(holds.astype(float)).T @ standardised(scores)


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


def hidden(dataset: Dataset, *, n_distractors: int, seed: int) -> tuple[list[str], Candidates]:
    """The distinct texts of a data set, and its gold predicates hidden among distractors."""
    corpus, reference = Corpus.from_texts(dataset.texts), dataset.reference
    if reference is None:
        raise ValueError(f"the data set {dataset.name!r} has no gold predicates to hide: choose another")
    _, first = np.unique(corpus.row, return_index=True)
    holds = reference[first[corpus.row[first] >= 0]]
    # A series is linear in the denotations, and so is a classification.
    options = {"unions": dataset.task == "clustering" or not dataset.exclusive, "seed": seed}
    gold = list(dataset.reference_predicates)
    return list(corpus.distinct), Candidates.among_distractors(gold, holds, n_distractors=n_distractors, **options)


def search(dataset: Dataset, config: Config, *, embedder: AbstractEmbedder, store: Path | None) -> tuple[Found, Costs]:
    """One search with the oracle. What the configuration does not set is as in a fit with a strong language model."""
    arm, model, costs = config.arm.options, build_model(config.model, dataset), Costs()
    texts, candidates = hidden(dataset, n_distractors=arm["n_distractors"], seed=config.seed)
    options = search_options(config) | {name: arm[name] for name in ("n_ahead", "pricing") if name in arm}
    if "n_screening" in arm:
        options["n_screened"] = -(-arm["n_screening"] // model.n_predicates)
    settings = SEARCH_ALONE | {"options": options, "representation": "embedding", "seed": config.seed, "store": store}
    with prepared(
        model,
        dataset.texts,
        dataset.data,
        goal=dataset.goal,
        proposer=OracleProposer(candidates, costs, n_candidates=arm["n_candidates"]),
        judge=OracleJudge(texts, candidates, costs),
        lm=ScriptedModel((), strong=True),
        embedder=embedder,
        progress=Progress(False),
        **settings,
    ) as run:
        return run_search(run.search), costs


def recovered(predicates: Sequence[str], gold: Sequence[str], n_predicates: int) -> float:
    """The share of the gold predicates that were chosen; where fewer can be chosen, the share of those."""
    return len(set(predicates) & set(gold)) / min(len(set(gold)), n_predicates)


def run(dataset: Dataset, config: Config, *, embedder: AbstractEmbedder, store: Path | None) -> Run:
    """One run and its folder; the run that is there already if there is one."""
    with claimed(run_folder(config), config) as there:
        if there is not None:
            return there
        (found, costs), seconds = timed(search, dataset, config, embedder=embedder, store=store)
        model, predicates = build_model(config.model, dataset), [found.pool.predicates[c] for c in found.chosen]
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
            notes={"n_candidates": float(len(found.pool.predicates)), "n_texts": float(len(found.pool.texts))},
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
        dataset = load(name, folder=given.data_folder)
        if dataset.task == "time_series":
            dataset = dataclasses.replace(dataset, data=in_steps(dataset.data))
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            for arm in REFINEMENT:
                config = config_of(dataset, arm, seed, out=given.out, data_folder=given.data_folder)
                runs.append(run(dataset, config, embedder=embedder, store=given.store))
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
