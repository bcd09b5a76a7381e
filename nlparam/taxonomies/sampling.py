"""Texts drawn at random and judged from the top down: what the shares of nodes are corrected by."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.denotation.session import Run
from nlparam.errors import CorpusError
from nlparam.fitting.split import cluster_codes
from nlparam.taxonomies.assign import judge_down
from nlparam.taxonomies.entries import judged
from nlparam.taxonomies.over_time import stepped_texts
from nlparam.taxonomies.records import HOLDS, ROOT, Sample, TreeLike
from nlparam.taxonomies.result import Taxonomy

# The judgments of the sample are at most such a share of those that the tree rests on; fewer texts say too little.
SHARE, LEAST_DRAWN = 0.3, 20


def judged_sample(
    tree: Taxonomy,
    judge: AbstractJudge,
    texts: np.ndarray,
    inclusion: np.ndarray,
    *,
    known: Callable[[str, str], float | None] | None = None,
) -> Sample:
    """Judges some texts of a tree from the root down: of each node, which of them are under it.

    **Arguments:** `texts`, `(n,)` their numbers, ascending, and `inclusion`, with which probability each was drawn;
    `known`, answers that there are already, by predicate and text.
    """
    corpus = tree.corpus
    worded = ~corpus.blank[texts]
    rows, position = np.unique(corpus.row[texts[worded]], return_inverse=True)
    # Of blank texts it is known that nothing holds.
    under = {ROOT: worded.astype(np.float64)}
    distinct = [corpus.distinct[row] for row in rows.tolist()]
    answers = judge_down(tree, judge, distinct, known=known) if distinct else {}
    for node in tree.divided():
        of_node = under[node.id]
        children = tree.children(node.id)
        for child in children:
            probabilities = np.full(len(texts), np.nan)
            if child.id in answers:
                probabilities[worded] = answers[child.id].probabilities[position]
            holds = np.where(np.isnan(probabilities), np.nan, probabilities >= HOLDS)
            under[child.id] = np.where(of_node == 1, holds, of_node)
        # Where the answer about one child is missing, it is not known that none holds.
        highest = np.max([under[child.id] for child in children], axis=0)
        residual = np.where(of_node == 1, 1 - highest, of_node)
        under |= {child.id: residual for child in tree.children(node.id, residual=True) if child.residual}
    return Sample(texts, inclusion, under)


def with_sample(tree: Taxonomy, run: Run, *, share: float = SHARE) -> Taxonomy:
    """The tree with texts drawn at random for the shares of its nodes, and judged; as it was if these would be too few.

    Every time step gets as many texts, as far as it has them, spread evenly over the nodes that its texts are assigned
    to. The judgments of the round are at most a `share` of those that the tree rests on.
    """
    per_text = sum(tree.share(node.id) * len(tree.children(node.id)) for node in tree.divided())
    n_drawn = int(share * (run.costs.judgments_asked + run.costs.judgments_served) / max(per_text, 1.0))
    if n_drawn < LEAST_DRAWN or run.meter.spent is not None:
        return tree
    texts, inclusion = drawn(tree, n_drawn, np.random.default_rng([run.seed, n_drawn]))
    with run.costs.stage("judging at random"):
        sample = judged_sample(tree, run.judge, texts, inclusion)
    return dataclasses.replace(tree, sample=sample)


def answers_of(tree: TreeLike, nodes: Sequence[str], labels: Labelled | str | Path | None) -> dict[str, Any]:
    """What `shares_over_time` takes beside members and stamps: the answers there are for some nodes, and clusters.

    Raises `CorpusError` if there are labels, but none for one of the nodes.
    """
    given: dict[str, Any] = {"target": "head", "answers": []}
    if tree.clusters is not None:
        given["clusters"] = cluster_codes(tree.clusters, len(tree.corpus))
    sample, people = tree.sample, {}
    if labels is not None:
        people = said_by_people(tree, labels if isinstance(labels, Labelled) else Labelled.read(labels), tree.texts)
        if missing := [tree.nodes[node].name for node in nodes if node not in people]:
            raise CorpusError(f"got no labels for {missing[0]!r}: label all predicates of these texts")
        labelled = np.flatnonzero(np.any([np.isfinite(people[node]) for node in nodes], axis=0))
        # A label corrects the judge only where it was asked too; where it hardly was, labels correct the heads.
        if sample is not None and 2 * len(np.intersect1d(labelled, sample.texts)) < len(labelled):
            sample = None
    if sample is not None and all(np.isfinite(sample.under[node]).any() for node in nodes):
        said, inclusion = np.full((len(nodes), len(tree.corpus)), np.nan), np.ones(len(tree.corpus))
        said[:, sample.texts] = [sample.under[node] for node in nodes]
        inclusion[sample.texts] = sample.inclusion
        given |= {"target": "judge", "inclusion": inclusion, "answers": [dict(zip(nodes, said, strict=True))]}
    if people:
        given |= {"target": "people", "answers": [*given["answers"], people]}
    return given


def drawn(tree: Taxonomy, n_drawn: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of texts drawn at random, ascending, and the probability of each: `(n,)` both.

    Texts without a time are not drawn if there are times. Equal shares of each step are drawn systematically, in the
    order of the nodes that its texts are assigned to.
    """
    order = {node: number for number, node in enumerate(tree.nodes)}
    along = np.asarray([-1 if node is None else order[node] for node in tree.assignments()])
    stepped, step = np.arange(len(tree.corpus)), np.zeros(len(tree.corpus), dtype=int)
    if tree.stamps is not None:
        stepped, steps = stepped_texts(tree.stamps, tree.settings.get("time_unit"))
        step = steps.step
    members = [stepped[step == number] for number in np.unique(step)]
    sizes = evenly([len(texts) for texts in members], n_drawn)
    texts, inclusion = [], []
    for of_step, size in zip(members, sizes, strict=True):
        if size == 0:
            continue
        ordered = of_step[np.lexsort((rng.random(len(of_step)), along[of_step]))]
        places = ((np.arange(size) + rng.random()) * len(ordered) / size).astype(int)
        texts.append(ordered[np.minimum(places, len(ordered) - 1)])
        inclusion.append(np.full(size, size / len(ordered)))
    numbers = np.concatenate(texts)
    ascending = np.argsort(numbers)
    return numbers[ascending], np.concatenate(inclusion)[ascending]


def evenly(sizes: Sequence[int], n: int) -> list[int]:
    """How many of `n` each of some groups gets: as many as the others, or all that it has."""
    given, left = [0] * len(sizes), n
    for place, at in enumerate(np.argsort(sizes, kind="stable").tolist()):
        given[at] = min(sizes[at], left // (len(sizes) - place))
        left -= given[at]
    return given


def carried(before: Taxonomy, after: Taxonomy) -> Sample | None:
    """The sample of a tree for the same tree after an edit: of nodes that are new nothing is known.

    A node is the same if the wordings that were judged are, down to it; "none of these" if its siblings are.
    """
    if before.sample is None:
        return None
    there = {_way(before, node): node for node in before.nodes}
    unknown = np.full(len(before.sample), np.nan)
    under = {node: before.sample.under.get(there.get(_way(after, node), ""), unknown) for node in after.nodes}
    return dataclasses.replace(before.sample, under=under)


def _way(tree: Taxonomy, number: str) -> tuple:
    """What a node is, whatever its number."""
    node = tree.nodes[number]
    if node.parent is None:
        return ()
    own = tuple(sorted(judged(one) for one in tree.children(node.parent))) if node.residual else judged(node)
    return (*_way(tree, node.parent), own)


def checked_clusters(clusters: Sequence[Any], n_texts: int) -> tuple[str | None, ...]:
    """Clusters as they are kept with a taxonomy, one for each text; `None` where a text stands for itself.

    Raises `CorpusError` if there are fewer or more than texts, or all texts are in one.
    """
    cluster_codes(clusters, n_texts)
    return tuple(None if one is None or one != one or not str(one).strip() else str(one) for one in clusters)


def said_by_people(tree: TreeLike, labels: Labelled, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Of each node `(n_texts,)`: 1 where people say that a text is under it, 0 where not, `nan` where nobody said.

    A text is under a node if the predicates of the node and of all above it hold. Only nodes with labels are there.
    Raises `CorpusError` for labels of other texts or predicates.
    """
    corpus = Corpus.from_texts(texts)
    wordings = {node.id: {node.name, judged(node)} for node in tree.nodes.values() if node.predicate is not None}
    predicates = list(dict.fromkeys(wording.strip().casefold() for both in wordings.values() for wording in both))
    said = corpus.spread(labels.matrix(corpus.distinct, predicates), fill=np.nan)
    under = {ROOT: np.ones(len(texts))}
    for node in tree.divided():
        of_node, children = under[node.id], tree.children(node.id)
        for child in children:
            columns = said[:, [predicates.index(wording.strip().casefold()) for wording in wordings[child.id]]]
            known = np.isfinite(columns)
            mean = np.nansum(columns, axis=1) / np.maximum(known.sum(axis=1), 1)
            under[child.id] = _below(of_node, np.where(known.any(axis=1), (mean >= HOLDS).astype(float), np.nan))
        highest = np.max([under[child.id] for child in children], axis=0)
        for child in tree.children(node.id, residual=True):
            if child.residual:
                under[child.id] = np.where(of_node == 1, 1 - highest, np.where(np.isfinite(highest), of_node, np.nan))
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
