"""What a notebook shows of a fit."""

import math
from typing import TYPE_CHECKING

from nlparam.results.page.card import card, card_row
from nlparam.results.page.render import count, percent

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike


def fit_card(fit: "FitLike") -> str:
    """The predicates of a fit with their prevalence and the agreement of the head, as HTML."""
    import numpy as np

    denotations, worded = np.asarray(fit.denotations, dtype=float), ~fit.corpus.blank
    sizes = np.asarray(fit.predictions) if fit.model.assigns_texts else None
    agreements = fit.agreement if len(fit.agreement) == len(fit.predicates) else [None] * len(fit.predicates)
    rows = []
    for k, predicate in enumerate(fit.predicates):
        prevalence = float(denotations[worded, k].mean()) if worded.any() else 0.0
        agreement = agreements[k]
        rows.append(
            card_row(
                str(k + 1),
                predicate,
                *([] if sizes is None else [count(int((sizes == k).sum()))]),
                percent(prevalence),
                percent(agreement.agreement if agreement else None),
                bar=0.0 if math.isnan(prevalence) else prevalence,
            )
        )
    headings = ["Texts"] if sizes is not None else []
    return card(
        f"{type(fit.model).__name__} of {len(fit.corpus):,} texts",
        str(fit.settings.get("goal") or ""),
        [*headings, "Prevalence", "Head agrees"],
        rows,
        f"{len(fit.judgments):,} judgments. Ended because {fit.result.value}. "
        "fit.report(path) writes the whole report, fit.plot() draws a result.",
    )
