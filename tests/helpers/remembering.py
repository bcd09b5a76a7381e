"""Functions of arrays that compute nothing twice, for simulations that ask the same over and over."""

from collections.abc import Callable
from typing import Any

import numpy as np


def remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of numbers and arrays, which keeps what it has returned."""
    known: dict[tuple[bytes, ...], Any] = {}

    def remembered(*arguments: Any) -> Any:
        key = tuple(np.asarray(argument).tobytes() for argument in arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return remembered
