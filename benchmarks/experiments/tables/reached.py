"""What the paper and the peers are compared by, as a few figures: relations, ceilings, gains, peers."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments.runs import Run
from benchmarks.experiments.tables.cells import PRIMARY, Cell, Table
from benchmarks.experiments.tables.comparisons import BASELINE, RELATIONS, Comparison, compare

# Other systems, and the baseline that is closest to one: clusters of embeddings, named by the language model.
PEERS = ("bertopic", "hypothesaes", "lloom", "kmeans")
# A relation holds if chance gives such a difference less often.
_MOST_P = 0.05
# What a classification by K predicates is to reach of the accuracy of a linear probe on the embeddings.
_OF_PROBE = 0.9
_PEER_METRICS = {**PRIMARY, "classification": "accuracy"}
_ANSWERS = ("judgments_asked", "judgments_served", "proposals_asked", "proposals_served")
# The language model that only says whether an experiment runs.
_SCRIPTED = "scripted"


class Figure(NamedTuple):
    """A value, or `None` and the reason; and the runs it is made of."""

    value: float | None
    runs: tuple[Run, ...] = ()
    missing: str | None = None


def reached(tables: Sequence[Table]) -> dict[str, Figure]:
    """The figures by name. Where there are several settings, that with the most runs counts.

    - `relations_held`: of how many arms the paper's relation holds: the full arm is better in the mean, with p < 0.05
      over data sets and seeds.
    - `series_f1_of_ceiling`: F1 of the full arm on time series relative to what K exact predicates can reach, the mean
      over the data sets.
    - `classification_beats_probe`: the share of classifications on which the accuracy of the full arm on texts that
      were left out is at least 0.9 of a linear probe's, and above that of the most frequent class.
    - `refinement_gain`: the mean F1 of the full arm less that of `no_refinement`.
    - `peers_beaten`: of how many peers (BERTopic, HypotheSAEs, LLooM, named k-means clusters) the full arm is ahead in
      the mean of F1, of a classification of accuracy.
    - `cells_run`: runs of an arm on a data set with a seed.
    """
    tables = _real(tables)
    relations = _largest(compare(tables), RELATIONS)
    held = [one for one in relations.values() if one.holds and one.p_seeds < _MOST_P]
    refinement = relations.get("no_refinement")
    peers = _largest(compare(tables, _PEER_METRICS), PEERS)
    cells = {run.folder: run for table in tables for cell in table.cells.values() for run in cell.runs}
    return {
        "relations_held": _figure(len(held), _runs(relations), "no other arm beside full on the same data set"),
        "series_f1_of_ceiling": _series(tables),
        "classification_beats_probe": _classifications(tables),
        "refinement_gain": _figure(
            None if refinement is None else refinement.difference,
            _runs({} if refinement is None else {"": refinement}),
            "no run of the arm no_refinement beside full on the same data set",
        ),
        "peers_beaten": _figure(
            sum(one.holds for one in peers.values()), _runs(peers), f"no run of {', '.join(PEERS)} beside full"
        ),
        "cells_run": _figure(len(cells), tuple(cells.values()), "no runs with a real language model"),
    }


def peers_as_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Every peer that was run: how far the full arm is ahead, where it is not, and how many answers each used."""
    return [
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


def _real(tables: Sequence[Table]) -> list[Table]:
    return [table for table in tables if table.setting.lm != _SCRIPTED]


def _largest(comparisons: Sequence[Comparison], arms: Sequence[str] | Mapping[str, str]) -> dict[str, Comparison]:
    """For every arm that was compared the comparison of the most runs."""
    found: dict[str, Comparison] = {}
    for one in sorted(comparisons, key=lambda one: sum(pair.n_seeds for pair in one.pairs)):
        if one.other in arms:
            found[one.other] = one
    return {name: found[name] for name in arms if name in found}


def _series(tables: Sequence[Table]) -> Figure:
    cells = _full(tables, "time_series", "f1_best", "f1_ceiling")
    shares = [cell.mean("f1_best") / cell.mean("f1_ceiling") for cell in cells]
    missing = f"no time series with references was run with the arm {BASELINE}"
    return _figure(statistics.fmean(shares) if shares else None, _of(cells), missing)


def _classifications(tables: Sequence[Table]) -> Figure:
    cells = _full(tables, "classification", "accuracy", "accuracy_probe", "accuracy_larger")
    reach = [
        cell.mean("accuracy") >= _OF_PROBE * cell.mean("accuracy_probe")
        and cell.mean("accuracy") > cell.mean("accuracy_larger")
        for cell in cells
    ]
    missing = f"no classification was run with the arm {BASELINE} and texts left out"
    return _figure(statistics.fmean(reach) if reach else None, _of(cells), missing)


def _full(tables: Sequence[Table], task: str, *metrics: str) -> list[Cell]:
    """The cells of the full arm that have some metrics, in the table of a task that has the most runs of them."""
    found = [
        [
            cell
            for (arm, _), cell in table.cells.items()
            if arm == BASELINE and all(cell.by_seed(metric) for metric in metrics)
        ]
        for table in tables
        if table.setting.task == task
    ]
    return max(found, key=lambda cells: sum(len(cell.runs) for cell in cells), default=[])


def _answers(comparison: Comparison, arm: str) -> float:
    runs = [run for pair in comparison.pairs for run in pair.runs if run.arm == arm]
    return statistics.fmean(sum(run.costs.get(name, 0) for name in _ANSWERS) for run in runs)


def _of(cells: Sequence[Cell]) -> tuple[Run, ...]:
    return tuple(run for cell in cells for run in cell.runs)


def _runs(comparisons: Mapping[str, Comparison]) -> tuple[Run, ...]:
    # The runs of the full arm stand in several comparisons.
    runs = {run.folder: run for one in comparisons.values() for pair in one.pairs for run in pair.runs}
    return tuple(runs.values())


def _figure(value: float | None, runs: tuple[Run, ...], missing: str) -> Figure:
    return Figure(value, runs) if runs and value is not None else Figure(None, missing=missing)
