"""The report of a fit: one HTML file that needs nothing else, works offline and trusts no text it shows."""

import base64
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.report.text import DASH

if TYPE_CHECKING:
    import altair

    from nlparam.report.quantities import Intervals
    from nlparam.solution import Fit

__all__ = ["PROBABILITY", "build_report", "plot_quantity"]

# How probable it is that a value lies in its interval, wherever intervals are shown.
PROBABILITY = 0.9

_HERE = Path(__file__).parent


def build_report(fit: "Fit", intervals: "Intervals | None" = None) -> str:
    """The report of a fit as one self-contained HTML page.

    Every text, predicate, goal and setting is treated as untrusted: it is escaped, control characters are made
    visible, and the page's own policy lets no script run but the two it carries, and nothing be loaded from anywhere.

    **Arguments:** `fit`, any fit; one whose predictions are not clusters is shown without sizes. `intervals`, the
    credible intervals of its quantities by name, as `nlparam.posterior.credible_intervals` gives them.
    """
    import jinja2
    from markupsafe import Markup

    from nlparam.report.charts import agreement_chart, as_script, specification, trace_chart, vega_program
    from nlparam.report.judging import reliability_chart
    from nlparam.report.page import describe, loss_figure
    from nlparam.report.plots import quantity_chart
    from nlparam.report.results import describe_result
    from nlparam.report.text import as_json, duration, visible

    page = describe(fit, intervals)
    results = [describe_result(view, number) for number, view in enumerate(page.quantities, start=1)]
    specifications = {"trace": trace_chart(page.trace), "agreement": agreement_chart(page.points)}
    specifications["reliability"] = reliability_chart(page.calibration)
    for result, view in zip(results, page.quantities, strict=True):
        chart = quantity_chart(view)
        specifications[result.key] = None if chart is None else specification(chart)
    charts = {name: Markup(as_json(chart)) for name, chart in specifications.items() if chart is not None}
    scripts = [vega_program()] if charts else []
    scripts.append(as_script((_HERE / "report.js").read_text(encoding="utf-8")))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to everything the template prints, so no string can be forgotten.
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters |= {
        "count": _count,
        "percent": _percent,
        "probability": _probability,
        "loss": loss_figure,
        "duration": duration,
    }
    html = environment.get_template("report.html.j2").render(
        page=page,
        results=results,
        charts=charts,
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
    )
    # Lone surrogates cannot be written to a file.
    return html.encode("utf-8", errors="replace").decode("utf-8")


def plot_quantity(
    fit: "Fit", quantity: str | None = None, intervals: "Intervals | None" = None
) -> "altair.TopLevelMixin":
    """The chart of one quantity of a fit, by default the first.

    Raises `ValueError` if there is none of this name or it cannot be drawn.
    """
    from nlparam.report.plots import quantity_chart
    from nlparam.report.quantities import view_quantities

    views = {view.name: view for view in view_quantities(fit, intervals)}
    if quantity is None and views:
        quantity = next(iter(views))
    if quantity not in views:
        known = ", ".join(map(repr, views)) or "none"
        raise ValueError(f"got the quantity {quantity!r}, expected one of {known}")
    chart = quantity_chart(views[quantity])
    if chart is None:
        raise ValueError(
            f"the quantity {quantity!r} cannot be drawn (it is a single number, has over two dimensions, or no finite "
            "value): see quantities() for its numbers"
        )
    return chart


def _policy(scripts: list[str]) -> str:
    """A content security policy that allows these scripts only (by hash), and no request to anywhere."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return DASH if value is None or math.isnan(value) else f"{value:.1%}"


def _probability(value: Any) -> str:
    return DASH if value is None or math.isnan(value) else f"{value:.2f}"
