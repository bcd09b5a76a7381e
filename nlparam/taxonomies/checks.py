"""Whether an edit of a tree is possible: all its mistakes, each with its line."""

import difflib
from collections.abc import Mapping, Sequence

from nlparam.corpus.yaml_nodes import Problems
from nlparam.taxonomies.entries import Edited, Entry
from nlparam.taxonomies.records import NONE_OF_THESE, ROOT, TreeLike

Parents = Mapping[int, Entry | None]
ById = Mapping[str | None, Entry]


def check(edited: Edited, taxonomy: TreeLike) -> None:
    """Raises `EditError` if a tree cannot be edited so."""
    problems = Problems(edited.source)
    parents: Parents = {id(entry): above[-1] if above else None for entry, above in edited.placed()}
    _check_ids(edited, taxonomy, problems)
    problems.raise_any()  # what follows goes by the ids
    _check_words(edited, problems)
    _check_forbidden(edited, problems)
    _check_merges(edited, parents, problems)
    problems.raise_any()


def _check_ids(edited: Edited, taxonomy: TreeLike, problems: Problems) -> None:
    """Every id is that of a node, and stands once."""
    first: dict[str, Entry] = {}
    for entry, above in edited.placed():
        if entry.id is None:
            continue
        node = taxonomy.nodes.get(entry.id)
        if node is not None and node.residual:
            problems.add(entry.line, f'{entry.id} is "{NONE_OF_THESE}", which follows from its siblings: take it out')
        elif node is None or entry.id == ROOT:
            close = difflib.get_close_matches(entry.id, [i for i in taxonomy.nodes if i != ROOT], n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            problems.add(entry.line, f"the tree has no node {entry.id!r}{hint}; leave out the `id:` of a new node")
        elif entry.id in first:
            under = ", the second time under itself" if any(one.id == entry.id for one in above) else ""
            problems.add(
                entry.line,
                f"node {entry.id} stands twice{under} (first{_at(first[entry.id])}): a node has one place; a new "
                "one has no `id:`",
            )
        else:
            first[entry.id] = entry


def _check_words(edited: Edited, problems: Problems) -> None:
    """Nothing is empty, no siblings are alike, no node says what one above it says, nothing forbidden is kept."""
    forbidden = {predicate.casefold(): line for predicate, line in edited.forbid.items()}

    def check_siblings(entries: Sequence[Entry], above: dict[str, Entry]) -> None:
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
            check_siblings(entry.children, above | {said: entry})

    check_siblings(edited.tree, {})
    defined: dict[str, Entry] = {}
    for entry in (one for one in edited.walk() if not one.forbidden):
        other = defined.setdefault(entry.predicate.casefold(), entry)
        if str(other.definition) != str(entry.definition):
            problems.add(
                entry.line,
                f"{entry.predicate!r} means something else here than{_at(other)}: a predicate has one definition, so "
                "write the same `definition:`, `for:` and `against:` in both places, or reword one",
            )


def _check_forbidden(edited: Edited, problems: Problems) -> None:
    """What is forbidden is not kept in another way, nor above what is locked."""
    for entry in edited.walk():
        if not _barred(entry, edited):
            continue
        how = "has `forbidden: true` and" if entry.forbidden else "is under `forbid:` and has"
        for key, said in (("locked", entry.locked), ("merge_into", entry.merge_into), ("split", entry.split)):
            if said and (entry.forbidden or key != "locked"):  # said of a locked one before
                problems.add(entry.line, f"{_named(entry)} {how} `{key}:`: choose one")
        for below in (one for child in entry.children for one in child.walk() if one.locked):
            problems.add(
                below.line,
                f"{_named(below)} is locked under a node that is forbidden{_at(entry)}: move it, or take out one of "
                "the two",
            )
        for other in edited.walk() if entry.forbidden else ():
            if not other.forbidden and other.predicate.casefold() == entry.predicate.casefold():
                problems.add(
                    entry.line,
                    f"{entry.predicate!r} is forbidden here and stands{_at(other)} too: forbid both, or delete this "
                    "one",
                )


def _check_merges(edited: Edited, parents: Parents, problems: Problems) -> None:
    by_id: ById = {entry.id: entry for entry in edited.walk() if entry.id is not None}
    for entry in edited.walk():
        if entry.merge_into is None:
            continue
        target = by_id.get(entry.merge_into)
        if entry.id is None:
            problems.add(entry.line, f"{_named(entry)} is new and has `merge_into:`: reword node {entry.merge_into}")
        elif target is None:
            problems.add(entry.line, f"`merge_into: {entry.merge_into}`: there is no such node in the file")
        elif target is entry:
            problems.add(entry.line, f"{_named(entry)} is merged into itself: name a sibling")
        elif _end(parents[id(target)], by_id) is not _end(parents[id(entry)], by_id):
            problems.add(
                entry.line,
                f"{_named(entry)} and {_named(target)}{_at(target)} are not siblings ({_under(parents[id(entry)])}, "
                f"{_under(parents[id(target)])}): move one beside the other first, or merge their parents",
            )
        elif _barred(target, edited):
            problems.add(entry.line, f"{_named(entry)} is merged into {_named(target)}, which is forbidden")
        elif entry.split:
            problems.add(entry.line, f"{_named(entry)} is split and merged: split node {entry.merge_into}")
        else:
            passed = [one.id or "" for one in _chain(entry, by_id)]
            # Said of the first of the circle only.
            if by_id[passed[-1]].merge_into == entry.id == min(passed):
                circle = " into ".join([*passed, entry.id])
                problems.add(entry.line, f"nodes are merged in a circle ({circle}): let one of them stay")


def _chain(entry: Entry, by_id: ById) -> list[Entry]:
    """The entry, what it is merged into, what that is merged into, and so on; each once."""
    passed = [entry]
    while (following := by_id.get(passed[-1].merge_into)) is not None and following not in passed:
        passed.append(following)
    return passed


def _end(entry: Entry | None, by_id: ById) -> Entry | None:
    """What is left of an entry when all is merged."""
    return None if entry is None else _chain(entry, by_id)[-1]


def _barred(entry: Entry, edited: Edited) -> bool:
    return entry.forbidden or entry.predicate.casefold() in edited.barred


def _at(entry: Entry) -> str:
    return f" in line {entry.line}" if entry.line else f" {entry.id or entry.predicate!r}"


def _named(entry: Entry) -> str:
    return f"node {entry.id}" if entry.id else repr(entry.predicate)


def _under(entry: Entry | None) -> str:
    return "at the top" if entry is None else f"under {entry.id or repr(entry.predicate)}"
