"""Where texts are in a taxonomy, from their denotations; a taxonomy as tables, by column."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.results.page.examples import answers_by_predicate, choose_examples, example_rows
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import HOLDS, Node, TreeLike


@dataclasses.dataclass(frozen=True)
class Assigned:
    """Where texts are in a taxonomy.

    **Attributes:**

    - `corpus`: the texts.
    - `denotations`: for each node `(n_texts,)` the probability that its predicate holds for a text that is under its
      parent; for "none of these" one minus the highest of its siblings.
    - `under`: for each node `(n_texts,)` whether a text is under it and all nodes above it.
    - `nodes`: the id of the one node that each text is assigned to, `None` for a blank text.
    - `probabilities`: `(n_texts,)` the probability that all predicates down to this node hold.
    - `costs`: of the language model; `n_failed`, for how many pairs its answer was not usable (the head stood in).
    """

    corpus: Corpus
    denotations: Mapping[str, np.ndarray]
    under: Mapping[str, np.ndarray]
    nodes: list[str | None]
    probabilities: np.ndarray
    costs: Costs
    n_failed: int = 0


def placed(
    taxonomy: TreeLike, corpus: Corpus, denotations: Mapping[str, np.ndarray], costs: Costs, n_failed: int = 0
) -> Assigned:
    """Texts where the denotations of the predicates put them."""
    everywhere, values = ~corpus.blank, dict(denotations)
    for node in taxonomy.divided():
        highest = np.max([values[child.id] for child in taxonomy.children(node.id)], axis=0)
        values[node.children[-1]] = np.where(everywhere, 1 - highest, 0.0)
    under = taxonomy.under(everywhere.astype(float), lambda node, of_parent: of_parent * (values[node.id] >= HOLDS))
    at = np.asarray(taxonomy.place(values, len(corpus)), dtype=object)
    probabilities = np.where(everywhere, 1.0, np.nan)
    for place in set(at.tolist()):
        for node in taxonomy.path(place):
            probabilities[at == place] *= values[node.id][at == place]
    nodes = [None if blank else node for node, blank in zip(at.tolist(), corpus.blank, strict=True)]
    return Assigned(
        corpus, values, {node: of == 1 for node, of in under.items()}, nodes, probabilities, costs, n_failed
    )


def columns_of(taxonomy: TreeLike, assigned: Assigned) -> dict[str, list[Any]]:
    """A table of the texts: `text`, `node` (its id), `name`, `path`, `probability`, then one for every node.

    These say with which probability the predicate of the node holds, given that the text is under its parent.
    """
    names = {node.id: node.name for node in taxonomy.nodes.values()}
    paths = {node.id: " > ".join(one.name for one in taxonomy.path(node.id)) for node in taxonomy.nodes.values()}
    columns: dict[str, list[Any]] = {
        "text": list(assigned.corpus.texts),
        "node": [node or "" for node in assigned.nodes],
        "name": [names[node] if node else "" for node in assigned.nodes],
        "path": [paths[node] if node else "" for node in assigned.nodes],
        "probability": [None if np.isnan(p) else float(p) for p in assigned.probabilities],
    }
    for node in taxonomy.nodes.values():
        if node.id in assigned.denotations:
            columns[f"P({node.id} {node.name})"] = [float(p) for p in assigned.denotations[node.id]]
    return columns


def node_columns(taxonomy: TreeLike) -> dict[str, list[Any]]:
    """One row per node below the root: its place, how many texts are under it, which share of all and of its parent."""
    nodes = below_root(taxonomy)
    return {
        "id": [node.id for node in nodes],
        "predicate": [node.name for node in nodes],
        "parent": [node.parent for node in nodes],
        "depth": [node.depth for node in nodes],
        "texts": [len(node) for node in nodes],
        "share": [taxonomy.share(node.id) for node in nodes],
        "share_of_parent": [taxonomy.share_of_parent(node) for node in nodes],
        "agreement": [None if np.isnan(node.agreement) else node.agreement for node in nodes],
        "status": [node.status.value for node in nodes],
        "stopped": ["" if node.stopped is None else node.stopped.value for node in nodes],
    }


def node_examples(taxonomy: TreeLike, k: int) -> dict[str, list[Any]]:
    """Texts for and against each predicate, of those under its parent: `node`, `side`, `text`, `denotation`, `answer`
    (of the language model, where it was asked), `number` of the text."""
    nodes = [node for node in below_root(taxonomy) if node.predicate is not None]
    columns, answers = node_denotations(taxonomy, nodes), node_answers(taxonomy, nodes)
    sides = choose_examples(taxonomy.corpus, columns, answers, None, per_side=k)
    return example_rows([f"{node.id} {node.name}" for node in nodes], sides, taxonomy.corpus, named="node")


def below_root(taxonomy: TreeLike) -> list[Node]:
    """Every node but the root and empty residuals."""
    return [node for node in taxonomy.nodes.values() if node.parent is not None and (len(node) or not node.residual)]


def node_denotations(taxonomy: TreeLike, nodes: list[Node]) -> np.ndarray:
    """`(n_texts, n_nodes)`: denotations, not a number for texts that are not under the parent."""
    denotations = taxonomy.spread(np.nan)
    columns = np.zeros((len(taxonomy.corpus), len(nodes)), dtype=np.float32)
    for at, node in enumerate(nodes):
        columns[:, at] = denotations[node.id]
    return columns


def node_answers(taxonomy: TreeLike, nodes: list[Node]) -> list[dict[int, float]]:
    answers = answers_by_predicate(taxonomy.judgments, len(taxonomy.corpus))
    return [answers.get(node.judged_as or node.predicate or "", {}) for node in nodes]
