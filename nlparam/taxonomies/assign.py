"""New texts under the nodes of a taxonomy: by its heads, or by the language model from the top down."""

from collections.abc import Callable, Sequence
from typing import Any, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.frames import beside, texts_of
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Session, accepts, check_names, opened
from nlparam.errors import check_one_of
from nlparam.numerics.heads.head import correct
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.placing import Assigned as Assigned
from nlparam.taxonomies.placing import columns_of, placed
from nlparam.taxonomies.records import HOLDS, ROOT, judged
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.setup import AskingAgain, session_for

WAYS = ("head", "exact")


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
    check_one_of(WAYS, by=by)
    check_names(assign, asked)
    corpus, costs = Corpus.from_texts(texts), Costs()
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


@accepts(AskingAgain, session_for, Session)
def assign_frame(
    taxonomy: Taxonomy, frame: Any, *, text_field: str | None = None, by: str = "head", **asked: Unpack[AskingAgain]
) -> Any:
    """A data frame (pandas, Polars, Arrow) with more columns: the node of each text, and the probability of every node,
    as in `Taxonomy.to_frame`. Its own columns stay; one that has the name of a new one is called "NAME (given)".

    **Arguments:** `text_field`, the column of the texts; the others as for `assign`, which raises the same errors.
    """
    columns = columns_of(taxonomy, assign(taxonomy, list(texts_of(frame, text_field)[0]), by=by, **asked))
    return beside(frame, {name: values for name, values in columns.items() if name != "text"})


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
