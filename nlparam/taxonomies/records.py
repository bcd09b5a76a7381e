"""What a taxonomy is made of: nodes, their candidates and divisions, and why they ended."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.numerics.core.denotations import HOLDS as HOLDS
from nlparam.results.jsonable import AbstractNamed, jsonable
from nlparam.results.records import NONE_OF_THESE as NONE_OF_THESE
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.denotation.denoter import TreeDenoter
    from nlparam.denotation.following import GoalFollowing

ROOT = "root"


class OUTCOMES(AbstractNamed):
    """Why the growing of a taxonomy ended."""

    complete = "every node that can be divided is"
    budget_spent = "the budget is spent"


class STOPS(AbstractNamed):
    """Why a node has no children."""

    depth = "the depth asked for is reached"
    few_texts = "too few texts to divide"
    nothing_usable = "no candidate predicates divide its texts"
    budget_spent = "the budget was spent before it was divided"
    none_of_these = "its texts are those that no sibling explains"
    by_hand = "its children were taken out by hand"


class STATUS(AbstractNamed):
    """Whether a refit may replace a node."""

    open = "open"
    locked = "locked"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A predicate that was considered as a child of a node, with all that a later selection needs.

    **Attributes:**

    - `predicate`: as it was judged.
    - `denotations`: `(n_members,)`, probabilities over the texts of the node (`Node.members`); empty where there were
      too few answers to denote it.
    - `judged`, `answers`: the numbers of the texts it was judged on, and the language model's probabilities as they
      were. While a node is divided, they are positions among its distinct texts, as those of `denotations` are.
    - `child`: the id of the child it became, `None` if it was not chosen.
    - `same_as`: the candidate that it was merged into as a near-duplicate, `None` if it was not.
    """

    predicate: str
    denotations: np.ndarray
    judged: np.ndarray
    answers: np.ndarray
    child: str | None = None
    same_as: str | None = None


@dataclasses.dataclass(frozen=True)
class Division:
    """What a number of children would explain: the mean log-likelihood of texts held out, and its standard error.

    In nats per text, against no division at all (see `nlparam.numerics.core.divide`), less the price of texts under no
    child (`uncovered`).
    """

    n_children: int
    gain: float
    standard_error: float


@dataclasses.dataclass(frozen=True)
class Node:
    """One predicate of a taxonomy and the texts under it.

    **Attributes:**

    - `id`: "root", then "1", "2", ... in order of size, "2.1" the first child of "2"; "2.0" is the child of "2" that
      holds the texts that none of the others explains.
    - `predicate`: the sentence; `None` for the root and for "none of these".
    - `judged_as`: the wording that the language model judged, where siblings were rephrased to one form since; else
      `None`.
    - `parent`: the id of the parent, `None` for the root; `children`: ids, "none of these" last.
    - `members`: `(n_members,)` the numbers of the texts under it, ascending.
    - `denotations`: the probability that the predicate holds for each text of the parent (aligned with the parent's
      `members`); for "none of these" one minus the highest of its siblings, for the root 1 for each of its own.
    - `status`: locked nodes survive a refit.
    - `residual`: true for "none of these".
    - `stopped`: why it has no children, `None` if it has some. `partial`: true if the budget was spent while it was
      divided, so that its children rest on fewer judgments than asked for.
    - `candidates`: what was considered for its children.
    - `divisions`: what each number of children that was considered would explain, empty if the number was given.
    - `agreement`: the share of judgments left out in which the head agrees with the language model on the predicate;
      `nan` where it has none.
    - `costs`: what dividing it took.
    """

    id: str
    predicate: str | None
    parent: str | None
    members: np.ndarray
    denotations: np.ndarray
    children: tuple[str, ...] = ()
    judged_as: str | None = None
    status: STATUS = STATUS.open
    residual: bool = False
    stopped: STOPS | None = None
    partial: bool = False
    candidates: tuple[Candidate, ...] = ()
    divisions: tuple[Division, ...] = ()
    agreement: float = float("nan")
    costs: Costs = dataclasses.field(default_factory=Costs)

    @property
    def depth(self) -> int:
        """0 for the root, 1 for its children."""
        return 0 if self.id == ROOT else self.id.count(".") + 1

    @property
    def name(self) -> str:
        """The predicate, or what stands for it."""
        return self.predicate or (NONE_OF_THESE if self.residual else "all texts")

    def __len__(self) -> int:
        return len(self.members)


def judged(node: Node) -> str:
    """The predicate of a node as it was judged."""
    return node.judged_as or node.predicate or ""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Texts drawn at random and judged from the top down, whatever the heads say of them.

    **Attributes:**

    - `texts`: `(n,)` their numbers, ascending.
    - `inclusion`: `(n,)` the probability with which each was drawn.
    - `under`: for each node `(n,)`: 1 where the language model says that a text is under it, 0 where not, `nan` where
      it gave no usable answer.
    """

    texts: np.ndarray
    inclusion: np.ndarray
    under: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.texts)


class Separation(NamedTuple):
    """Whether the children of a node separate texts that did not choose them better than chance.

    `p_value` of a permutation test, `adjusted` for the number of nodes tested, `n_texts` of the test. Where nothing can
    be said, `reason` says why, and the p-values are 1.
    """

    p_value: float
    adjusted: float
    n_texts: int
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class TreeLike:
    """The fields of a `Taxonomy` and what they say, for what a taxonomy itself needs: its files, pages and edits."""

    nodes: Mapping[str, Node]
    corpus: Corpus
    denoter: "TreeDenoter"
    judgments: list[Judgment]
    result: OUTCOMES
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    stamps: tuple[Any, ...] | None = None
    clusters: tuple[str | None, ...] | None = None
    sample: Sample | None = None
    chance: Mapping[str, Separation] = dataclasses.field(default_factory=dict)
    following: "GoalFollowing | None" = None

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

    def residual(self, node: str = ROOT) -> Node | None:
        """The "none of these" of a node; `None` if it has no children."""
        children = self.nodes[node].children
        return self.nodes[children[-1]] if children else None

    def divided(self) -> Iterator[Node]:
        """The nodes that have children."""
        return (node for node in self.nodes.values() if node.children)

    def share(self, node: str) -> float:
        """The share of the texts with words that are under a node; a text that occurs twice counts twice."""
        return len(self.nodes[node]) / max(len(self.root), 1)

    def share_of_parent(self, node: Node) -> float:
        """The share of the texts of its parent that are under a node below the root."""
        return len(node) / max(len(self.nodes[node.parent or ROOT]), 1)

    def denotations(self, node: str = ROOT) -> np.ndarray:
        """`(n_members, n_children)`: the denotations of the children of a node over its texts."""
        children = self.children(node)
        if not children:
            return np.zeros((len(self.nodes[node]), 0))
        return np.stack([child.denotations for child in children], axis=1)

    def spread(self, fill: float = 0.0) -> dict[str, np.ndarray]:
        """For each node below the root `(n_texts,)` its denotations; `fill` for texts that are not under its parent."""
        spread = {}
        for node in self.nodes.values():
            if node.parent is not None:
                spread[node.id] = np.full(len(self.corpus), fill)
                spread[node.id][self.nodes[node.parent].members] = node.denotations
        return spread

    def under(self, of_root: np.ndarray, below: Callable[[Node, np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
        """For each node `(n_texts,)` whether some texts are under it: 1, 0, or `nan` where that is not known.

        **Arguments:** `of_root` says it of the root; `below(node, of_parent)` of a node that has a predicate, from what
        is known of its parent. A text is under "none of these" if it is under the parent and under no sibling.
        """
        under = {ROOT: of_root}
        for node in self.divided():
            of_node, children = under[node.id], self.children(node.id)
            under |= {child.id: below(child, of_node) for child in children}
            # Where the answer about one child is missing, it is not known that none holds.
            highest = np.max([under[child.id] for child in children], axis=0)
            known = np.where(np.isfinite(highest), of_node, np.nan)
            under[node.children[-1]] = np.where(of_node == 1, 1 - highest, known)
        return under

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
        placed = self.place(self.spread(), len(self.corpus), depth)
        return [None if blank else node for node, blank in zip(placed, self.corpus.blank, strict=True)]

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
            "following": jsonable(self.following),
        }

    def _over_nodes(self, node: str | None, counted) -> float:
        divided = [one.id for one in self.divided()] if node is None else [node]
        holds = [self.denotations(one) >= HOLDS for one in divided]
        n_texts = sum(len(rows) for rows in holds)
        return float(sum(counted(rows).sum() for rows in holds) / n_texts) if n_texts else float(not divided)

    def _written(self, node: Node) -> dict[str, Any]:
        kept = {name: value for name, value in vars(node).items() if name not in ("members", "denotations")}
        kept |= {"n_texts": len(node), "share": self.share(node.id)}
        kept["candidates"] = [
            {name: getattr(candidate, name) for name in ("predicate", "child", "same_as")}
            | {"n_judged": len(candidate.judged)}
            for candidate in node.candidates
        ]
        measured = {"measures": self.measures(node.id)} if node.children else {}
        return jsonable(kept | measured | ({"chance": self.chance[node.id]} if node.id in self.chance else {}))
