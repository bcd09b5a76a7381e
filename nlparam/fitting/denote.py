"""Denotations of new texts for the predicates of a fit: by its head, by a cascade, or by the language model alone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.calibration import CalibratedJudge
from nlparam.denotation.cascade import Cascade, denote_by_cascade
from nlparam.denotation.computed import Computed, ComputedJudge
from nlparam.denotation.definitions import kept_definitions
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.session import Running, Session, accepts, check_names, opened
from nlparam.errors import LanguageModelError, check_one_of
from nlparam.lm.base import AbstractLanguageModel
from nlparam.numerics.heads.cascade import Certificate
from nlparam.numerics.heads.head import correct
from nlparam.numerics.heads.joint_head import JointHead
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.fitting.records import FitLike

WAYS = ("head", "cascade", "exact")


@dataclasses.dataclass(frozen=True)
class Denoted:
    """Denotations of new texts, `(n_texts, n_predicates)`, and what they cost.

    `certificate` is what the audit of the cascade proved of these texts; `None` for the other ways, and if the budget
    was spent before the audit was complete. `n_failed` counts the pairs for which the language model gave no usable
    answer, or was not asked any more; the head answers these.
    """

    denotations: np.ndarray
    by: str
    costs: Costs
    certificate: Certificate | None = None
    n_failed: int = 0


@accepts(Running, Session)
def denote(
    fit: "FitLike",
    texts: Sequence[str],
    *,
    by: str | None = None,
    lm: str | Path | AbstractLanguageModel | None = None,
    seed: int = 0,
    **asked: Unpack[Running],
) -> Denoted:
    """Denotes new texts.

    **Arguments:** `by`, `lm` and `store` as in `Fit.denote`; `budget`, what the language model may use; `timeout`, the
    seconds of one call; `seed`, of the audit's draw.

    Raises `ValueError` for an unknown way, `LanguageModelError` if the language model is not that of the fit, or cannot
    be asked, `EmbedderError` if the embedder is not that of the fit.
    """
    by = by or ("cascade" if fit.settings.get("cascade") else "head")
    check_one_of(WAYS, by=by)
    check_names(denote, asked)
    corpus, costs = Corpus.from_texts(texts), Costs()
    if by == "head" or not corpus.distinct:
        with opened(asked.get("store"), ":memory:") as store, costs.stage("head"):
            return Denoted(_with_computed(fit, corpus, fit.denoter.denote(corpus, store=store)), by, costs)
    the_lm = fit.settings["lm"] if lm is None else lm
    with Session(lm=the_lm, embedder=fit.denoter.embedder, costs=costs, **asked) as session:
        with costs.stage("embedding"):
            features = fit.denoter.features_of(corpus, store=session.store)
        if session.lm.identity != fit.settings["lm_identity"]:
            raise LanguageModelError(
                f"the language model here is {session.lm.identity!r}, expected {fit.settings['lm_identity']!r}, "
                "which the fit was made with: give that one, or denote by the head"
            )
        with costs.stage("judging"):
            ask = _by_cascade if by == "cascade" else _exactly
            denotations, certificate, n_failed = ask(fit, _judge(fit, session), corpus, features, session, seed)
    return Denoted(_with_computed(fit, corpus, corpus.spread(denotations)), by, costs, certificate, n_failed)


def _with_computed(fit: "FitLike", corpus: Corpus, denotations: np.ndarray) -> np.ndarray:
    """The denotations with those of computed predicates as they are computed, not as the head has learned them."""
    computed = Computed.from_dict(fit.settings.get("computed"))
    if not len(computed) or not corpus.distinct:
        return denotations
    values = corpus.spread(computed.values(fit.predicates, corpus.distinct))
    return np.where(np.isnan(values), denotations, values)


def _judge(fit: "FitLike", session: Session) -> AbstractJudge:
    """The judge of the fit: the same prompt, the same part of a text, the same calibration."""
    settings = fit.settings
    judge = session.judge(
        n_words=settings["n_words"], form=settings.get("form", "single"), definitions=kept_definitions(settings)
    )
    asked = judge if fit.calibration is None else CalibratedJudge(judge, fit.calibration.calibration)
    computed = fit.settings.get("computed")
    return ComputedJudge(asked, Computed.from_dict(computed)) if computed else asked


def _by_cascade(
    fit: "FitLike", judge: AbstractJudge, corpus: Corpus, features: np.ndarray, session: Session, seed: int
):
    head = fit.denoter.head
    cascaded = denote_by_cascade(
        Cascade(**(fit.settings.get("cascade") or {})),
        judge,
        corpus.distinct,
        fit.predicates,
        features=features,
        predicate_embeddings=session.stored_embedder.embed(fit.predicates),
        meter=session.meter,
        thresholds=head.thresholds,
        head=head if isinstance(head, JointHead) else None,
        seed=seed,
    )
    n_failed = 0 if cascaded.certificate is None else cascaded.certificate.n_failed
    denotations = head.denote(features) if cascaded.denotations is None else cascaded.denotations
    return denotations, cascaded.certificate, n_failed


def _exactly(fit: "FitLike", judge: AbstractJudge, corpus: Corpus, features: np.ndarray, session: Session, seed: int):
    del session, seed
    said = judge.judge_all(corpus.distinct, fit.predicates)
    thresholds = fit.denoter.head.thresholds
    corrected = np.stack([correct(column, b) for column, b in zip(said.T, thresholds, strict=True)], axis=1)
    failed = np.isnan(said)
    return np.where(failed, fit.denoter.head.denote(features), corrected), None, int(failed.sum())
