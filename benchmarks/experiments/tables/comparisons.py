"""The full arm against every other: paired tests over data sets, and the relations that the paper reports."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.experiments.tables.cells import PRIMARY, Cell, Table

BASELINE = "full"
# An arm that knows the right words is no rival.
BOUND = "named"
# Relations of the paper (arXiv 2409.08466, section 5.3 and appendix D): the arm that is worse, and what is said of it.
RELATIONS = {
    "no_relaxation": "better in all cells, p = 5e-4",
    "no_refinement": "better in all cells, p = 2e-4",
    "shuffled": "better in all cells, p = 6e-3",
    "prompting": "better in all cells",
    "one_hot": "better in all cells",
    "goalex": "better on 4 of 5 sets, by 0.02 in the mean",
}

# The same of the arms as they were published, under the names that they have here.
PUBLISHED = "published"
PUBLISHED_RELATIONS = {
    {"prompting": "prompting", "goalex": "goalex_published"}.get(name, f"{PUBLISHED}_{name}"): said
    for name, said in RELATIONS.items()
}


class Pair(NamedTuple):
    """The mean F1 of the full and of another arm on one data set, over the seeds that both have.

    `differences` are those of each seed.
    """

    dataset: str
    full: float
    other: float
    n_seeds: int
    runs: tuple
    differences: tuple[float, ...]


class Comparison(NamedTuple):
    """The full arm against `other`.

    `p` is one-sided (full is greater), over data sets, `p_seeds` over data sets and seeds; `nan` where there are too
    few for a test.
    """

    setting: tuple[str, str, str]
    other: str
    pairs: list[Pair]
    difference: float
    t: float
    p: float
    p_seeds: float

    @property
    def holds(self) -> bool:
        return self.difference > 0

    @property
    def exceptions(self) -> list[str]:
        """The data sets on which the full arm is not better."""
        return [pair.dataset for pair in self.pairs if pair.full <= pair.other]


def compare(
    tables: Sequence[Table], metrics: Mapping[str, str] = PRIMARY, *, baseline: str = BASELINE
) -> list[Comparison]:
    """Compares the full arm, or another `baseline`, with every other by the metric of the task, but for the bound.

    All data sets of all tasks that have one setting are taken together, as in the paper.
    """
    pairs: dict[tuple[tuple[str, str, str], str], list[Pair]] = defaultdict(list)
    for table in tables:
        metric = metrics.get(table.setting.task, "f1_best")
        for (arm, dataset), other in sorted(table.cells.items(), key=lambda one: table.arms.index(one[0][0])):
            full = table.cells.get((baseline, dataset))
            if arm in (baseline, BOUND) or full is None:
                continue
            if (pair := _pair(dataset, full, other, metric)) is not None:
                pairs[table.setting.apart_from_task, arm].append(pair)
    return [_comparison(setting, arm, there) for (setting, arm), there in pairs.items()]


def _pair(dataset: str, full: Cell, other: Cell, metric: str) -> Pair | None:
    ours, theirs = full.by_seed(metric), other.by_seed(metric)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    runs = tuple(run for cell in (full, other) for run in cell.runs if run.seed in seeds)
    means = [statistics.fmean(values[seed] for seed in seeds) for values in (ours, theirs)]
    return Pair(dataset, means[0], means[1], len(seeds), runs, tuple(ours[seed] - theirs[seed] for seed in seeds))


def _comparison(setting: tuple[str, str, str], other: str, pairs: list[Pair]) -> Comparison:
    differences = [pair.full - pair.other for pair in pairs]
    t, p = _greater(differences)
    p_seeds = _greater([difference for pair in pairs for difference in pair.differences])[1]
    return Comparison(setting, other, pairs, statistics.fmean(differences), t, p, p_seeds)


def _greater(differences: Sequence[float]) -> tuple[float, float]:
    """t and p of a one-sided paired test; `nan` for equal differences, which have no variance to test against."""
    if len(differences) < 2 or max(differences) - min(differences) <= 1e-12:
        return math.nan, math.nan
    from scipy.stats import ttest_1samp

    found: Any = ttest_1samp(differences, 0.0, alternative="greater")
    return float(found.statistic), float(found.pvalue)
