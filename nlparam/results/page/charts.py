"""The charts of the report: Vega-Lite specifications from Altair, the program that draws them without a network, and
figures as files, SVG and PNG, without a browser."""

import contextlib
import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.files import replacing

if TYPE_CHECKING:
    import altair


FORMATS = ("svg", "png")
# Pixels of a PNG for one of the drawing.
SCALE = 2.0
MUTED, LINE = "#565c66", "#dcdfe4"


def specification(chart: "altair.TopLevelMixin") -> dict[str, Any]:
    """A chart as the page carries it."""
    drawn = chart.to_dict()
    # The style sheet colours the drawing, so that it follows the light or dark scheme of the reader and of paper.
    drawn["config"] = {
        "background": None,
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 160},
        "axisY": {"titlePadding": 10},
        "header": {"labelFontSize": 12},
    }
    # The name of the schema is an address; nothing would fetch it, but a page that works offline has no need of it.
    drawn.pop("$schema", None)
    return drawn


@functools.cache
def vega_program() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script (about 900 kB) that defines `vegaEmbed` and loads nothing.

    Bundling takes half a second, so that the script is kept in the cache directory, if that can be written to.
    """
    made_by = f"{importlib.metadata.version('vl-convert-python')}-{vega_lite_version()}"
    path = cache_dir() / "page" / f"vega-{made_by}.js"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        digest, _, program = path.read_bytes().decode().partition("\n")
        if digest == _digest(program):
            return program
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=vega_lite_version())
    program = as_script(bundle)
    with contextlib.suppress(OSError), replacing(path) as partial:
        partial.write_text(f"{_digest(program)}\n{program}", encoding="utf-8", newline="")
    return program


def _digest(program: str) -> str:
    """The line before a script that is kept: one that was damaged is bundled anew."""
    return f"// {hashlib.sha256(program.encode()).hexdigest()}"


def vega_lite_version() -> str:
    """The version of Vega-Lite that Altair writes for, as vl-convert names it."""
    import altair as alt

    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def as_script(program: str) -> str:
    """A script that can stand in an HTML `script` element: it cannot close the element, nor open a comment in it.

    Line ends are those that a browser sees after parsing, because the page names its scripts by their hash.
    """
    program = program.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\\0")
    return re.sub(r"<(?=/script|!--)", r"\\x3c", program, flags=re.IGNORECASE)


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

    if isinstance(figure, str):
        return figure.encode("utf-8") if form == "svg" else vl_convert.svg_to_png(figure, scale=SCALE)
    version = vega_lite_version()
    if form == "svg":
        return vl_convert.vegalite_to_svg(figure, vl_version=version).encode("utf-8")
    return vl_convert.vegalite_to_png(figure, vl_version=version, scale=SCALE)
