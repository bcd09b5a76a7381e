"""Pages of sections: whoever has a result describes it as a `SectionPage` of blocks, and `page.html.j2` shows it."""

import abc
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.results.page.blocks import (
    Beside,
    Block,
    Cell,
    Chart,
    Column,
    Desk,
    Pairs,
    Picture,
    Section,
    Table,
    Warnings,
)
from nlparam.results.page.quantities import QuantityView, furthest
from nlparam.results.page.rows import Row, cost_rows, value_rows
from nlparam.results.page.text import DASH, duration, excerpt

if TYPE_CHECKING:
    from nlparam.results.page.card import Card
    from nlparam.results.page.searched import Searched
    from nlparam.runtime.costs import Costs

# Rows of one table, and characters of a text in it, so that a page stays small.
MAX_ROWS = 2000
MAX_WORDS = 600
MAX_NAME = 80
# Items that a chart has room for.
MAX_DRAWN = 40


class AbstractPage(abc.ABC):
    """The report of a result, its figures as files, and its card in a notebook.

    It is described only when it is asked for; its card needs less.
    """

    @abc.abstractmethod
    def described(self) -> "SectionPage":
        """What it shows."""

    @abc.abstractmethod
    def card(self) -> "Card":
        """A small table, for a notebook (`html()`) or a terminal (`text()`)."""

    def html(self) -> str:
        """The page as one self-contained HTML file.

        Every text, predicate, goal and setting is treated as untrusted: it is escaped, control characters are made
        visible, and the page's own policy lets no script run but those it carries, and nothing be loaded from anywhere.
        """
        return self.described().html()

    def served_as(self, how: str) -> str:
        """The page as a running process shows it; `how` that is reached is said as for `render`."""
        return dataclasses.replace(self.described(), served=how).html()

    def figures(self) -> dict[str, dict[str, Any] | str]:
        """Its figures by name: Vega-Lite specifications as in the page, or SVG."""
        return self.described().figures()

    def searched(self) -> "Searched | None":
        """What can be searched where the page is served: all texts, and which predicates hold for them."""
        return None


@dataclasses.dataclass(frozen=True)
class SectionPage(AbstractPage):
    """A page in sections: what was found first, how it was made last.

    `summary` says in sentences what was found, and the first section shows it. `first` is the table that a notebook
    shows, by default that of the page. Costs (with `cost_details`), `facts`, settings and versions come last. `served`
    is as for `render`.
    """

    title: str
    model: str
    summary: str
    facts: list[Row]
    warnings: list[str]
    sections: list[Section]
    first: Table | None = None
    costs: list[Row] = dataclasses.field(default_factory=list)
    stages: list[tuple[str, float]] = dataclasses.field(default_factory=list)
    settings: list[Row] = dataclasses.field(default_factory=list)
    versions: list[Row] = dataclasses.field(default_factory=list)
    cost_details: Sequence[Block] = ()
    served: str = ""

    @property
    def charts(self) -> list[Chart]:
        """All charts of the page, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Chart)]

    def described(self) -> "SectionPage":
        """Itself, as other pages give what they show."""
        return self

    def html(self) -> str:
        from nlparam.results.page.render import render

        sections = [*self.sections, *self._last_sections()]
        desk = any(isinstance(block, Desk) for section in sections for block in section.blocks)
        shown = {"page": self, "sections": sections, "notice": Warnings(self.warnings)}
        return render("page.html.j2", charts=self._drawn(), desk=desk, served=self.served, **shown)

    def figures(self) -> dict[str, dict[str, Any] | str]:
        pictures = [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]
        return {picture.key: picture.draw(alone=True) for picture in pictures} | self._drawn()

    def card(self) -> "Card":
        """The first table."""
        from nlparam.results.page.card import Card, card_row

        tables = (block for section in self.sections for block in section.blocks if isinstance(block, Table))
        table = self.first or next(tables)
        head = next(at for at, column in enumerate(table.columns) if column.kind == "head")
        others = [at for at, column in enumerate(table.columns) if at != head and column.name != "No."]
        rows = [
            card_row(str(number), row[head].text, *(row[at].text for at in others))
            for number, row in enumerate(table.rows, start=1)
        ]
        return Card(
            self.title,
            self.summary,
            [table.columns[at].name for at in others],
            rows,
            "report(path) writes the whole report.",
            named=table.columns[head].name,
        )

    def _drawn(self) -> dict[str, Any]:
        """The specifications of the charts by their keys, without those that have nothing to draw."""
        from nlparam.results.page.charts import specification
        from nlparam.results.page.plots import quantity_chart

        views = {chart.key: chart.view for chart in self.charts}
        drawn = {key: quantity_chart(view) if isinstance(view, QuantityView) else view for key, view in views.items()}
        return {key: specification(chart) for key, chart in drawn.items() if chart is not None}

    def _last_sections(self) -> list[Section]:
        sections = []
        if self.costs:
            blocks: list[Block] = [Pairs("Calls and tokens", self.costs, numbers=True)]
            blocks += [_stage_table(self.stages)] if self.stages else []
            sections.append(Section("cost", "Cost", [Beside(blocks), *self.cost_details]))
        made: list[Block] = [Pairs("In short", self.facts)] if self.facts else []
        made += [Pairs("All that was set", self.settings)] if self.settings else []
        made += [Pairs("Versions", self.versions)] if self.versions else []
        if made:
            sections.append(Section("settings", "How it was made", [Beside(made)], "Settings"))
        return sections


def _stage_table(stages: list[tuple[str, float]]) -> Table:
    total = sum(seconds for _, seconds in stages)
    return Table(
        "stages",
        "Time in each stage",
        [Column("Stage", "head"), Column("Time", "number"), Column("", "bar")],
        [[Cell(name), _time(seconds), Cell("", seconds / total if total else 0.0)] for name, seconds in stages],
        foot=[Cell("Together"), _time(total), Cell("")],
    )


def _time(seconds: float) -> Cell:
    return Cell(duration(seconds), seconds)


def of_result(result: Any) -> dict[str, Any]:
    """The costs, settings and versions of a result, as arguments of `SectionPage`."""
    return _of(result.costs, result.settings, result.versions)


def of_contents(contents: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """The same from what the file of a result says, without settings that are not set; `settings` are further ones."""
    from nlparam.runtime.costs import Costs

    costs = Costs.from_dict(contents["costs"]) if contents.get("costs") else None
    all_set = {**contents.get("settings", {}), **settings}
    there = {name: value for name, value in all_set.items() if value not in (None, "", [])}
    return _of(costs, there, contents.get("versions"))


def _of(costs: "Costs | None", settings: Mapping[str, Any], versions: Mapping[str, str] | None) -> dict[str, Any]:
    spent = {} if costs is None else {"costs": cost_rows(costs), "stages": list(costs.seconds.items())}
    return spent | {"settings": value_rows(settings), "versions": value_rows(versions or {})}


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
    return number(value, ",")


def p_value(value: float | None) -> Cell:
    """A p-value as a cell."""
    return Cell("< 0.0001", float(value)) if value is not None and value < 0.0001 else number(value, ".4f")


class Interval(NamedTuple):
    """A value and the ends of its interval, not a number where there is none; `of`, of how many it is."""

    value: float
    low: float
    high: float
    of: int | None = None

    @classmethod
    def read(cls, values: Mapping[str, Any], name: str = "value", scale: float = 1.0) -> "Interval":
        """From a mapping with `name`, "low" and "high", `None` where something is not known.

        It is turned round where `scale` is below 0.
        """
        found = (math.nan if values.get(end) is None else scale * float(values[end]) for end in (name, "low", "high"))
        value, low, high = found
        return cls(value, high, low) if scale < 0 else cls(value, low, high)

    def cell(self, form: str = ".1%", of: int | None = None) -> Cell:
        """As a cell: the value, its interval, and of how many it is."""
        of = self.of if of is None else of
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
    of: str = "",
) -> list[Block]:
    """A chart of values with intervals, one panel beside another; empty if nothing is known.

    **Arguments:** `panels`, by name an interval for each item; `neutral`, a value that means nothing, drawn as a line;
    `log`, for ratios; `of`, what an item is.
    """
    values, low, high = (
        np.asarray([[one[end] for one in panel] for panel in panels.values()], dtype=float).reshape(len(panels), -1)
        for end in range(3)
    )
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    if not len(known):
        return []
    if neutral is None and len(known) > MAX_DRAWN:
        drawn = [*known[: MAX_DRAWN // 2], *known[-(MAX_DRAWN // 2) :]]
        left_out = f" Drawn are {MAX_DRAWN} of {len(known)}, from both ends; the table has the others."
    else:
        drawn = known[furthest(values[:, known], neutral or 0.0, MAX_DRAWN)]
        left_out = f" Drawn are {len(drawn)} of {len(known)}; the table has the others."
    view = QuantityView(
        name=key,
        label=label,
        kind="dots",
        panels=list(panels),
        items=[items[at] for at in drawn],
        values=values[:, drawn],
        lower=low[:, drawn],
        upper=high[:, drawn],
        neutral=neutral,
        item_dim=of,
        log=log,
    )
    return [Chart(key, title, caption + (left_out if len(drawn) < len(known) else ""), view)]


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
