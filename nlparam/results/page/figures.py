"""Figures as files, SVG and PNG, without a browser."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FORMATS = ("svg", "png")
# Pixels of a PNG for one of the drawing.
SCALE = 2.0
MUTED, LINE = "#565c66", "#dcdfe4"


def write_figures(
    figures: Mapping[str, dict[str, Any] | str], folder: str | Path, *, formats: str | Iterable[str] = FORMATS
) -> list[Path]:
    """Writes figures, Vega-Lite specifications or SVG by name, into a folder, and returns the paths.

    `formats` are "svg" or "png", or several of them. Raises `ValueError` for another format, `OSError` if the folder
    cannot be written.
    """
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    if unknown := [form for form in formats if form not in FORMATS]:
        raise ValueError(f"got the format {unknown[0]!r}, expected one of {', '.join(FORMATS)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        drawn = figure if isinstance(figure, str) else _coloured(figure)
        for form in formats:
            path = folder / f"{name}.{form}"
            path.write_bytes(_drawn(drawn, form))
            paths.append(path)
    return paths


def _coloured(chart: dict[str, Any]) -> dict[str, Any]:
    """A chart of a page, which takes its colours from the style sheet there, with colours of its own."""
    from nlparam.results.page.plots import ACCENT

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

    from nlparam.results.page.charts import vega_lite_version

    if isinstance(figure, str):
        return figure.encode("utf-8") if form == "svg" else vl_convert.svg_to_png(figure, scale=SCALE)
    version = vega_lite_version()
    if form == "svg":
        return vl_convert.vegalite_to_svg(figure, vl_version=version).encode("utf-8")
    return vl_convert.vegalite_to_png(figure, vl_version=version, scale=SCALE)
