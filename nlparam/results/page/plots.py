"""Charts of the results of a model, for the report and for notebooks: curves over time, and dots with intervals."""

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.results.page.quantities import QuantityView, furthest, is_dates, positions
from nlparam.results.page.text import visible

if TYPE_CHECKING:
    import altair

MAX_PANELS = 12
# For figures that stand alone; a page gives its own colours to everything.
ACCENT = "#1f6f8b"
MAX_ITEMS = 40
# Points of all curves of a chart together.
MAX_CURVE_POINTS = 4000


def quantity_chart(view: QuantityView) -> "altair.TopLevelMixin | None":
    """An Altair chart of a quantity, or `None` where there is nothing to be drawn."""
    if not np.isfinite(view.values).any():
        return None
    if view.kind == "curves":
        return _curves(view)
    return _dots(view) if view.kind == "dots" else None


def shown_items(view: QuantityView) -> list[int]:
    """The items that a chart of dots has room for: those furthest from neutral, in their order."""
    return furthest(view.values, view.neutral or 0.0, MAX_ITEMS)


def _dots(view: QuantityView) -> "altair.TopLevelMixin":
    import altair as alt

    items, panels = shown_items(view), told_apart(view.panels[:MAX_PANELS])
    order = told_apart(view.items[i] for i in items)
    rows = []
    for p, panel in enumerate(panels):
        for i, name in zip(items, order, strict=True):
            if math.isfinite(view.values[p, i]):
                row = {"p": panel, "i": name, "v": _rounded(view.values[p, i])}
                rows.append(row | _band(view, p, i) | {"s": view.cell(p, i)})
    tooltip = [alt.Tooltip("i:N", title=view.item_dim.capitalize() or "Item"), alt.Tooltip("s:N", title="Value")]
    if len(panels) > 1:
        tooltip.insert(1, alt.Tooltip("p:N", title="Of"))
    y = alt.Y("i:N", sort=order, title=None, axis=alt.Axis(labelLimit=320, domain=False, ticks=False, grid=True))
    few = alt.Undefined if len(panels) < 3 else 2
    x_axis = alt.Axis(format="%", tickCount=few) if view.is_share else alt.Axis(tickCount=5)
    scale = alt.Scale(type="log") if view.log else alt.Scale(zero=view.is_share)
    # Beside one another, the titles of narrow panels would run into one another: one title stands below them all.
    x = alt.X("v:Q", title=view.label if len(panels) == 1 else None, scale=scale, axis=x_axis)
    layers: list[Any] = []
    if view.neutral is not None:
        layers.append(alt.Chart().mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(view.neutral)))
    if view.lower is not None:
        interval = alt.Chart(name="interval").mark_rule(strokeWidth=2, color=ACCENT)
        layers.append(interval.encode(y=y, x=alt.X("lo:Q"), x2=alt.X2("hi:Q"), tooltip=tooltip))
    layers.append(alt.Chart().mark_circle(size=70, opacity=1).encode(y=y, x=x, tooltip=tooltip))
    columns = min(4, len(panels))
    width = 560 if columns == 1 else (700 - 20 * columns) // columns
    layered = alt.layer(*layers, data=alt.InlineData(values=rows)).properties(width=width, height=alt.Step(22))
    if len(panels) == 1:
        return layered
    facet = alt.Facet("p:N", sort=panels, title=None, header=alt.Header(labelLimit=width))
    below = alt.TitleParams(view.label, orient="bottom", anchor="middle", fontSize=12, fontWeight="normal", offset=8)
    return layered.facet(facet=facet, columns=columns).properties(title=below)


def _curves(view: QuantityView) -> "altair.TopLevelMixin":
    import altair as alt

    panels = told_apart(view.panels[:MAX_PANELS])
    rows = _curve_rows(view, panels)
    dates = is_dates(view.items)
    whole = not dates and bool(np.all(positions(view.items) % 1 == 0))
    x = alt.X(
        "t:T" if dates else "t:Q",
        title=None,
        scale=alt.Scale(type="utc", nice=False) if dates else alt.Scale(zero=False, nice=False),
        # Years are not to be written 2,004.
        axis=alt.Axis(tickCount=5, grid=False, labelFlush=True, format="d" if whole else alt.Undefined),
    )
    y_axis = alt.Axis(tickCount=4, format="%") if view.is_share else alt.Axis(tickCount=4)
    title = None if len(panels) > 1 else view.label
    y = alt.Y("v:Q", title=title, scale=alt.Scale(zero=view.is_share), axis=y_axis)

    def tooltip(value: str, *more: Any) -> list[Any]:
        form = ".1%" if view.is_share else ".3~g"
        return [alt.Tooltip("w:N", title="Time"), alt.Tooltip(f"{value}:Q", title=view.label, format=form), *more]

    layers: list[Any] = []
    if view.neutral is not None:
        layers.append(alt.Chart().mark_rule(strokeDash=[3, 3]).encode(y=alt.datum(view.neutral)))
    if view.lower is not None:
        band = alt.Chart(name="band").transform_filter(_valid("lo")).mark_area(opacity=0.25)
        layers.append(band.encode(x=x, y=alt.Y("lo:Q", axis=y_axis), y2=alt.Y2("hi:Q")))
    if view.observed is not None:
        sizes = alt.Size("n:Q", legend=None, scale=alt.Scale(range=[6, 90], zero=True))
        dots = alt.Chart(name="observed").transform_filter(_valid("r")).mark_circle(opacity=0.35, color="gray")
        more = alt.Tooltip("n:Q", title="Texts", format=",d")
        layers.append(dots.encode(x=x, y=alt.Y("r:Q", axis=y_axis), size=sizes, tooltip=tooltip("r", more)))
    line = alt.Chart().transform_filter(_valid("v")).mark_line(strokeWidth=2, clip=True)
    layers.append(line.encode(x=x, y=y, tooltip=tooltip("v")))
    single = len(panels) == 1
    layered = alt.layer(*layers, data=alt.InlineData(values=rows)).properties(width=860 if single else 425, height=150)
    if single:
        return layered
    header = alt.Header(labelLimit=425, labelAnchor="start", labelAlign="left")
    facet = alt.Facet("p:N", sort=panels, title=None, header=header)
    faceted = layered.facet(facet=facet, columns=2)
    # Each panel on a scale of its own: a rare predicate has a course, too.
    return faceted.resolve_scale(y="independent").resolve_axis(x="independent", y="independent")


def _curve_rows(view: QuantityView, panels: list[str]) -> list[dict[str, Any]]:
    times = positions(view.items)
    limit = max(2, MAX_CURVE_POINTS // max(1, len(panels)))
    chosen = np.unique(np.linspace(0, len(times) - 1, min(limit, len(times))).round().astype(int))
    rows: list[dict[str, Any]] = []
    for p, name in enumerate(panels):
        rows += [
            {"p": name, "t": times[i].item(), "w": str(view.items[i]), "v": _rounded(view.values[p, i])}
            | _band(view, p, i)
            for i in chosen.tolist()
            if math.isfinite(view.values[p, i])
        ]
        if view.observed is not None:
            rows += [
                {"p": name, "t": time, "w": when(time, view.items), "r": _rounded(share), "n": int(size)}
                for time, share, size in zip(
                    view.observed.times.tolist(), view.observed.shares[p], view.observed.sizes, strict=True
                )
            ]
    return rows


def told_apart(names: Iterable[Any]) -> list[str]:
    """Names as they are drawn; equal ones, which would be one row or panel of a chart, are numbered.

    The number comes first, because a chart cuts the end of a long name.
    """
    taken: dict[str, None] = {}
    for name in map(visible, map(str, names)):
        numbered = (f"({number}) {name}" for number in itertools.count(2))
        taken[next(one for one in itertools.chain([name], numbered) if one not in taken)] = None
    return list(taken)


def when(position: float, times: list[Any]) -> str:
    """A position in time as text."""
    if is_dates(times):
        return str(np.datetime64(round(position), "ms").astype("datetime64[D]"))
    return f"{position:.6g}"


def _valid(field: str) -> Any:
    import altair as alt

    return alt.FieldValidPredicate(field=field, valid=True)


def _band(view: QuantityView, panel: int, item: int) -> dict[str, float]:
    if view.lower is None or view.upper is None:
        return {}
    low, high = view.lower[panel, item], view.upper[panel, item]
    return {"lo": _rounded(low), "hi": _rounded(high)} if math.isfinite(low) and math.isfinite(high) else {}


def _rounded(value: Any) -> float:
    return float(f"{float(value):.5g}")
