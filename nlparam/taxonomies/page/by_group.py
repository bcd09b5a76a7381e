"""What the page of a taxonomy says of trends by group (`nlparam taxonomy --by`)."""

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlparam.numerics.statistics.trends import Verdict
from nlparam.results.page.blocks import Block, Cell, Section, Table, Words
from nlparam.results.page.sections import Interval
from nlparam.results.page.tables import Declared, table_of
from nlparam.results.page.text import excerpt

if TYPE_CHECKING:
    from nlparam.taxonomies.over_time import SharesOverTime
    from nlparam.taxonomies.records import TreeLike

_FILE = "trends.csv"
_MAX_NAME = 200
_HEADS = ("group", "node", "name", "claimed", "change", "low", "high", "adjusted p")


class GroupTrend(NamedTuple):
    """What is claimed of the share of a node in a group; `change`, from `low` to `high`, is that of the share."""

    group: str
    node: str
    name: str
    claimed: str
    change: float
    low: float
    high: float
    adjusted: float

    @property
    def is_claim(self) -> bool:
        """Whether the share is said to rise, fall or change."""
        return self.claimed != str(Verdict.NOTHING)


def group_trends(tree: "TreeLike", found: "dict[str, SharesOverTime]") -> list[GroupTrend]:
    """The rows of `Taxonomy.over_time_by`."""
    return [
        GroupTrend(str(group), node, tree.nodes[node].name, str(verdict), *map(float, figures))
        for group, shares in found.items()
        if (trends := shares.trends) is not None
        for node, verdict, *figures in zip(
            shares.nodes, trends.verdicts, trends.change, trends.low, trends.high, trends.adjusted, strict=True
        )
    ]


def write_trends(folder: str | Path, trends: Sequence[GroupTrend]) -> Path:
    """Writes `trends.csv` into the folder of a taxonomy. Raises `OSError`."""
    from nlparam.runtime.files import replacing

    path = Path(folder) / _FILE
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_HEADS, *trends])
    return path


def kept_trends(folder: str | Path) -> list[GroupTrend]:
    """The rows of `trends.csv` in the folder of a taxonomy; none without one that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        with (Path(folder) / _FILE).open(encoding="utf-8", newline="") as file:
            head, *rows = [*csv.reader(file)] or [[]]
        if tuple(head) == _HEADS:
            return [
                GroupTrend(group, node, name, claimed, *map(float, figures))
                for group, node, name, claimed, *figures in rows
            ]
    return []


def trends_section(tree: "TreeLike", trends: Sequence[GroupTrend]) -> Section | None:
    """What rises, falls or changes in each group; `None` without trends of this tree."""
    trends = [one for one in trends if one.node in tree.nodes and tree.nodes[one.node].name == one.name]
    if not trends:
        return None
    claimed = [one for one in trends if one.is_claim]
    n_groups = len({one.group for one in trends})
    words = (
        f"Of {n_groups:,} groups, {len(claimed):,} of {len(trends):,} shares are claimed to rise, fall or change, at a "
        "false discovery rate of 5% over all of them. The change is that of a line from the first time to the last."
    )
    caption = "Shares of the texts of each group, and what can be claimed of their course; changes in percentage points"
    ordered = sorted(trends, key=lambda one: not one.is_claim)
    blocks: list[Block] = [Words(words), trend_table("trends-by-group", caption, ordered, by_group=True)]
    return Section("by-group", "What rises and falls in each group", blocks, "By group")


def trend_table(key: str, caption: str, trends: Sequence[GroupTrend], *, by_group: bool = False) -> Table:
    """What is claimed of shares, and how much they change."""
    columns: list[Declared] = [
        ("No.", "", "node"),
        ("Predicate", "" if by_group else "head", lambda one: Cell(excerpt(one.name, _MAX_NAME))),
        ("Claimed", "", "claimed"),
        ("Change", "number:+.1f", lambda one: Interval(100 * one.change, 100 * one.low, 100 * one.high)),
        ("Adjusted p", "p", "adjusted"),
    ]
    head: Declared = ("Group", "head", lambda one: Cell(excerpt(one.group, _MAX_NAME)))
    return table_of(key, caption, trends, [head, *columns] if by_group else columns)
