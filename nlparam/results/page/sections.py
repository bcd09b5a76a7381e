"""Pages of sections: tables, charts with intervals and lists of texts, for results that have no page of their own kind.

Whoever has such a result describes it as a `SectionPage`; the template `sections.html.j2` shows any of them.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nlparam.results.page.examples import excerpt
from nlparam.results.page.page import AbstractPage
from nlparam.results.page.quantities import QuantityView
from nlparam.results.page.rows import Row, cost_rows, stage_rows, value_rows
from nlparam.results.page.text import DASH

# Rows of one table, and characters of a text in it, so that a page stays small.
MAX_ROWS = 2000
MAX_WORDS = 600
MAX_NAME = 80
# Items that a chart has room for.
MAX_DRAWN = 40


class Cell(NamedTuple):
    """What a cell shows, and what it is sorted by if that is something else. `link` is a place, on this page or not."""

    text: str
    value: float | None = None
    link: str | None = None


class Column(NamedTuple):
    """A column of a table.

    `kind` is "" for words, "number" for figures, "head" for what names the row, "text" for a text somebody wrote, and
    "choice" for words that occur often: a table that can be searched can be filtered by them.
    """

    name: str
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that can be sorted, and searched with `search`. `omitted` rows are left out to keep the page small."""

    key: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str = ""
    search: bool = False
    omitted: int = 0
    block: ClassVar[str] = "table"


@dataclasses.dataclass(frozen=True)
class Chart:
    """Values with intervals, drawn; a table beside it has the figures."""

    key: str
    title: str
    caption: str
    view: QuantityView
    block: ClassVar[str] = "chart"


@dataclasses.dataclass(frozen=True)
class Words:
    """A paragraph; a `muted` one is a remark."""

    text: str
    muted: bool = False
    block: ClassVar[str] = "words"


@dataclasses.dataclass(frozen=True)
class Counts:
    """The figures that are read first, with their names."""

    rows: list[Row]
    block: ClassVar[str] = "counts"


class Quotation(NamedTuple):
    """A text, or an expression in lines of (depth, words), under a heading."""

    heading: str
    text: str = ""
    lines: Sequence[tuple[int, str]] = ()
    code: bool = False


@dataclasses.dataclass(frozen=True)
class Folded:
    """Things that are opened to be read, each with a title, a remark and quotations."""

    items: list[tuple[str, str, list[Quotation]]]
    omitted: int = 0
    block: ClassVar[str] = "folded"


@dataclasses.dataclass(frozen=True)
class Link:
    """A way to another file beside the page."""

    words: str
    address: str
    block: ClassVar[str] = "link"


Block = Table | Chart | Words | Counts | Folded | Link


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page, which `identity` links to."""

    identity: str
    title: str
    blocks: list[Block]


@dataclasses.dataclass(frozen=True)
class SectionPage(AbstractPage):
    """A page in sections. `first` is the table that a notebook shows; costs and settings are shown if there are
    some."""

    title: str
    model: str
    summary: str
    facts: list[Row]
    warnings: list[str]
    sections: list[Section]
    first: Table
    costs: list[Row] = dataclasses.field(default_factory=list)
    stages: list[tuple[str, float]] = dataclasses.field(default_factory=list)
    settings: list[Row] = dataclasses.field(default_factory=list)

    @property
    def charts(self) -> list[Chart]:
        """All charts of the page, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Chart)]

    def html(self) -> str:
        from nlparam.results.page.render import render

        sections = [(section.identity, section.title) for section in self.sections]
        sections += [("cost", "Cost")] if self.costs else []
        sections += [("settings", "Settings")] if self.settings else []
        return render("sections.html.j2", charts=self._drawn(), page=self, sections=sections)

    def figures(self) -> dict[str, dict[str, Any] | str]:
        return {name: chart for name, chart in self._drawn().items() if chart is not None}

    def card(self) -> str:
        """The first table."""
        from nlparam.results.page.card import card, card_row

        table = self.first
        head = next(at for at, column in enumerate(table.columns) if column.kind == "head")
        others = [at for at, column in enumerate(table.columns) if at != head and column.name != "No."]
        rows = [
            card_row(str(number), row[head].text, *(row[at].text for at in others))
            for number, row in enumerate(table.rows, start=1)
        ]
        return card(
            self.title,
            self.summary,
            [table.columns[at].name for at in others],
            rows,
            "report(path) writes the whole report.",
            named=table.columns[head].name,
        )

    def _drawn(self) -> dict[str, dict[str, Any] | None]:
        from nlparam.results.page.charts import specification
        from nlparam.results.page.plots import quantity_chart

        drawn = {chart.key: quantity_chart(chart.view) for chart in self.charts}
        return {key: None if chart is None else specification(chart) for key, chart in drawn.items()}


def used(costs: Mapping[str, Any] | None) -> tuple[list[Row], list[tuple[str, float]]]:
    """The costs of a result and the time of its stages, from `Costs.as_dict()`; nothing for nothing."""
    from nlparam.runtime.costs import Costs

    if not costs:
        return [], []
    read = Costs.from_dict(dict(costs))
    return cost_rows(read), stage_rows(read)


def set_by(settings: Mapping[str, Any] | None) -> list[Row]:
    """Settings as lines of a table; those that are not set are left out."""
    return value_rows({name: value for name, value in (settings or {}).items() if value not in (None, "", [])})


def counted(n: int, what: str) -> str:
    """So many of something: "1 text", "1,200 texts"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def named(text: str, length: int = MAX_NAME) -> str:
    """A name as it stands in a chart or a short cell."""
    return excerpt(str(text), length)


def quoted(text: str) -> Cell:
    """A text as a cell, cut if it is long."""
    return Cell(excerpt(str(text), MAX_WORDS))


def number(value: float | None, form: str = ".2f", unknown: str = DASH) -> Cell:
    """A figure as a cell, sorted by its value; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return Cell(unknown)
    return Cell(format(value, form), float(value))


def whole(value: int) -> Cell:
    """A count as a cell."""
    return Cell(f"{value:,}", float(value))


def p_value(value: float | None) -> Cell:
    """A p-value as a cell."""
    if value is None or not math.isfinite(value):
        return Cell(DASH)
    return Cell("< 0.0001" if value < 0.0001 else f"{value:.4f}", float(value))


class Interval(NamedTuple):
    """A value and the ends of its interval; not a number where there is none."""

    value: float
    low: float
    high: float

    @classmethod
    def read(cls, values: Mapping[str, Any], name: str = "value", scale: float = 1.0) -> "Interval":
        """From a mapping with `name`, "low" and "high", `None` where something is not known."""
        found = (math.nan if values.get(key) is None else scale * float(values[key]) for key in (name, "low", "high"))
        return cls(*found)

    def cell(self, form: str = ".1%", of: int | None = None) -> Cell:
        """As a cell: the value, its interval, and of how many it is."""
        if not math.isfinite(self.value):
            return Cell(DASH)
        text = format(self.value, form)
        if math.isfinite(self.low) and math.isfinite(self.high):
            text += f" [{self.low:{form}}, {self.high:{form}}]"
        return Cell(text if of is None else f"{text} of {of:,}", self.value)


def rate_of(values: Mapping[str, Any]) -> Interval:
    """A rate of `nlparam.numerics.statistics.rates` or of a guard; unknown where it is of none."""
    if not values["n"]:
        return Interval(math.nan, math.nan, math.nan)
    return Interval.read(values, "rate" if "rate" in values else "share")


def interval_chart(
    key: str,
    title: str,
    items: Sequence[str],
    panels: Mapping[str, Sequence[Interval]],
    *,
    label: str,
    caption: str = "",
    neutral: float | None = None,
    log: bool = False,
) -> list[Block]:
    """A chart of values with intervals, one panel beside another; empty if nothing is known.

    **Arguments:** `panels`, by name an interval for each item; `neutral`, a value that means nothing, drawn as a line;
    `log`, for ratios.
    """
    names = list(panels)
    values, low, high = (
        np.asarray([[one[end] for one in panels[name]] for name in names], dtype=float).reshape(len(names), -1)
        for end in range(3)
    )
    known = np.isfinite(values).any(axis=0)
    drawn = _spread(np.flatnonzero(known))
    if not len(drawn):
        return []
    view = QuantityView(
        name=key,
        label=label,
        kind="dots",
        panels=names,
        items=[items[at] for at in drawn],
        values=values[:, drawn],
        lower=low[:, drawn],
        upper=high[:, drawn],
        neutral=neutral,
        item_dim="",
        log=log,
    )
    more = f" Drawn are {len(drawn)} of {int(known.sum())}, from both ends; the table has the others."
    return [Chart(key, title, caption + (more if len(drawn) < known.sum() else ""), view)]


def _spread(places: np.ndarray) -> list[int]:
    """The first and the last, as many as a chart has room for."""
    if len(places) <= MAX_DRAWN:
        return places.tolist()
    return [*places[: MAX_DRAWN // 2].tolist(), *places[-(MAX_DRAWN // 2) :].tolist()]


def table(
    key: str,
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    note: str = "",
    search: bool = False,
) -> Table:
    """A table of as many rows as a page has room for."""
    listed = [list(row) for row in rows]
    return Table(key, caption, list(columns), listed[:MAX_ROWS], note, search, max(0, len(listed) - MAX_ROWS))
