"""What a notebook shows of a taxonomy."""

from typing import TYPE_CHECKING

from nlparam.results.page.card import card, card_row
from nlparam.results.page.render import count, percent

if TYPE_CHECKING:
    from nlparam.taxonomies.records import TreeLike


def taxonomy_card(taxonomy: "TreeLike") -> str:
    """The nodes of a taxonomy, indented, with their sizes, as HTML."""
    nodes = [node for node in taxonomy.nodes.values() if node.parent is not None and (len(node) or not node.residual)]
    rows = [
        card_row(
            "" if node.residual else node.id,
            node.name,
            count(len(node)),
            percent(taxonomy.share(node.id)),
            bar=taxonomy.share(node.id),
            indent=node.depth - 1,
        )
        for node in nodes
    ]
    measures = taxonomy.measures()
    return card(
        f"Taxonomy of {len(taxonomy.corpus):,} texts",
        str(taxonomy.settings.get("goal") or ""),
        ["Texts", "Of all"],
        rows,
        f"{measures['coverage']:.0%} of the texts of divided nodes are explained by a child, {measures['overlap']:.0%} "
        f"by several. Ended because {taxonomy.result.value}.",
    )
