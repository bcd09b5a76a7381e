"""What the report says about each quantity of a model: its chart, its caption, and the figures as a table."""

import dataclasses
from typing import Any

import numpy as np

from nlparam.results.page.plots import MAX_PANELS, shown_items
from nlparam.results.page.quantities import QuantityView

MAX_COLUMNS = 30
MAX_ROWS = 120
_TABLE_CAPTION = "The figures of the chart"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text; the first cell of each row names it, the others are figures."""

    caption: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class ResultView:
    """One quantity as the page shows it: `figure` is set for a single number, `detail` is a longer table, folded."""

    key: str
    title: str
    label: str
    caption: str
    figure: str | None
    table: Table | None
    detail: Table | None


def describe_result(view: QuantityView, number: int) -> ResultView:
    """Writes the captions and tables of a quantity; `number` counts the quantities."""
    title = view.name.replace("_", " ")
    parts: dict[str, Any] = {"caption": "", "figure": None, "table": None, "detail": None}
    if view.kind == "scalar":
        parts["figure"] = view.cell(0, 0)
    elif view.kind == "curves":
        parts |= {"caption": _curves_caption(view), "table": _courses(view), "detail": _steps(view)}
    elif view.kind == "dots":
        parts |= {"caption": _dots_caption(view), "table": _dots(view)}
    else:
        parts["caption"] = "It has too many dimensions to be shown here; `fit.quantities()` has its numbers."
    return ResultView(f"quantity-{number}", title[:1].upper() + title[1:], view.label, **parts)


def _interval_words(view: QuantityView) -> str:
    return "" if view.lower is None else f", with {view.intervals}"


def _dots_caption(view: QuantityView) -> str:
    sentences = [f"{view.label}{_interval_words(view)}."]
    if view.direction:
        sentences.append(view.direction)
    if view.neutral is not None:
        sentences.append(f"The dashed line at {view.neutral:g} means no effect.")
    if len(view.items) > len(shown_items(view)) or len(view.panels) > MAX_PANELS:
        panels = f" and {MAX_PANELS} of {len(view.panels)} panels" if len(view.panels) > MAX_PANELS else ""
        sentences.append(f"Drawn are {len(shown_items(view))} of {len(view.items)}{panels}; the table has the others.")
    return " ".join(sentences)


def _curves_caption(view: QuantityView) -> str:
    sentences = [f"{view.label} over time, by the model{_interval_words(view)}."]
    if view.observed is not None:
        bins = "step" if len(view.observed.times) == len(view.items) else f"of {len(view.observed.times)} spans of time"
        sentences.append(
            f"Each grey dot is the mean denotation of the texts of one {bins}; the larger, the more texts."
        )
    if len(view.panels) > 1:
        sentences.append("Each panel has a scale of its own.")
    if len(view.panels) > MAX_PANELS:
        sentences.append(f"Drawn are the first {MAX_PANELS} of {len(view.panels)}.")
    return " ".join(sentences)


def _dots(view: QuantityView) -> Table:
    n_columns = min(len(view.panels), MAX_COLUMNS)
    headings = view.panels[:n_columns] if len(view.panels) > 1 else [view.label]
    return Table(
        _TABLE_CAPTION,
        [view.item_dim.capitalize(), *headings],
        [[str(item), *(view.cell(p, i) for p in range(n_columns))] for i, item in enumerate(view.items)],
        f"The first {n_columns} of {len(view.panels)} columns are shown." if n_columns < len(view.panels) else "",
    )


def _courses(view: QuantityView) -> Table:
    """Where each curve begins, ends, and is lowest and highest."""
    rows = []
    for p, panel in enumerate(view.panels):
        curve = view.values[p]
        if not np.isfinite(curve).any():
            rows.append([panel or view.label, *[view.figure(np.nan)] * 4])
            continue
        low, high = int(np.nanargmin(curve)), int(np.nanargmax(curve))
        rows.append(
            [
                panel or view.label,
                view.cell(p, 0),
                view.cell(p, len(curve) - 1),
                f"{view.figure(curve[low])} ({time_name(view, low)})",
                f"{view.figure(curve[high])} ({time_name(view, high)})",
            ]
        )
    first, last = time_name(view, 0), time_name(view, len(view.items) - 1)
    return Table(
        _TABLE_CAPTION,
        ["Predicate", f"First ({first})", f"Last ({last})", "Lowest", "Highest"],
        rows,
    )


def _steps(view: QuantityView) -> Table:
    n_columns, n_steps = min(len(view.panels), MAX_PANELS), len(view.items)
    rows = np.unique(np.linspace(0, n_steps - 1, min(MAX_ROWS, n_steps)).round().astype(int)).tolist()
    notes = [f"{len(rows)} of {n_steps} steps, evenly chosen."] if len(rows) < n_steps else []
    if n_columns < len(view.panels):
        notes.append(f"The first {n_columns} of {len(view.panels)} columns are shown.")
    headings = view.panels[:n_columns] if len(view.panels) > 1 else [view.label]
    return Table(
        f"{view.label} at each step{_interval_words(view)}",
        ["Time", *headings],
        [[time_name(view, i), *(view.cell(p, i) for p in range(n_columns))] for i in rows],
        " ".join(notes),
    )


def time_name(view: QuantityView, item: int) -> str:
    """The time of a step as text."""
    time = view.items[item]
    return f"{time:.10g}" if isinstance(time, float) else str(time)
