"""What the report of a taxonomy says of the shares of its nodes over time: a chart and tables for each divided node."""

import dataclasses
from typing import TYPE_CHECKING, Any

from nlparam.results.page.examples import excerpt
from nlparam.results.page.quantities import MAX_NAME, QuantityView
from nlparam.results.page.results import ResultView, describe_result

if TYPE_CHECKING:
    from nlparam.taxonomies.records import Node, TreeLike

# Of the nodes with most texts; each further chart makes the page slower to open.
MAX_CHARTS = 8


@dataclasses.dataclass(frozen=True)
class Courses:
    """The children of one node over time: what is drawn, and what is said of it."""

    view: QuantityView
    result: ResultView


@dataclasses.dataclass(frozen=True)
class TimeView:
    """The nodes that are shown, in the order of the tree, and how many others have children too."""

    courses: list[Courses]
    omitted: int


def time_view(taxonomy: "TreeLike") -> TimeView | None:
    """The shares over time as the page shows them; `None` if the taxonomy was grown without times."""
    if taxonomy.stamps is None:
        return None
    divided = list(taxonomy.divided())
    largest = {node.id for node in sorted(divided, key=len, reverse=True)[:MAX_CHARTS]}
    shown = [node for node in divided if node.id in largest]
    return TimeView([_courses(taxonomy, node) for node in shown], len(divided) - len(shown))


def time_charts(view: TimeView | None) -> dict[str, dict[str, Any] | None]:
    """The charts of the courses by their keys."""
    from nlparam.results.page.charts import specification
    from nlparam.results.page.plots import quantity_chart

    charts = {} if view is None else {one.result.key: quantity_chart(one.view) for one in view.courses}
    return {key: None if chart is None else specification(chart) for key, chart in charts.items()}


def _courses(taxonomy: "TreeLike", node: "Node") -> Courses:
    found = taxonomy.over_time(node.id)
    names = [excerpt(child.name, MAX_NAME) for child in taxonomy.children(node.id)]
    view = QuantityView(
        name="All texts" if node.parent is None else f"{node.id} {excerpt(node.name, MAX_NAME)}",
        label="Share of all texts",
        kind="curves",
        panels=[f"{number}. {name}" for number, name in zip(found.nodes, names, strict=True)],
        items=list(found.times),
        values=found.shares,
        lower=found.low,
        upper=found.high,
        neutral=None,
        item_dim="step",
        intervals="95% confidence intervals",
    )
    result = describe_result(view, 1)
    by = "time" if found.unit == "1" else found.unit
    caption = (
        f"Of all texts of each {by} the share that is under the predicate, with a 95% interval; the fewer texts, the "
        f"wider it is ({found.n_texts.min():,} to {found.n_texts.max():,} texts). Each panel has a scale of its own."
    )
    return Courses(view, dataclasses.replace(result, key=f"time-{node.id}", title=view.name, caption=caption))
