"""Labels and numbers as they come in files, turned into the classes and targets of a model."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import CorpusError

_SHOWN = 5  # positions or values that an error message shows
# Squares of numbers up to this, and of their inverse, are within the range of single precision.
_LARGEST = 1e15
# A spread below this share of the numbers drowns in their rounding errors (1e-7 of them).
_LEAST_SPREAD = 1e-5


class ClassLabels(NamedTuple):
    """`codes[i]` is the class of text i, an index into `names`."""

    codes: np.ndarray
    names: list[str]


def class_labels(labels: Sequence[Any] | np.ndarray, n_texts: int) -> ClassLabels:
    """Numbers the classes of the texts, in the order of their names (numbers by size).

    **Arguments:** `labels`, one per text: strings, whole numbers or booleans.

    **Raises:** `CorpusError` if labels are missing (None, NaN or blank), are fractions, are of several of these kinds,
    or are all of one class.
    """
    values = _values(labels, n_texts, "class labels")
    missing = [i for i, value in enumerate(values) if is_missing(value)]
    if missing:
        raise CorpusError(f"{_places(missing, n_texts)} no class label: drop these texts or label them")
    known = [isinstance(one, str | int) or (isinstance(one, float) and one.is_integer()) for one in values]
    wrong = [i for i, fine in enumerate(known) if not fine]
    if wrong:
        raise CorpusError(
            f"got {values[wrong[0]]!r} for text {wrong[0]}, expected class labels (strings, whole numbers or "
            "booleans): for numbers, fit a regression"
        )
    for kind in (str, bool):
        of_kind = [isinstance(value, kind) for value in values]
        if any(of_kind) and not all(of_kind):
            first, second = of_kind.index(True), of_kind.index(False)
            raise CorpusError(
                f"got the label {values[first]!r} for text {first} and {values[second]!r} for text {second}, expected "
                "all strings, all numbers or all booleans: '1' and 1 may be one class or two; convert them with str()"
            )
    names = [_name(value) for value in values]
    value_of = dict(zip(names, values, strict=True))
    distinct = sorted(value_of, key=value_of.__getitem__)
    if len(distinct) < 2:
        raise CorpusError(f"all {n_texts} labels are {distinct[0]!r}, expected at least two classes")
    position = {name: number for number, name in enumerate(distinct)}
    return ClassLabels(np.asarray([position[name] for name in names], dtype=np.int32), distinct)


def target_numbers(values: Sequence[Any] | np.ndarray, n_texts: int) -> np.ndarray:
    """`(n_texts,)` numbers to be predicted.

    **Raises:** `CorpusError` if some are missing, not numbers, infinite, or all the same, or if they do not differ in
    the 32 bits that a number has in the model.
    """
    given = _values(values, n_texts, "numbers to predict")
    numbers = np.asarray([as_number(value) for value in given], dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers)).tolist()
    if wrong:
        shown = ", ".join(f"{given[i]!r} (text {i})" for i in wrong[:_SHOWN])
        raise CorpusError(
            f"{len(wrong)} of {n_texts} values are not finite numbers: {shown}; drop these texts or mend them, or fit "
            "a classification to labels"
        )
    if numbers.min() == numbers.max():
        raise CorpusError(f"all {n_texts} numbers to predict are {numbers[0]:g}, expected some that differ")
    largest, spread = np.abs(numbers).max(), numbers.std()
    if largest > _LARGEST or spread < _LEAST_SPREAD * largest or spread < 1 / _LARGEST:
        raise CorpusError(
            f"the numbers to predict lie between {numbers.min():g} and {numbers.max():g}, which a model in single "
            "precision cannot work with: subtract their mean and divide by their standard deviation"
        )
    return numbers


def _values(values: Any, n_texts: int, what: str) -> list[Any]:
    if values is None:
        raise CorpusError(f"got no {what}, expected one per text: give them as `data`")
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        got = f"an array of shape {array.shape}" if array.ndim else f"{what} of type {type(values).__name__}"
        raise CorpusError(f"got {got}, expected {what} in a list, an array or a column, one per text")
    listed = [value.item() if isinstance(value, np.generic) else value for value in array]
    if len(listed) != n_texts:
        raise CorpusError(f"got {len(listed)} {what} for {n_texts} texts, expected one per text")
    return listed


def _places(positions: list[int], n_texts: int) -> str:
    shown = ", ".join(str(i) for i in positions[:_SHOWN]) + (", ..." if len(positions) > _SHOWN else "")
    return f"{len(positions)} of {n_texts} texts (number {shown}) have"


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: `None`, a blank string, not a number, or what a data frame has in its place."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA is neither equal to itself nor not
        return True


def _name(value: Any) -> str:
    return str(value) if isinstance(value, str | bool) else str(int(value))


def as_number(value: Any) -> float:
    """A value as a number; not a number for one that is none, and for true and false."""
    if value is None or isinstance(value, bool | complex):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
