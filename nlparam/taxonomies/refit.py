"""`nlparam.refit`: an edited taxonomy becomes a taxonomy again, reusing every judgment."""

import dataclasses
import datetime
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from nlparam.denotation.definitions import settings_of
from nlparam.denotation.session import Session, accepts, check_names
from nlparam.errors import EditError, FitWarning, LanguageModelError
from nlparam.taxonomies.edit import Plan, children_of, plan
from nlparam.taxonomies.entries import Edited, one_line
from nlparam.taxonomies.operations import AbstractOperation, Add, Exclude, Lock, applied
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import ROOT, STATUS, Node, judged
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.sampling import carried
from nlparam.taxonomies.setup import AskingAgain, dividing, session_for
from nlparam.taxonomies.shown import Expected, expected
from nlparam.taxonomies.tree import assemble
from nlparam.taxonomies.yaml_file import read

Edit = Edited | Sequence[AbstractOperation] | str | Path | None
# What `last_edit` says where nothing was done.
NO_EDIT: dict[str, Any] = {"changes": [], "gone": [], "new": [], "calls": 0, "judgments_asked": 0, "seconds": 0.0}


@accepts(AskingAgain, session_for, Session)
def refit(
    taxonomy: Taxonomy,
    edited: Edit = None,
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
    - `edited`: the edited `taxonomy.yaml`, or operations (`nlparam.taxonomies.operations`) one after another, or what
      `entries_of` gives, changed; by default the tree as it is.
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
    divisions = [children_of(entry, taxonomy) for entry in planned.root.walk() if not entry.forbidden]
    if not pools and not any(division.changed for division in divisions):
        return _relabelled(taxonomy, planned, changes)
    asks = bool(pools) or any(division.solved for division in divisions)
    with dividing(taxonomy, taxonomy.texts, asks=asks, definitions=planned.definitions, **asked) as divider:
        before = _without(taxonomy, planned.redefined)
        rebuilding = Rebuilding(before, divider, forbidden=planned.forbidden, pools=pools)
        root = rebuilding.root(planned.root)
        for warning in rebuilding.warnings:
            warnings.warn(warning, FitWarning, stacklevel=2)
        if not root.children and divisions[0].n != 0:
            raise LanguageModelError(
                "no candidate predicates are left that divide the texts: forbid less, or add nodes of your own; "
                "nothing was changed"
            )
        settings = {name: value for name, value in taxonomy.settings.items() if name != "definitions"}
        settings |= settings_of(planned.definitions)
        settings |= _barred(taxonomy, planned) | {"locked": rebuilding.locked}
        costs = divider.run.costs
        tree = assemble(divider, root, settings)
        took = {"calls": costs.calls, "judgments_asked": costs.judgments_asked, "seconds": costs.total_seconds}
    gone, new = _differences(taxonomy, tree)
    return dataclasses.replace(
        tree,
        settings=tree.settings | {"edits": edits_of(taxonomy, changes, gone=gone, new=new, **took)},
        costs=taxonomy.costs + costs,
        stamps=taxonomy.stamps,
        following=taxonomy.following,
        clusters=taxonomy.clusters,
        sample=carried(taxonomy, tree),
    )


def changes_of(
    taxonomy: Taxonomy,
    edited: Edit = None,
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


def expected_of(
    taxonomy: Taxonomy,
    edited: Edit = None,
    *,
    locked: Mapping[str, Sequence[str]] | Sequence[str] = (),
    excluded: Sequence[str] = (),
    pool: Mapping[str, Sequence[str]] | Sequence[str] = (),
) -> Expected:
    """What a refit with these arguments is expected to ask, by what the tree took. Raises `EditError` as `refit`."""
    planned, pools, _ = _planned(taxonomy, edited, locked, excluded, pool)
    return expected(planned, taxonomy, pools)


def _planned(taxonomy, edited: Edit, locked, excluded, pool) -> tuple[Plan, dict[str, list[str]], list[str]]:
    """The plan, further candidates by node, and the changes in words."""
    if isinstance(edited, str | Path):
        edited = read(edited)
    elif not isinstance(edited, Edited):
        edited = applied(edited or (), taxonomy)
    edited = applied(_given(edited, taxonomy, locked, excluded), edited)
    planned, pools = plan(edited, taxonomy), _pools(pool, taxonomy)
    return planned, pools, [*planned.changes, *(f"candidates for {one}: {', '.join(of)}" for one, of in pools.items())]


def last_edit(taxonomy: Taxonomy) -> dict[str, Any]:
    """What the last refit of a taxonomy did: `date`; `changes`, what was asked for, in words; `gone` and `new`, the
    paths of nodes that are not there any more, and of those that were not there before; `calls`, `judgments_asked` and
    `seconds`.
    """
    return (taxonomy.settings.get("edits") or [{}])[-1]


def _relabelled(taxonomy: Taxonomy, planned: Plan, changes: Sequence[str]) -> Taxonomy:
    """The taxonomy with other names and locks, everything else as it is."""
    nodes, locked = dict(taxonomy.nodes), dict[str, list[str]]()
    for entry, above in planned.placed():
        (node,) = entry.ids
        nodes[node] = dataclasses.replace(
            nodes[node],
            predicate=entry.shown,
            judged_as=entry.predicate if entry.predicate != entry.shown else None,
            status=STATUS.locked if entry.locked else STATUS.open,
        )
        if entry.locked:
            locked.setdefault(" > ".join(one.shown for one in above), []).append(entry.predicate)
    settings = taxonomy.settings | _barred(taxonomy, planned) | {"locked": locked}
    return dataclasses.replace(taxonomy, nodes=nodes, settings=settings | {"edits": edits_of(taxonomy, changes)})


def _without(taxonomy: Taxonomy, redefined: Container[str]) -> Taxonomy:
    """The taxonomy without what was judged of predicates that mean something else by now (in small letters)."""

    def left(node: Node) -> Node:
        kept = tuple(one for one in node.candidates if one.predicate.casefold() not in redefined)
        return dataclasses.replace(node, candidates=kept)

    return dataclasses.replace(taxonomy, nodes={name: left(node) for name, node in taxonomy.nodes.items()})


def _barred(taxonomy: Taxonomy, planned: Plan) -> dict[str, Any]:
    """The settings of what is excluded: everywhere, and under nodes, by the names that these have now."""
    under = dict(taxonomy.settings.get("excluded_under") or {})
    found: dict[str, list[str]] = {}
    for entry, above in planned.placed():
        for one in entry.ids:
            if said := under.pop(" > ".join(node.name for node in taxonomy.path(one)), ()):
                found.setdefault(" > ".join(each.shown for each in (*above, entry)), []).extend(said)
    return {"excluded": list(planned.forbidden), "excluded_under": under | found}


def _differences(before: Taxonomy, after: Taxonomy) -> tuple[list[str], list[str]]:
    """The paths of nodes that are gone, and of those that are new, by what is judged."""

    def paths(tree: Taxonomy) -> dict[tuple[str, ...], str]:
        ways = [tree.path(node) for node in tree.predicate_ids]
        return {tuple(judged(one).casefold() for one in way): " > ".join(one.name for one in way) for way in ways}

    old, new = paths(before), paths(after)
    return [name for path, name in old.items() if path not in new], [n for path, n in new.items() if path not in old]


def edits_of(taxonomy: Taxonomy, changes: Sequence[str], **asked: Any) -> list[dict[str, Any]]:
    """`settings["edits"]` after one more edit, if there are `changes`; `asked` is what else is said of it."""
    before: list[dict[str, Any]] = list(taxonomy.settings.get("edits") or ())
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return [*before, NO_EDIT | {"date": date, "changes": list(changes)} | asked] if changes else before


def _given(
    edited: Edited, taxonomy: Taxonomy, locked: Mapping[str, Sequence[str]] | Sequence[str], excluded: Sequence[str]
) -> Iterator[AbstractOperation]:
    """What the arguments of `refit` ask for beside the edit."""
    for name, given in (("locked", locked), ("excluded", excluded)):
        if isinstance(given, str):
            raise EditError(f"got {name}={given!r}, expected a list of ids or predicates: put it into a list")
    for one in excluded:
        entry = edited.find(one)
        yield Exclude(one if entry is None else entry.predicate)
    if not isinstance(locked, Mapping):
        yield from map(Lock, locked)
        return
    for parent, predicates in locked.items():
        _check_parent(parent, taxonomy)
        there = edited.tree if parent == ROOT else edited.required(parent).children
        for predicate in map(one_line, predicates):
            wanted = predicate.casefold()
            same = [entry for entry in there if wanted in (entry.predicate.casefold(), entry.shown.casefold())]
            # What is new is locked as it is.
            yield from (Lock(entry.id) for entry in same if entry.id is not None)
            if not same:
                yield Add(predicate, parent)


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
