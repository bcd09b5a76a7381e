"""What people say of texts, as whether these are under the nodes of a tree."""

from collections.abc import Sequence

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.labels import Labelled
from nlparam.taxonomies.records import HOLDS, ROOT, Node, TreeLike, judged


def said_by_people(tree: TreeLike, labels: Labelled, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each node `(n_texts,)`: 1 where people say that a text is under it, 0 where not, `nan` where nobody said.

    A text is under a node if the predicates of the node and of all above it hold. Only nodes with labels are there.
    Raises `CorpusError` for labels of other texts or predicates.
    """
    corpus = Corpus.from_texts(texts)
    wordings = {node.id: {node.name, judged(node)} for node in tree.nodes.values() if node.predicate is not None}
    predicates = list(dict.fromkeys(wording.strip().casefold() for both in wordings.values() for wording in both))
    said = corpus.spread(labels.matrix(corpus.distinct, predicates), fill=np.nan)

    def below(node: Node, of_parent: np.ndarray) -> np.ndarray:
        columns = said[:, [predicates.index(wording.strip().casefold()) for wording in wordings[node.id]]]
        known = np.isfinite(columns)
        mean = np.nansum(columns, axis=1) / np.maximum(known.sum(axis=1), 1)
        return _below(of_parent, np.where(known.any(axis=1), (mean >= HOLDS).astype(float), np.nan))

    under = tree.under(np.ones(len(texts)), below)
    return {node: values for node, values in under.items() if node != ROOT and np.isfinite(values).any()}


def _below(of_parent: np.ndarray, holds: np.ndarray) -> np.ndarray:
    """Whether texts are under a node, from whether they are under its parent and its predicate holds.

    What is known must not depend on what is said. Where a person labelled the predicate for all texts under the parent,
    the others are known not to be under the node. Else texts count that have labels of both, if some of them are not
    under the parent.
    """
    if not np.any((of_parent == 1) & np.isnan(holds)):
        return np.where(of_parent == 1, holds, of_parent)
    both = of_parent * holds
    representative = np.isfinite(both[of_parent == 0]).any() or not np.any(of_parent == 0)
    return both if representative else np.full_like(both, np.nan)
