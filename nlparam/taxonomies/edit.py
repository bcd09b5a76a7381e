"""An edited taxonomy against the tree it was edited from: is it possible, and what becomes of every node?"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from nlparam.denotation.definitions import Definition, definition_of, kept_definitions
from nlparam.language.likeness import distinct
from nlparam.taxonomies.checks import check
from nlparam.taxonomies.entries import Edited, Entry, either, forbidden_in, one_line
from nlparam.taxonomies.operations import (
    AbstractOperation,
    Add,
    Define,
    Delete,
    Exclude,
    Forbid,
    Lock,
    Merge,
    Move,
    Rename,
    Reword,
    Split,
)
from nlparam.taxonomies.records import ROOT, STATUS, Node, TreeLike, judged


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a refit is to do.

    **Attributes:**

    - `root`: the tree that is wanted, its merges carried out. What a person added, reworded, merged or moved is locked.
      Forbidden entries are still there, without children, since others may take their places.
    - `forbidden`: predicates that may be nowhere.
    - `definitions`: what predicates mean, by their wording. `redefined`: the predicates, in small letters, whose
      definition is another than before, so that what was judged of them counts no longer.
    - `operations`: what was done to the tree; `changes`, the same in words.
    - `warnings`: what the user should know before it is done.
    """

    root: Entry
    forbidden: tuple[str, ...]
    definitions: Mapping[str, Definition]
    redefined: frozenset[str]
    operations: tuple[AbstractOperation, ...]
    changes: tuple[str, ...]
    warnings: tuple[str, ...]

    def placed(self) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
        """The entries that are wanted, depth first, each with those above it."""
        return (one for one in Edited(self.root.children).placed() if not one[0].forbidden)


@dataclasses.dataclass(frozen=True)
class Children:
    """The children that a node is to have.

    **Attributes:**

    - `there`: those that the edited tree has, without those that are forbidden.
    - `excluded`: predicates that may not be among the children.
    - `n`: how many children there are to be; where that is more than are locked, the open ones and the other candidates
      compete for the places. `None` for as many as the texts bear out.
    - `changed`: whether something was done to the children themselves, not only to their names or below them.
    - `solved`: whether the children that are not locked have to compete again, as one is forbidden, added, moved here
      or reworded, or the node is split. Else (one is deleted, moved away, or merged with another) the others stay.
    - `anew`: whether new candidates are to be proposed (a split).
    """

    there: tuple[Entry, ...]
    excluded: tuple[str, ...]
    n: int | None
    changed: bool
    solved: bool
    anew: bool


def children_of(entry: Entry, taxonomy: TreeLike) -> Children:
    """What is to become of the children of an entry of a plan."""
    out = [child for child in entry.children if child.forbidden]
    there = tuple(child for child in entry.children if not child.forbidden)
    gone = _gone(entry, taxonomy)
    # Of merged parents only one may have lost it.
    here = {part.predicate.casefold() for child in there for part in child.parts}
    excluded = [child.predicate for child in out]
    excluded += [judged(node) for node in gone if judged(node).casefold() not in here]
    came = any(_by_hand(part, entry.ids, taxonomy) for child in there for part in child.parts)
    refilled = sum(child.id is not None for child in out)
    solved = bool(entry.split or refilled or came or (there and len(entry.ids) > 1))
    n: int | None = len(there) + refilled
    if entry.split:
        n = None if entry.split is True else max(entry.split, _n_locked(entry))
    changed = solved or bool(out or gone) or any(child.merged for child in there)
    return Children(there, tuple(dict.fromkeys(excluded)), n, changed, solved, bool(entry.split))


def plan(edited: Edited, taxonomy: TreeLike) -> Plan:
    """Checks an edited tree and says what becomes of every node.

    Raises `EditError`, with the lines, if it is impossible: an id or predicate twice, a node under itself, an unknown
    id, a node both locked and forbidden, merged with a node of another parent, ...
    """
    edited = edited.mapped(lambda entry: _as_it_was(entry, taxonomy))
    check(edited, taxonomy)
    root = Entry("", id=ROOT, children=_settled(edited.tree, (ROOT,), edited, taxonomy))
    operations = tuple(_operations(root, edited, taxonomy))
    # Where the same predicate stands elsewhere in the tree, it is only not wanted here.
    wanted = {entry.predicate.casefold() for entry in edited.walk() if not entry.forbidden}
    out = [entry.predicate for entry in root.walk() if entry.forbidden]
    out += [judged(taxonomy.nodes[one.node]) for one in operations if isinstance(one, Delete)]
    definitions, redefined = _defined(root, taxonomy)
    return Plan(
        root,
        distinct([*edited.forbid, *(predicate for predicate in out if predicate.casefold() not in wanted)]),
        definitions,
        redefined,
        operations,
        tuple(one.said(taxonomy) for one in operations),
        tuple(warning for entry in root.walk() for warning in _warnings(entry, taxonomy)),
    )


def _as_it_was(entry: Entry, taxonomy: TreeLike) -> Entry:
    """What nobody touched as the tree has it: predicate and name with their spaces, of which the file keeps one each.

    A new node has the definition that its predicate had among the candidates.
    """
    node = taxonomy.nodes.get(entry.id or "")
    before = () if node is None else (judged(node), node.predicate)
    predicate, name = (
        next((words for words in before if words is not None and one_line(words) == said), said)
        for said in (entry.predicate, entry.name)
    )
    defined = definition_of(taxonomy.settings, entry.predicate if node is None else judged(node))
    new = node is None and entry.definition is None
    definition = defined if new or str(defined) == str(entry.definition) else entry.definition
    return dataclasses.replace(entry, predicate=predicate, name=name, definition=definition)


def _defined(root: Entry, taxonomy: TreeLike) -> tuple[dict[str, Definition], frozenset[str]]:
    """What predicates mean after an edit, and which of them mean something else than before."""
    before = kept_definitions(taxonomy.settings)
    wanted = {entry.predicate: entry.definition for entry in root.walk() if not entry.forbidden}
    now = {**before, **wanted}
    definitions = {predicate: one for predicate, one in now.items() if one is not None}
    # Answers are known whatever the case of the predicate.
    old, new = ({one.casefold(): str(said) for one, said in of.items()} for of in (before, definitions))
    return definitions, frozenset(one for one in old.keys() | new.keys() if old.get(one) != new.get(one))


def _settled(
    entries: Sequence[Entry], parents: tuple[str, ...], edited: Edited, taxonomy: TreeLike
) -> tuple[Entry, ...]:
    """The entries under a node that is made of the nodes `parents`, their merges carried out."""
    out = [entry for entry in entries if entry.forbidden or entry.predicate.casefold() in edited.barred]
    by_id = {entry.id: entry for entry in entries}
    # Children of merged parents with one predicate are one node too.
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        target = entry
        while target.merge_into is not None:
            target = by_id[target.merge_into]
        if not any(entry is one for one in out):
            groups.setdefault(target.predicate.casefold(), []).append(entry)
    kept = []
    for group in groups.values():
        # The one that the others go into comes first, and gives the id.
        group.sort(key=lambda one: (bool(one.merge_into), one.id is None))
        by_hand = any(one.merge_into or _by_hand(one, parents, taxonomy) for one in group)
        joined = dataclasses.replace(
            group[0],
            predicate=either(one.predicate for one in group),
            name=_name(group, taxonomy),
            # What a person wrote, or put where it is, is what a person wants.
            locked=by_hand or any(one.locked for one in group),
            definition=_definition(group),
            parts=tuple(group),
        )
        below = _settled([child for one in group for child in one.children], joined.ids, edited, taxonomy)
        kept.append(dataclasses.replace(joined, children=below))
    gone = (dataclasses.replace(entry, forbidden=True, children=(), parts=(entry,)) for entry in out)
    return (*gone, *kept)


def _by_hand(entry: Entry, parents: Sequence[str], taxonomy: TreeLike) -> bool:
    """Whether an entry is new, was elsewhere before, or says or means something else now."""
    if entry.id is None:
        return True
    node = taxonomy.nodes[entry.id]
    return node.parent not in parents or entry.predicate != judged(node) or _redefined(entry, node, taxonomy)


def _redefined(entry: Entry, node: Node, taxonomy: TreeLike) -> bool:
    return entry.definition != definition_of(taxonomy.settings, judged(node))


def _definition(group: Sequence[Entry]) -> Definition | None:
    """What entries that are one node mean."""
    if len(distinct(one.predicate for one in group)) == 1:
        return group[0].definition
    return Definition.either({one.predicate: one.definition for one in group if one.definition is not None})


def _name(group: Sequence[Entry], taxonomy: TreeLike) -> str:
    entry = group[0]
    node = None if entry.id is None else taxonomy.nodes[entry.id]
    if node is None or entry.shown != node.predicate:
        return entry.shown
    if len(group) > 1:
        return either(one.shown for one in group)
    # A name that nobody touched would mislead beside a new predicate.
    return entry.shown if entry.predicate == judged(node) else entry.predicate


def _gone(entry: Entry, taxonomy: TreeLike) -> list[Node]:
    """The children of a node before that are not among its children now."""
    there = {part.id for child in entry.children for part in child.parts}
    return [node for one in entry.ids for node in taxonomy.children(one) if node.id not in there]


def _n_locked(entry: Entry) -> int:
    return sum(child.stays for child in entry.children)


def _operations(root: Entry, edited: Edited, taxonomy: TreeLike) -> Iterator[AbstractOperation]:
    """What was done to a tree, in an order in which it can be done again."""
    before, placed = forbidden_in(taxonomy), {entry.id for entry in edited.walk()}
    yield from (Exclude(predicate) for predicate in edited.forbid if predicate not in before)
    yield from (Exclude(predicate, excluded=False) for predicate in before if predicate not in edited.forbid)
    deleted: list[Delete] = []

    def below(entry: Entry, at: str, path: tuple[str, ...]) -> Iterator[AbstractOperation]:
        """What was done below an entry. A new one has a path for its id (`at`)."""
        # What is placed elsewhere was moved.
        deleted.extend(Delete(node.id) for node in _gone(entry, taxonomy) if node.id not in placed)
        for child in entry.children:
            if not child.forbidden:
                for part in child.parts:
                    yield from _done(part, child, at, entry.ids, taxonomy)
                if len(child.ids) > 1:
                    yield Merge(child.ids[1:], child.ids[0], child.name)
                here = (*path, child.parts[0].predicate)
                yield from below(child, child.id or " > ".join(here), here)
            elif child.predicate.casefold() not in edited.barred:
                yield Exclude(child.predicate) if child.id is None else Forbid(child.id)
        if entry.split:
            yield Split(at, None if entry.split is True else entry.split)

    yield from below(root, ROOT, ())
    # The last, as what was moved may have been below them.
    yield from deleted


def _done(
    part: Entry, entry: Entry, under: str, parents: Sequence[str], taxonomy: TreeLike
) -> Iterator[AbstractOperation]:
    """What was done to one entry, a `part` of the `entry` that it was merged into; its place is `under` a node."""
    if part.id is None:
        yield Add(part.predicate, under, None if part.shown == part.predicate else part.shown, part.definition)
        return
    node = taxonomy.nodes[part.id]
    if node.parent not in parents:
        yield Move(part.id, under)
    if reworded := part.predicate != judged(node):
        yield Reword(part.id, part.predicate)
    if _redefined(part, node, taxonomy):
        yield Define(part.id, part.definition)
    # Of merged nodes what results is named.
    if not entry.merged and entry.shown != node.predicate and not (reworded and entry.shown == part.predicate):
        yield Rename(part.id, entry.shown)
    if part.locked != (node.status is STATUS.locked):
        yield Lock(part.id, part.locked)


def _warnings(entry: Entry, taxonomy: TreeLike) -> Iterator[str]:
    """What a user should know of an entry that is to be split."""
    if not entry.split or entry.forbidden:
        return
    if entry.split is not True and entry.split < (n_locked := _n_locked(entry)):
        yield (
            f"`split: {entry.split}` for {', '.join(entry.ids)} is fewer than the {n_locked} locked children that "
            "stand under it: these are kept, and no others"
        )
    node = None if entry.id is None else taxonomy.nodes[entry.id]
    deepest = int(taxonomy.settings.get("depth") or taxonomy.depth)
    if node is not None and not node.children and node.depth >= deepest:
        yield (
            f"node {node.id} is on level {node.depth}, the deepest that was asked for: it is divided all the same, "
            f"and the tree becomes {node.depth + 1} levels deep"
        )
