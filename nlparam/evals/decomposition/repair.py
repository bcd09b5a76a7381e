"""Repairs by changing one part, found by execution, and how well a decomposition can be repaired."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.evals.decomposition.execution import Execution
from nlparam.evals.decomposition.expression import Expression, Not, Part, parse
from nlparam.numerics.statistics.logic import one_part_edits

_GAIN = 1e-9  # what is less is no better


@dataclasses.dataclass(frozen=True)
class Repair:
    """One part changed: `part` is its number, `predicate` what it was, `replacement` what it became (`None`: removed).

    `before` and `after` are the agreement of the whole with the labels, the texts of either label counting half.
    """

    part: int
    predicate: str
    replacement: Expression | None
    expression: Expression
    before: float
    after: float

    def as_dict(self) -> dict[str, Any]:
        replacement = None if self.replacement is None else str(self.replacement)
        return vars(self) | {"replacement": replacement, "expression": str(self.expression)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Repair":
        """From what `as_dict` gave."""
        replacement = None if kept["replacement"] is None else parse(kept["replacement"])
        return cls(**{**kept, "replacement": replacement, "expression": parse(kept["expression"])})


@dataclasses.dataclass(frozen=True)
class Assistance:
    """How well a decomposition can be repaired when a part of it is wrong.

    **Attributes:**

    - `value`: the mean of 1 / n over errors repaired by n edits (0 for those that are not), and of 1 / (1 + n) for the
      decomposition as it stands, which may need none.
    - `repaired`: the share of errors that were repaired; `localised`: the share for which the best single edit is of
      the part that is wrong; `edits`: the mean number of edits where it was repaired. `nan` without errors.
    - `n_errors`: how many ways to spoil one part were tried.
    """

    value: float
    repaired: float
    localised: float
    edits: float
    n_errors: int


def repair(
    expression: Expression,
    execution: Execution,
    *,
    n_edits: int = 1,
    target: float = 1.0,
    without: Collection[str] = (),
) -> list[Repair]:
    """The changes of one part each that bring the whole closest to the labels, one after another.

    Every part is tried with every judged predicate and with its opposite in its place, and left out; no judgment is
    made. The sequence ends after `n_edits`, at the agreement `target`, or where no change is an improvement.

    **Arguments:** `without`, predicates that may not be put in.
    """
    repairs: list[Repair] = []
    for _ in range(n_edits):
        if execution.balanced_agreement(expression) >= target - _GAIN:
            break
        found = _best_edit(expression, execution, without)
        if found is None:
            break
        repairs.append(found)
        expression = found.expression
    return repairs


def assistance(
    expression: Expression,
    execution: Execution,
    alternatives: Mapping[str, Sequence[str]],
    *,
    target: float = 0.9,
    max_edits: int = 2,
) -> Assistance:
    """How often, and with how few edits, the whole can be repaired by changing one part at a time.

    Each part in turn is replaced by each of its alternatives. That is an error if the agreement falls below `target`,
    or, if the decomposition itself does not reach that, below its own. It is repaired once the agreement is there
    again; neither the right wording nor the wrong one is offered then, for who repairs has neither to copy.

    **Arguments:** `alternatives`, for a part what might be taken for it; those that were not judged are passed over.
    """
    own = execution.balanced_agreement(expression)
    reached = min(target, own)
    as_it_is = _n_edits(expression, execution, target, max_edits, without=())
    values = [0.0 if as_it_is is None else 1 / (1 + as_it_is)]
    edits: list[int] = []
    localised: list[bool] = []
    for number, predicate in enumerate(expression.parts):
        for other in alternatives.get(predicate, ()):
            if other not in execution.columns or other == predicate:
                continue
            wrong = expression.replace(number, Part(other))
            if execution.balanced_agreement(wrong) >= reached - _GAIN:
                continue
            without = (predicate, other)
            first = _best_edit(wrong, execution, without)
            localised.append(first is not None and first.part == number)
            needed = _n_edits(wrong, execution, reached, max_edits, without)
            values.append(0.0 if needed is None else 1 / max(needed, 1))
            if needed is not None:
                edits.append(needed)
    n_errors = len(localised)
    return Assistance(
        value=float(np.mean(values)),
        repaired=len(edits) / n_errors if n_errors else float("nan"),
        localised=float(np.mean(localised)) if n_errors else float("nan"),
        edits=float(np.mean(edits)) if edits else float("nan"),
        n_errors=n_errors,
    )


def _n_edits(
    expression: Expression, execution: Execution, target: float, max_edits: int, without: Collection[str]
) -> int | None:
    """How many edits bring the agreement to the target, `None` if so many do not."""
    repairs = repair(expression, execution, n_edits=max_edits, target=target, without=without)
    after = repairs[-1].after if repairs else execution.balanced_agreement(expression)
    return len(repairs) if after >= target - _GAIN else None


def _best_edit(expression: Expression, execution: Execution, without: Collection[str]) -> Repair | None:
    """The best change of one part, `None` if none is an improvement. Of equal ones the plainest: a predicate in the
    place of another before its opposite, and that before leaving the part out."""
    before = execution.balanced_agreement(expression)
    offered = [column for column, predicate in enumerate(execution.predicates) if predicate not in without]
    edits = one_part_edits(
        expression.tree(execution.columns),
        execution.denotations,
        execution.denotations[:, offered],
        execution.labels,
        execution.weights,
    )
    best, after = None, before
    for number, predicate in enumerate(expression.parts):
        for kind, values in (("as it is", edits.replaced[number]), ("negated", edits.negated[number])):
            if len(values) and values.max() > after + _GAIN:
                column = int(np.argmax(values))
                part: Expression = Part(execution.predicates[offered[column]])
                best = (number, predicate, part if kind == "as it is" else Not(part))
                after = float(values[column])
        rest = expression.remove(number)
        if rest is not None and (left := execution.balanced_agreement(rest)) > after + _GAIN:
            best, after = (number, predicate, None), left
    if best is None:
        return None
    number, predicate, replacement = best
    changed = expression.remove(number) if replacement is None else expression.replace(number, replacement)
    assert changed is not None
    return Repair(number, predicate, replacement, changed, before, after)
