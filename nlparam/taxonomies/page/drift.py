"""What the page of a taxonomy says of the last update: which shares have changed, and what no node explains."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.results.page.blocks import Block, Cell, Heading, Line, Lines, Section, Warnings, Words
from nlparam.results.page.quantities import stated
from nlparam.results.page.sections import Interval, named
from nlparam.results.page.tables import charted, table_of
from nlparam.results.page.text import DASH, excerpt
from nlparam.runtime.words import counted

if TYPE_CHECKING:
    from nlparam.taxonomies.records import TreeLike

MAX_SENTENCE = 200
_FILE = "update.json"
_KEYS = {"n_before", "n_new", "n_judged", "confidence", "level", "drift", "unexplained", "added", "warnings"}


def kept_update(folder: str | Path) -> dict[str, Any] | None:
    """What `nlparam update` wrote into the folder of a taxonomy; `None` if it wrote nothing that can be read."""
    try:
        found = json.loads((Path(folder) / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEYS else None


def drift_section(taxonomy: "TreeLike", update: Mapping[str, Any] | None) -> Section | None:
    """What the last update found; `None` without one, or if the taxonomy was changed since.

    **Arguments:** `update`, as `Update.to_dict` gives it and `update.json` holds it.
    """
    if update is None or not is_of(taxonomy, update):
        return None
    drift = update["drift"]
    blocks: list[Block] = [
        Warnings([excerpt(warning, 1000) for warning in update["warnings"]]),
        Words(
            f"The last update brought {counted(update['n_new'], 'new text')} to the {update['n_before']:,} before. "
            + measured(update)
        ),
        *charted(
            "drift",
            "Change of the share of each node",
            drift,
            [
                ("No.", "", "id"),
                (
                    "Predicate",
                    "head",
                    lambda one: Cell(named(one["name"], MAX_SENTENCE), tag="new" if one["added"] else ""),
                ),
                ("Before", "number", lambda one: _share(one["before"])),
                ("Now", "number", lambda one: _share(one["now"])),
                ("Change", "drawn:+.1f", _change),
                ("Adjusted p", "p", lambda one: Cell(DASH) if one.get("target") == "head" else one["p_adjusted"]),
                ("Claimed", "", _claimed),
            ],
            label="Change of the share of texts, percentage points",
            interval="its confidence interval",
            caption="To the right a node is met more often among the new texts than before, to the left less.",
            neutral=0.0,
            neutral_means="no change",
            item=lambda one: f"{one['id']} {excerpt(one['name'], 80)}",
            name="Shares of the nodes before and now, and their change in percentage points",
        ),
    ]
    if update["unexplained"]:
        unexplained = table_of(
            "unexplained",
            "New texts that no child of their node explains",
            update["unexplained"],
            [
                ("No.", "", lambda one: "" if one["node"] == "root" else one["node"]),
                ("Node", "head", "name"),
                ("New texts", "number", "n_texts"),
                ("Unexplained", "number", "n_unexplained"),
                ("Share before", "number", lambda one: _share(one["before"])),
                ("Share now", "number", lambda one: _share(one["now"])),
                ("What was done", "", "outcome"),
            ],
        )
        blocks.append(unexplained)
    if added := update["added"]:
        lines = [
            Line(
                f"{one['id']} {excerpt(one['predicate'], MAX_SENTENCE)} (holds for {one['share_unexplained']:.0%} of "
                f"the unexplained texts, {one['share_elsewhere']:.0%} of the others)",
                "added",
                f"#node-{one['id']}",
            )
            for one in added
        ]
        blocks += [Heading("Predicates that were missing"), Lines(lines)]
    return Section("drift", "What has changed", blocks, "Changes")


def is_of(taxonomy: "TreeLike", update: Mapping[str, Any]) -> bool:
    """Whether an update is the last thing that was done with a taxonomy."""
    same = update["n_before"] + update["n_new"] == len(taxonomy.corpus)
    return same and all(one["id"] in taxonomy.nodes for one in update["drift"])


def _change(one: Mapping[str, Any]) -> Interval:
    return Interval.read(one["drift"], "difference", 100.0)


def _claimed(one: Mapping[str, Any]) -> str:
    return "no" if not one["changed"] else "more" if _change(one).value > 0 else "less"


def _share(prevalence: Mapping[str, Any]) -> Interval:
    return Interval.read(prevalence, "share")


def measured(update: Mapping[str, Any]) -> str:
    """What the shares of an update are, what is in their intervals, and when a change is claimed."""
    before, now = update["n_judged"]
    labelled = update.get("n_labelled")
    interval = f"Intervals are at {stated(update['confidence'])} for each node by itself"
    if labelled:
        of = f"as people see it, estimated from {labelled[0]:,} and {counted(labelled[1], 'text')} that they labelled"
    elif min(before, now) > 0:
        of = (
            "as the judge sees it: those that the language model would give, estimated from "
            f"{before:,} and {counted(now, 'text')} that it judged (that it errs itself is not in the intervals)"
        )
    else:
        return (
            "Shares of all texts are as the head sees them. Nothing was judged to correct it, and a head may say yes "
            f"more often to new texts: no change is claimed. {interval}; that the head errs is not in them."
        )
    level = f"a false discovery rate of {update['level']:g}"
    if (look := update.get("look", 1)) > 1 or "level_of_look" in update:
        level += f", of which this look, number {look}, may spend {update['level_of_look']:.2g}"
    return f"Shares of all texts are {of}. {interval}; a change is claimed at {level}."
