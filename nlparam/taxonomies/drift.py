"""What `nlparam.update` returns: new texts in a taxonomy, what none of its nodes explains, and what has changed."""

import dataclasses
from pathlib import Path
from typing import Any

from nlparam.numerics.statistics.prevalence import Drift, Prevalence
from nlparam.numerics.statistics.selection import look_level
from nlparam.results.folder import write_json
from nlparam.results.jsonable import jsonable
from nlparam.runtime.costs import Costs
from nlparam.runtime.files import writable
from nlparam.taxonomies.placing import Assigned, columns_of
from nlparam.taxonomies.result import Taxonomy

FILE, ASSIGNMENTS = "update.json", "assignments.parquet"
PREVALENCE_OF = {"people": "people, estimated", "judge": "language model, estimated", "head": "head"}


@dataclasses.dataclass(frozen=True)
class NodeDrift:
    """How often a node is met, before and now: shares of all texts, not only of those under its parent.

    `drift` is now minus before; `p_adjusted` its p-value, adjusted for the number of nodes; `changed` whether a change
    is claimed at the level of this look. `added`: the node is new. Both shares are of one `target`: "people", "judge"
    (as the language model sees it) or "head"; of heads alone no change is claimed.
    """

    id: str
    name: str
    depth: int
    added: bool
    before: Prevalence
    now: Prevalence
    drift: Drift
    p_adjusted: float
    changed: bool

    @property
    def target(self) -> str:
        return self.now.target if self.before.target == self.now.target else "head"

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it. How deep a node is, its id says."""
        return {name: value for name, value in vars(self).items() if name != "depth"} | {"target": self.target}


@dataclasses.dataclass(frozen=True)
class Unexplained:
    """New texts under a node that none of its children explains.

    `before` and `now` are their shares of the texts under the node; `p_value` is one-sided, for a rise. `outcome` says
    what was done about them.
    """

    node: str
    name: str
    n_texts: int
    n_unexplained: int
    before: Prevalence
    now: Prevalence
    p_value: float
    outcome: str


@dataclasses.dataclass(frozen=True)
class Addition:
    """A child that was missing: it holds for a `share_unexplained` of the texts that nothing else explained, and for a
    `share_elsewhere` of the others of its parent, as the language model says."""

    id: str
    parent: str
    predicate: str
    share_unexplained: float
    share_elsewhere: float


@dataclasses.dataclass(frozen=True)
class Update:
    """A taxonomy and new texts.

    **Attributes:**

    - `taxonomy`: over the texts before and the new ones. Its nodes are those before, with those `added` after them.
    - `assigned`: where the new texts are.
    - `drift`: for every node, how often it is met before and now.
    - `unexplained`: for every node with children, the new texts that none of these explains.
    - `added`: children that were missing.
    - `n_judged`: how many texts of each kind (before, now) the language model judged to correct the head; 0 if
      prevalences are the head's own. `n_labelled`: how many people labelled, `None` without labels.
    - `confidence` of the intervals, one node at a time; `level`, the false discovery rate of changes that are claimed,
      over all looks at the texts before; `look`, which of them this is.
    - `warnings`: what a reader should know of the new texts.
    - `costs`: what the update cost.
    """

    taxonomy: Taxonomy
    assigned: Assigned
    drift: list[NodeDrift]
    unexplained: list[Unexplained]
    added: list[Addition]
    n_before: int
    n_judged: tuple[int, int]
    confidence: float
    level: float
    warnings: list[str]
    costs: Costs
    look: int = 1
    n_labelled: tuple[int, int] | None = None

    @property
    def corrected(self) -> bool:
        """Whether prevalences are the language model's, estimated, and not the head's own."""
        return min(self.n_judged) > 0

    @property
    def target(self) -> str:
        """Whose shares these are: "people" where labels allow it, "judge" (the language model's), or "head"."""
        return "people" if self.n_labelled else "judge" if self.corrected else "head"

    @property
    def changes(self) -> list[NodeDrift]:
        """The nodes for which a change is claimed, the largest first."""
        return sorted((one for one in self.drift if one.changed), key=lambda one: -abs(one.drift.difference))

    def to_dict(self) -> dict[str, Any]:
        """All but texts and assignments, for JSON."""
        kept = {name: value for name, value in vars(self).items() if name not in ("taxonomy", "assigned")}
        return jsonable(
            kept
            | {
                "n_new": len(self.assigned.corpus),
                "target": self.target,
                "prevalence_of": PREVALENCE_OF[self.target],
                "level_of_look": look_level(self.look, level=self.level),
                "correction": "bh",
            }
        )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the taxonomy and the update (`update.json`, and `assignments.parquet` for the new texts) to a folder.

        Raises `ResultFolderError` if the folder holds something else and `overwrite` is not set.
        """
        import pyarrow
        import pyarrow.parquet

        folder = self.taxonomy.save(folder, overwrite=overwrite)
        with writable(folder):
            pyarrow.parquet.write_table(pyarrow.table(columns_of(self.taxonomy, self.assigned)), folder / ASSIGNMENTS)
            write_json(folder / FILE, self.to_dict())
        return folder
