"""Tables declared by their columns: a heading, a kind, and what the cell of a record shows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from nlparam.results.page.blocks import Cell, Column, Table
from nlparam.results.page.sections import Interval, named, number, table, whole

# The heading, the kind of the column (see `Column`), and the field or attribute of a record or a function of it.
Declared: TypeAlias = tuple[str, str, str | Callable[[Any], Any]]
# In the place of a field: the number of the record, from 1.
PLACE = "#"

_LONGEST_NAME = 200


def table_of(
    key: str, caption: str, records: Iterable[Any], columns: Iterable[Declared], *, note: str = "", search: bool = False
) -> Table:
    """A table with a row for each record.

    What a column shows may be a cell, an interval, a name, a number of things, or a value that may be unknown (`None`).
    """
    columns = list(columns)
    rows = [
        [_cell(place if field == PLACE else _found(record, field)) for *_, field in columns]
        for place, record in enumerate(records, start=1)
    ]
    return table(key, caption, [Column(name, kind) for name, kind, _ in columns], rows, note=note, search=search)


def _found(record: Any, field: str | Callable[[Any], Any]) -> Any:
    if not isinstance(field, str):
        return field(record)
    return record[field] if isinstance(record, Mapping) else getattr(record, field)


def _cell(value: Any) -> Cell:
    if isinstance(value, Cell):
        return value
    if isinstance(value, Interval):
        return value.cell()
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return whole(value)
    return Cell(named(value, _LONGEST_NAME)) if isinstance(value, str) else number(value)
