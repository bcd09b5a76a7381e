"""The shares of the nodes of a tree over time, corrected by what was judged or labelled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.fitting.split import cluster_codes
from nlparam.taxonomies.over_time import SharesOverTime, shares_over_time
from nlparam.taxonomies.people import said_by_people
from nlparam.taxonomies.records import ROOT, TreeLike


def over_time(
    tree: TreeLike,
    node: str = ROOT,
    *,
    unit: str | None = None,
    confidence: float = 0.95,
    labels: Labelled | str | Path | None = None,
) -> SharesOverTime:
    """The shares of the children of a node over time; see `Taxonomy.over_time`."""
    if tree.stamps is None:
        raise CorpusError("the taxonomy was grown without time stamps: give stamps (--time-field)")
    members = {child.id: child.members for child in tree.children(node)}
    unit = tree.settings.get("time_unit") if unit is None else unit
    answers = _answers(tree, list(members), labels)
    return shares_over_time(members, tree.stamps, unit=unit, confidence=confidence, **answers)


def _answers(tree: TreeLike, nodes: Sequence[str], labels: Labelled | str | Path | None) -> dict[str, Any]:
    """What `shares_over_time` takes beside members and stamps: the answers there are for some nodes, and clusters.

    Raises `CorpusError` if there are labels, but none for one of the nodes.
    """
    given: dict[str, Any] = {"target": "head", "answers": []}
    if tree.clusters is not None:
        given["clusters"] = cluster_codes(tree.clusters, len(tree.corpus))
    sample, people = tree.sample, {}
    if labels is not None:
        people = said_by_people(tree, Labelled.given(labels), tree.texts)
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
