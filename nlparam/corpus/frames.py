"""Texts in data frames: of pandas, Polars or Arrow, none of which is needed for anything else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from nlparam.errors import CorpusError

_DEFAULT_FIELD = "text"


@runtime_checkable
class Frame(Protocol):
    """A data frame of pandas, Polars or Arrow."""

    @property
    def columns(self) -> Any: ...


def is_frame(values: Any) -> bool:
    """Whether something is a data frame, not a column of one. Raises `CorpusError` for one that is still a query."""
    if type(values).__name__ == "LazyFrame":  # its columns are not known before it is run
        raise CorpusError("got a LazyFrame, expected a data frame or a column: call .collect() first")
    return hasattr(values, "columns") and (hasattr(values, "dtypes") or hasattr(values, "schema"))


def listed(values: Any) -> Any:
    """The values of a column or an array as a list; anything else as it is."""
    for method in ("to_pylist", "to_list", "tolist"):  # of Arrow, pandas and Polars, NumPy
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def texts_of(texts: Any, text_field: str | None, *given: Any) -> tuple[Iterable[str], list[Any]]:
    """The texts of a data frame, or texts as they are; and what was given beside them as names of fields, as values.

    **Arguments:** `text_field`, the column of the texts; by default "text", else the only one that holds strings.
    `given`, what belongs to the texts, such as columns; of a frame a name stands for the column of that name. Mappings
    may hold such values, too.

    Raises `CorpusError` for a column that is not there, for a name without a frame, and for a frame in place of values.
    """
    if not is_frame(texts):
        if text_field is not None:
            kind = type(texts).__name__
            raise CorpusError(f"got text_field={text_field!r} for texts of type {kind}, expected a data frame")
        return texts, [_values(None, value) for value in given]
    return listed(_column(texts, text_field or text_field_of(texts))), [_values(texts, value) for value in given]


def text_field_of(frame: Any) -> str:
    """The column of a frame that holds the texts, if nobody said which. Raises `CorpusError` if there is no telling."""
    names = _names(frame)
    if _DEFAULT_FIELD in names:
        return _DEFAULT_FIELD
    prose = [name for name in names if all(isinstance(value, str) for value in listed(frame[name]))]
    if len(prose) != 1:
        raise CorpusError(f"which column of the frame holds the text? Say so with text_field; {_described(names)}")
    return prose[0]


def beside(frame: Any, columns: Mapping[str, Sequence[Any]]) -> Any:
    """The frame with more columns, of the same kind. Its own column of such a name is called "NAME (given)" there."""
    import narwhals

    wrapped = narwhals.from_native(frame, eager_only=True)
    names = renamed(wrapped.columns, columns)
    kind = wrapped.implementation
    added = [narwhals.new_series(name, list(values), backend=kind) for name, values in columns.items()]
    return wrapped.rename(names).with_columns(*added).to_native()


def renamed(names: Iterable[str], added: Iterable[str]) -> dict[str, str]:
    """What columns are called that others of the same names are put beside: "NAME (given)"."""
    taken = set(added)
    new = {}
    for name in names:
        called = name
        while called in taken:
            called = f"{called} (given)"
        taken.add(called)
        new[name] = called
    return new


def _names(frame: Any) -> list[str]:
    return [str(name) for name in getattr(frame, "column_names", frame.columns)]


def _described(names: list[str]) -> str:
    return f"its columns are {', '.join(map(repr, names))}" if names else "it has no columns"


def _column(frame: Any, name: str) -> Any:
    names = _names(frame)
    if names.count(name) != 1:
        n = names.count(name)
        raise CorpusError(f"the frame has {n or 'no'} column{'s' if n else ''} {name!r}; {_described(names)}")
    return frame[name]


def _values(frame: Any, value: Any) -> Any:
    """Values as models take them. Of a column these are an array where it holds numbers, else a list."""
    if isinstance(value, str):
        if frame is None:
            raise CorpusError(
                f"got the name {value!r} in place of values, expected one value for each text; a name is that of a "
                "column if the texts are given as a data frame"
            )
        value = _column(frame, value)
    if is_frame(value):
        raise CorpusError(
            f"got a {type(value).__name__} in place of values, expected one of its columns (such as "
            f"{_names(value)[:1]}), or a mapping of names to columns"
        )
    if isinstance(value, Mapping):
        return {name: _values(frame, one) for name, one in value.items()}
    if not hasattr(value, "to_numpy"):
        return value
    array = value.to_numpy()
    return array if array.dtype.kind in "biuf" else listed(value)
