"""The few figures that say where nlparam stands, each with the run folders that it rests on."""

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments.runs import Run
from benchmarks.experiments.tables.cells import ORACLE, PRIMARY, Cell, Table
from benchmarks.experiments.tables.comparisons import (
    BASELINE,
    PUBLISHED,
    PUBLISHED_RELATIONS,
    RELATIONS,
    Comparison,
    compare,
)

# The language model of the figures on real text, the embedded weights by either backend; and the one that only says
# whether an experiment runs.
_LANGUAGE_MODELS, _WEIGHTS, _SCRIPTED = ("embedded", "native"), "1.5b", "scripted"
_NO_ORACLE = "no runs of both arms of the oracle: python -m benchmarks.experiments.oracle --out FOLDER"
# Other systems, and the baseline that is closest to one: clusters of embeddings, named by the language model.
PEERS = ("bertopic", "hypothesaes", "lloom", "kmeans")
_PEER_METRICS = {**PRIMARY, "classification": "accuracy"}
# A relation holds if chance gives such a difference less often; and what a classification by K predicates is to reach
# of the accuracy of a linear probe on the embeddings.
_MOST_P, _OF_PROBE = 0.05, 0.9
_ANSWERS = ("judgments_asked", "judgments_served", "proposals_asked", "proposals_served")


class Figure(NamedTuple):
    """A value, or `None` and the reason; and the runs it is made of."""

    value: float | None
    runs: tuple[Run, ...] = ()
    missing: str | None = None


class OraclePair(NamedTuple):
    """Both refinements on one data set with an oracle, runs of equal seeds side by side."""

    dataset: str
    full: Cell
    coordinate: Cell

    def totals(self, metric: str) -> tuple[float, float]:
        """What column generation and what coordinate refinement used, over the seeds that both have."""
        full, coordinate = self.full.by_seed(metric), self.coordinate.by_seed(metric)
        seeds = full.keys() & coordinate.keys()
        return sum(full[seed] for seed in seeds), sum(coordinate[seed] for seed in seeds)

    def ratio(self, metric: str) -> float | None:
        """The one relative to the other; `None` where there is nothing to compare with."""
        full, coordinate = self.totals(metric)
        return full / coordinate if coordinate else None


def headline(runs: Sequence[Run], tables: Sequence[Table]) -> dict[str, Figure]:
    """The figures by name. Where there are several settings, that with the most runs counts.

    - `agnews_f1`, `syngoalex_topic_f1`: the mean over the seeds of `f1_hungarian` of the full arm, with the embedded
      language model of 1.5B.
    - `oracle_recovered`: the share of gold predicates that the search finds, the mean over all sets and seeds, so that
      1 means every one; `oracle_recovered_least`, of the worst run.
    - `oracle_judgment_ratio`, `oracle_round_ratio`: what column generation uses in all, relative to coordinate
      refinement on the same sets and seeds; with `_greatest`, on the set where that is most.
    - `relations_held`: of how many arms the paper's relation holds: the full arm is better in the mean, with p < 0.05
      over data sets and seeds.
    - `series_f1_of_ceiling`: F1 of the full arm on time series relative to what K exact predicates can reach, the mean
      over the data sets.
    - `series_curves_correlation`: the correlation of the known curves with those of the full arm, the mean likewise.
    - `classification_beats_probe`: the share of classifications on which the accuracy of the full arm on texts that
      were left out is at least 0.9 of a linear probe's, and above that of the most frequent class;
      `classification_binary_beats_probe`, with a yes or a no for each predicate.
    - `refinement_gain`: the mean F1 of the full arm less that of `no_refinement`.
    - `peers_beaten`: of how many peers (BERTopic, HypotheSAEs, LLooM, named k-means clusters) the full arm is ahead in
      the mean of F1, of a classification of accuracy.
    - `cells_run`: runs of an arm on a data set with a seed.
    """
    figures = {f"{name}_f1": _f1(tables, name) for name in ("agnews", "syngoalex_topic")}
    searched = [run for run in runs if run.experiment == ORACLE and run.arm == BASELINE]
    recovered = [run for run in searched if math.isfinite(run.metrics.get("recovered", math.nan))]
    for name, of in (("oracle_recovered", statistics.fmean), ("oracle_recovered_least", min)):
        shares = [run.metrics["recovered"] for run in recovered]
        figures[name] = _figure(of(shares) if shares else None, recovered, _NO_ORACLE)
    for name, metric in (("oracle_judgment_ratio", "judgments"), ("oracle_round_ratio", "rounds")):
        measured = [pair for pair in oracle_pairs(runs) if pair.ratio(metric) is not None]
        both = [run for pair in measured for run in pair.full.runs + pair.coordinate.runs]
        totals = [pair.totals(metric) for pair in measured]
        full, coordinate = (sum(of_one) for of_one in zip((0, 0), *totals, strict=True))
        greatest = max((pair.ratio(metric) or 0.0 for pair in measured), default=None)
        figures[name] = _figure(float(full / coordinate) if measured else None, both, _NO_ORACLE)
        figures[f"{name}_greatest"] = _figure(greatest, both, _NO_ORACLE)
    tables = _real(tables)
    relations, peers = _largest(compare(tables), RELATIONS), _largest(compare(tables, _PEER_METRICS), PEERS)
    held = sum(one.holds and one.p_seeds < _MOST_P for one in relations.values())
    unrefined = [one for name, one in relations.items() if name == "no_refinement"]
    series = _full(tables, "time_series", "f1_best", "f1_ceiling")
    curves = _full(tables, "time_series", "curve_correlation")
    classes = _full(tables, "classification", "accuracy", "accuracy_probe", "accuracy_larger")
    binary = _full(tables, "classification", "accuracy_binary", "accuracy_probe", "accuracy_larger")
    others = {
        "relations_held": (held, _compared(relations.values()), "no other arm beside full on the same data set"),
        "series_f1_of_ceiling": (
            _fmean(cell.mean("f1_best") / cell.mean("f1_ceiling") for cell in series),
            [run for cell in series for run in cell.runs],
            f"no time series with references was run with the arm {BASELINE}",
        ),
        "series_curves_correlation": (
            _fmean(cell.mean("curve_correlation") for cell in curves),
            [run for cell in curves for run in cell.runs],
            f"no time series with known curves was run with the arm {BASELINE}",
        ),
        "classification_beats_probe": (
            _fmean(_beats_probe(cell, "accuracy") for cell in classes),
            [run for cell in classes for run in cell.runs],
            f"no classification was run with the arm {BASELINE} and texts left out",
        ),
        "classification_binary_beats_probe": (
            _fmean(_beats_probe(cell, "accuracy_binary") for cell in binary),
            [run for cell in binary for run in cell.runs],
            f"no classification was run with the arm {BASELINE} and texts left out since this is scored",
        ),
        "refinement_gain": (
            _fmean(one.difference for one in unrefined),
            _compared(unrefined),
            "no run of the arm no_refinement beside full on the same data set",
        ),
        "peers_beaten": (
            sum(one.holds for one in peers.values()),
            _compared(peers.values()),
            f"no run of {', '.join(PEERS)} beside full",
        ),
    }
    cells = {run.folder: run for table in tables for cell in table.cells.values() for run in cell.runs}
    others["cells_run"] = (len(cells), list(cells.values()), "no runs with a real language model")
    return figures | {name: _figure(*of) for name, of in others.items()}


def _beats_probe(cell: Cell, accuracy: str) -> bool:
    reached = cell.mean(accuracy)
    return reached >= _OF_PROBE * cell.mean("accuracy_probe") and reached > cell.mean("accuracy_larger")


def oracle_pairs(runs: Sequence[Run]) -> list[OraclePair]:
    """The oracle runs of both refinements on every data set that has both; the newest run of a seed counts."""
    found: dict[tuple[str, str], dict[int, Run]] = defaultdict(dict)
    for run in sorted(runs, key=lambda run: run.date):
        if run.experiment == ORACLE:
            found[run.dataset, run.arm][run.seed] = run
    cells = {key: Cell(tuple(by_seed[seed] for seed in sorted(by_seed))) for key, by_seed in found.items()}
    listed = [
        (name, cells.get((name, BASELINE)), cells.get((name, "coordinate"))) for name in sorted({n for n, _ in cells})
    ]
    return [OraclePair(name, full, other) for name, full, other in listed if full is not None and other is not None]


def as_json(figures: dict[str, Figure], tables: Sequence[Table]) -> dict[str, Any]:
    """The figures as one object: each value under its name, the folders of each under `runs`, reasons under `missing`.

    `relations` has those of the paper for every setting: what the full arm is better by, and the test;
    `published_relations` the same of the arms as they were published. `peers` has every peer that was run: how far the
    full arm is ahead, where it is not, and how many answers each used.
    """
    values: dict[str, Any] = {name: figure.value for name, figure in figures.items()}
    values["runs"] = {name: [str(run.folder) for run in figure.runs] for name, figure in figures.items()}
    values["missing"] = {name: figure.missing for name, figure in figures.items() if figure.missing is not None}
    values["relations"] = _relations(compare(tables), BASELINE, RELATIONS)
    values["published_relations"] = _relations(compare(tables, baseline=PUBLISHED), PUBLISHED, PUBLISHED_RELATIONS)
    values["peers"] = [
        {
            "peer": name,
            "difference": one.difference,
            "ahead": one.holds,
            "not_on": one.exceptions,
            "answers": _answers(one, name),
            "answers_of_full": _answers(one, BASELINE),
        }
        for name, one in _largest(compare(_real(tables), _PEER_METRICS), PEERS).items()
    ]
    return values


def _relations(comparisons: Sequence[Comparison], baseline: str, others: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            f"{baseline}_better_than": comparison.other,
            "setting": dict(zip(("lm", "embedder", "changes"), comparison.setting, strict=True)),
            "holds": comparison.holds,
            "difference": comparison.difference,
            "p": comparison.p if math.isfinite(comparison.p) else None,
            "p_over_seeds": comparison.p_seeds if math.isfinite(comparison.p_seeds) else None,
            "n_datasets": len(comparison.pairs),
            "not_on": comparison.exceptions,
        }
        for comparison in comparisons
        if comparison.other in others
    ]


def _f1(tables: Sequence[Table], dataset: str) -> Figure:
    there = [table.cells.get((BASELINE, dataset)) for table in tables if table.setting.task == "clustering"]
    cells = [cell for cell in there if cell and cell.by_seed("f1_hungarian") and _is_embedded(cell.runs[0])]
    if not cells:
        wanted = "embedded or native language model of 1.5B"
        return Figure(None, missing=f"no run of the arm {BASELINE} on {dataset} with the {wanted}")
    best = max(cells, key=lambda cell: (len(cell.by_seed("f1_hungarian")), max(run.date for run in cell.runs)))
    return Figure(best.mean("f1_hungarian"), best.runs)


def _is_embedded(run: Run) -> bool:
    name = run.lm or ""
    return name in _LANGUAGE_MODELS or (name.partition(":")[0] in _LANGUAGE_MODELS and _WEIGHTS in name)


def _real(tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.setting.lm != _SCRIPTED]


def _largest(comparisons: Sequence[Comparison], arms: Sequence[str] | Mapping[str, str]) -> dict[str, Comparison]:
    """For every arm that was compared the comparison of the most runs."""
    by_size = sorted(comparisons, key=lambda one: sum(pair.n_seeds for pair in one.pairs))
    found = {one.other: one for one in by_size}
    return {name: found[name] for name in arms if name in found}


def _full(tables: Sequence[Table], task: str, *metrics: str) -> list[Cell]:
    """The cells of the full arm that have some metrics, in the table of a task that has the most runs of them."""
    found = [
        [c for (arm, _), c in table.cells.items() if arm == BASELINE and all(map(c.by_seed, metrics))]
        for table in tables
        if table.setting.task == task
    ]
    return max(found, key=lambda cells: sum(len(cell.runs) for cell in cells), default=[])


def _answers(comparison: Comparison, arm: str) -> float:
    runs = [run for pair in comparison.pairs for run in pair.runs if run.arm == arm]
    return statistics.fmean(sum(run.costs.get(name, 0) for name in _ANSWERS) for run in runs)


def _compared(comparisons: Iterable[Comparison]) -> list[Run]:
    # The runs of the full arm stand in several comparisons.
    return list({run.folder: run for one in comparisons for pair in one.pairs for run in pair.runs}.values())


def _fmean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return statistics.fmean(listed) if listed else None


def _figure(value: float | None, runs: Sequence[Run], missing: str) -> Figure:
    return Figure(value, tuple(runs)) if runs and value is not None else Figure(None, missing=missing)
