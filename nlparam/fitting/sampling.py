"""The inference round: random texts that the language model judges once the predicates are chosen.

What the search judged is no random sample of the texts, and the head has learned from it. These answers are one.
"""

from typing import Any

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.pool import Pool
from nlparam.fitting.sample import Sample
from nlparam.fitting.split import Split
from nlparam.numerics.core.sample import systematic
from nlparam.numerics.heads.head import HeadFit, correct
from nlparam.runtime.budget import Meter

# Of what was asked of the language model for the fit, the share that the round may add.
SHARE = 0.3
# A sample of fewer texts says next to nothing of any share.
LEAST_SAMPLED = 20
# So many texts are judged before the budget is looked at again.
_AT_ONCE = 64


def checked_round(inference: bool | int) -> bool | int:
    """What `nlparam.fit` takes as `inference`. Raises `ValueError` for fewer than two texts."""
    if not isinstance(inference, bool) and inference < 2:
        raise ValueError(f"got inference={inference}, expected True, False, or a number of texts, at least 2")
    return inference


def sample(
    inference: bool | int,
    judge: AbstractJudge,
    corpus: Corpus,
    data: Any,
    pool: Pool,
    fitted: HeadFit,
    split: Split,
    *,
    n_asked: int,
    meter: Meter,
    rng: np.random.Generator,
) -> tuple[Sample, np.ndarray]:
    """Draws texts, has them judged, and gathers what is known of all.

    The draw is systematic along the data of the model (a label, a time, a number): every class and every step gets its
    share of the sample.

    **Arguments:** `inference`, how many texts are judged, each for all predicates: `True` for as many as take
    `SHARE` of what was asked of the language model until then, `n_asked`; `pool`, of all texts and the chosen
    predicates only; `fitted`, its head.

    **Returns:** the sample, and all answers as the judge gave them, `(n_distinct, n_predicates)`.
    """
    n_texts, n_predicates = len(corpus), len(pool.predicates)
    eligible = split.held_out if split.any else ~corpus.blank
    asked = [column for column in range(n_predicates) if column not in pool.computed]
    head = fitted.head.denote(pool.features)
    for column, left_out in enumerate(fitted.left_out):
        head[pool.judged(column).rows[: len(left_out)], column] = left_out
    answers = pool.answers.astype(np.float64)
    head[:, list(pool.computed)] = answers[:, list(pool.computed)]
    n_drawn = min(_n_texts(inference, n_asked, len(asked)), int(eligible.sum()))
    # In random order: a budget that ends early has then judged a random part of them.
    rows = rng.permutation(systematic(np.flatnonzero(eligible), _along(data, n_texts), n_drawn, rng=rng))
    done = _judge(judge, corpus, pool, rows, asked, answers, meter)
    corrected = answers.copy()
    for column in asked:
        corrected[:, column] = correct(answers[:, column], fitted.head.thresholds[column])
    drawn = np.zeros(n_texts, dtype=bool)
    drawn[done] = True
    found = Sample(
        eligible=eligible,
        inclusion=np.where(eligible, len(done) / max(int(eligible.sum()), 1), 0.0),
        drawn=drawn,
        head=corpus.spread(head),
        judged=corpus.spread(corrected, fill=np.nan),
        clusters=split.clusters,
        split=split.any,
    )
    return found, answers


def _n_texts(inference: bool | int, n_asked: int, n_predicates: int) -> int:
    if not isinstance(inference, bool):
        return inference
    affordable = int(SHARE * n_asked / max(n_predicates, 1))
    return affordable if inference and affordable >= LEAST_SAMPLED else 0


def _along(data: Any, n_texts: int) -> np.ndarray:
    """What the model knows of each text: a label, a time, a number; the same of all where it knows nothing."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(data)]
    return next((leaf for leaf in leaves if leaf.shape == (n_texts,)), np.zeros(n_texts))


def _judge(
    judge: AbstractJudge,
    corpus: Corpus,
    pool: Pool,
    rows: np.ndarray,
    asked: list[int],
    answers: np.ndarray,
    meter: Meter,
) -> np.ndarray:
    """Judges the texts in their random order, into `answers`; those that have an answer for every predicate."""
    for start in range(0, len(rows), _AT_ONCE):
        if meter.spent is not None:
            rows = rows[:start]
            break
        texts = np.unique(corpus.row[rows[start : start + _AT_ONCE]])
        pairs = np.asarray([(text, column) for text in texts for column in asked if np.isnan(answers[text, column])])
        if len(pairs):
            answers[pairs[:, 0], pairs[:, 1]] = judge.judge(corpus.distinct, pool.predicates, pairs)
    return rows[np.isfinite(answers[corpus.row[rows]]).all(axis=1)]
