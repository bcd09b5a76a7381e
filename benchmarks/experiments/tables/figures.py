"""The figures of the tables: Altair charts, drawn as SVG without a browser or a network."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.experiments.tables.cells import PRIMARY, Table

if TYPE_CHECKING:
    import altair


def draw(tables: Sequence[Table]) -> dict[str, str]:
    """SVG by name: for every table how well and how cheaply each arm does, and how the searches converged."""
    drawn: dict[str, str] = {}
    for table, name in zip(tables, figure_names(tables), strict=True):
        if rows := _rows(table):
            drawn[name] = _svg(_chart(rows, table))
        if steps := _steps(table):
            drawn[f"convergence-{name}"] = _svg(_convergence(steps, table))
    return drawn


def figure_names(tables: Sequence[Table]) -> list[str]:
    """The name of the figure of each table."""
    tasks = [table.setting.task for table in tables]
    return [f"{task}-{tasks[:number].count(task) + 1}" for number, task in enumerate(tasks)]


def _rows(table: Table) -> list[dict[str, Any]]:
    metric = PRIMARY.get(table.setting.task, "f1_best")
    rows = []
    for (arm, dataset), cell in table.cells.items():
        mean, error = cell.mean(metric), cell.standard_error(metric)
        if math.isfinite(mean):
            low, high = (mean - error, mean + error) if math.isfinite(error) else (mean, mean)
            judgments = cell.cost("judgments_asked", "judgments_served")
            rows.append({"arm": arm, "dataset": dataset, "f1": mean, "low": low, "high": high, "n": judgments})
    return rows


def _steps(table: Table) -> list[dict[str, Any]]:
    """The loss after each step of every search that kept a trace."""
    return [
        {"arm": arm, "dataset": dataset, "seed": run.seed, "round": number, **step}
        for (arm, dataset), cell in table.cells.items()
        for run in cell.runs
        for number, step in enumerate(run.trace)
    ]


def _convergence(steps: list[dict[str, Any]], table: Table) -> "altair.TopLevelMixin":
    """The loss against judgments, and below against rounds, a line for each seed."""
    import altair as alt

    colours = alt.Scale(domain=[arm for arm in table.arms if any(step["arm"] == arm for step in steps)])
    parts = [
        alt.Chart(alt.InlineData(values=steps), width=190, height=150)
        .mark_line(point={"size": 20}, strokeWidth=1.5, opacity=0.8)
        .encode(
            x=alt.X(f"{field}:Q", title=title, axis=alt.Axis(tickCount=4, tickMinStep=1)),
            y=alt.Y("loss:Q", title="Loss", scale=alt.Scale(zero=False)),
            color=alt.Color("arm:N", scale=colours, title="Arm"),
            detail="seed:N",
            order="round:Q",
        )
        .facet(facet=alt.Facet("dataset:N", title=None, sort=table.datasets), columns=3)
        .resolve_scale(x="independent", y="independent")
        for field, title in (("judgments", "Judgments"), ("round", "Round"))
    ]
    return alt.vconcat(*parts)


def _chart(rows: list[dict[str, Any]], table: Table) -> "altair.TopLevelMixin":
    import altair as alt

    order = table.arms
    # One colour per arm in both parts of the figure.
    colours = alt.Scale(domain=order, scheme="tableau20")
    f1 = alt.Scale(domain=[0, 1])
    base = alt.Chart().encode(y=alt.Y("arm:N", sort=order, title=None))
    errors = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q", title="F1", scale=f1), x2="high:Q")
    dots = base.mark_circle(size=55, opacity=1).encode(
        x=alt.X("f1:Q", title="F1", scale=f1), color=alt.Color("arm:N", scale=colours, legend=None)
    )
    how_well = alt.layer(errors, dots, data=alt.InlineData(values=rows)).properties(width=190, height=18 * len(order))
    faceted = how_well.facet(facet=alt.Facet("dataset:N", title=None, sort=table.datasets), columns=3)
    judged = [row for row in rows if row["n"] > 0]
    if not judged:
        return faceted
    how_cheaply = (
        alt.Chart(alt.InlineData(values=judged), width=440, height=220)
        .mark_point(size=60, filled=True, opacity=0.9)
        .encode(
            x=alt.X("n:Q", title="Judgments", scale=alt.Scale(zero=True)),
            y=alt.Y("f1:Q", title="F1", scale=f1),
            color=alt.Color("arm:N", scale=colours, title="Arm"),
            shape=alt.Shape("dataset:N", sort=table.datasets, title="Data set"),
        )
    )
    return alt.vconcat(faceted, how_cheaply).resolve_scale(color="independent", shape="independent")


def _svg(chart: "altair.TopLevelMixin") -> str:
    import altair as alt
    import vl_convert

    specification = chart.to_dict()
    # A white ground, so that the drawing is legible in the dark scheme of the documentation, too.
    specification["config"] = {"background": "white", "font": "sans-serif", "view": {"stroke": "#ddd"}}
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return vl_convert.vegalite_to_svg(specification, vl_version=version)
