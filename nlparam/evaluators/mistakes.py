"""How often an evaluator is wrong about each system, and how that differs between systems."""

import itertools
from typing import NamedTuple

import numpy as np

from nlparam.evaluators.records import Evaluations
from nlparam.numerics.effects import correct_p_values
from nlparam.numerics.rates import Rate, difference, rate, stratified_p_value

# A test within tasks uses only tasks that both systems did; with fewer of their outputs it is not made.
_SHARED = 0.5
KINDS = ("false positives", "false negatives", "approval", "correctness")


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

    `kind` is one of `KINDS`. `p_value` is that of `test`: "within tasks" (exact) compares the systems within each task
    that both did, "Fisher" takes all outputs for independent. `p_adjusted` is Holm's, for all changes of the audit.
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
    """The rates of every system, with Wilson intervals."""
    codes = evaluations.by_system
    found = []
    for number, name in enumerate(evaluations.systems):
        kinds = (_of_kind(evaluations, kind) for kind in KINDS)
        counted = [(int(hits[codes == number].sum()), int(among[codes == number].sum())) for hits, among in kinds]
        found.append(SystemRates(name, *(rate(hits, n, confidence=confidence) for hits, n in counted)))
    return found


def changes(evaluations: Evaluations, *, baseline: str | None = None, confidence: float = 0.95) -> list[Change]:
    """Every rate compared between systems: each with the `baseline`, by default each with each before it."""
    systems, codes, tasks = evaluations.systems, evaluations.by_system, evaluations.by_task
    pairs = list(itertools.combinations(range(len(systems)), 2))
    if baseline is not None:
        base = systems.index(baseline)
        pairs = [(base, number) for number in range(len(systems)) if number != base]
    found = []
    for (since, to), kind in itertools.product(pairs, KINDS):
        hits, among = _of_kind(evaluations, kind)
        first, second = among & (codes == since), among & (codes == to)
        rates = [rate(int(hits[side].sum()), int(side.sum()), confidence=confidence) for side in (second, first)]
        gap = difference(*rates, confidence=confidence)
        p_value, test = gap.p_value, gap.test
        both = first | second
        if _in_shared_tasks(tasks, first, second) >= _SHARED:
            p_value = stratified_p_value(hits[both], (codes == to)[both], tasks[both])
            test = "within tasks"
        found.append(Change(kind, systems[since], systems[to], gap.difference, gap.low, gap.high, p_value, test, 1.0))
    adjusted = correct_p_values([change.p_value for change in found], "holm").tolist()
    return [change._replace(p_adjusted=p) for change, p in zip(found, adjusted, strict=True)]


def _of_kind(evaluations: Evaluations, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """What is counted, and among which evaluations."""
    everything = np.ones(len(evaluations), dtype=bool)
    return {
        "false positives": (evaluations.false_positive, ~evaluations.correct),
        "false negatives": (evaluations.false_negative, evaluations.correct),
        "approval": (evaluations.verdict, everything),
        "correctness": (evaluations.correct, everything),
    }[kind]


def _in_shared_tasks(tasks: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """The share of the outputs that are of tasks which both sides did."""
    both = first | second
    if not both.any():
        return 0.0
    shared = np.intersect1d(tasks[first], tasks[second])
    return float(np.isin(tasks[both], shared).mean())
