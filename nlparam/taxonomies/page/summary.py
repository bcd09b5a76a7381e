"""What the page of a taxonomy says first."""

from collections.abc import Mapping
from typing import Any

from nlparam.results.page.quantities import MAX_NAME
from nlparam.results.page.text import excerpt
from nlparam.runtime.words import counted
from nlparam.taxonomies.page.drift import is_of
from nlparam.taxonomies.records import TreeLike

# Branches that are named.
_MOST_NAMED = 3


def said_of_tree(taxonomy: TreeLike, update: Mapping[str, Any] | None) -> str:
    """In sentences: how large the tree is, its largest branches, what it explains, and what has changed."""
    measures, n_predicates = taxonomy.measures(), len(taxonomy.predicate_ids)
    levels = f" on {counted(taxonomy.depth, 'level')}" if n_predicates else ""
    found = f"{counted(len(taxonomy.corpus), 'text')} in a tree of {counted(n_predicates, 'predicate')}{levels}."
    largest = sorted(taxonomy.children("root"), key=len, reverse=True)[:_MOST_NAMED]
    if largest:
        names = [f"“{excerpt(node.name, MAX_NAME)}” ({taxonomy.share(node.id):.1%} of all texts)" for node in largest]
        found += (
            f" The largest on the first level: {', '.join(names)}. A child explains {measures['coverage']:.1%} of the "
            f"texts of divided nodes, several explain {measures['overlap']:.1%}."
        )
    if update is not None and is_of(taxonomy, update):
        changed = sum(1 for one in update["drift"] if one["changed"])
        found += f" Since the last update the shares of {counted(changed, 'node')} are claimed to have changed."
    return found
