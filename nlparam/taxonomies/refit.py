"""`nlparam.refit`: an edited taxonomy becomes a taxonomy again, reusing every judgment."""

import dataclasses
import datetime
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import EditError, FitWarning, LanguageModelError
from nlparam.taxonomies.edit import Plan, PlannedDivision, plan
from nlparam.taxonomies.entries import Edited, Entry, entries_of, judged, one_line, read
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import ROOT, STATUS, Node
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import carried
from nlparam.taxonomies.setup import AskingAgain, dividing, session_for
from nlparam.taxonomies.tree import assemble

# What `last_edit` says where nothing was done.
NO_EDIT: dict[str, Any] = {"changes": [], "gone": [], "new": [], "calls": 0, "judgments_asked": 0, "seconds": 0.0}


@accepts(AskingAgain, session_for, Session)
def refit(
    taxonomy: Taxonomy,
    edited: Edited | str | Path | None = None,
    *,
    locked: Mapping[str, Sequence[str]] | Sequence[str] = (),
    excluded: Sequence[str] = (),
    pool: Mapping[str, Sequence[str]] | Sequence[str] = (),
    **asked: Unpack[AskingAgain],
) -> Taxonomy:
    """Fits a taxonomy again after an edit: what is locked stays, and what the edit touches is solved anew.

    Nothing that was judged is judged again: the candidates of every node (`Node.candidates`) are kept with their
    answers. Renaming, locking, deleting, and merging nodes without children ask nothing at all. Where something is
    forbidden, added, moved there or reworded, or a node is split, the open nodes beside it compete again with all that
    was considered before, as the children of merged nodes do; only what is missing is judged or proposed. Everything
    else stays as it is, and without an edit the result is the taxonomy itself.

    **Arguments:**

    - `taxonomy`: the tree before the edit.
    - `edited`: the edited `taxonomy.yaml`, or what `entries_of` gives, changed; by default the tree as it is.
    - `locked`: ids or predicates of nodes to lock; or a mapping from the id of a parent (`"root"` for the first level)
      to predicates, which are locked, and added where they are not there yet.
    - `excluded`: ids or predicates that may be nowhere.
    - `pool`: candidates that compete too, for the first level, or by the id of the parent; that division is solved.
    - `lm`, `calibration`, `budget`, `store`, `timeout`: as for `nlparam.taxonomy`; by default the language model of the
      tree, which it must be.

    **Returns:** a new `Taxonomy`; `settings["edits"]` says what was done to it so far.

    **Raises:** `EditError` if the edit is impossible, `LanguageModelError` if the language model is another or cannot
    be asked, `BudgetError` if the budget ends before what is locked is judged. The taxonomy that was given is not
    changed.
    """
    check_names(refit, asked)
    planned, pools, changes = _planned(taxonomy, edited, locked, excluded, pool)
    for warning in planned.warnings:
        warnings.warn(warning, FitWarning, stacklevel=2)
    if not changes:
        return taxonomy
    divisions = [planned.division, *(node.division for node in planned.division.walk())]
    if not pools and not any(division.changed for division in divisions):
        return _relabelled(taxonomy, planned, changes)
    asks = bool(pools) or any(division.solved for division in divisions)
    with dividing(taxonomy, taxonomy.texts, asks=asks, **asked) as divider:
        depth = int(taxonomy.settings["depth"])
        rebuilding = Rebuilding(taxonomy, divider, forbidden=planned.forbidden, pools=pools, depth=depth)
        root = rebuilding.root(planned.division)
        for warning in rebuilding.warnings:
            warnings.warn(warning, FitWarning, stacklevel=2)
        if not root.children and planned.division.n_children != 0:
            raise LanguageModelError(
                "no candidate predicates are left that divide the texts: forbid less, or add nodes of your own; "
                "nothing was changed"
            )
        settings = taxonomy.settings | _barred(taxonomy, planned) | {"locked": rebuilding.locked}
        costs = divider.run.costs
        tree = assemble(divider, taxonomy.denoter and taxonomy.denoter.goal_map, root, settings)
        took = {"calls": costs.calls, "judgments_asked": costs.judgments_asked, "seconds": costs.total_seconds}
    gone, new = _differences(taxonomy, tree)
    return dataclasses.replace(
        tree,
        settings=tree.settings | {"edits": edits_of(taxonomy, changes, gone=gone, new=new, **took)},
        costs=taxonomy.costs + costs,
        stamps=taxonomy.stamps,
        clusters=taxonomy.clusters,
        sample=carried(taxonomy, tree),
    )


def changes_of(
    taxonomy: Taxonomy,
    edited: Edited | str | Path | None = None,
    *,
    locked: Mapping[str, Sequence[str]] | Sequence[str] = (),
    excluded: Sequence[str] = (),
    pool: Mapping[str, Sequence[str]] | Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """What a refit with these arguments would do, and what the user should know before, in words. Nothing is asked.

    Raises `EditError` as `refit` does.
    """
    planned, _, changes = _planned(taxonomy, edited, locked, excluded, pool)
    return changes, list(planned.warnings)


def _planned(taxonomy, edited, locked, excluded, pool) -> tuple[Plan, dict[str, list[str]], list[str]]:
    """The plan, further candidates by node, and the changes in words."""
    if not isinstance(edited, Edited):
        edited = entries_of(taxonomy) if edited is None else read(edited)
    planned, pools = plan(_with(edited, taxonomy, locked, excluded), taxonomy), _pools(pool, taxonomy)
    return planned, pools, [*planned.changes, *(f"candidates for {one}: {', '.join(of)}" for one, of in pools.items())]


def last_edit(taxonomy: Taxonomy) -> dict[str, Any]:
    """What the last refit of a taxonomy did: `date`; `changes`, what was asked for, in words; `gone` and `new`, the
    paths of nodes that are not there any more, and of those that were not there before; `calls`, `judgments_asked` and
    `seconds`.
    """
    return (taxonomy.settings.get("edits") or [{}])[-1]


def _relabelled(taxonomy: Taxonomy, planned: Plan, changes: Sequence[str]) -> Taxonomy:
    """The taxonomy with other names and locks, everything else as it is."""
    nodes: dict[str, Node] = dict(taxonomy.nodes)
    locked: dict[str, list[str]] = {}

    def visit(division: PlannedDivision, path: tuple[str, ...]) -> None:
        for child in division.children:
            node, said = nodes[child.ids[0]], child.predicate
            nodes[node.id] = dataclasses.replace(
                node,
                predicate=child.name,
                judged_as=said if said != child.name else None,
                status=STATUS.locked if child.locked else STATUS.open,
            )
            if child.locked:
                locked.setdefault(" > ".join(path), []).append(said)
            visit(child.division, (*path, child.name))

    visit(planned.division, ())
    settings = taxonomy.settings | _barred(taxonomy, planned) | {"locked": locked}
    return dataclasses.replace(taxonomy, nodes=nodes, settings=settings | {"edits": edits_of(taxonomy, changes)})


def _barred(taxonomy: Taxonomy, planned: Plan) -> dict[str, Any]:
    """The settings of what is excluded: everywhere, and under nodes, by the names that these have now."""
    under = dict(taxonomy.settings.get("excluded_under") or {})
    found: dict[str, list[str]] = {}

    def visit(division: PlannedDivision, path: tuple[str, ...]) -> None:
        for child in division.children:
            here = (*path, child.name)
            for one in child.ids:
                said = under.pop(" > ".join(node.name for node in taxonomy.path(one)), ())
                if said:
                    found.setdefault(" > ".join(here), []).extend(said)
            visit(child.division, here)

    visit(planned.division, ())
    return {"excluded": list(planned.forbidden), "excluded_under": under | found}


def _differences(before: Taxonomy, after: Taxonomy) -> tuple[list[str], list[str]]:
    """The paths of nodes that are gone, and of those that are new, by what is judged."""

    def paths(tree: Taxonomy) -> dict[tuple[str, ...], str]:
        nodes = [node for node in tree.nodes.values() if node.predicate is not None]
        return {
            tuple(judged(one).casefold() for one in tree.path(node.id)): " > ".join(
                one.name for one in tree.path(node.id)
            )
            for node in nodes
        }

    old, new = paths(before), paths(after)
    return [name for path, name in old.items() if path not in new], [n for path, n in new.items() if path not in old]


def edits_of(taxonomy: Taxonomy, changes: Sequence[str], **asked: Any) -> list[dict[str, Any]]:
    """`settings["edits"]` after one more edit, if there are `changes`; `asked` is what else is said of it."""
    before: list[dict[str, Any]] = list(taxonomy.settings.get("edits") or ())
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return [*before, NO_EDIT | {"date": date, "changes": list(changes)} | asked] if changes else before


def _with(
    edited: Edited, taxonomy: Taxonomy, locked: Mapping[str, Sequence[str]] | Sequence[str], excluded: Sequence[str]
) -> Edited:
    """The edited tree with the locks and exclusions that were given in Python."""
    for name, given in (("locked", locked), ("excluded", excluded)):
        if isinstance(given, str):
            raise EditError(f"got {name}={given!r}, expected a list of ids or predicates: put it into a list")
    out = [_entry_of(one, edited) for one in excluded]
    barred = [one_line(said) if entry is None else entry.predicate for said, entry in zip(excluded, out, strict=True)]
    added: dict[str, list[str]] = {}
    chosen: list[Entry] = []
    if isinstance(locked, Mapping):
        for parent, predicates in locked.items():
            _check_parent(parent, taxonomy)
            there = edited.tree if parent == ROOT else _required(parent, edited).children
            for predicate in map(one_line, predicates):
                same = [entry for entry in there if predicate.casefold() in _said(entry)]
                chosen += same
                if not same:
                    added.setdefault(parent, []).append(predicate)
    else:
        chosen = [_required(one, edited) for one in locked]

    def changed(entry: Entry) -> Entry:
        children = tuple(changed(child) for child in entry.children)
        children += tuple(Entry(predicate) for predicate in added.get(entry.id or "", ()))
        lock = entry.locked or any(entry is one for one in chosen)
        return dataclasses.replace(entry, locked=lock, children=children)

    tree = tuple(changed(entry) for entry in edited.tree) + tuple(Entry(one) for one in added.get(ROOT, ()))
    new = [one for one in dict.fromkeys(barred) if one not in edited.forbid]
    return dataclasses.replace(
        edited,
        tree=tree,
        forbid=(*edited.forbid, *new),
        forbid_lines=(*edited.forbid_lines, *(None for _ in new)),
    )


def _said(entry: Entry) -> set[str]:
    return {entry.predicate.casefold(), entry.shown.casefold()}


def _entry_of(one: str, edited: Edited) -> Entry | None:
    """The entry with an id, or else with a predicate or name."""
    entries = list(edited.walk())
    by_id = [entry for entry in entries if entry.id == one]
    return next(iter(by_id or [entry for entry in entries if one_line(one).casefold() in _said(entry)]), None)


def _required(one: str, edited: Edited) -> Entry:
    entry = _entry_of(one, edited)
    if entry is None:
        raise EditError(f"the tree has no node with the id or predicate {one!r}: its ids are in taxonomy.yaml")
    return entry


def _check_parent(node: str, taxonomy: Taxonomy) -> None:
    if not isinstance(node, str) or node not in taxonomy.nodes or taxonomy.nodes[node].residual:
        raise EditError(f"got the parent {node!r}, expected {ROOT!r} or the id of a node, for instance '2'")


def _pools(pool: Mapping[str, Sequence[str]] | Sequence[str], taxonomy: Taxonomy) -> dict[str, list[str]]:
    """New candidates by the id of the node they are for."""
    if isinstance(pool, str):
        raise EditError(f"got pool={pool!r}, expected a list of predicates: put it into a list")
    given = pool if isinstance(pool, Mapping) else {ROOT: pool}
    pools: dict[str, list[str]] = {}
    for node, predicates in given.items():
        _check_parent(node, taxonomy)
        there = {judged(child).casefold() for child in taxonomy.children(node)}
        there |= {candidate.predicate.casefold() for candidate in taxonomy.nodes[node].candidates}
        fresh = [said for said in map(one_line, predicates) if said and said.casefold() not in there]
        if fresh:
            pools[node] = fresh
    return pools
