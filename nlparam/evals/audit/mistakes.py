"""How often an evaluator is wrong about each system, and how that differs between systems."""

import itertools
from typing import NamedTuple

import numpy as np

from nlparam.evals.audit.records import KINDS, Evaluations
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.numerics.statistics.rates import (
    Rate,
    design_effect,
    difference,
    rate,
    shuffled_p_value,
    stratified_p_value,
    swapped_p_value,
)

# A test within tasks uses only tasks that both systems did; with fewer of their outputs it is not made.
_SHARED = 0.5


class SystemRates(NamedTuple):
    """What an evaluator makes of one system's outputs.

    `false_positives`: of its wrong outputs, the share that was accepted; `false_negatives`: of its right ones, the
    share that was rejected; `approval`: the share accepted; `correctness`: the share that is right.
    """

    system: str
    false_positives: Rate
    false_negatives: Rate
    approval: Rate
    correctness: Rate


class Change(NamedTuple):
    """A rate of the system `to` minus that of the system `since`, with its interval.

    `kind` is one of `KINDS`. `p_value` is that of `test`. Where both systems did the same tasks, "within tasks" (exact)
    compares them within each; else "Fisher" takes all outputs for independent. If a system has several outputs of a
    task, which may be alike, these stay together: "tasks swapped" and "tasks shuffled" are tests by permutation of
    whole tasks, and the interval gets a design effect. `p_adjusted` is Holm's, for all changes of the audit.
    """

    kind: str
    since: str
    to: str
    difference: float
    low: float
    high: float
    p_value: float
    test: str
    p_adjusted: float


def system_rates(evaluations: Evaluations, *, confidence: float = 0.95) -> list[SystemRates]:
    """The rates of every system, with Wilson intervals, wider where several outputs of a task are alike."""
    codes, tasks = evaluations.by_system, evaluations.by_task
    return [
        SystemRates(
            name,
            *(
                _rate(hits, among & (codes == number), tasks, confidence)[0]
                for hits, among in map(evaluations.of_kind, KINDS)
            ),
        )
        for number, name in enumerate(evaluations.systems)
    ]


def changes(
    evaluations: Evaluations, *, baseline: str | None = None, confidence: float = 0.95, seed: int = 0
) -> list[Change]:
    """Every rate compared between systems: each with the `baseline`, by default each with each before it.

    `seed` is for the tests by permutation.
    """
    systems, codes, tasks = evaluations.systems, evaluations.by_system, evaluations.by_task
    pairs = list(itertools.combinations(range(len(systems)), 2))
    if baseline is not None:
        base = systems.index(baseline)
        pairs = [(base, number) for number in range(len(systems)) if number != base]
    found = []
    for (since, to), kind in itertools.product(pairs, KINDS):
        hits, among = evaluations.of_kind(kind)
        first, second = among & (codes == since), among & (codes == to)
        (new, new_effect), (old, old_effect) = (_rate(hits, side, tasks, confidence) for side in (second, first))
        gap = difference(new, old, confidence=confidence, design_effects=(new_effect, old_effect))
        p_value, test = gap.p_value, gap.test
        both = first | second
        given = hits[both], (codes == to)[both], tasks[both]
        alike = any(len(np.unique(tasks[side])) < side.sum() for side in (first, second))
        if _in_shared_tasks(tasks, first, second) >= _SHARED:
            p_value = swapped_p_value(*given, seed=seed) if alike else stratified_p_value(*given)
            test = "tasks swapped" if alike else "within tasks"
        elif alike and test != "none":
            p_value, test = shuffled_p_value(*given, seed=seed), "tasks shuffled"
        found.append(Change(kind, systems[since], systems[to], gap.difference, gap.low, gap.high, p_value, test, 1.0))
    adjusted = correct_p_values([change.p_value for change in found], "holm").tolist()
    return [change._replace(p_adjusted=p) for change, p in zip(found, adjusted, strict=True)]


def _rate(hits: np.ndarray, among: np.ndarray, tasks: np.ndarray, confidence: float) -> tuple[Rate, float]:
    """A rate among some evaluations, and its design effect."""
    effect = design_effect(hits[among], tasks[among])
    return rate(int(hits[among].sum()), int(among.sum()), confidence=confidence, design_effect=effect), effect


def _in_shared_tasks(tasks: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """The share of the outputs that are of tasks which both sides did."""
    both = first | second
    if not both.any():
        return 0.0
    shared = np.intersect1d(tasks[first], tasks[second])
    return float(np.isin(tasks[both], shared).mean())
