"""Values as JSON can hold them, and back."""

import dataclasses
import enum
import functools
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")
_LISTS = {list: list, tuple: tuple, Sequence: tuple, frozenset: frozenset}


class AbstractNamed(enum.StrEnum):
    """Outcomes in words, which files keep by their names: the words may change."""


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
    elif isinstance(value, AbstractNamed):
        value = value.name
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def from_json(kind: Any, kept: Any) -> Any:
    """A value of a type from what `jsonable` made of it.

    Types are those of records: dataclasses and named tuples (or what has a `from_dict`), of numbers, words, arrays of
    numbers, and lists, tuples and dicts of such. What a file has beside the fields of a record is passed over, and
    fields that it lacks are as by default. Where a number is expected, `None` is not a number. Raises `TypeError` for a
    record that lacks fields.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kept is None:
        return math.nan if kind is float else None
    if origin in (Union, types.UnionType):  # something, or nothing
        return from_json(next(one for one in arguments if one is not type(None)), kept)
    if origin in _LISTS:
        return _LISTS[origin](from_json(arguments[0], one) for one in kept)
    if origin in (dict, Mapping):
        return {name: from_json(arguments[1], one) for name, one in kept.items()}
    if isinstance(kind, type) and issubclass(kind, AbstractNamed):
        return kept if isinstance(kept, kind) else kind[kept]
    if getattr(kind, "array_type", kind) is np.ndarray:  # jaxtyping has its own for an array of some shape
        array = np.asarray(kept)
        return array.astype(float) if array.dtype == object else array  # with what is not a number
    if not (hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields")) or isinstance(kept, kind):
        return kept
    if not isinstance(kept, Mapping):
        raise TypeError(f"got {kept!r:.40}, expected the fields of a {kind.__name__}")
    return kind.from_dict(kept) if hasattr(kind, "from_dict") else read_fields(kind, kept)


def read_fields(kind: type[T], kept: Mapping[str, Any]) -> T:
    """A record from its fields, also where it has a `from_dict` (which may call this)."""
    hints = _hints(kind)
    return kind(**{name: from_json(hints[name], value) for name, value in kept.items() if name in hints})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    names = getattr(kind, "_fields", None) or [field.name for field in dataclasses.fields(kind) if field.init]
    return {name: hints[name] for name in names}
