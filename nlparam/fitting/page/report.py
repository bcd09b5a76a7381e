"""The page of a fit, put together."""

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from nlparam.fitting.page.card import fit_card
from nlparam.fitting.page.charts import fit_charts
from nlparam.fitting.page.consensus import stability_view
from nlparam.fitting.page.content import browse, describe
from nlparam.fitting.page.quantities import view_quantities
from nlparam.results.page.page import AbstractPage
from nlparam.results.page.plots import quantity_chart
from nlparam.results.page.quantities import Intervals
from nlparam.results.page.render import render
from nlparam.results.page.results import describe_result

if TYPE_CHECKING:
    import altair

    from nlparam.fitting.records import FitLike

# Characters of the name of a file.
_MAX_NAME = 80


@dataclasses.dataclass(frozen=True)
class FitPage(AbstractPage):
    """The report of a fit; one whose predictions are not clusters is shown without sizes.

    `intervals` are the credible intervals of its quantities by name, as
    `nlparam.fitting.posterior.credible_intervals` gives them.
    """

    fit: "FitLike"
    intervals: Intervals | None = None

    def html(self) -> str:
        page, texts = describe(self.fit, self.intervals), browse(self.fit)
        stability = stability_view(self.fit.stability)
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

    def figures(self) -> dict[str, dict[str, Any] | str]:
        page = describe(self.fit, self.intervals)
        charts, drawn = fit_charts(page), {}
        for at, view in enumerate(page.quantities, start=1):
            # Quantities are named by whoever wrote the model: perhaps as another figure is.
            name = re.sub(r"[^\w-]+", "-", view.name)[:_MAX_NAME]
            drawn[f"{name}-{at}" if name in drawn or name in charts else name] = charts.pop(f"quantity-{at}")
        return {name: chart for name, chart in (drawn | charts).items() if chart is not None}

    def card(self) -> str:
        return fit_card(self.fit)


def plot_quantity(
    fit: "FitLike", quantity: str | None = None, intervals: Intervals | None = None
) -> "altair.TopLevelMixin":
    """The chart of one quantity of a fit, by default the first.

    Raises `ValueError` if there is none of this name or it cannot be drawn.
    """
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
