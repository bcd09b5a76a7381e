"""What people are asked about the texts of a fit."""

from typing import TYPE_CHECKING

import numpy as np

from nlparam.corpus.marks import pair
from nlparam.denotation.definitions import kept_definitions
from nlparam.denotation.labelling import Asked, Labelling
from nlparam.denotation.labels import Labelled
from nlparam.fitting.inference import known_of, labelling_order, sample_of

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike


def to_label(fit: "FitLike", n: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Rows for people to label; see `Fit.to_label`."""
    texts = dict.fromkeys(fit.corpus.texts[row] for row in labelling_order(fit, seed)[:n].tolist())
    return [{"text": text, "predicate": predicate, "label": ""} for text in texts for predicate in fit.predicates]


def labelling(fit: "FitLike", *, seed: int = 0) -> Labelling:
    """What people are asked; see `Fit.labelling`."""
    sample, corpus, order = sample_of(fit), fit.corpus, labelling_order(fit, seed)
    known = known_of(fit, sample, None, [])
    texts = tuple(dict.fromkeys(corpus.texts[row] for row in order.tolist()))
    judged = np.full((len(corpus.distinct), len(fit.predicates)), np.nan)
    judged[corpus.row[~corpus.blank]] = sample.judged[~corpus.blank]
    row = {pair(text, "")[0]: number for number, text in enumerate(corpus.distinct)}
    column = {pair("", predicate)[1]: number for number, predicate in enumerate(fit.predicates)}

    def judge(text: str, predicate: str) -> float:
        of_text, of_predicate = pair(text, predicate)
        return float(judged[row[of_text], column[of_predicate]])

    def said(labelled: Labelled) -> np.ndarray:
        return corpus.spread(labelled.matrix(corpus.distinct, fit.predicates), fill=np.nan)[known.rows]

    return Labelling(
        texts=texts,
        chance=np.ones(len(texts)),
        stratum=np.zeros(len(texts), int),
        asked=tuple(map(Asked, fit.predicates)),
        judge=judge,
        shares=tuple(fit.predicates),
        layers=tuple(known.held),
        of_stratum=(0,) * len(fit.predicates),
        said=said,
        definitions=kept_definitions(fit.settings),
    )
