"""What a page says about each quantity of a model: its chart, its caption, and the figures as tables."""

import numpy as np

from nlparam.results.page.blocks import Block, Cell, Chart, Column, Detail, Heading, Table, Words
from nlparam.results.page.plots import MAX_PANELS, shown_items
from nlparam.results.page.quantities import QuantityView

MAX_COLUMNS = 30
MAX_ROWS = 120


def quantity_blocks(view: QuantityView, key: str, title: str = "", caption: str = "") -> list[Block]:
    """The blocks of a quantity; `key` names its chart and its tables.

    `title` and `caption` stand in place of its own name and of what can be said of any quantity.
    """
    name = view.name.replace("_", " ")
    title = title or name[:1].upper() + name[1:]
    heading = Heading(title)
    if view.kind == "scalar":
        return [heading, Words(f"{view.label}: {view.cell(0, 0)}")]
    if view.kind == "other":
        more = "It has too many dimensions to be shown here; `fit.quantities()` has its numbers."
        return [heading, Words(more, muted=True)]
    curves = view.kind == "curves"
    caption = caption or (_curves_caption(view) if curves else _dots_caption(view))
    # What cannot be drawn is described all the same.
    drawn = np.isfinite(view.values).any()
    shown: list[Block] = [heading, Chart(key, title, caption, view) if drawn else Words(caption, muted=True)]
    if not curves:
        return [*shown, _figures(view, key, title)]
    # Where a curve begins and ends looks like a trend, and without an interval nobody can say that there is one.
    courses = [] if view.lower is None else [_courses(view, key, title)]
    return [*shown, *courses, Detail("All steps", title, [_steps(view, key)])]


def _interval_words(view: QuantityView) -> str:
    return "" if view.lower is None else f", with {view.intervals}"


def _dots_caption(view: QuantityView) -> str:
    sentences = [f"{view.label}{_interval_words(view)}."]
    if view.direction:
        sentences.append(view.direction)
    if view.neutral is not None:
        sentences.append(f"The dashed line at {view.neutral:g} means no effect.")
    n_shown = len(shown_items(view))
    if len(view.items) > n_shown or len(view.panels) > MAX_PANELS:
        panels = f" and {MAX_PANELS} of {len(view.panels)} panels" if len(view.panels) > MAX_PANELS else ""
        sentences.append(f"Drawn are {n_shown} of {len(view.items)}{panels}; the table has the others.")
    return " ".join(sentences)


def _curves_caption(view: QuantityView) -> str:
    sentences = [f"{view.label} over time, by the model{_interval_words(view)}."]
    if view.lower is None:
        sentences.append(
            "The curves have no intervals: no rise or fall can be told from them. `nlparam infer` and `--posterior` "
            "give intervals."
        )
    if view.observed is not None:
        bins = "step" if len(view.observed.times) == len(view.items) else f"of {len(view.observed.times)} spans of time"
        sentences.append(
            f"Each grey dot is the share of the texts of one {bins} that it holds for; the larger, the more texts."
        )
    if len(view.panels) > 1:
        sentences.append("Each panel has a scale of its own.")
    if len(view.panels) > MAX_PANELS:
        sentences.append(f"Drawn are the first {MAX_PANELS} of {len(view.panels)}.")
    return " ".join(sentences)


def _columns(view: QuantityView, first: str) -> tuple[list[Column], str]:
    """The columns of a table with one for each panel, and what is to be said if there are more."""
    n_columns = min(len(view.panels), MAX_COLUMNS)
    names = view.panels[:n_columns] if len(view.panels) > 1 else [view.label]
    note = f"The first {n_columns} of {len(view.panels)} columns are shown." if n_columns < len(view.panels) else ""
    return [Column(first, "head"), *(Column(name, "number") for name in names)], note


def _cell(view: QuantityView, panel: int, item: int) -> Cell:
    value = float(view.values[panel, item])
    return Cell(view.cell(panel, item), value if np.isfinite(value) else None)


def _figures(view: QuantityView, key: str, title: str) -> Table:
    columns, note = _columns(view, view.item_dim.capitalize())
    panels = range(len(columns) - 1)
    rows = [[Cell(str(item)), *(_cell(view, p, i) for p in panels)] for i, item in enumerate(view.items)]
    return Table(f"figures-{key}", f"{title}: the figures of the chart", columns, rows, note)


def _courses(view: QuantityView, key: str, title: str) -> Table:
    """Where each curve begins, ends, and is lowest and highest."""
    last = len(view.items) - 1
    rows = []
    for p, panel in enumerate(view.panels):
        curve, name = view.values[p], Cell(panel or view.label)
        if not np.isfinite(curve).any():
            rows.append([name, *[Cell(view.figure(np.nan))] * 4])
            continue
        ends = [
            Cell(f"{view.figure(curve[at])} ({view.time(at)})", float(curve[at]))
            for at in (int(np.nanargmin(curve)), int(np.nanargmax(curve)))
        ]
        rows.append([name, _cell(view, p, 0), _cell(view, p, last), *ends])
    headings = [f"First ({view.time(0)})", f"Last ({view.time(last)})", "Lowest", "Highest"]
    columns = [Column("Predicate", "head"), *(Column(heading, "number") for heading in headings)]
    return Table(f"figures-{key}", f"{title}: the figures of the chart", columns, rows)


def _steps(view: QuantityView, key: str) -> Table:
    columns, note = _columns(view, "Time")
    n_steps = len(view.items)
    steps = np.unique(np.linspace(0, n_steps - 1, min(MAX_ROWS, n_steps)).round().astype(int)).tolist()
    if len(steps) < n_steps:
        note = f"{len(steps)} of {n_steps} steps, evenly chosen. {note}"
    rows = [[Cell(view.time(i)), *(_cell(view, p, i) for p in range(len(columns) - 1))] for i in steps]
    return Table(f"steps-{key}", f"{view.label} at each step{_interval_words(view)}", columns, rows, note)
