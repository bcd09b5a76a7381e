"""What `nlparam.taxonomy` returns: a tree whose nodes are predicates, the children explaining their parent's texts."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.errors import CorpusError, EditError
from nlparam.results.page.page import AbstractPage
from nlparam.results.records import Judgment
from nlparam.results.result import AbstractResult, Files, Folder
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.edit import plan
from nlparam.taxonomies.entries import FILE, read
from nlparam.taxonomies.folder import compared_settings, fields_of_taxonomy, pack_taxonomy
from nlparam.taxonomies.records import HOLDS, OUTCOMES, ROOT, Node

if TYPE_CHECKING:
    from nlparam.denotation.denoter import TreeDenoter
    from nlparam.taxonomies.over_time import SharesOverTime


@dataclasses.dataclass(frozen=True)
class Taxonomy(AbstractResult):
    """A tree of predicates over a corpus.

    **Attributes:**

    - `nodes`: every node by its id, depth first, "none of these" after its siblings.
    - `corpus`: the texts.
    - `denoter`: denotes new texts for the predicates of all nodes.
    - `judgments`: every answer of the language model that the denotations of the nodes rest on.
    - `result`: why growing ended.
    - `settings`, `versions`, `costs`: how it was made and what it cost.
    - `stamps`: the time of each text, a number or an ISO date, `None` where it has none; `None` without times.
    """

    main = "taxonomy.json"
    again = "grow it again with --overwrite"
    # Times change no node.
    not_compared = AbstractResult.not_compared | {"form", "n_words", "time_unit"}

    nodes: Mapping[str, Node]
    corpus: Corpus
    denoter: "TreeDenoter"
    judgments: list[Judgment]
    result: OUTCOMES
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    stamps: tuple[Any, ...] | None = None

    @property
    def texts(self) -> Sequence[str]:
        return self.corpus.texts

    @property
    def root(self) -> Node:
        return self.nodes[ROOT]

    @property
    def depth(self) -> int:
        """Levels of predicates below the root."""
        return max(node.depth for node in self.nodes.values())

    @property
    def predicate_ids(self) -> list[str]:
        """The ids of the nodes that have a predicate, depth first."""
        return [node.id for node in self.nodes.values() if node.predicate is not None]

    def children(self, node: str = ROOT, *, residual: bool = False) -> list[Node]:
        """The children of a node; with `residual` "none of these" too."""
        children = [self.nodes[child] for child in self.nodes[node].children]
        return [child for child in children if residual or not child.residual]

    def divided(self) -> Iterator[Node]:
        """The nodes that have children."""
        return (node for node in self.nodes.values() if node.children)

    def share(self, node: str) -> float:
        """The share of all texts that are under a node."""
        return len(self.nodes[node]) / max(len(self.corpus), 1)

    def denotations(self, node: str = ROOT) -> np.ndarray:
        """`(n_members, n_children)`: the denotations of the children of a node over its texts."""
        children = self.children(node)
        if not children:
            return np.zeros((len(self.nodes[node]), 0))
        return np.stack([child.denotations for child in children], axis=1)

    def coverage(self, node: str | None = None) -> float:
        """The share of the texts of a node that are under at least one child; of the tree, over all divided nodes.

        "None of these" covers nothing. 1 for a node without texts, 0 for one without children.
        """
        return self._over_nodes(node, lambda holds: holds.any(axis=1))

    def overlap(self, node: str | None = None) -> float:
        """The share of the texts of a node that are under more than one child; of the tree, over all divided nodes."""
        return self._over_nodes(node, lambda holds: holds.sum(axis=1) > 1)

    def balance(self, node: str | None = None) -> float:
        """How evenly the texts are spread over the children, from 0 (all under one) to 1; of the tree, the mean.

        The entropy of the sizes, divided by the log of their number.
        """
        if node is None:
            divided = list(self.divided())
            weights = [len(one) for one in divided]
            values = [self.balance(one.id) for one in divided]
            return float(np.average(values, weights=weights)) if sum(weights) else 1.0
        sizes = np.asarray([len(child) for child in self.children(node)], dtype=float)
        if len(sizes) < 2 or sizes.sum() == 0:
            return 1.0
        shares = sizes[sizes > 0] / sizes.sum()
        return float(-np.sum(shares * np.log(shares)) / np.log(len(sizes)))

    def correlation(self, node: str | None = None) -> float:
        """The highest correlation of the denotations of two siblings, under a node or in the tree; -1 if there are
        none."""
        if node is None:
            return max((self.correlation(one.id) for one in self.divided()), default=-1.0)
        denotations = self.denotations(node)
        varying = denotations[:, denotations.std(axis=0) > 0] if len(denotations) else denotations
        if varying.shape[1] < 2:
            return -1.0
        correlations = np.corrcoef(varying.T)
        return float(correlations[~np.eye(len(correlations), dtype=bool)].max())

    def assignments(self, depth: int | None = None) -> list[str | None]:
        """The id of the one node that each text is assigned to, at most `depth` levels below the root.

        From the root down a text goes to the child of the highest denotation that holds for it, to "none of these" if
        none does. `None` for a blank text.
        """
        assigned: list[str | None] = [None] * len(self.corpus)
        stack = [(self.root, self.root.members)]
        while stack:
            node, rows = stack.pop()
            if not node.children or (depth is not None and node.depth >= depth):
                for row in rows.tolist():
                    assigned[row] = node.id
                continue
            children = self.children(node.id)
            within = self.denotations(node.id)[np.searchsorted(node.members, rows)]
            best = np.where(within.max(axis=1) >= HOLDS, within.argmax(axis=1), len(children))
            for number, child in enumerate(self.children(node.id, residual=True)):
                stack.append((child, rows[best == number]))
        return assigned

    def place(self, denotations: Mapping[str, np.ndarray], n_texts: int, depth: int | None = None) -> list[str]:
        """The id of the node that each of some new texts is assigned to, as `assignments` does it.

        `denotations` are those of `denoter.denote`: for each node that has a predicate `(n_texts,)`.
        """
        placed = np.full(n_texts, ROOT, dtype=object)
        for node in self.nodes.values():  # parents come before their children
            children = self.children(node.id)
            if not children or (depth is not None and node.depth >= depth):
                continue
            rows = np.flatnonzero(placed == node.id)
            within = np.stack([denotations[child.id][rows] for child in children], axis=1)
            best = np.where(within.max(axis=1, initial=0) >= HOLDS, within.argmax(axis=1), len(children))
            ids = np.asarray(node.children, dtype=object)
            placed[rows] = ids[best]
        return placed.tolist()

    def path(self, node: str) -> list[Node]:
        """The nodes from the first level down to a node."""
        if node == ROOT:
            return []
        return [*self.path(self.nodes[node].parent or ROOT), self.nodes[node]]

    def over_time(self, node: str = ROOT, *, unit: str | None = None, confidence: float = 0.95) -> "SharesOverTime":
        """The shares of the children of a node over time, of all texts of a time step, with confidence intervals.

        **Arguments:** `unit`, "day", "week", "month" or "year", by which dates are grouped; by default that of the
        settings, else the finest that gives few steps. Raises `CorpusError` if the taxonomy was grown without stamps.
        """
        from nlparam.taxonomies.over_time import shares_over_time

        if self.stamps is None:
            raise CorpusError("the taxonomy was grown without time stamps: give stamps (--time-field)")
        members = {child.id: child.members for child in self.children(node)}
        unit = self.settings.get("time_unit") if unit is None else unit
        return shares_over_time(members, self.stamps, unit=unit, confidence=confidence)

    def measures(self, node: str | None = None) -> dict[str, float]:
        """Coverage, overlap, balance and the highest correlation of siblings, of a node or of the tree."""
        return {
            "coverage": self.coverage(node),
            "overlap": self.overlap(node),
            "balance": self.balance(node),
            "correlation": self.correlation(node),
        }

    def to_dict(self) -> dict[str, Any]:
        """The tree without its texts and arrays, for JSON."""
        return {
            "result": self.result.name,
            "n_texts": len(self.corpus),
            "measures": self.measures(),
            "nodes": [self._written(node) for node in self.nodes.values()],
            "settings": self.settings,
            "versions": self.versions,
            "costs": self.costs.as_dict(),
        }

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        return pack_taxonomy(self, folder)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder, *, embedder: Any = None) -> "Taxonomy":
        return cls(**fields_of_taxonomy(contents, folder, embedder))

    @classmethod
    def compared(cls, contents: Mapping[str, Any]) -> dict[str, Any]:
        return compared_settings(contents["settings"])

    @classmethod
    def unsaved(cls, folder: Path) -> str | None:
        """An edit of `taxonomy.yaml` that no refit has heeded."""
        if change := unfitted(folder):
            return (
                f"{folder / FILE} was edited ({change}): run `nlparam refit {folder}` first, choose another --out, or "
                "lose the edit with --overwrite"
            )
        return None

    def page(self, *, update: Mapping[str, Any] | None = None) -> AbstractPage:
        """Its report. `update` is what the last update found (`Update.to_dict`): the page then shows what changed."""
        from nlparam.taxonomies.page.tree import TaxonomyPage

        return TaxonomyPage(self, update)

    def beside(self, folder: Path) -> dict[str, Any]:
        from nlparam.taxonomies.page.drift import kept_update

        return {"update": kept_update(folder)}

    def __str__(self) -> str:
        """The tree as indented lines."""
        lines = [f"{len(self.corpus):,} texts"]
        for node in self.nodes.values():
            if node.id != ROOT and not (node.residual and len(node) == 0):
                number = "" if node.residual else f"{node.id}  "
                partial = "  (partial: the budget was spent)" if node.partial else ""
                lines.append(
                    f"{'  ' * node.depth}{number}{node.name}  {len(node):,} ({self.share(node.id):.1%}){partial}"
                )
        return "\n".join(lines)

    def _over_nodes(self, node: str | None, counted) -> float:
        divided = [one.id for one in self.divided()] if node is None else [node]
        holds = [self.denotations(one) >= HOLDS for one in divided]
        n_texts = sum(len(rows) for rows in holds)
        return float(sum(counted(rows).sum() for rows in holds) / n_texts) if n_texts else float(not divided)

    def _written(self, node: Node) -> dict[str, Any]:
        written: dict[str, Any] = {
            "id": node.id,
            "predicate": node.predicate,
            "judged_as": node.judged_as,
            "parent": node.parent,
            "children": list(node.children),
            "residual": node.residual,
            "status": node.status.value,
            "n_texts": len(node),
            "share": self.share(node.id),
            "stopped": None if node.stopped is None else node.stopped.name,
            "partial": node.partial,
            "agreement": None if np.isnan(node.agreement) else node.agreement,
            "divisions": [dataclasses.asdict(division) for division in node.divisions],
            "candidates": [
                {
                    "predicate": candidate.predicate,
                    "child": candidate.child,
                    "same_as": candidate.same_as,
                    "n_judged": len(candidate.judged),
                }
                for candidate in node.candidates
            ],
            "costs": node.costs.as_dict(),
        }
        if node.children:
            written["measures"] = self.measures(node.id)
        return written


def unfitted(folder: str | Path, taxonomy: Taxonomy | None = None) -> str | None:
    """The first edit in the `taxonomy.yaml` of a folder that no refit has heeded, in words; `None` if there is none.

    `taxonomy` is that of the folder, if it is loaded already. Raises `ResultFolderError` if it is incomplete.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        return next(iter(plan(read(path), Taxonomy.load(folder) if taxonomy is None else taxonomy).changes), None)
    except EditError as error:
        return str(error)
