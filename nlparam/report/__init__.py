"""Reports: one HTML file that needs nothing else, works offline and trusts no text it shows."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

    from nlparam.report.page import Page
    from nlparam.report.quantities import Intervals
    from nlparam.solution import Fit

__all__ = ["PROBABILITY", "build_report", "plot_quantity"]

# How probable it is that a value lies in its interval, wherever intervals are shown.
PROBABILITY = 0.9


def build_report(fit: "Fit", intervals: "Intervals | None" = None) -> str:
    """The report of a fit as one self-contained HTML page.

    Every text, predicate, goal and setting is treated as untrusted: it is escaped, control characters are made
    visible, and the page's own policy lets no script run but those it carries, and nothing be loaded from anywhere.

    **Arguments:** `fit`, any fit; one whose predictions are not clusters is shown without sizes. `intervals`, the
    credible intervals of its quantities by name, as `nlparam.posterior.credible_intervals` gives them.
    """
    from nlparam.report.page import describe
    from nlparam.report.render import render
    from nlparam.report.results import describe_result
    from nlparam.report.stability import stability_view
    from nlparam.report.texts import browse

    page, texts = describe(fit, intervals), browse(fit)
    stability = stability_view(fit.stability)
    results = [describe_result(view, number) for number, view in enumerate(page.quantities, start=1)]
    sections = [("predicates", "Predicates")]
    sections += [("results", "Results")] if results or page.goodness else []
    sections += [("examples", "Examples")]
    sections += [("texts", "All texts")] if texts else []
    sections += [("overlap", "Overlap"), ("agreement", "Agreement")]
    sections += [("certificate", "Audit")] if page.certificate else []
    sections += [("calibration", "Calibration")] if page.calibration else []
    sections += [("stability", "Stability")] if stability else []
    sections += [("trace", "Trace"), ("cost", "Cost"), ("settings", "Settings")]
    return render(
        "fit.html.j2",
        charts=fit_charts(page),
        page=page,
        results=results,
        sections=sections,
        stability=stability,
        texts=texts,
    )


def fit_charts(page: "Page") -> "dict[str, dict[str, Any] | None]":
    """The charts of the report of a fit by name, `None` where there is nothing to be drawn."""
    from nlparam.report.charts import agreement_chart, specification, trace_chart
    from nlparam.report.judging import reliability_chart
    from nlparam.report.plots import quantity_chart

    charts: dict[str, dict[str, Any] | None] = {}
    for number, view in enumerate(page.quantities, start=1):
        chart = quantity_chart(view)
        charts[f"quantity-{number}"] = None if chart is None else specification(chart)
    charts |= {"trace": trace_chart(page.trace), "agreement": agreement_chart(page.points)}
    return charts | {"reliability": reliability_chart(page.calibration)}


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
