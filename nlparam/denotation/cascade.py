"""The cascade: a learned head answers where it is sure, the language model elsewhere, and an audit says how well."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.numerics.heads.cascade import CascadeSteps, Certificate, Target
from nlparam.numerics.heads.joint_head import JointHead
from nlparam.runtime.budget import Meter
from nlparam.runtime.telemetry import emit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cascade:
    """Denotes all texts for the chosen predicates, with a bound on the error and as few calls as it takes.

    With probability `1 - failure_probability` over the draw of the audit, the yes/no denotations agree with those of
    the language model asked for everything (its bias corrected): of the texts for which it would say yes at least
    `target_recall` are found, and of those found at least `target_precision` are right. That is pooled over the
    predicates, and a rare one may be missed nearly always. With `each` it holds for every predicate, all at once, which
    takes more calls.

    Give it to `nlparam.fit(..., judge=Cascade())`. The mathematics are in `docs/explanation/cascade.md`.

    **Arguments:** the two targets and the failure probability, each between 0 and 1; `n_seed`, the judgments per
    predicate before the head is first trained; `each`, whether every predicate must reach the targets.

    Raises `ValueError` for a number outside (0, 1).
    """

    target_recall: float = 0.95
    target_precision: float = 0.95
    failure_probability: float = 0.1
    n_seed: int = 30
    each: bool = False

    def __post_init__(self):
        _ = self.target

    @property
    def target(self) -> Target:
        return Target(self.target_recall, self.target_precision, self.failure_probability, self.each)


@dataclasses.dataclass(frozen=True)
class Cascaded:
    """What a cascade gives.

    `denotations` and `answers` are `(n_texts, n_predicates)`, the latter as the language model gave them, `nan` where
    it was not asked. If the budget was spent before the audit was complete, `certificate` is `None`; if it was spent,
    or the language model failed, before a head could be trained, so are `denotations`.
    """

    denotations: np.ndarray | None
    answers: np.ndarray
    thresholds: np.ndarray
    head: JointHead | None
    certificate: Certificate | None


def denote_by_cascade(
    cascade: Cascade,
    judge: AbstractJudge,
    texts: Sequence[str],
    predicates: Sequence[str],
    *,
    features: np.ndarray,
    predicate_embeddings: np.ndarray,
    meter: Meter,
    seed: int,
    known: np.ndarray | None = None,
    thresholds: np.ndarray | None = None,
    head: JointHead | None = None,
    correct_bias: bool = True,
) -> Cascaded:
    """Judges what must be judged and lets a head answer the rest.

    **Arguments:** `features`, `(n_texts, n_features)`; `predicate_embeddings`, `(n_predicates, embed_dim)`; `known`,
    answers that are there already, `nan` elsewhere; `thresholds`, `(n_predicates,)` log-odds at which the yes of each
    predicate begins, by default found from the judgments; `head`, that of an earlier cascade for the same predicates,
    which is then recalibrated and audited on these texts and not trained again.
    """
    steps = CascadeSteps(
        features,
        predicate_embeddings,
        cascade.target,
        known=known,
        thresholds=thresholds,
        head=head,
        correct_bias=correct_bias,
        n_seed=cascade.n_seed,
        seed=seed,
    )
    while meter.spent is None and len(pairs := steps.ask()):
        steps.tell(pairs, judge.judge(texts, predicates, pairs))
    denotations = None if steps.head is None and np.isnan(steps.answers).any() else steps.denotations()
    certificate = None if denotations is None else steps.certificate
    if certificate is not None:
        emit(
            "cascade audited",
            recall=certificate.recall,
            precision=certificate.precision,
            worst_recall=min(certificate.predicate_recall),
            worst_precision=min(certificate.predicate_precision),
            asked=certificate.n_asked,
            pairs=certificate.n_pairs,
        )
    return Cascaded(denotations, steps.answers, steps.thresholds, steps.head, certificate)
