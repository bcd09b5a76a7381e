"""Growing a tree node by node, and the `Taxonomy` that it becomes."""

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from nlparam.denotation.denoter import TreeDenoter
from nlparam.denotation.following import GoalFollowing
from nlparam.errors import BudgetError, LanguageModelError
from nlparam.numerics.core.divide import certainty
from nlparam.results.records import Judgment
from nlparam.results.versions import installed_versions
from nlparam.runtime.words import counted
from nlparam.taxonomies.divided import Divided, Known
from nlparam.taxonomies.dividing import Divider
from nlparam.taxonomies.records import HOLDS, OUTCOMES, ROOT, STATUS, STOPS, Candidate, Node
from nlparam.taxonomies.result import Taxonomy

# From this certainty on, in the mean over the children of a node (see `nlparam.numerics.core.divide.certainty`).
_CERTAIN = 0.5
# The predicates from the first level down to a node: () is the root, ("is about sports",) a node of the first level.
NodePath = tuple[str, ...]
Predicates = Sequence[str | Known]


@dataclasses.dataclass
class Branch:
    """A node while the tree grows: its distinct texts, and what it was divided into or why it was not.

    `beside` are the predicates of its siblings and of those of the nodes above: what holds for them is not below it.
    `children[k]` belongs to `divided.predicates[k]`.
    """

    path: NodePath
    rows: np.ndarray
    beside: tuple[str, ...] = ()
    divided: Divided = dataclasses.field(default_factory=lambda: Divided(stopped=STOPS.depth))
    children: "list[Branch]" = dataclasses.field(default_factory=list)

    def uncertain(self, multiplicity: np.ndarray) -> bool:
        """Whether it is uncertain which texts are under which of its children."""
        of_each = certainty(self.divided.denotations, multiplicity[self.rows].astype(float))
        return len(of_each) > 0 and float(of_each.mean()) < _CERTAIN


@dataclasses.dataclass
class Growing:
    """Divides the nodes of a tree level by level, the largest of a level first, so that a budget that ends early has
    divided what matters most.

    Where it is uncertain which texts are under which child of the root, it is divided once more by what `more` gives: a
    divider that knows more statements, and how well the goal was followed then.
    """

    divider: Divider
    depth: int
    locked: Mapping[NodePath, Predicates]
    excluded: Mapping[NodePath, Sequence[str]]
    everywhere: Sequence[str]
    pool: Mapping[NodePath, Predicates]
    following: GoalFollowing | None = None
    more: Callable[[], tuple[Divider, GoalFollowing | None]] | None = None

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
                    if branch is root and self._learned_more(root):
                        self._divide(branch)
                    task.advance()
            if not root.children:
                self._nothing(root)
            level = [child for branch in level for child in branch.children]
        return root

    def _divide(self, branch: Branch) -> None:
        meter, options = self.divider.run.meter, self.divider.options
        path = branch.path
        if len(branch.rows) < options.least_texts and not self.locked.get(path):
            branch.divided = Divided(stopped=STOPS.few_texts)
            return
        if meter.spent is not None:
            branch.divided = Divided(stopped=STOPS.budget_spent)
            return
        divided = self.divider.divide(
            branch.rows,
            path,
            locked=self.locked.get(path, ()),
            excluded=[*self.everywhere, *self.excluded.get(path, ()), *branch.beside],
            pool=self.pool.get(path),
        )
        beside = divided.predicates
        # By all texts, as they are numbered.
        branch.divided = divided = divided.largest_first(self.divider.run.corpus.multiplicity[branch.rows])
        branch.children = [
            Branch(
                (*path, predicate), branch.rows[holds], (*branch.beside, *(one for one in beside if one != predicate))
            )
            for predicate, holds in zip(divided.predicates, divided.denotations.T >= HOLDS, strict=True)
        ]

    def _learned_more(self, root: Branch) -> bool:
        """Has more texts stated if the children of the root are uncertain; whether that was so."""
        run = self.divider.run
        if self.more is None or run.meter.spent is not None or not root.uncertain(run.corpus.multiplicity):
            return False
        self.divider, self.following = self.more()
        return True

    def _nothing(self, root: Branch) -> None:
        run, n_candidates = self.divider.run, len(root.divided.considered)
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


def assemble(divider: Divider, root: Branch, settings: dict) -> Taxonomy:
    """The `Taxonomy` of a tree that has grown."""
    run = divider.run
    nodes: dict[str, Node] = {}
    directions, heads, columns = {}, {}, {}
    judgments: dict[tuple[int, str], Judgment] = {}
    row = run.corpus.row
    # The first text that is equal to each distinct one; blank texts come before all others.
    first = np.unique(row, return_index=True)[1][-len(run.corpus.distinct) :]

    def texts_of(rows: np.ndarray) -> np.ndarray:
        """The numbers of the texts that are equal to some distinct ones, ascending."""
        return np.flatnonzero(np.isin(row, rows))

    def spread(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """From one value (or row of values) for each of the distinct texts to one for each of `texts_of(rows)`."""
        return values[np.searchsorted(rows, row[texts_of(rows)])]

    def considered(branch: Branch, ids: Sequence[str]) -> Iterator[Candidate]:
        child_of = dict(zip(branch.divided.judged_as, ids, strict=False))
        for one in branch.divided.considered:
            denoted = spread(branch.rows, one.denotations) if len(one.denotations) else one.denotations
            judged = first[branch.rows[one.judged]]
            yield dataclasses.replace(one, denotations=denoted, judged=judged, child=child_of.get(one.predicate))

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
            stopped=None if ids else divided.stopped,
            partial=bool(ids) and divided.partial,
            candidates=tuple(considered(branch, ids)),
            divisions=tuple(divided.divisions),
            costs=divided.costs,
            **fields,
        )
        if not ids:
            return
        assert divided.head is not None  # there are children
        directions[node_id], heads[node_id], columns[node_id] = divided.directions, divided.head, ids
        for candidate in nodes[node_id].candidates:
            if candidate.child is not None:
                for text, answer in zip(candidate.judged.tolist(), candidate.answers.tolist(), strict=True):
                    judgments[text, candidate.predicate] = Judgment(text, candidate.predicate, answer)
        denoted = spread(branch.rows, divided.denotations)
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
            goal_map=divider.goal_map,
        ),
        judgments=list(judgments.values()),
        result=OUTCOMES.budget_spent if undivided else OUTCOMES.complete,
        settings=settings
        | run.session.reading.as_setting()
        | {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds")},
        versions=installed_versions(),
        costs=run.costs,
    )


def undone(tree: Taxonomy) -> str:
    """What a spent budget left undone, in words."""
    left = sum(node.stopped is STOPS.budget_spent for node in tree.nodes.values())
    partial = sum(node.partial for node in tree.nodes.values())
    parts = [f"{counted(left, 'node', 'is', 'are')} not divided"] if left else []
    parts += [f"the children of {partial} rest on fewer judgments than asked for"] if partial else []
    return " and ".join(parts)


def _plain(predicate: str) -> str:
    return " ".join(predicate.split()).casefold()
