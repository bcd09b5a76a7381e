"""An edited taxonomy against the tree it was edited from: is it possible, and what becomes of every node?"""

import dataclasses
import difflib
from collections.abc import Iterator, Sequence

from nlparam.taxonomies.entries import Edited, Entry, Problems, distinct, either, forbidden_in, judged, one_line
from nlparam.taxonomies.records import NONE_OF_THESE, ROOT, STATUS, TreeLike


@dataclasses.dataclass(frozen=True)
class PlannedNode:
    """A node of the tree that is wanted.

    **Attributes:**

    - `ids`: the nodes of the tree before that it is made of: one, several that are merged, or none for a new one.
    - `predicates`: what is judged; more than one for merged nodes, which hold where any of these does.
    - `name`: what is shown.
    - `locked`: it is there after the refit, whatever else changes. What a person added, reworded, merged or moved is.
    - `division`: what is to become of its children.
    - `line`: where it stands in the file.
    """

    ids: tuple[str, ...]
    predicates: tuple[str, ...]
    name: str
    locked: bool
    division: "PlannedDivision"
    line: int | None = None

    @property
    def predicate(self) -> str:
        """What is judged, in one sentence."""
        return either(self.predicates)

    @property
    def stays(self) -> bool:
        """Whether it is there after the refit, as it or a node below it is locked."""
        return self.locked or any(node.locked for node in self.division.walk())


@dataclasses.dataclass(frozen=True)
class PlannedDivision:
    """The children that a node is to have.

    **Attributes:**

    - `children`: those that the edited tree has, without those that are forbidden.
    - `excluded`: predicates that may not be among the children.
    - `n_children`: how many children there are to be; where that is more than are locked, the open ones and the other
      candidates compete for the places. `None` for as many as the texts bear out.
    - `changed`: whether something was done to the children themselves, not only to their names or below them.
    - `solved`: whether the children that are not locked have to compete again, as one is forbidden, added, moved here
      or reworded, or the node is split. Else (one is deleted, moved away, or merged with another) the others stay.
    - `anew`: whether new candidates are to be proposed (a split).
    """

    children: tuple[PlannedNode, ...] = ()
    excluded: tuple[str, ...] = ()
    n_children: int | None = 0
    changed: bool = False
    solved: bool = False
    anew: bool = False

    def walk(self) -> Iterator[PlannedNode]:
        """All nodes below, depth first."""
        for child in self.children:
            yield child
            yield from child.division.walk()


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a refit is to do: the `division` of the root, the predicates `forbidden` anywhere, what was done to the tree
    in words (`changes`), and what the user should know before it is done (`warnings`)."""

    division: PlannedDivision
    forbidden: tuple[str, ...]
    changes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether the refit would change nothing at all."""
        return not self.changes


def plan(edited: Edited, taxonomy: TreeLike) -> Plan:
    """Checks an edited tree and says what becomes of every node.

    Raises `EditError`, with the lines, if it is impossible: an id or predicate twice, a node under itself, an unknown
    id, a node both locked and forbidden, merged with a node of another parent, ...
    """
    edited = dataclasses.replace(edited, tree=tuple(_as_it_was(entry, taxonomy) for entry in edited.tree))
    problems = Problems(edited.source)
    parents = _parents(edited)
    _check_ids(edited, taxonomy, parents, problems)
    problems.raise_any()  # what follows goes by the ids
    _check_words(edited, problems)
    _check_flags(edited, parents, problems)
    problems.raise_any()
    return _Planner(edited, taxonomy).plan()


def _as_it_was(entry: Entry, taxonomy: TreeLike) -> Entry:
    """A predicate or name that nobody touched as the tree has it, with its spaces, of which the file keeps one each."""
    node = taxonomy.nodes.get(entry.id or "")
    before = () if node is None else (judged(node), node.predicate)
    predicate, name = (
        next((words for words in before if words is not None and one_line(words) == said), said)
        for said in (entry.predicate, entry.name)
    )
    children = tuple(_as_it_was(child, taxonomy) for child in entry.children)
    return dataclasses.replace(entry, predicate=predicate, name=name, children=children)


def _parents(edited: Edited) -> dict[int, Entry | None]:
    """The entry above each entry, by `id()`; `None` for the root."""
    above: dict[int, Entry | None] = {id(entry): None for entry in edited.tree}
    for entry in edited.walk():
        above |= {id(child): entry for child in entry.children}
    return above


def _check_ids(edited: Edited, taxonomy: TreeLike, parents, problems: Problems) -> None:
    first: dict[str, Entry] = {}
    for entry in edited.walk():
        if entry.id is None:
            continue
        node = taxonomy.nodes.get(entry.id)
        if node is not None and node.residual:
            problems.add(entry.line, f'{entry.id} is "{NONE_OF_THESE}", which follows from its siblings: take it out')
        elif node is None or entry.id == ROOT:
            close = difflib.get_close_matches(entry.id, [i for i in taxonomy.nodes if i != ROOT], n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            problems.add(
                entry.line,
                f"the tree has no node {entry.id!r}{hint}; leave out the `id:` of a new node",
            )
        elif entry.id in first:
            above, inside = parents[id(entry)], False
            while above is not None:
                inside |= above.id == entry.id
                above = parents[id(above)]
            under = ", the second time under itself" if inside else ""
            problems.add(
                entry.line,
                f"node {entry.id} stands twice{under} (first{_at(first[entry.id])}): a node has one place; a new "
                "one has no `id:`",
            )
        else:
            first[entry.id] = entry


def _check_words(edited: Edited, problems: Problems) -> None:
    """Nothing is empty, no siblings are alike, no node says what one above it says, nothing forbidden is kept."""
    forbidden = {predicate.casefold(): line for predicate, line in zip(edited.forbid, edited.forbid_lines, strict=True)}

    def check(entries: Sequence[Entry], above: dict[str, Entry]) -> None:
        seen: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            if not entry.predicate.strip():
                kind = "locked node" if entry.locked else "node"
                problems.add(entry.line, f"a {kind} without a predicate: write what is to be judged, or take it out")
                continue
            said = entry.predicate.casefold()
            for key, words in (("predicate", entry.predicate), ("name", entry.shown)):
                other = seen.setdefault((key, words.casefold()), entry)
                # A name that is the predicate is reported once, as the predicate.
                if other is not entry and not (key == "name" and other.predicate.casefold() == said):
                    problems.add(
                        entry.line,
                        f"two siblings have the {key} {words!r} (the other{_at(other)}): give them different ones, or "
                        "merge them with `merge_into:`",
                    )
            if said in above:
                problems.add(
                    entry.line,
                    f"{entry.predicate!r} is the predicate of a node above it too ({_at(above[said]).strip()}), so "
                    "that it would hold for all of its texts",
                )
            if said in forbidden and (entry.locked or entry.id is None):
                line = forbidden[said]
                where = f" (line {line})" if line else ""
                how = "locked" if entry.locked else "added"
                problems.add(entry.line, f"{entry.predicate!r} is {how} here, and under `forbid:`{where}: choose one")
            check(entry.children, above | {said: entry})

    check(edited.tree, {})


def _check_flags(edited: Edited, parents, problems: Problems) -> None:
    by_id = {entry.id: entry for entry in edited.walk() if entry.id is not None}
    listed = {predicate.casefold() for predicate in edited.forbid}

    def barred(entry: Entry) -> bool:
        return entry.forbidden or entry.predicate.casefold() in listed

    for entry in edited.walk():
        if barred(entry):
            how = "has `forbidden: true` and" if entry.forbidden else "is under `forbid:` and has"
            for key, said in (("locked", entry.locked), ("merge_into", entry.merge_into), ("split", entry.split)):
                if said and (entry.forbidden or key != "locked"):  # said of a locked one before
                    problems.add(entry.line, f"{_named(entry)} {how} `{key}:`: choose one")
            for below in (one for child in entry.children for one in child.walk() if one.locked):
                problems.add(
                    below.line,
                    f"{_named(below)} is locked under a node that is forbidden{_at(entry)}: move it, or take out one "
                    "of the two",
                )
        if entry.forbidden:
            for other in edited.walk():
                if not other.forbidden and other.predicate.casefold() == entry.predicate.casefold():
                    problems.add(
                        entry.line,
                        f"{entry.predicate!r} is forbidden here and stands{_at(other)} too: forbid both, or delete "
                        "this one",
                    )
        if entry.merge_into is None:
            continue
        target = by_id.get(entry.merge_into)
        if entry.id is None:
            problems.add(entry.line, f"{_named(entry)} is new and has `merge_into:`: reword node {entry.merge_into}")
        elif target is None:
            problems.add(entry.line, f"`merge_into: {entry.merge_into}`: there is no such node in the file")
        elif target is entry:
            problems.add(entry.line, f"{_named(entry)} is merged into itself: name a sibling")
        elif parents[id(target)] is not parents[id(entry)]:
            problems.add(
                entry.line,
                f"{_named(entry)} and {_named(target)}{_at(target)} are not siblings ({_under(parents[id(entry)])}, "
                f"{_under(parents[id(target)])}): move one beside the other first, or merge their parents",
            )
        elif barred(target):
            problems.add(entry.line, f"{_named(entry)} is merged into {_named(target)}, which is forbidden")
        elif entry.split:
            problems.add(entry.line, f"{_named(entry)} is split and merged: split node {entry.merge_into}")
        else:
            _check_chain(entry, by_id, problems)


def _check_chain(entry: Entry, by_id: dict[str, Entry], problems: Problems) -> None:
    passed, at = [entry.id], entry
    while at.merge_into is not None and at.merge_into in by_id:
        at = by_id[at.merge_into]
        if at.id in passed:
            # Said of the first of the circle only.
            if at is entry and entry.id == min(map(str, passed)):
                circle = " into ".join(map(str, [*passed, at.id]))
                problems.add(entry.line, f"nodes are merged in a circle ({circle}): let one of them stay")
            return
        passed.append(at.id)


def _at(entry: Entry) -> str:
    return f" in line {entry.line}" if entry.line else f" {entry.id or entry.predicate!r}"


def _named(entry: Entry) -> str:
    return f"node {entry.id}" if entry.id else repr(entry.predicate)


def _under(entry: Entry | None) -> str:
    return "at the top" if entry is None else f"under {entry.id or repr(entry.predicate)}"


class _Planner:
    """From entries that are known to be possible to the plan."""

    def __init__(self, edited: Edited, taxonomy: TreeLike):
        self.edited, self.taxonomy = edited, taxonomy
        self.changes: list[str] = []
        self.warnings: list[str] = []
        self.placed = {entry.id: entry for entry in edited.walk() if entry.id is not None}
        self.wanted = {entry.predicate.casefold() for entry in edited.walk() if not entry.forbidden}
        before = forbidden_in(taxonomy)
        self.forbidden = dict.fromkeys(edited.forbid)
        self.changes += [f"forbidden: {predicate!r}" for predicate in edited.forbid if predicate not in before]
        self.changes += [f"allowed again: {predicate!r}" for predicate in before if predicate not in edited.forbid]

    def plan(self) -> Plan:
        division = self._division(self.edited.tree, (ROOT,))
        return Plan(division, tuple(self.forbidden), tuple(self.changes), tuple(self.warnings))

    def _division(self, entries: Sequence[Entry], ids: tuple[str, ...], split: int | bool = False) -> PlannedDivision:
        """The division of a node that is made of the nodes `ids` of the tree before."""
        before = [child for one in ids for child in self.taxonomy.children(one)]
        barred = {predicate.casefold() for predicate in self.edited.forbid}
        out = [entry for entry in entries if entry.forbidden or entry.predicate.casefold() in barred]
        kept = [entry for entry in entries if not any(entry is other for other in out)]
        excluded = [entry.predicate for entry in out]
        for entry in out:
            if entry.forbidden:
                self.changes.append(f"forbidden: {_named(entry)} {entry.predicate if entry.id else ''}".rstrip())
                self.forbidden[entry.predicate] = None
        there = {entry.id for entry in entries}
        gone = [node for node in before if node.id not in there]
        # Of merged parents only one may have lost it.
        here = {entry.predicate.casefold() for entry in kept}
        excluded += [judged(node) for node in gone if judged(node).casefold() not in here]
        for node in gone:
            if node.id not in self.placed:  # else it was moved
                self.changes.append(f"deleted: {node.id} {node.name}")
                # Where the same predicate stands elsewhere in the tree, it is only not wanted here.
                if judged(node).casefold() not in self.wanted:
                    self.forbidden[judged(node)] = None
        # Children of merged parents with one predicate are one node too.
        groups: dict[str, list[Entry]] = {}
        for entry in kept:
            groups.setdefault(self._target(entry).predicate.casefold(), []).append(entry)
        # The one that the others go into comes first, and gives the id.
        ordered = [sorted(group, key=lambda one: (bool(one.merge_into), one.id is None)) for group in groups.values()]
        children = tuple(self._node(group, ids) for group in ordered)
        came = any(not child.ids or self._came(child, ids) for child in children)
        refilled = sum(entry.id is not None for entry in out)
        solved = bool(split or refilled or came or (children and len(ids) > 1))
        changed = solved or bool(out or gone) or any(len(child.ids) > 1 for child in children)
        n_children: int | None = len(children) + refilled
        if split:
            n_children = None if split is True else split
            if n_children is not None and n_children < (n_locked := sum(child.stays for child in children)):
                self.warnings.append(
                    f"`split: {split}` for {', '.join(ids)} is fewer than the {n_locked} locked children that stand "
                    "under it: these are kept, and no others"
                )
                n_children = n_locked
            self.changes.append(f"split: {', '.join(ids)}" + ("" if split is True else f" into {split}"))
        return PlannedDivision(children, tuple(dict.fromkeys(excluded)), n_children, changed, solved, bool(split))

    def _came(self, child: PlannedNode, parents: tuple[str, ...]) -> bool:
        """Whether a planned node that was there before was elsewhere, or says something else now."""
        nodes = [self.taxonomy.nodes[one] for one in child.ids]
        return any(node.parent not in parents or judged(node) not in child.predicates for node in nodes)

    def _target(self, entry: Entry) -> Entry:
        while entry.merge_into is not None:
            entry = self.placed[entry.merge_into]
        return entry

    def _node(self, group: list[Entry], parents: tuple[str, ...]) -> PlannedNode:
        """One node of the plan, made of one entry, or of several that are merged."""
        entry, merged = group[0], group[1:]
        ids = tuple(one.id for one in group if one.id is not None)
        name, by_hand = self._name(entry, group), any(one.merge_into or one.id is None for one in group)
        if entry.id is None:
            self.changes.append(f"added: {entry.predicate}")
        for one in group:
            by_hand |= self._said_of(one, parents, name=name if one is entry and not merged else None)
        if merged:
            others = ", ".join(one.id or repr(one.predicate) for one in merged)
            self.changes.append(f"merged: {others} into {entry.id}: {name}")
        division = self._division(tuple(child for one in group for child in one.children), ids, entry.split)
        if not ids and division.anew:
            self.changes[-1] = f"split: {entry.predicate}"
        node = self.taxonomy.nodes[ids[0]] if ids else None
        if node is not None and entry.split and not node.children and node.depth >= self._depth:
            self.warnings.append(
                f"node {node.id} is on level {node.depth}, the deepest that was asked for: it is divided all the same, "
                f"and the tree becomes {node.depth + 1} levels deep"
            )
        return PlannedNode(
            ids=ids,
            predicates=distinct([one.predicate for one in group]),
            name=name,
            # What a person wrote, or put where it is, is what a person wants.
            locked=by_hand or any(one.locked for one in group),
            division=division,
            line=entry.line,
        )

    def _name(self, entry: Entry, group: list[Entry]) -> str:
        node = None if entry.id is None else self.taxonomy.nodes[entry.id]
        if node is None or entry.shown != node.predicate:
            return entry.shown
        if len(group) > 1:
            return either([one.shown for one in group])
        # A name that nobody touched would mislead beside a new predicate.
        return entry.shown if entry.predicate == judged(node) else entry.predicate

    def _said_of(self, entry: Entry, parents: tuple[str, ...], *, name: str | None) -> bool:
        """Says what was done to one node that was there before; whether that locks it."""
        if entry.id is None:
            return False
        node = self.taxonomy.nodes[entry.id]
        moved, reworded = node.parent not in parents, entry.predicate != judged(node)
        if moved:
            to = ", ".join(parents) or "a new node"
            self.changes.append(f"moved: {node.id} {node.name}: from {node.parent} to {to}")
        if reworded:
            self.changes.append(f"reworded: {node.id} {judged(node)}: now {entry.predicate}")
        if name is not None and name not in (node.predicate, entry.predicate if reworded else None):
            self.changes.append(f"renamed: {node.id} {node.predicate}: now {name}")
        if entry.locked != (node.status is STATUS.locked):
            self.changes.append(f"{'locked' if entry.locked else 'unlocked'}: {node.id} {node.name}")
        return moved or reworded

    @property
    def _depth(self) -> int:
        return int(self.taxonomy.settings.get("depth") or self.taxonomy.depth)
