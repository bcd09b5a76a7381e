"""Edits of a tree as operations: each is a pure function from an edited tree to another, has words, and can be kept.

A list of them is an edit: `refit` takes one, `plan` says which operations lead from a taxonomy to an edited file, and
leaving out the last of a list undoes it.
"""

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nlparam.denotation.definitions import Definition
from nlparam.errors import EditError
from nlparam.taxonomies.entries import Edited, Entry, entries_of, one_line
from nlparam.taxonomies.records import ROOT, TreeLike, judged


@dataclasses.dataclass(frozen=True)
class AbstractOperation(abc.ABC):
    """One edit of a tree.

    A node is named by its id in the tree before the edit, by its path of predicates (`"is about sports > is about
    tennis"`), or by its predicate or name. Whether the edit is possible is seen when all operations are applied, by
    `nlparam.taxonomies.edit.plan`.
    """

    def __post_init__(self):
        if (given := getattr(self, "definition", None)) is not None:
            object.__setattr__(self, "definition", Definition.given(given))

    @abc.abstractmethod
    def on(self, edited: Edited) -> Edited:
        """The edited tree after the operation. Raises `EditError` if the tree has no such node."""

    @abc.abstractmethod
    def said(self, tree: TreeLike) -> str:
        """What it does to a tree, in words."""

    def as_dict(self) -> dict[str, Any]:
        """The operation as JSON can hold it; `operation_of` reads it."""
        return {"operation": type(self).__name__.casefold()} | dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Rename(AbstractOperation):
    """Another name is shown; no text moves, and nothing is asked."""

    node: str
    name: str

    def on(self, edited: Edited) -> Edited:
        return edited.changed(self.node, name=one_line(self.name))

    def said(self, tree: TreeLike) -> str:
        return f"renamed: {_shown(tree, self.node)}: now {self.name}"


@dataclasses.dataclass(frozen=True)
class Reword(AbstractOperation):
    """Another predicate is judged; the node is locked."""

    node: str
    predicate: str

    def on(self, edited: Edited) -> Edited:
        return edited.changed(self.node, predicate=one_line(self.predicate))

    def said(self, tree: TreeLike) -> str:
        return f"reworded: {self.node} {_judged(tree, self.node)}: now {self.predicate}"


@dataclasses.dataclass(frozen=True)
class Define(AbstractOperation):
    """The predicate of the node means something else, wherever it stands; the node is locked.

    `definition`: a `Definition`, or what one can be made of; `None` for none.
    """

    node: str
    definition: Definition | None = None

    def on(self, edited: Edited) -> Edited:
        said = edited.required(self.node).predicate.casefold()
        return edited.mapped(
            lambda entry: (
                dataclasses.replace(entry, definition=self.definition) if entry.predicate.casefold() == said else entry
            )
        )

    def said(self, tree: TreeLike) -> str:
        lines = "no longer" if self.definition is None else str(self.definition).replace("\n", " ")
        return f"defined: {_shown(tree, self.node)}: {lines}"


@dataclasses.dataclass(frozen=True)
class Lock(AbstractOperation):
    """The node stays whatever else changes; with `locked=False` it may go."""

    node: str
    locked: bool = True

    def on(self, edited: Edited) -> Edited:
        return edited.changed(self.node, locked=self.locked)

    def said(self, tree: TreeLike) -> str:
        return f"{'locked' if self.locked else 'unlocked'}: {_shown(tree, self.node)}"


@dataclasses.dataclass(frozen=True)
class Forbid(AbstractOperation):
    """The node goes and does not come back; another may take its place."""

    node: str

    def on(self, edited: Edited) -> Edited:
        return edited.changed(self.node, forbidden=True)

    def said(self, tree: TreeLike) -> str:
        return f"forbidden: node {self.node} {_judged(tree, self.node)}".rstrip()


@dataclasses.dataclass(frozen=True)
class Exclude(AbstractOperation):
    """A predicate may be nowhere in the tree; with `excluded=False` it may come back."""

    predicate: str
    excluded: bool = True

    def on(self, edited: Edited) -> Edited:
        predicate = one_line(self.predicate)
        if self.excluded:
            return dataclasses.replace(edited, forbid={**edited.forbid, predicate: edited.forbid.get(predicate)})
        left = {one: line for one, line in edited.forbid.items() if one.casefold() != predicate.casefold()}
        return dataclasses.replace(edited, forbid=left)

    def said(self, tree: TreeLike) -> str:
        del tree
        return f"{'forbidden' if self.excluded else 'allowed again'}: {self.predicate!r}"


@dataclasses.dataclass(frozen=True)
class Delete(AbstractOperation):
    """The node goes with all below it, and does not come back; nothing takes its place."""

    node: str

    def on(self, edited: Edited) -> Edited:
        gone = edited.required(self.node)
        return edited.mapped(lambda entry: None if entry is gone else entry)

    def said(self, tree: TreeLike) -> str:
        return f"deleted: {_shown(tree, self.node)}"


@dataclasses.dataclass(frozen=True)
class Merge(AbstractOperation):
    """Some `nodes` and their sibling `into` become one node, with the texts and children of all.

    `name` is what is shown of it, by default all of the names.
    """

    nodes: tuple[str, ...]
    into: str
    name: str | None = None

    def on(self, edited: Edited) -> Edited:
        target = edited.required(self.into)
        for node in self.nodes:
            edited = edited.changed(node, merge_into=target.id or self.into)
        return edited if self.name is None else edited.changed(self.into, name=one_line(self.name))

    def said(self, tree: TreeLike) -> str:
        del tree
        return f"merged: {', '.join(self.nodes)} into {self.into}" + (f": {self.name}" if self.name else "")


@dataclasses.dataclass(frozen=True)
class Split(AbstractOperation):
    """Children of the node are proposed, beside those that are there: so many, or as many as the texts bear out."""

    node: str
    children: int | None = None

    def on(self, edited: Edited) -> Edited:
        return edited.changed(self.node, split=self.children or True)

    def said(self, tree: TreeLike) -> str:
        del tree
        return f"split: {self.node}" + (f" into {self.children}" if self.children else "")


@dataclasses.dataclass(frozen=True)
class Move(AbstractOperation):
    """The node becomes a child of another, with all below it, and is locked there."""

    node: str
    under: str = ROOT

    def on(self, edited: Edited) -> Edited:
        entry = edited.required(self.node)
        if self.under != ROOT and any(below is edited.required(self.under) for below in entry.walk()):
            raise EditError(f"node {self.node} cannot be moved under {self.under}, which is the node or below it")
        return edited.mapped(lambda one: None if one is entry else one).plus(self.under, entry)

    def said(self, tree: TreeLike) -> str:
        before = tree.nodes[self.node].parent if self.node in tree.nodes else None
        return f"moved: {_shown(tree, self.node)}: from {before} to {self.under}"


@dataclasses.dataclass(frozen=True)
class Add(AbstractOperation):
    """A new node under another; it is locked."""

    predicate: str
    under: str = ROOT
    name: str | None = None
    definition: Definition | None = None

    def on(self, edited: Edited) -> Edited:
        name = None if self.name is None else one_line(self.name)
        return edited.plus(self.under, Entry(one_line(self.predicate), name, definition=self.definition))

    def said(self, tree: TreeLike) -> str:
        del tree
        return f"added: {self.predicate}"


OPERATIONS: dict[str, type[AbstractOperation]] = {
    kind.__name__.casefold(): kind
    for kind in (Rename, Reword, Define, Lock, Forbid, Exclude, Delete, Merge, Split, Move, Add)
}


def operation_of(kept: Mapping[str, Any]) -> AbstractOperation:
    """The operation that `as_dict` gave. Raises `EditError` for an unknown one, or other fields than it has."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    name = str(fields.pop("operation", ""))
    if name not in OPERATIONS:
        raise EditError(f"got the operation {name!r}, expected one of {', '.join(OPERATIONS)}")
    try:
        return OPERATIONS[name](**fields)
    except TypeError as error:
        expected = ", ".join(field.name for field in dataclasses.fields(OPERATIONS[name]))
        raise EditError(f"{name} got the fields {', '.join(fields)}, expected {expected}") from error


def applied(operations: Iterable[AbstractOperation], to: TreeLike | Edited) -> Edited:
    """The tree after some operations, one after another. Raises `EditError` if one names a node that is not there."""
    edited = to if isinstance(to, Edited) else entries_of(to)
    for operation in operations:
        edited = operation.on(edited)
    return edited


def _judged(tree: TreeLike, node: str) -> str:
    return judged(tree.nodes[node]) if node in tree.nodes else ""


def _shown(tree: TreeLike, node: str) -> str:
    return f"{node} {tree.nodes[node].name}" if node in tree.nodes else node
