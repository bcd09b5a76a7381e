"""Tables declared by their columns, and charts of intervals with the table that has their figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from nlparam.results.page.blocks import Block, Cell, Column, Table
from nlparam.results.page.sections import Interval, interval_chart, named, number, p_value, rate_of, table, whole

# The heading, the kind of the column, and the path to what a record shows ("assistance.value") or a function of it.
# The kind is one of `Column`; or "p" for a p-value; or "drawn" for an interval that `charted` draws. Behind a colon
# stands the format of its figures ("number:.1%").
Declared: TypeAlias = tuple[str, str, str | Callable[[Any], Any]]
# In the place of a path: the number of the record, from 1.
PLACE = "#"

_LONGEST_NAME = 200


def table_of(
    key: str, caption: str, records: Iterable[Any], columns: Iterable[Declared], *, note: str = "", search: bool = False
) -> Table:
    """A table with a row for each record.

    What a column shows may be a cell, an interval (or a mapping that has one), a name, a number of things, or a value
    that may be unknown (`None`).
    """
    columns = list(columns)
    rows = [[_cell(place, record, column) for column in columns] for place, record in enumerate(records, start=1)]
    kinds = {"p": "number", "drawn": "number"}
    shown = [Column(name, kinds.get(kind := declared.split(":")[0], kind)) for name, declared, _ in columns]
    return table(key, caption, shown, rows, note=note, search=search)


def charted(
    key: str,
    title: str,
    records: Iterable[Any],
    columns: Sequence[Declared],
    *,
    label: str,
    interval: str,
    caption: str = "",
    neutral: float | None = None,
    neutral_means: str = "",
    log: bool = False,
    item: Callable[[Any], str] | None = None,
    panel: Callable[[Any], str] | None = None,
    order: Callable[[Any], Any] | None = None,
    name: str = "",
    note: str = "",
    search: bool = False,
) -> list[Block]:
    """A chart of intervals and the table with its figures; of both, what the same columns say of the records.

    Each column of the kind "drawn" is a panel of the chart, and each record an item. Nothing is drawn if no interval is
    known.

    **Arguments:** `label` of the axis; `interval`, what the line through a dot is; `caption`, what else the chart says;
    `neutral`, a value that is drawn as a line, and `neutral_means`, what it means; `log`, for ratios; `item`, how the
    chart calls a record, by default as the column "head" does; `panel`, of which panel a record is, where several are
    of one item; `order`, by which the items of the chart are sorted; `name`, the caption of the table, by default the
    title with the interval.
    """
    numbered = list(enumerate(records, start=1))
    drawn = [column for column in columns if column[1].startswith("drawn")]
    head = next(column for column in columns if column[1] == "head")
    has_number = any(field == PLACE for _, _, field in columns)
    items: dict[Any, str] = {}
    panels: dict[str, dict[Any, Interval]] = {}
    for place, record in sorted(numbered, key=lambda one: order(one[1])) if order else numbered:
        called = _cell(place, record, head).text if item is None else item(record)
        at = place if panel is None else called
        items[at] = named(f"{place}. {named(called)}" if has_number else called, 100)
        for column in drawn:
            of = panel(record) if panel else column[0] if len(drawn) > 1 else ""
            panels.setdefault(of, {})[at] = _interval(_found(record, column[2]))
    line = f"The line through a dot is {interval}"
    if neutral is not None:
        line += f"; the dashed line at {neutral:g} means {neutral_means}"
    chart = interval_chart(
        key,
        title,
        list(items.values()),
        {of: [found.get(at, _UNKNOWN) for at in items] for of, found in panels.items()},
        label=label,
        caption=f"{caption} {line}.".strip(),
        neutral=neutral,
        log=log,
    )
    name = name or f"{title}, with {interval.removeprefix('the ')}s"
    return [*chart, table_of(key, name, [record for _, record in numbered], columns, note=note, search=search)]


_UNKNOWN = Interval.read({})


def _found(record: Any, path: str | Callable[[Any], Any]) -> Any:
    if not isinstance(path, str):
        return path(record)
    for name in path.split("."):
        record = record[name] if isinstance(record, Mapping) else getattr(record, name)
    return record


def _interval(value: Any) -> Interval:
    if isinstance(value, Mapping):
        return rate_of(value) if "n" in value else Interval.read(value)
    return value


def _cell(place: int, record: Any, column: Declared) -> Cell:
    _, declared, path = column
    kind, _, form = declared.partition(":")
    value = place if path == PLACE else _interval(_found(record, path))
    if isinstance(value, Cell):
        return value
    if isinstance(value, Interval):
        return value.cell(form or ".1%")
    if kind == "p":
        return p_value(value)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int):
        return whole(value)
    return Cell(named(value, _LONGEST_NAME)) if isinstance(value, str) else number(value, form or ".2f")
