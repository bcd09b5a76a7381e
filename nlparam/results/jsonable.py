"""Values as JSON can hold them, and back."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def jsonable(value: Any) -> Any:
    """Arrays as lists, dataclasses and named tuples as objects, numbers that are not finite as `None`.

    What has an `as_dict` is what that gives, and what JSON does not know is its `str`.
    """
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def from_json(kind: type[T], kept: Mapping[str, Any]) -> T:
    """A named tuple or dataclass of numbers from what `jsonable` made of it: `None` is not a number."""
    return kind(**{name: math.nan if value is None else value for name, value in kept.items()})
