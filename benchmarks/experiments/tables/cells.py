"""Runs as the cells of tables: one table per setting, a row per arm, a column per data set, the mean over the seeds."""

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments.runs import Run, config_of
from benchmarks.experiments.schema import defaults, flatten

# The experiment that separates the search from the language model; it has tables of its own.
ORACLE = "oracle"
# The arms in the order in which tables have them; any other comes after them.
ORDER = (
    *("named", "full", "coordinate", "no_relaxation", "no_refinement", "more_at_once", "no_goal_representation"),
    *("one_hot", "other_embedder", "prompting", "shuffled"),
    *("published", "published_no_relaxation", "published_no_refinement"),
    *("published_one_hot", "published_other_embedder", "published_shuffled", "goalex", "goalex_published"),
    *("kmeans", "tfidf_kmeans", "topic_model", "bertopic", "hypothesaes", "lloom"),
)
TASKS = ("clustering", "time_series", "classification")
# What the paper's code compares: one to one for a clustering, elsewhere every reference with its best predicate.
PRIMARY = {"clustering": "f1_hungarian", "time_series": "f1_best", "classification": "f1_best"}
# Sections of a configuration that rows, columns and headings show, or that change nothing of a run.
_SHOWN_ELSEWHERE = {"name", "dataset", "arm", "lm", "embedder", "seed", "out", "store", "data_folder", "progress"}
# A setting has the class of the model, whether it was named or found by the task; measuring more changes no run.
_NO_CHANGE = {"model.name", "metrics.similarity"}


class Setting(NamedTuple):
    """What all runs of one table share. `changes` are the keys of the configuration that are not at their defaults."""

    task: str
    model: str
    lm: str
    embedder: str
    changes: str

    @property
    def apart_from_task(self) -> tuple[str, str, str]:
        return self.lm, self.embedder, self.changes


@dataclasses.dataclass(frozen=True)
class Cell:
    """The runs of one arm on one data set, one per seed."""

    runs: tuple[Run, ...]

    def by_seed(self, metric: str) -> dict[int, float]:
        """The metric by seed, where a run has it."""
        values = {run.seed: run.metrics.get(metric, math.nan) for run in self.runs}
        return {seed: value for seed, value in values.items() if math.isfinite(value)}

    def mean(self, metric: str) -> float:
        """The mean over the seeds, `nan` without any."""
        values = list(self.by_seed(metric).values())
        return statistics.fmean(values) if values else math.nan

    def standard_error(self, metric: str) -> float:
        """The standard error of the mean over the seeds, `nan` for fewer than two."""
        values = list(self.by_seed(metric).values())
        return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan

    def cost(self, *names: str) -> float:
        """The mean over the runs of the sum of some of their costs."""
        return statistics.fmean(sum(run.costs.get(name, 0) for name in names) for run in self.runs)


@dataclasses.dataclass(frozen=True)
class Table:
    """The cells of one setting, by arm and data set. `passed_over` are runs of which there is a newer one."""

    setting: Setting
    arms: list[str]
    datasets: list[str]
    cells: dict[tuple[str, str], Cell]
    passed_over: list[Run]

    def has(self, metric: str) -> bool:
        return any(cell.by_seed(metric) for cell in self.cells.values())


class _Entry(NamedTuple):
    run: Run
    config: dict[str, Any]
    setting: Setting


def tabulate(runs: Iterable[Run]) -> list[Table]:
    """One table for every task, model, language model, embedder and configuration that there are runs of.

    Runs of arms that ask no language model stand in the tables of all language models, beside what these did with the
    same texts. Runs of the experiment `oracle` are left out. Where there are several runs of one arm, data set and
    seed (of two experiments), the newest counts.
    """
    entries = [_entry(run) for run in runs if run.experiment != ORACLE]
    by_setting: dict[Setting, list[_Entry]] = defaultdict(list)
    for entry in entries:
        if entry.run.lm is not None:
            by_setting[entry.setting].append(entry)
    asking = {setting: {_texts_of(entry.run) for entry in there} for setting, there in by_setting.items() if setting.lm}
    for entry in entries:
        if entry.run.lm is None:
            fitting = [setting for setting in asking if _fits(entry.setting, setting)]
            beside = [setting for setting in fitting if _texts_of(entry.run) in asking[setting]]
            for setting in beside or [entry.setting._replace(changes="")]:
                by_setting[setting].append(entry)
    return [_table(setting, by_setting[setting]) for setting in sorted(by_setting, key=_order)]


def _texts_of(run: Run) -> tuple[str, Any]:
    return run.dataset, run.identities.get("dataset")


def _fits(free: Setting, setting: Setting) -> bool:
    return free[:2] == setting[:2] and free.embedder == setting.embedder


def _order(setting: Setting) -> tuple:
    return (TASKS.index(setting.task) if setting.task in TASKS else len(TASKS), *setting)


def _table(setting: Setting, entries: list[_Entry]) -> Table:
    arms = _named([(entry.run.arm, flatten(entry.config.get("arm", {}))) for entry in entries])
    # The same name may stand for other texts: a random part of them, or another file.
    datasets = _named([(entry.run.dataset, _of_dataset(entry)) for entry in entries], always=("n_texts",))
    newest: dict[tuple[str, str, int], Run] = {}
    passed_over = []
    for arm, dataset, entry in zip(arms, datasets, entries, strict=True):
        key = (arm, dataset, entry.run.seed)
        older, newer = sorted((newest.get(key, entry.run), entry.run), key=lambda run: run.date)
        newest[key] = newer
        if older is not newer:
            passed_over.append(older)
    cells: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for (arm, dataset, _), run in sorted(newest.items(), key=lambda item: item[0]):
        cells[arm, dataset].append(run)
    return Table(
        setting,
        sorted(set(arms), key=lambda arm: (_rank(arm), arm)),
        sorted(set(datasets)),
        {key: Cell(tuple(there)) for key, there in cells.items()},
        passed_over,
    )


def _rank(arm: str) -> int:
    name = arm.partition(" ")[0]
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _entry(run: Run) -> _Entry:
    config = config_of(run)
    setting = Setting(run.task, run.model, run.lm or "", run.embedder, _changes(config))
    return _Entry(run, config, setting)


def _of_dataset(entry: _Entry) -> dict[str, Any]:
    digest = entry.run.identities.get("dataset")
    options = flatten(entry.config.get("dataset", {}))
    options.pop("label", None)
    # The digest tells apart what the options do not; it is shown only if it must be.
    return options | ({"digest": str(digest)[:8]} if digest else {})


def _named(given: Sequence[tuple[str, Mapping[str, Any]]], *, always: Collection[str] = ()) -> list[str]:
    """Names, followed by some options `always`, and by others that differ among equal names. What is not set is not
    shown."""
    options: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for name, of in given:
        options[name].append(of)
    differing = {name: sorted({*_differing(of), *always}) for name, of in options.items()}
    labels = []
    for name, of in given:
        shown = ", ".join(f"{key}={of[key]}" for key in differing[name] if of.get(key) is not None)
        labels.append(f"{name} ({shown})" if shown else name)
    return labels


def _differing(options: list[Mapping[str, Any]]) -> list[str]:
    if all(of.get("digest") is not None and of["digest"] == options[0].get("digest") for of in options):
        return []
    keys = sorted({key for of in options for key in of})
    differing = [key for key in keys if len({str(of.get(key)) for of in options}) > 1]
    return [key for key in differing if key != "digest"] or differing


def _changes(config: Mapping[str, Any]) -> str:
    standard = flatten(defaults())
    changed = {
        key: value
        for key, value in flatten(config).items()
        if key.partition(".")[0] not in _SHOWN_ELSEWHERE and key not in _NO_CHANGE and value != standard.get(key)
    }
    return ", ".join(f"{key}={value}" for key, value in sorted(changed.items()))
