"""From a template to one HTML file: escaping, the policy of the page, its style, its charts and its scripts."""

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from nlparam.results.page.text import as_json, visible

_TEMPLATES = Path(__file__).parent / "templates"
# The theme is set before anything is drawn; the others find the elements that they serve.
_HEAD_SCRIPT, _SCRIPTS = "theme.js", ("report.js", "map.js", "tables.js")
# What a page has in addition where a reader edits, marks and searches.
_DESK_SCRIPTS, _DESK_STYLE = ("desk.js", "marks.js", "find.js", "offline.js", "tree.js"), "desk.css"


def render(
    template: str,
    *,
    charts: dict[str, dict[str, Any]] | None = None,
    desk: bool = False,
    served: str = "",
    **context: Any,
) -> str:
    """The page of a template as one self-contained HTML file.

    Everything that the template prints is escaped and its control characters are made visible. The page's own policy
    lets no script run but those that it carries, named by their hash, and nothing be loaded from anywhere.

    **Arguments:** `charts`, Vega-Lite specifications by name; the program that draws them is in the page only if there
    are some. `desk` says whether the page has a `Desk`; `served` says how its scripts reach the process that serves it
    ("http": the address that it was loaded from; "widget": the notebook around it), "" where there is none. `context`
    is what else the template prints.
    """
    from markupsafe import Markup

    from nlparam.results.page.charts import as_script, vega_program

    drawn = {name: Markup(as_json(chart)) for name, chart in (charts or {}).items()}
    first = as_script(read_template(_HEAD_SCRIPT))
    names = (*_SCRIPTS, *(_DESK_SCRIPTS if desk else ()))
    scripts = [*([vega_program()] if drawn else []), *(as_script(read_template(name)) for name in names)]
    html = (
        environment()
        .get_template(template)
        .render(
            charts=drawn,
            head_script=Markup(first),
            scripts=[Markup(script) for script in scripts],
            policy=_policy([first, *scripts], served),
            style=Markup(read_template("report.css") + (read_template(_DESK_STYLE) if desk else "")),
            served=served,
            **context,
        )
    )
    # Lone surrogates cannot be written to a file.
    return html.encode("utf-8", errors="replace").decode("utf-8")


@functools.cache
def environment() -> Any:
    """Jinja2 with escaping, and with the filters that the templates use."""
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to everything the template prints, so no string can be forgotten.
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    templates.filters |= {"count": "{:,}".format, "as_json": lambda value: Markup(as_json(value))}
    # In an attribute: nothing is made visible in it, so that a script reads the text as it is.
    templates.filters["ascii_json"] = lambda value: json.dumps(value).replace("\x7f", "\\u007f")
    return templates


def _policy(scripts: list[str], served: str) -> str:
    """A content security policy that allows these scripts only (by hash), and no request to anywhere.

    A page that is served over HTTP may ask the address that it came from.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        + ("connect-src 'self'; " if served == "http" else "")
        + "base-uri 'none'; form-action 'none'"
    )


def read_template(name: str) -> str:
    """One of the files that pages are made of."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")
