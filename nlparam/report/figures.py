"""The figures of a result as files, SVG and PNG, without a browser."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlparam.comparison import Comparison
    from nlparam.hierarchy import Taxonomy
    from nlparam.report.quantities import Intervals
    from nlparam.solution import Fit

FORMATS = ("svg", "png")
# Pixels of a PNG for one of the drawing.
SCALE = 2.0
# Characters of the name of a file.
_MAX_NAME = 80
MUTED, LINE = "#565c66", "#dcdfe4"


def write_figures(
    result: "Fit | Taxonomy | Comparison",
    folder: str | Path,
    *,
    intervals: "Intervals | None" = None,
    update: Mapping[str, Any] | None = None,
    formats: str | Iterable[str] = FORMATS,
) -> list[Path]:
    """Writes every figure of the report of a result into a folder, and returns the paths.

    **Arguments:** `intervals`, the credible intervals of the quantities of a fit; `update`, the last update of a
    taxonomy (`Update.to_dict()`); `formats`, "svg" or "png", or several of them.

    Raises `ValueError` for another format, `OSError` if the folder cannot be written.
    """
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    if unknown := [form for form in formats if form not in FORMATS]:
        raise ValueError(f"got the format {unknown[0]!r}, expected one of {', '.join(FORMATS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures(result, intervals, update).items():
        for form in formats:
            path = folder / f"{name}.{form}"
            path.write_bytes(_drawn(figure, form))
            paths.append(path)
    return paths


def figures(
    result: "Fit | Taxonomy | Comparison",
    intervals: "Intervals | None" = None,
    update: Mapping[str, Any] | None = None,
) -> "dict[str, dict[str, Any] | str]":
    """The figures of a result by name: Vega-Lite specifications, and for a taxonomy an SVG."""
    from nlparam.comparison import Comparison
    from nlparam.hierarchy import Taxonomy

    if isinstance(result, Taxonomy):
        from nlparam.report.drift import drift_chart, drift_view
        from nlparam.report.icicle import draw_icicle, icicle
        from nlparam.report.over_time import time_charts, time_view

        charts = {"drift": drift_chart(drift_view(result, update))} | time_charts(time_view(result))
        tree: dict[str, dict[str, Any] | str] = {"tree": draw_icicle(icicle(result), alone=True)}
        return tree | {name: _coloured(chart) for name, chart in charts.items() if chart is not None}
    if isinstance(result, Comparison):
        from nlparam.report.comparison import effects_chart

        drawn = {"effects": effects_chart(result)}
    else:
        from nlparam.report import fit_charts
        from nlparam.report.page import describe

        page = describe(result, intervals)
        charts, drawn = fit_charts(page), {}
        for at, view in enumerate(page.quantities, start=1):
            # Quantities are named by whoever wrote the model: perhaps as another figure is.
            name = re.sub(r"[^\w-]+", "-", view.name)[:_MAX_NAME]
            drawn[f"{name}-{at}" if name in drawn or name in charts else name] = charts.pop(f"quantity-{at}")
        drawn |= charts
    return {name: _coloured(chart) for name, chart in drawn.items() if chart is not None}


def _coloured(chart: dict[str, Any]) -> dict[str, Any]:
    """A chart of a page, which takes its colours from the style sheet there, with colours of its own."""
    from nlparam.report.plots import ACCENT

    config = chart["config"] | {
        "background": "#ffffff",
        "mark": {"color": ACCENT},
        "rule": {"color": MUTED},
        "axis": chart["config"]["axis"] | {"gridColor": LINE, "labelColor": MUTED, "titleColor": MUTED},
        "header": chart["config"]["header"] | {"labelColor": MUTED},
    }
    return chart | {"config": config} | ({"width": 700} if chart.get("width") == "container" else {})


def _drawn(figure: dict[str, Any] | str, form: str) -> bytes:
    import vl_convert

    from nlparam.report.charts import vega_lite_version

    if isinstance(figure, str):
        return figure.encode("utf-8") if form == "svg" else vl_convert.svg_to_png(figure, scale=SCALE)
    version = vega_lite_version()
    if form == "svg":
        return vl_convert.vegalite_to_svg(figure, vl_version=version).encode("utf-8")
    return vl_convert.vegalite_to_png(figure, vl_version=version, scale=SCALE)
