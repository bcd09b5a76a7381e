"""A tree against chance: do the children of its nodes separate texts that did not choose them?"""

from collections.abc import Iterator, Mapping

import numpy as np

from nlparam.fitting.split import cluster_codes
from nlparam.numerics.statistics.effects import correct_p_values
from nlparam.taxonomies.records import ROOT, Separation, TreeLike

# Of fewer texts a permutation test has hardly any power. Each size of node is compiled anew, which takes seconds.
LEAST_TESTED, _MOST_NODES = 16, 4
LEVEL = 0.05


def separations(tree: TreeLike, represented: np.ndarray) -> dict[str, Separation]:
    """Whether the children of each divided node separate texts better than chance.

    The texts are those of the sample under the node on which no candidate of the node was judged: they had no part in
    the choice. The children are as the language model judged them there, and the texts of a child should lie closer
    together than any texts of the node (`nlparam.numerics.statistics.permutation`, by scatter). By the heads it would
    be no test, as a head goes by where a text lies.

    **Arguments:** `represented`, `(n_distinct, embed_dim)`, what the nodes were divided by. At most 4 nodes, of most
    such texts, are tested.
    """
    from nlparam.models import Clustering
    from nlparam.numerics.statistics.permutation import against_chance

    sample = tree.sample
    if sample is None:
        return {}
    found, texts_of = {}, {}
    for node in tree.divided():
        children = [sample.under[child.id] for child in tree.children(node.id)]
        usable = (sample.under[node.id] == 1) & np.isfinite(children).all(axis=0)
        chose = np.concatenate([candidate.judged for candidate in node.candidates] or [np.zeros(0, int)])
        usable &= ~np.isin(sample.texts, chose)
        texts_of[node.id] = np.flatnonzero(usable)
    most = sorted(texts_of, key=lambda node: -len(texts_of[node]))[:_MOST_NODES]
    codes = None if tree.clusters is None else cluster_codes(tree.clusters, len(tree.corpus))
    for node, at in texts_of.items():
        if len(at) < LEAST_TESTED or node not in most:
            reason = f"{len(at)} texts that did not choose its children are too few" if node in most else "not tested"
            found[node] = Separation(1.0, 1.0, len(at), reason)
            continue
        texts, children = sample.texts[at], tree.children(node)
        denotations = np.stack([sample.under[child.id][at] for child in children], axis=1)
        chance = against_chance(
            Clustering(len(children)),
            denotations,
            embeddings=represented[tree.corpus.row[texts]],
            clusters=None if codes is None else codes[texts],
            seed=int(tree.settings.get("seed", 0)),
        )
        found[node] = Separation(chance.p_value, 1.0, len(at), chance.reason)
    tested = [node for node, one in found.items() if not one.reason]
    for node, adjusted in zip(tested, correct_p_values([found[n].p_value for n in tested], "bh"), strict=True):
        found[node] = found[node]._replace(adjusted=float(adjusted))
    return found


def nothing_found(chance: Mapping[str, Separation]) -> str | None:
    """What a user should know of a tree whose first level may be chance; `None` if it is not, or cannot be told."""
    root = chance.get(ROOT)
    if root is None or root.reason or root.adjusted <= LEVEL:
        return None
    return (
        f"nothing found: on {root.n_texts:,} texts that did not choose them, the predicates of the first level "
        f"separate the texts no better than chance (p = {root.p_value:.2g})"
    )


def said_of_chance(chance: Mapping[str, Separation]) -> Iterator[str]:
    """In words, of which nodes the children are better than chance."""
    if not chance:
        return
    found = [node for node, one in chance.items() if not one.reason and one.adjusted <= LEVEL]
    nothing = [node for node, one in chance.items() if not one.reason and one.adjusted > LEVEL]
    unknown = [node for node, one in chance.items() if one.reason]
    yield "Against chance, on texts that did not choose the children of a node, as the judge sees them:"
    if found:
        yield f"the children of {', '.join(found)} separate texts better than chance."
    if nothing:
        yield f"Those of {', '.join(nothing)} do not, as far as can be told: nothing found."
    if unknown:
        yield f"Of {', '.join(unknown)} nothing can be said from so few texts."
