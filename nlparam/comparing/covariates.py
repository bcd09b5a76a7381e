"""Covariates as columns of a regression: numbers as they are, categories as indicators."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.errors import CorpusError

# A category with fewer observations is put together with the other rare ones.
_LEAST = 5
_OTHER, _MISSING = "(other)", "(missing)"


@dataclasses.dataclass(frozen=True)
class Covariates:
    """`(n, n_columns)` numbers for `n` observations, and the `names` of the covariates they stand for."""

    names: tuple[str, ...]
    matrix: np.ndarray


def encode(columns: Mapping[str, Sequence], groups: np.ndarray, names: Sequence[str]) -> Covariates:
    """Covariates of the observations that are to be tested.

    **Arguments:** `columns`, for each covariate one value per observation: numbers, or strings that all are numbers,
    count as numbers, all else as categories (a missing one is a category of its own); `groups`, `(n,)` integers;
    `names` of the groups.

    Raises `CorpusError` for a covariate that is constant, has missing numbers, has too many categories, or says which
    group a text is of, so that nothing can be compared at equal values.
    """
    parts = {name: _encoded(name, list(values)) for name, values in columns.items()}
    for name, part in parts.items():
        if not _separable(part, groups, len(names)):
            raise CorpusError(_tells_group(f"the covariate {name!r} says", names))
    matrix = np.concatenate([*parts.values(), np.zeros((len(groups), 0))], axis=1)
    if not _separable(matrix, groups, len(names)):
        raise CorpusError(_tells_group(f"the covariates {', '.join(map(repr, parts))} together say", names))
    return Covariates(tuple(parts), matrix)


def _tells_group(subject: str, names: Sequence[str]) -> str:
    return (
        f"{subject} which of the groups {', '.join(map(repr, names))} a text is of: its effect and that of the group "
        "cannot be told apart; leave it out"
    )


def _encoded(name: str, values: list) -> np.ndarray:
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None and math.isfinite(number)]
    n_present = sum(not _is_missing(value) for value in values)
    if n_present == 0:
        raise CorpusError(f"the covariate {name!r} has no values: leave it out")
    if len(known) == n_present:
        if len(known) < len(values):
            raise CorpusError(
                f"the covariate {name!r} is missing for {len(values) - len(known)} of {len(values)} texts: fill these "
                "values or leave the texts out"
            )
        column = np.asarray(known, np.float64)
        spread = column.std()
        if spread == 0:
            raise _constant(name, values[0])
        return ((column - column.mean()) / spread)[:, None]
    return _indicators(name, [_MISSING if _is_missing(value) else str(value) for value in values])


def _indicators(name: str, levels: list[str]) -> np.ndarray:
    counts = Counter(levels)
    if len(counts) == 1:
        raise _constant(name, levels[0])
    frequent = [level for level, n in counts.most_common() if n >= _LEAST]
    if len(frequent) > len(levels) / 10 or not frequent:
        raise CorpusError(
            f"the covariate {name!r} has {len(counts)} different values in {len(levels)} texts, expected numbers, or "
            "categories of ten texts and more: choose a coarser field"
        )
    merged = [level if level in set(frequent) else _OTHER for level in levels]
    # The first is what the others are compared with.
    shown = list(dict.fromkeys([*frequent, *merged]))[1:]
    return np.asarray([[level == other for other in shown] for level in merged], np.float64).reshape(len(levels), -1)


def _separable(matrix: np.ndarray, groups: np.ndarray, n_groups: int) -> bool:
    """Whether differences between groups can be estimated beside the covariates: neither is made up of the others."""
    ones, members = np.ones((len(groups), 1)), np.eye(n_groups)[groups]
    without = np.linalg.matrix_rank(np.hstack([ones, matrix]))
    return bool(np.linalg.matrix_rank(np.hstack([members, matrix])) == without + n_groups - 1)


def _constant(name: str, value: object) -> CorpusError:
    return CorpusError(f"the covariate {name!r} is {value!r} for all texts: nothing to adjust for, leave it out")


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # pyright: ignore[reportArgumentType] - what is no number raises
    except (TypeError, ValueError):
        return None


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )
