"""Decompositions that say the same in logic are one, and the shortest stands for them."""

import itertools
from collections.abc import Iterable

import numpy as np

from nlparam.evals.decomposition.expression import Expression, Not, Part
from nlparam.numerics.statistics.logic import evaluate

# Of so many different parts all combinations are tried; beyond, expressions are compared as they are written.
_MOST_PARTS = 10


def truth_function(expression: Expression) -> tuple[tuple[str, ...], bytes]:
    """The parts that an expression depends on, sorted, and its value for every combination of them.

    Equal for two expressions exactly if they are equivalent, as long as there are at most ten different parts.
    """
    names = sorted(set(expression.parts))
    if len(names) > _MOST_PARTS:
        return tuple(names), str(expression).encode()
    combinations = np.asarray(list(itertools.product((0.0, 1.0), repeat=len(names))))
    values = evaluate(expression.tree({name: column for column, name in enumerate(names)}), combinations) >= 0.5
    table = values.reshape((2,) * len(names))
    matters = [axis for axis in range(len(names)) if np.any(np.take(table, 0, axis) != np.take(table, 1, axis))]
    # What does not matter is taken to be false.
    for axis in sorted(set(range(len(names))) - set(matters), reverse=True):
        table = np.take(table, 0, axis)
    return tuple(names[axis] for axis in matters), table.tobytes()


def shortest(expressions: Iterable[Expression]) -> dict[Expression, Expression | None]:
    """For each expression the first of the shortest that are equivalent to it, `None` if it is always true or false.

    One that depends on a single part is that part, or its opposite.
    """
    chosen: dict[tuple[tuple[str, ...], bytes], Expression] = {}
    functions = {expression: truth_function(expression) for expression in expressions}
    for expression, function in functions.items():
        names = function[0]
        if not names:
            continue
        candidate = expression
        if len(names) == 1:
            same = truth_function(Part(names[0])) == function
            candidate = Part(names[0]) if same else Not(Part(names[0]))
        known = chosen.get(function)
        if known is None or len(candidate.parts) < len(known.parts):
            chosen[function] = candidate
    return {expression: chosen.get(function) for expression, function in functions.items()}
