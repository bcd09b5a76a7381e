"""Growing a tree node by node, and the `Taxonomy` that it becomes."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.denotation.denoter import TreeDenoter
from nlparam.errors import BudgetError, LanguageModelError
from nlparam.numerics.heads.goal_map import GoalMap
from nlparam.results.records import Judgment
from nlparam.results.versions import installed_versions
from nlparam.taxonomies.divided import Divided, Known
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.records import HOLDS, OUTCOMES, ROOT, STATUS, STOPS, Candidate, Node
from nlparam.taxonomies.result import Taxonomy

# The predicates from the first level down to a node: () is the root, ("is about sports",) a node of the first level.
NodePath = tuple[str, ...]
Predicates = Sequence[str | Known]


@dataclasses.dataclass
class Branch:
    """A node while the tree grows: its distinct texts, and what it was divided into.

    `beside` are the predicates of its siblings and of those of the nodes above: what holds for them is not below it.
    `children[k]` belongs to `divided.predicates[k]`. `stopped` is why it was not divided.
    """

    path: NodePath
    rows: np.ndarray
    beside: tuple[str, ...] = ()
    divided: Divided | None = None
    children: "list[Branch]" = dataclasses.field(default_factory=list)
    stopped: STOPS | None = None


class Growing:
    """Divides the nodes of a tree level by level, the largest of a level first, so that a budget that ends early has
    divided what matters most."""

    def __init__(
        self,
        divider: Divider,
        depth: int,
        locked: Mapping[NodePath, Predicates],
        excluded: Mapping[NodePath, Sequence[str]],
        everywhere: Sequence[str],
        pool: Mapping[NodePath, Predicates],
    ):
        self.divider, self.depth = divider, depth
        self.locked, self.excluded, self.everywhere, self.pool = locked, excluded, everywhere, pool

    def grow(self) -> Branch:
        """The root, divided as far as the budget goes.

        Raises `BudgetError` if the budget is spent before the root is divided, `LanguageModelError` if nothing divides
        it.
        """
        root = Branch((), np.arange(len(self.divider.represented)))
        level = [root]
        for depth in range(self.depth):
            level.sort(key=lambda branch: -len(branch.rows))
            run = self.divider.run
            with run.progress.task(f"dividing level {depth}", len(level), costs=run.costs, unit="nodes") as task:
                for branch in level:
                    self._divide(branch)
                    task.advance()
            if root.divided is None or not root.children:
                self._nothing(root)
            level = [child for branch in level for child in branch.children]
        for branch in level:
            branch.stopped = STOPS.depth
        return root

    def _divide(self, branch: Branch) -> None:
        meter, options = self.divider.run.meter, self.divider.options
        path = branch.path
        if len(branch.rows) < options.least_texts and not self.locked.get(path):
            branch.stopped = STOPS.few_texts
            return
        if meter.spent is not None:
            branch.stopped = STOPS.budget_spent
            return
        divided = self.divider.divide(
            branch.rows,
            path,
            locked=self.locked.get(path, ()),
            excluded=[*self.everywhere, *self.excluded.get(path, ()), *branch.beside],
            pool=self.pool.get(path),
        )
        branch.divided, branch.stopped = divided, divided.stopped
        # The largest first, by all texts: that is how they are numbered.
        holds = divided.denotations >= HOLDS
        sizes = self.divider.run.corpus.multiplicity[branch.rows] @ holds
        order = np.argsort(-sizes, kind="stable").tolist()
        branch.divided = divided.taken(order)
        branch.children = [
            Branch(
                (*path, divided.predicates[k]),
                branch.rows[holds[:, k]],
                (*branch.beside, *(p for n, p in enumerate(divided.predicates) if n != k)),
            )
            for k in order
        ]

    def _nothing(self, root: Branch) -> None:
        run = self.divider.run
        n_candidates = 0 if root.divided is None else len(root.divided.considered)
        if run.meter.spent is not None:
            raise BudgetError(
                f"the budget is spent ({run.meter.spent}) before the first level of the tree was there "
                f"({n_candidates} candidates so far): allow more; what was asked until now is stored and costs nothing "
                "again"
            )
        raise LanguageModelError(
            f"none of the {n_candidates} candidate predicates divide the texts (too alike, or outside of the shares of "
            f"{self.divider.options.least_share:.0%} to {self.divider.options.most_share:.0%}): try another goal, a "
            "stronger model, or fewer children"
        )


def assemble(divider: Divider, goal_map: GoalMap | None, root: Branch, settings: dict) -> Taxonomy:
    """The `Taxonomy` of a tree that has grown."""
    run = divider.run
    nodes: dict[str, Node] = {}
    directions, heads, columns = {}, {}, {}
    judgments: dict[tuple[int, str], Judgment] = {}
    texts_of = _TextsOf(run)

    def visit(branch: Branch, node_id: str, predicate: str | None, **fields) -> None:
        divided, members = branch.divided, texts_of(branch.rows)
        prefix = "" if node_id == ROOT else f"{node_id}."
        ids = tuple(f"{prefix}{number}" for number in range(1, len(branch.children) + 1))
        residual = f"{prefix}0"
        nodes[node_id] = Node(
            id=node_id,
            predicate=predicate,
            members=members,
            children=(*ids, residual) if ids else (),
            stopped=None if ids else branch.stopped,
            partial=divided is not None and bool(ids) and divided.partial,
            candidates=() if divided is None else _candidates(divided, branch.rows, ids, texts_of),
            divisions=() if divided is None else tuple(divided.divisions),
            **({} if divided is None else {"costs": divided.costs}),
            **fields,
        )
        if divided is None or not ids:
            return
        assert divided.head is not None  # there are children
        directions[node_id], heads[node_id], columns[node_id] = divided.directions, divided.head, ids
        for candidate in nodes[node_id].candidates:
            if candidate.child is not None:
                for text, answer in zip(candidate.judged.tolist(), candidate.answers.tolist(), strict=True):
                    judgments[text, candidate.predicate] = Judgment(text, candidate.predicate, answer)
        denoted = texts_of.spread(branch.rows, divided.denotations)
        lockings = {_plain(one) for one in settings["locked"].get(" > ".join(branch.path), [])}
        for number, child in enumerate(branch.children):
            judged_as = divided.judged_as[number]
            visit(
                child,
                ids[number],
                divided.predicates[number],
                parent=node_id,
                denotations=denoted[:, number],
                judged_as=judged_as if judged_as != divided.predicates[number] else None,
                status=STATUS.locked if _plain(judged_as) in lockings else STATUS.open,
                agreement=divided.agreement[number],
            )
        highest = denoted.max(axis=1)
        nodes[residual] = Node(
            id=residual,
            predicate=None,
            parent=node_id,
            members=members[highest < HOLDS],
            denotations=1 - highest,
            residual=True,
            stopped=STOPS.none_of_these,
        )

    everything = texts_of(root.rows)
    visit(root, ROOT, None, parent=None, denotations=np.ones(len(everything), np.float32))
    run.costs.money = run.meter.cost
    undivided = any(node.stopped is STOPS.budget_spent or node.partial for node in nodes.values())
    return Taxonomy(
        nodes=nodes,
        corpus=run.corpus,
        denoter=TreeDenoter(
            embedder=run.embedder,
            ngrams=run.ngrams,
            directions=directions,
            heads=heads,
            columns=columns,
            embedder_identity=run.settings["embedder_identity"],
            goal_map=goal_map,
        ),
        judgments=list(judgments.values()),
        result=OUTCOMES.budget_spent if undivided else OUTCOMES.complete,
        settings=settings | {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")},
        versions=installed_versions(),
        costs=run.costs,
    )


def undone(tree: Taxonomy) -> str:
    """What a spent budget left undone, in words."""
    left = sum(node.stopped is STOPS.budget_spent for node in tree.nodes.values())
    partial = sum(node.partial for node in tree.nodes.values())
    parts = [f"{left} nodes are not divided"] if left else []
    parts += [f"the children of {partial} rest on fewer judgments than asked for"] if partial else []
    return " and ".join(parts)


class _TextsOf:
    """From distinct texts (rows) to the numbers of all texts that are equal to them."""

    def __init__(self, run):
        row = run.corpus.row
        self.order = np.argsort(row, kind="stable")
        self.order = self.order[row[self.order] >= 0]
        counts = np.bincount(row[row >= 0], minlength=len(run.corpus.distinct))
        self.ends = np.cumsum(counts)
        self.counts = counts

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """The numbers of the texts, ascending."""
        return np.sort(self._all(rows))

    def spread(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """From one value (or row of values) for each distinct text to one for each of `self(rows)`."""
        numbers = self._all(rows)
        return np.repeat(values, self.counts[rows], axis=0)[np.argsort(numbers, kind="stable")]

    def first(self, rows: np.ndarray) -> np.ndarray:
        """The first text that is equal to each row."""
        return self.order[self.ends[rows] - self.counts[rows]]

    def _all(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) == 0:
            return np.zeros(0, dtype=np.int64)
        starts = self.ends[rows] - self.counts[rows]
        return np.concatenate([self.order[s : s + n] for s, n in zip(starts, self.counts[rows], strict=True)])


def _candidates(divided: Divided, rows: np.ndarray, ids: Sequence[str], texts_of: _TextsOf) -> tuple[Candidate, ...]:
    child_of = dict(zip(divided.judged_as, ids, strict=False))
    return tuple(
        Candidate(
            predicate=one.predicate,
            denotations=texts_of.spread(rows, one.denotations) if len(one.denotations) else one.denotations,
            judged=texts_of.first(rows[one.judged]),
            answers=one.answers,
            child=child_of.get(one.predicate),
            same_as=one.same_as,
        )
        for one in divided.considered
    )


def _plain(predicate: str) -> str:
    return " ".join(predicate.split()).casefold()
