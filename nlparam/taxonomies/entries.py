"""A taxonomy while it is edited: entries, as `taxonomy.yaml` has them."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nlparam.denotation.definitions import Definition, definition_of
from nlparam.errors import EditError
from nlparam.language.likeness import distinct
from nlparam.language.prompting import one_line as one_line
from nlparam.taxonomies.records import ROOT, STATUS, Node, TreeLike, judged


@dataclasses.dataclass(frozen=True)
class Entry:
    """A node of an edited tree: what is there, and what is asked for.

    **Attributes:**

    - `predicate`: what is judged. `name`: what is shown, by default the predicate.
    - `id`: the node of the tree before the edit, `None` for a new one.
    - `locked`, `forbidden`, `merge_into` (the id of a sibling), `split` (`True`, or a number of children): the edits.
    - `definition`: what the predicate means, `None` where it is not defined.
    - `children`: the entries under it.
    - `line`: where it begins in the file, `None` if it is from no file.
    - `parts`: in a plan (`nlparam.taxonomies.edit.plan`), what it was before merges were carried out: itself, and what
      was merged into it.
    """

    predicate: str
    name: str | None = None
    id: str | None = None
    locked: bool = False
    forbidden: bool = False
    merge_into: str | None = None
    split: int | bool = False
    definition: Definition | None = None
    children: "tuple[Entry, ...]" = ()
    line: int | None = None
    parts: "tuple[Entry, ...]" = ()

    @property
    def shown(self) -> str:
        """The name, or the predicate where there is none."""
        return self.name or self.predicate

    @property
    def ids(self) -> tuple[str, ...]:
        """The nodes of the tree before that it is made of: one, several that are merged, or none for a new one."""
        return tuple(one.id for one in self.parts or (self,) if one.id is not None)

    @property
    def predicates(self) -> tuple[str, ...]:
        """What is judged; more than one for merged nodes, which hold where any of these does."""
        return distinct(one.predicate for one in self.parts or (self,))

    @property
    def merged(self) -> bool:
        """Whether others were merged into it."""
        return len(self.parts) > 1

    @property
    def stays(self) -> bool:
        """Whether it is there whatever else changes, as it or an entry below it is locked."""
        return any(entry.locked for entry in self.walk())

    def walk(self) -> "Iterator[Entry]":
        """The entry and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclasses.dataclass(frozen=True)
class Edited:
    """An edited tree: `tree`, the entries under the root; `forbid`, predicates that may not come back, with their lines
    in the file."""

    tree: tuple[Entry, ...]
    forbid: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    source: str | None = None

    @property
    def barred(self) -> set[str]:
        """What may not come back, in small letters."""
        return {predicate.casefold() for predicate in self.forbid}

    def walk(self) -> Iterator[Entry]:
        """All entries, depth first."""
        for entry in self.tree:
            yield from entry.walk()

    def find(self, node: str) -> Entry | None:
        """The entry with an id, or else with a path of predicates from the top, a predicate or a name."""
        wanted, others = one_line(node).casefold(), []
        for entry, above in self.placed():
            if entry.id == node:
                return entry
            path = path_of([*above, entry]).casefold()
            if wanted in (path, entry.predicate.casefold(), entry.shown.casefold()):
                others.append(entry)
        return next(iter(others), None)

    def required(self, node: str) -> Entry:
        """The same. Raises `EditError` if there is none."""
        entry = self.find(node)
        if entry is None:
            raise EditError(f"the tree has no node with the id or predicate {node!r}: its ids are in taxonomy.yaml")
        return entry

    def placed(self) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
        """All entries, depth first, each with those above it, from the top."""

        def visit(entries: Iterable[Entry], above: tuple[Entry, ...]) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
            for entry in entries:
                yield entry, above
                yield from visit(entry.children, (*above, entry))

        return visit(self.tree, ())

    def mapped(self, change: Callable[[Entry], Entry | None]) -> "Edited":
        """The tree with every entry changed, parents first; those that become `None` are left out."""

        def visit(entries: Iterable[Entry]) -> tuple[Entry, ...]:
            kept = [one for one in map(change, entries) if one is not None]
            return tuple(dataclasses.replace(one, children=visit(one.children)) for one in kept)

        return dataclasses.replace(self, tree=visit(self.tree))

    def changed(self, node: str, **fields: Any) -> "Edited":
        """The tree with some fields of an entry changed. Raises `EditError` if there is no such entry."""
        target = self.required(node)
        return self.mapped(lambda entry: dataclasses.replace(entry, **fields) if entry is target else entry)

    def plus(self, under: str, entry: Entry) -> "Edited":
        """The tree with one more entry under a node, the last of its children. Raises as `changed` does."""
        if under == ROOT:
            return dataclasses.replace(self, tree=(*self.tree, entry))
        return self.changed(under, children=(*self.required(under).children, entry))


def either(predicates: Iterable[str]) -> str:
    """One sentence for several predicates: "is about sport, or is about games"."""
    return ", or ".join(distinct(predicates))


def path_of(entries: Iterable[Entry]) -> str:
    """How a node is named by the predicates from the top down to it."""
    return " > ".join(entry.predicate for entry in entries)


def forbidden_in(taxonomy: TreeLike) -> tuple[str, ...]:
    """The predicates that may not be anywhere in a taxonomy."""
    return tuple(taxonomy.settings.get("excluded") or ())


def entries_of(taxonomy: TreeLike) -> Edited:
    """What `taxonomy.yaml` says of a taxonomy that nobody has edited."""

    def entry(node: Node) -> Entry:
        return Entry(
            predicate=judged(node),
            name=node.predicate,
            id=node.id,
            locked=node.status is STATUS.locked,
            definition=definition_of(taxonomy.settings, judged(node)),
            children=tuple(entry(child) for child in taxonomy.children(node.id)),
        )

    return Edited(tuple(entry(child) for child in taxonomy.children()), dict.fromkeys(forbidden_in(taxonomy)))
