"""What the report of a taxonomy says of the new texts of its last update: what has changed, and what is unexplained."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.results.page.examples import excerpt
from nlparam.results.page.quantities import QuantityView, stated

if TYPE_CHECKING:
    from nlparam.taxonomies.records import TreeLike

MAX_SENTENCE = 200
_FILE = "update.json"
_KEYS = {"n_before", "n_new", "n_judged", "confidence", "level", "drift", "unexplained", "added", "warnings"}


class Change(NamedTuple):
    """One node before and now: shares of all texts with intervals, as text and as numbers to sort by."""

    number: str
    name: str
    added: bool
    before: str
    now: str
    now_value: float
    change: str
    difference: float
    p_adjusted: float
    said: str


@dataclasses.dataclass(frozen=True)
class DriftView:
    """What has changed since the texts before an update.

    `unexplained` has, for each node with children, its number, name, new texts, those that no child explains, their
    shares before and now, and what was done about them; `added` the number, parent and predicate of new children.
    """

    n_before: int
    n_new: int
    sentence: str
    changes: list[Change]
    unexplained: list[tuple[str, str, int, int, str, str, str]]
    added: list[tuple[str, str, str]]
    warnings: list[str]
    effects: QuantityView | None


def kept_update(folder: str | Path) -> dict[str, Any] | None:
    """What `nlparam update` wrote into the folder of a taxonomy; `None` if it wrote nothing that can be read."""
    try:
        found = json.loads((Path(folder) / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEYS else None


def drift_view(taxonomy: "TreeLike", update: Mapping[str, Any] | None) -> DriftView | None:
    """The last update as the page shows it; `None` without one, or if the taxonomy was changed since.

    **Arguments:** `update`, as `Update.to_dict` gives it and `update.json` holds it.
    """
    if update is None or update["n_before"] + update["n_new"] != len(taxonomy.corpus):
        return None
    if any(one["id"] not in taxonomy.nodes for one in update["drift"]):
        return None
    changes = [_change(one) for one in update["drift"]]
    return DriftView(
        n_before=update["n_before"],
        n_new=update["n_new"],
        sentence=_sentence(update),
        changes=changes,
        unexplained=[
            (
                "" if one["node"] == "root" else one["node"],
                excerpt(one["name"], MAX_SENTENCE),
                one["n_texts"],
                one["n_unexplained"],
                _share(one["before"]),
                _share(one["now"]),
                excerpt(one["outcome"], MAX_SENTENCE),
            )
            for one in update["unexplained"]
        ],
        added=[(one["id"], one["parent"], excerpt(one["predicate"], MAX_SENTENCE)) for one in update["added"]],
        warnings=[excerpt(warning, 1000) for warning in update["warnings"]],
        effects=_effects(update["drift"]),
    )


def drift_chart(view: DriftView | None) -> dict[str, Any] | None:
    """The changes with their intervals as a chart for the page; `None` where there is nothing to be drawn."""
    from nlparam.results.page.charts import specification
    from nlparam.results.page.plots import quantity_chart

    chart = None if view is None or view.effects is None else quantity_chart(view.effects)
    return None if chart is None else specification(chart)


def _change(one: Mapping[str, Any]) -> Change:
    moved = one["drift"]
    points = [100 * moved[end] for end in ("difference", "low", "high")]
    return Change(
        number=one["id"],
        name=excerpt(one["name"], MAX_SENTENCE),
        added=bool(one["added"]),
        before=_share(one["before"]),
        now=_share(one["now"]),
        now_value=float(one["now"]["share"]),
        change="{:+.1f} [{:+.1f}, {:+.1f}]".format(*points),
        difference=points[0],
        p_adjusted=float(one["p_adjusted"]),
        said=("more" if points[0] > 0 else "less") if one["changed"] else "",
    )


def _share(prevalence: Mapping[str, Any]) -> str:
    return f"{prevalence['share']:.1%} [{prevalence['low']:.1%}, {prevalence['high']:.1%}]"


def _effects(drift: list[Mapping[str, Any]]) -> QuantityView | None:
    if not drift:
        return None
    values, low, high = (
        100 * np.asarray([[one["drift"][end] for one in drift]], dtype=float) for end in ("difference", "low", "high")
    )
    return QuantityView(
        name="drift",
        label="Change of the share of texts, percentage points",
        kind="dots",
        panels=[""],
        items=[f"{one['id']} {excerpt(one['name'], 80)}" for one in drift],
        values=values,
        lower=low,
        upper=high,
        neutral=0.0,
        item_dim="node",
    )


def _sentence(update: Mapping[str, Any]) -> str:
    judged = update["n_judged"]
    of = (
        f"those that the language model would give, estimated from {judged[0]:,} and {judged[1]:,} texts that it judged"
        if min(judged) > 0
        else "those of the head: nothing was judged to correct it"
    )
    return (
        f"Shares of all texts are {of}. Intervals are at {stated(update['confidence'])} for each node by itself; a "
        f"change is claimed at a false discovery rate of {update['level']:g}."
    )
