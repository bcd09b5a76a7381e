"""New texts under the nodes of a taxonomy: by its heads, or by the language model from the top down."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Session, accepts, check_names, opened
from nlparam.numerics.heads.head import correct
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import HOLDS, ROOT, judged
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.setup import AskingAgain, session_for

WAYS = ("head", "exact")


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


@accepts(AskingAgain, session_for, Session)
def assign(
    taxonomy: Taxonomy,
    texts: Sequence[str],
    *,
    by: str = "head",
    **asked: Unpack[AskingAgain],
) -> Assigned:
    """Assigns new texts to the nodes of a taxonomy.

    **Arguments:** `by`, `"head"` (no language model is asked) or `"exact"` (it is asked about the children of the root
    for every text, and about the children of every node that a text is under); `lm`, `calibration`, `budget`, `store`,
    `timeout`: as for `nlparam.taxonomy`.

    Raises `ValueError` for an unknown `by`, `EmbedderError` if the embedder is not that of the taxonomy, and what
    `nlparam.refit` raises of its language model.
    """
    if by not in WAYS:
        raise ValueError(f"got by={by!r}, expected one of {', '.join(WAYS)}")
    check_names(assign, asked)
    corpus, costs = Corpus.from_texts(texts), Costs()
    if taxonomy.denoter is None:
        return placed(taxonomy, corpus, {}, costs)
    if by == "head" or not corpus.distinct:
        with opened(asked.get("store"), ":memory:") as store, costs.stage("head"):
            return placed(taxonomy, corpus, taxonomy.denoter.denote(corpus, store=store), costs)
    with session_for(taxonomy, costs=costs, **asked) as (session, judge):
        denotations = taxonomy.denoter.denote(corpus, store=session.store)
        with costs.stage("judging"):
            said, n_failed = judge_down(taxonomy, judge, corpus.distinct)
    for node, probabilities in said.items():
        spread = corpus.spread(probabilities, fill=np.nan)
        denotations[node] = np.where(np.isfinite(spread), spread, denotations[node])
    return placed(taxonomy, corpus, denotations, costs, n_failed)


def judge_down(
    taxonomy: Taxonomy,
    judge: AbstractJudge,
    texts: Sequence[str],
    *,
    known: Callable[[str, str], float | None] | None = None,
) -> tuple[dict[str, np.ndarray], int]:
    """Judges texts from the root down: the children of a node for the texts for which it holds.

    **Arguments:** `texts`, distinct ones; `known`, answers that there are already, by predicate and text.

    **Returns:** for every node with a predicate `(n_texts,)` corrected probabilities, `nan` where the text is not under
    the parent or the answer failed; and how many answers failed.
    """
    thresholds = {
        child: float(taxonomy.denoter.heads[node].thresholds[column])
        for node, children in taxonomy.denoter.columns.items()
        for column, child in enumerate(children)
    }
    found: dict[str, np.ndarray] = {}
    level, n_failed = {ROOT: np.arange(len(texts))}, 0
    while level:
        asked = [
            (child.id, judged(child), rows)
            for node, rows in level.items()
            if len(rows)
            for child in taxonomy.children(node)
        ]
        predicates = list(dict.fromkeys(predicate for _, predicate, _ in asked))
        said = _judged(judge, texts, predicates, asked, known)
        for child, predicate, rows in asked:
            answers = said[rows, predicates.index(predicate)]
            found[child] = np.full(len(texts), np.nan)
            found[child][rows] = correct(answers, thresholds[child])
            n_failed += int(np.isnan(answers).sum())
        level = {child: rows[found[child][rows] >= HOLDS] for child, _, rows in asked if taxonomy.nodes[child].children}
    return found, n_failed


def _judged(judge: AbstractJudge, texts, predicates, asked, known) -> np.ndarray:
    """`(n_texts, n_predicates)` answers for the pairs that are asked, `nan` elsewhere."""
    answers = np.full((len(texts), len(predicates)), np.nan)
    pairs = []
    for _, predicate, rows in asked:
        column = predicates.index(predicate)
        for row in rows.tolist():
            there = None if known is None else known(predicate, texts[row])
            if there is None:
                pairs.append((row, column))
            else:
                answers[row, column] = there
    if pairs:
        # Text by text, so that a server computes each text once.
        ordered = np.asarray(sorted(set(pairs)))
        answers[ordered[:, 0], ordered[:, 1]] = judge.judge(texts, predicates, ordered)
    return answers


def placed(
    taxonomy: Taxonomy, corpus: Corpus, denotations: Mapping[str, np.ndarray], costs: Costs, n_failed: int = 0
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


def columns_of(taxonomy: Taxonomy, assigned: Assigned) -> dict[str, list[Any]]:
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
