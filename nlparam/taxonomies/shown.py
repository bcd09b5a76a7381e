"""An edited tree as the page shows it, and what a refit of it would ask."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nlparam.results.page.text import duration
from nlparam.runtime.words import counted
from nlparam.taxonomies.edit import Plan, children_of
from nlparam.taxonomies.entries import Edited, Entry, path_of
from nlparam.taxonomies.records import ROOT, TreeLike


def tree_as_json(edited: Edited, taxonomy: TreeLike) -> dict[str, Any]:
    """An edited tree as JSON: `goal`, `forbid`, and under `children` the nodes with what is asked for of each.

    `node` is by what operations name it; `was` the name that the tree has now; `texts` and `share` its size there.
    """

    def item(entry: Entry, above: tuple[Entry, ...]) -> dict[str, Any]:
        node = taxonomy.nodes.get(entry.id or "")
        here = (*above, entry)
        shown = {
            "node": entry.id or path_of(here),
            "id": entry.id,
            "name": entry.shown,
            "predicate": entry.predicate,
            "locked": entry.locked,
            "forbidden": entry.forbidden,
            "merge_into": entry.merge_into,
            "split": entry.split,
            "definition": entry.definition and entry.definition.as_dict(),
            "children": [item(child, here) for child in entry.children],
        }
        return shown | ({} if node is None else {"texts": len(node), "share": taxonomy.share(node.id)})

    goal = str(taxonomy.settings.get("goal", ""))
    return {"goal": goal, "forbid": list(edited.forbid), "children": [item(entry, ()) for entry in edited.tree]}


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a refit is expected to ask.

    **Attributes:** `divided`, the nodes whose children are chosen anew, by their ids or predicates; `calls` and
    `seconds`, what dividing them took when the tree was grown, or such nodes on average.
    """

    divided: tuple[str, ...]
    calls: int
    seconds: float

    @property
    def sentence(self) -> str:
        """In words."""
        if not self.divided:
            return "This asks the language model nothing."
        most = ", ".join("all texts" if node == ROOT else node for node in self.divided[:8])
        more = f" and {len(self.divided) - 8} more" if len(self.divided) > 8 else ""
        return (
            f"The children of {most}{more} are chosen anew. Dividing so took {counted(self.calls, 'call')} and "
            f"{duration(self.seconds)} before; nothing that was judged is asked again, so expect less."
        )


def expected(planned: Plan, taxonomy: TreeLike, pools: Mapping[str, Sequence[str]] | None = None) -> Expected:
    """What a refit by this plan is expected to ask, from what it took to divide the nodes before."""
    took = [node.costs for node in taxonomy.divided()]
    mean_calls = sum(costs.calls for costs in took) / max(len(took), 1)
    mean_seconds = sum(costs.total_seconds for costs in took) / max(len(took), 1)
    deepest = int(taxonomy.settings.get("depth") or taxonomy.depth)
    divided, calls, seconds = [], 0.0, 0.0
    for entry, depth in [(planned.root, 0), *((entry, len(above) + 1) for entry, above in planned.placed())]:
        wanted = children_of(entry, taxonomy)
        offered = any((pools or {}).get(one) for one in entry.ids)
        new = not entry.ids and not entry.children and depth < deepest
        if not (wanted.solved or offered or new):
            continue
        divided.append(entry.id or entry.predicate)
        nodes = [taxonomy.nodes[one] for one in entry.ids if taxonomy.nodes[one].children]
        calls += sum(node.costs.calls for node in nodes) if nodes else mean_calls
        seconds += sum(node.costs.total_seconds for node in nodes) if nodes else mean_seconds
    return Expected(tuple(divided), round(calls), seconds)
