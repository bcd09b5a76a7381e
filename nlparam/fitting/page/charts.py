"""The charts of the report of a fit."""

import math
from typing import TYPE_CHECKING, Any

from nlparam.results.page.charts import specification
from nlparam.results.page.text import visible

if TYPE_CHECKING:
    from nlparam.fitting.page.content import Page, Point, Step


# Up to this many predicates get a panel of their own; more share one.
MAX_PANELS = 12


PANEL = 150


def trace_chart(trace: "list[Step]") -> dict[str, Any] | None:
    """The loss over the steps of the search, or `None` if there are fewer than two losses to join."""
    import altair as alt

    rows = [
        {"step": f"{step.number}. {visible(step.name)}", "loss": step.loss, "candidates": step.n_candidates}
        for step in trace
        if math.isfinite(step.loss)
    ]
    if len(rows) < 2:
        return None
    chart = (
        alt.Chart(alt.InlineData(values=rows), width="container", height=240)
        .mark_line(point=alt.OverlayMarkDef(filled=True, size=60), strokeWidth=2)
        .encode(
            x=alt.X("step:N", sort=None, title=None, axis=alt.Axis(labelAngle=0 if len(rows) <= 6 else -35)),
            y=alt.Y("loss:Q", title="Loss", scale=alt.Scale(zero=False, nice=True)),
            tooltip=[
                alt.Tooltip("step:N", title="Step"),
                alt.Tooltip("loss:Q", title="Loss", format=".6~g"),
                alt.Tooltip("candidates:Q", title="Candidates"),
            ],
        )
    )
    return specification(chart)


def agreement_chart(points: "list[Point]") -> dict[str, Any] | None:
    """The language model's answers against the denotations, a panel per predicate; `None` without judgments."""
    import altair as alt

    points = [point for point in points if math.isfinite(point.answered) and math.isfinite(point.denoted)]
    if not points:
        return None
    numbers = sorted({point.predicate for point in points})
    rows = [
        {"p": f"Predicate {predicate}", "text": text, "x": round(answered, 3), "y": round(denoted, 3)}
        for predicate, text, answered, denoted in points
    ]
    unit = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.5, 1], format=".1f")
    dots = (
        alt.Chart()
        .mark_circle(size=26, opacity=0.55)
        .encode(
            x=alt.X("x:Q", scale=unit, axis=axis, title="Language model"),
            y=alt.Y("y:Q", scale=unit, axis=axis, title="Denotation"),
            tooltip=[
                alt.Tooltip("p:N", title="Of"),
                alt.Tooltip("text:Q", title="Text", format="d"),
                alt.Tooltip("x:Q", title="Language model", format=".2f"),
                alt.Tooltip("y:Q", title="Denotation", format=".2f"),
            ],
        )
    )
    # Crossing lines at one half: the two quadrants on the rising diagonal hold the texts on which both agree.
    halves = [
        alt.Chart().mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(0.5)),
        alt.Chart().mark_rule(strokeDash=[3, 3]).encode(y=alt.datum(0.5)),
    ]
    single = len(numbers) == 1 or len(numbers) > MAX_PANELS
    size = 300 if single else PANEL
    layers = alt.layer(*halves, dots, data=alt.InlineData(values=rows)).properties(width=size, height=size)
    if single:
        return specification(layers)
    order = [f"Predicate {number}" for number in numbers]
    return specification(layers.facet(facet=alt.Facet("p:N", sort=order, title=None), columns=min(5, len(numbers))))


def fit_charts(page: "Page") -> "dict[str, dict[str, Any] | None]":
    """The charts of the report of a fit by name, `None` where there is nothing to be drawn."""
    from nlparam.fitting.page.charts import agreement_chart, trace_chart
    from nlparam.fitting.page.judging import reliability_chart
    from nlparam.results.page.charts import specification
    from nlparam.results.page.plots import quantity_chart

    charts: dict[str, dict[str, Any] | None] = {}
    for number, view in enumerate(page.quantities, start=1):
        chart = quantity_chart(view)
        charts[f"quantity-{number}"] = None if chart is None else specification(chart)
    charts |= {"trace": trace_chart(page.trace), "agreement": agreement_chart(page.points)}
    return charts | {"reliability": reliability_chart(page.calibration)}
