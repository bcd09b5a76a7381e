"""The few figures that say where nlparam stands, each with the run folders that it rests on."""

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments.runs import Run
from benchmarks.experiments.tables.cells import ORACLE, Cell, Table
from benchmarks.experiments.tables.comparisons import (
    BASELINE,
    PUBLISHED,
    PUBLISHED_RELATIONS,
    RELATIONS,
    Comparison,
    compare,
)
from benchmarks.experiments.tables.reached import Figure, peers_as_json, reached

# The language model of the figures on real text: the embedded weights, by either backend.
_LANGUAGE_MODELS = ("embedded", "native")
_WEIGHTS = "1.5b"
_NO_ORACLE = "no runs of both arms of the oracle: python -m benchmarks.experiments.oracle --out FOLDER"


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
    """The figures by name.

    - `agnews_f1`, `syngoalex_topic_f1`: the mean over the seeds of `f1_hungarian` of the full arm, with the embedded
      language model of 1.5B; of several settings, the one with the most seeds.
    - `oracle_recovered`: the share of gold predicates that the search finds, the mean over all sets and seeds, so that
      1 means every one; `oracle_recovered_least`, of the worst run.
    - `oracle_judgment_ratio`, `oracle_round_ratio`: what column generation uses in all, relative to coordinate
      refinement on the same sets and seeds; `oracle_judgment_ratio_greatest`, `oracle_round_ratio_greatest`, on the set
      where that is most.
    - those of [`reached`][benchmarks.experiments.tables.reached.reached].
    """
    figures = {f"{name}_f1": _f1(tables, name) for name in ("agnews", "syngoalex_topic")}
    searched = [run for run in runs if run.experiment == ORACLE and run.arm == BASELINE]
    recovered = [run for run in searched if math.isfinite(run.metrics.get("recovered", math.nan))]
    shares = [run.metrics["recovered"] for run in recovered]
    figures["oracle_recovered"] = _figure(statistics.fmean(shares) if shares else None, recovered)
    figures["oracle_recovered_least"] = _figure(min(shares, default=None), recovered)
    for name, metric in (("oracle_judgment_ratio", "judgments"), ("oracle_round_ratio", "rounds")):
        measured = [pair for pair in oracle_pairs(runs) if pair.ratio(metric) is not None]
        both = [run for pair in measured for run in pair.full.runs + pair.coordinate.runs]
        totals = [pair.totals(metric) for pair in measured]
        full, coordinate = (sum(of_one) for of_one in zip((0, 0), *totals, strict=True))
        figures[name] = _figure(float(full / coordinate) if measured else None, both)
        figures[f"{name}_greatest"] = _figure(max((pair.ratio(metric) or 0.0 for pair in measured), default=None), both)
    return figures | reached(tables)


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
    `published_relations` the same of the arms as they were published. `peers` has every peer.
    """
    values: dict[str, Any] = {name: figure.value for name, figure in figures.items()}
    runs = {name: [str(run.folder) for run in figure.runs] for name, figure in figures.items()}
    missing = {name: figure.missing for name, figure in figures.items() if figure.missing is not None}
    relations = {
        "relations": _relations(compare(tables), BASELINE, RELATIONS),
        "published_relations": _relations(compare(tables, baseline=PUBLISHED), PUBLISHED, PUBLISHED_RELATIONS),
    }
    return {**values, "runs": runs, "missing": missing, **relations, "peers": peers_as_json(tables)}


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


def _figure(value: float | None, runs: Sequence[Run]) -> Figure:
    return Figure(None, missing=_NO_ORACLE) if value is None else Figure(value, tuple(runs))
