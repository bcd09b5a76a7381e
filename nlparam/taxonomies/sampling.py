"""Texts drawn at random and judged from the top down: what the shares of nodes are corrected by."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nlparam.corpus.labels import is_missing
from nlparam.denotation.definitions import definition_of
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Run
from nlparam.fitting.sampling import LEAST_SAMPLED, SHARE
from nlparam.fitting.split import cluster_codes
from nlparam.numerics.core.denotations import decided
from nlparam.numerics.core.sample import systematic
from nlparam.taxonomies.assign import judge_down
from nlparam.taxonomies.over_time import stepped_texts
from nlparam.taxonomies.records import Node, Sample, judged
from nlparam.taxonomies.result import Taxonomy


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
    distinct = [corpus.distinct[row] for row in rows.tolist()]
    answers, _ = judge_down(tree, judge, distinct, known=known) if distinct else ({}, 0)

    def below(node: Node, of_parent: np.ndarray) -> np.ndarray:
        probabilities = np.full(len(texts), np.nan)
        if node.id in answers:
            probabilities[worded] = answers[node.id][position]
        return np.where(of_parent == 1, decided(probabilities), of_parent)

    # Of blank texts it is known that nothing holds.
    return Sample(texts, inclusion, tree.under(worded.astype(np.float64), below))


def with_sample(tree: Taxonomy, run: Run) -> Taxonomy:
    """The tree with texts drawn at random for the shares of its nodes, and judged; as it was if these would be too few.

    Every time step gets as many texts, as far as it has them, spread evenly over the nodes that its texts are assigned
    to. The judgments of the round are at most a certain share of those that the tree rests on.
    """
    per_text = sum(tree.share(node.id) * len(tree.children(node.id)) for node in tree.divided())
    n_drawn = int(SHARE * (run.costs.judgments_asked + run.costs.judgments_served) / max(per_text, 1.0))
    if n_drawn < LEAST_SAMPLED or run.meter.spent is not None:
        return tree
    texts, inclusion = drawn(tree, n_drawn, np.random.default_rng([run.seed, n_drawn]))
    with run.costs.stage("judging at random"):
        sample = judged_sample(tree, run.judge, texts, inclusion)
    return dataclasses.replace(tree, sample=sample)


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
        texts.append(systematic(of_step, along, size, rng=rng))
        inclusion.append(np.full(size, size / len(of_step)))
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

    A node is the same if the wordings that were judged are, and what they mean, down to it; "none of these" if its
    siblings are.
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

    def said(one: Node) -> tuple[str, str]:
        return judged(one), str(definition_of(tree.settings, judged(one)))

    own = tuple(sorted(said(one) for one in tree.children(node.parent))) if node.residual else said(node)
    return (*_way(tree, node.parent), own)


def checked_clusters(clusters: Sequence[Any], n_texts: int) -> tuple[str | None, ...]:
    """Clusters as they are kept with a taxonomy, one for each text; `None` where a text stands for itself.

    Raises `CorpusError` if there are fewer or more than texts, or all texts are in one.
    """
    cluster_codes(clusters, n_texts)
    return tuple(None if is_missing(one) else str(one) for one in clusters)
