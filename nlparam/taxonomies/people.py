"""What people say of texts, as whether these are under the nodes of a tree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.marks import pair
from nlparam.denotation.definitions import kept_definitions
from nlparam.denotation.labelling import LEAST_LABELS, Asked, Labelling, reached
from nlparam.denotation.labels import Labelled
from nlparam.fitting.split import cluster_codes
from nlparam.numerics.statistics.correction import corrected_means
from nlparam.taxonomies.records import HOLDS, ROOT, Node, TreeLike, judged


class NodeShares(NamedTuple):
    """The shares of all texts that are under the nodes with a predicate, as whoever could be asked sees them.

    **Attributes:** `nodes`: their ids; `value`, `low` and `high`, each `(n_nodes,)`, with confidence intervals;
    `targets`: of each whose shares they are, "people", "judge" or "head"; `n_answers`, how many of theirs there are.
    """

    nodes: tuple[str, ...]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    targets: tuple[str, ...]
    n_answers: np.ndarray


def shares(tree: TreeLike, labels: Labelled | None = None, *, confidence: float = 0.9) -> NodeShares:
    """The shares of the nodes, corrected by what was judged and labelled of random texts; see `Taxonomy.shares`."""
    asked, n_texts = labelling(tree), len(tree.corpus)
    layers, names = list(asked.layers), ["head", "judge"][: len(asked.layers)]
    if labels is not None and labels.texts:
        people = asked.said(labels)
        people[:, np.isfinite(people).sum(axis=0) < LEAST_LABELS] = np.nan
        layers, names = [*layers, people], [*names, "people"]
    inclusion = np.ones(n_texts)
    if tree.sample is not None:  # which of these people labelled is left to chance
        inclusion[tree.sample.texts] = tree.sample.inclusion
    found = corrected_means(
        layers,
        inclusion=[inclusion] * (len(layers) - 1),
        clusters=None if tree.clusters is None else cluster_codes(tree.clusters, n_texts),
        confidence=confidence,
    )
    there = [np.isfinite(layer).any(axis=0) for layer in layers]
    best = [max(np.flatnonzero(of_node).tolist()) for of_node in np.stack(there, axis=1)]
    nodes = tuple(share.split(" ", 1)[0] for share in asked.shares)
    return NodeShares(nodes, found.value, found.low, found.high, tuple(names[at] for at in best), found.n_answers)


def labelling(tree: TreeLike, *, seed: int = 0) -> Labelling:
    """What people are asked about the texts of a tree: the children of the root, then those of nodes that hold.

    The texts are those that were drawn at random and judged, where there are some, else all that have words.
    """
    corpus, sample = tree.corpus, tree.sample
    drawn = np.flatnonzero(~corpus.blank) if sample is None else sample.texts
    order = np.random.default_rng(seed).permutation(len(drawn))
    order = order[~corpus.blank[drawn[order]]]
    rows = drawn[order]
    order = order[np.sort(np.unique(corpus.row[rows], return_index=True)[1])]  # equal texts once
    nodes = sorted((tree.nodes[node] for node in tree.predicate_ids), key=lambda node: node.depth)
    answers = _answers(tree)
    layers = [np.zeros((len(corpus), len(nodes)))]
    for at, node in enumerate(nodes):
        layers[0][node.members, at] = 1.0
    if sample is not None:
        layers.append(np.full(layers[0].shape, np.nan))
        layers[1][sample.texts] = np.stack([sample.under[node.id] for node in nodes], axis=1)

    def said(labelled: Labelled) -> np.ndarray:
        people, unknown = said_by_people(tree, labelled, tree.texts), np.full(len(corpus), np.nan)
        found = np.stack([people.get(node.id, unknown) for node in nodes], axis=1)
        if len(order) < len(rows):
            found[rows[~reached(corpus.row[rows], found[rows])]] = np.nan
        return found

    return Labelling(
        texts=tuple(corpus.texts[number] for number in drawn[order].tolist()),
        chance=np.ones(len(order)) if sample is None else sample.inclusion[order],
        stratum=np.zeros(len(order), int),
        asked=tuple(Asked(judged(node), judged(tree.nodes[node.parent or ROOT]) or None) for node in nodes),
        judge=lambda text, predicate: answers.get(pair(text, predicate), np.nan),
        shares=tuple(f"{node.id} {node.name}" for node in nodes),
        layers=tuple(layers),
        of_stratum=(0,) * len(nodes),
        said=said,
        definitions=kept_definitions(tree.settings),
    )


def _answers(tree: TreeLike) -> dict[tuple[str, str], float]:
    """What the judge said of texts and predicates, of those drawn at random too."""
    texts = tree.texts
    answers = {pair(texts[one.text], one.predicate): one.probability for one in tree.judgments}
    if tree.sample is not None:
        for node in (tree.nodes[node] for node in tree.predicate_ids):
            asked = (tree.sample.under[node.parent or ROOT] == 1) & np.isfinite(tree.sample.under[node.id])
            for at in np.flatnonzero(asked).tolist():
                of = pair(texts[int(tree.sample.texts[at])], judged(node))
                answers[of] = float(tree.sample.under[node.id][at])
    return answers


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
