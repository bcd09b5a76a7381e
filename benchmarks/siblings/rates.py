"""The audit's test of changes of rates where nothing has changed: how often is a change claimed all the same?

Studies of two systems that do not differ are simulated in several shapes: the same tasks or other ones, many or few,
rare mistakes, several outputs of a task that are alike. A study counts as one with a claim if any of its four changes
has a p-value of at most 0.05 after Holm's adjustment, which may happen in one study of twenty. Intervals, which are not
adjusted, are counted by whether they hold the true difference, 0. In the studies with a difference the evaluator is
fooled more often by one system, and it counts whether that is claimed.

No language model is asked. `python -m benchmarks.siblings.rates --studies 1000`.
"""

import dataclasses
from typing import Annotated

import numpy as np
import scipy.special

from benchmarks.commands import command
from nlparam.evals.audit import Evaluations
from nlparam.evals.audit.mistakes import changes
from nlparam.numerics.statistics.rates import rate

_LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Shape:
    """Two systems, with `n_tasks` each of which a share is of both, and so many outputs of a task.

    The logits of being right, and of being accepted, vary by `of_tasks` between tasks, and by `of_cells` between the
    outputs of one system for a task and those of another. `fooled` is the chance that a wrong output is accepted.
    """

    n_tasks: tuple[int, int] = (320, 320)
    n_outputs: tuple[int, int] = (1, 1)
    shared: float = 0.0
    of_tasks: float = 1.0
    of_cells: float = 0.0
    fooled: float = 0.3
    accepted: float = 0.8
    moved: float = 0.0


_SAME = Shape(shared=1.0)
SHAPES = {
    "same tasks": _SAME,
    "same tasks, 40": dataclasses.replace(_SAME, n_tasks=(40, 40)),
    "same tasks, very unlike": dataclasses.replace(_SAME, of_tasks=3.0),
    "same tasks, rare mistakes": dataclasses.replace(_SAME, fooled=0.03, accepted=0.97),
    "same tasks, 5 outputs": dataclasses.replace(_SAME, n_tasks=(60, 60), n_outputs=(5, 5)),
    "same tasks, 5 outputs alike": dataclasses.replace(_SAME, n_tasks=(60, 60), n_outputs=(5, 5), of_cells=2.0),
    "same tasks, 2 and 8 outputs alike": dataclasses.replace(_SAME, n_tasks=(60, 60), n_outputs=(2, 8), of_cells=2.0),
    "same tasks, 12 of 20 outputs alike": dataclasses.replace(
        _SAME, n_tasks=(12, 12), n_outputs=(20, 20), of_cells=1.0
    ),
    "a third of the tasks the same": Shape(shared=0.33, of_tasks=2.0),
    "other tasks": Shape(),
    "other tasks, 30": Shape(n_tasks=(30, 30)),
    "other tasks, 60 and 600": Shape(n_tasks=(60, 600)),
    "other tasks, rare mistakes": Shape(fooled=0.03, accepted=0.97),
    "other tasks, 8 outputs alike": Shape(n_tasks=(40, 40), n_outputs=(8, 8), of_tasks=2.0),
    "other tasks, 20 of 10 and 100 of 2 alike": Shape(n_tasks=(20, 100), n_outputs=(10, 2), of_tasks=2.0),
    "other tasks, 10 of 20 outputs alike": Shape(n_tasks=(10, 10), n_outputs=(20, 20), of_tasks=1.0),
}
MOVED = {
    name: dataclasses.replace(SHAPES[name], moved=0.2)
    for name in ("same tasks", "other tasks", "same tasks, 5 outputs alike", "other tasks, 8 outputs alike")
}


def measure(n_studies: Annotated[int, "of each shape"] = 400) -> dict:
    """Figures of `benchmarks/siblings`, this system: shares of studies, of each shape."""
    return {
        "studies_of_each_shape": n_studies,
        "without_a_difference": {name: _null(shape, n_studies) for name, shape in SHAPES.items()},
        "found": {name: _found(shape, n_studies) for name, shape in MOVED.items()},
    }


def study(shape: Shape, seed: int) -> Evaluations:
    """One simulated study."""
    rng = np.random.default_rng(seed)
    first, second = shape.n_tasks
    n_shared = round(shape.shared * min(first, second))
    n_all = first + second - n_shared
    done = np.arange(first), np.concatenate([np.arange(n_shared), np.arange(first, n_all)])
    cells = np.concatenate([np.repeat(tasks, n) for tasks, n in zip(done, shape.n_outputs, strict=True)])
    system = np.repeat([0, 1], [first * shape.n_outputs[0], second * shape.n_outputs[1]])

    def effect() -> np.ndarray:
        own = shape.of_tasks * rng.standard_normal(n_all)[:, None]
        return (own + shape.of_cells * rng.standard_normal((n_all, 2)))[cells, system]

    effects = effect(), effect()
    correct = rng.random(len(cells)) < scipy.special.expit(effects[0])
    fooled = np.minimum(shape.fooled + shape.moved * system, 0.99)
    logit = scipy.special.logit(np.where(correct, shape.accepted, fooled))
    verdict = rng.random(len(cells)) < scipy.special.expit(logit + effects[1])
    return Evaluations(
        task=[str(task) for task in cells],
        output=[""] * len(cells),
        verdict=verdict,
        correct=correct,
        system=np.where(system == 1, "after", "before").tolist(),
    )


def _null(shape: Shape, n_studies: int) -> dict:
    claims, covered, tests = 0, [], set()
    for seed in range(n_studies):
        found = changes(study(shape, seed))
        claims += any(change.p_adjusted <= _LEVEL for change in found)
        covered += [change.low <= 0.0 <= change.high for change in found]
        tests |= {change.test for change in found}
    claimed = rate(claims, n_studies)
    return {
        "claims": claimed.rate,
        "low": round(claimed.low, 4),
        "high": round(claimed.high, 4),
        "intervals_that_hold_0": round(float(np.mean(covered)), 4),
        "tests": sorted(tests),
    }


def _found(shape: Shape, n_studies: int) -> float:
    claims = [{c.kind for c in changes(study(shape, seed)) if c.p_adjusted <= _LEVEL} for seed in range(n_studies)]
    return float(np.mean(["false positives" in kinds for kinds in claims]))


if __name__ == "__main__":
    command(measure, "How often the audit claims a change of rates where there is none")
