"""The charts of the report: Vega-Lite specifications from Altair, and the program that draws them without a network."""

import contextlib
import functools
import hashlib
import importlib.metadata
import re
from typing import TYPE_CHECKING, Any

from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.files import replacing

if TYPE_CHECKING:
    import altair


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
