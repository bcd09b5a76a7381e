"""Yes and no as files and people write them."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nlparam.errors import CorpusError

_YES = {"true", "t", "yes", "y", "1", "1.0", "pass", "passed", "accept", "accepted", "correct", "right", "good"}
_NO = {"false", "f", "no", "n", "0", "0.0", "fail", "failed", "reject", "rejected", "incorrect", "wrong", "bad"}


def truth(value: Any) -> bool | None:
    """A boolean, 0 or 1, or a word such as yes and no, pass and fail; `None` for anything else."""
    said = str(value).strip().casefold()
    return said in _YES if said in _YES | _NO else None


def truths(values: Iterable[Any], called: Callable[[int], str]) -> np.ndarray:
    """`(n,)` booleans. Raises `CorpusError` for a value that is none, by what its number (from 1) is `called`."""
    found = []
    for number, value in enumerate(values, start=1):
        if (said := truth(value)) is None:
            raise CorpusError(f"{called(number)} is {str(value)[:40]!r}, expected true or false, 1 or 0, or yes or no")
        found.append(said)
    return np.asarray(found, dtype=bool)
