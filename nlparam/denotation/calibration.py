"""A judge corrected by labels: a few texts of which somebody, or several ways of asking, says what holds."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled as Labelled
from nlparam.errors import CorpusError
from nlparam.numerics.heads.calibration import Calibration, Reliability, cross_calibrated, fit_calibration, reliability

# Labels below which a correction is more noise than help.
_LEAST_LABELS = 20


@dataclasses.dataclass(frozen=True)
class CalibrationSummary:
    """How a judge was calibrated: `before` and `after` are its reliability curves, the latter cross-fitted.

    `n_labels` labels were used; `n_failed` had no answer of the judge.
    """

    calibration: Calibration
    before: Reliability
    after: Reliability
    n_labels: int
    n_failed: int


class CalibratedJudge(AbstractJudge):
    """Corrects what another judge says; the store keeps the answers as they were given."""

    def __init__(self, judge: AbstractJudge, calibration: Calibration):
        self.of, self.calibration = judge, calibration
        digest = hashlib.sha256(f"{calibration.slope:.6g} {calibration.offset:.6g}".encode()).hexdigest()[:8]
        self.identity = f"{judge.identity} calibrated-{digest}"

    def judge(self, texts, predicates, pairs):
        return self.calibration.apply(self.of.judge(texts, predicates, pairs))


def calibrate(judge: AbstractJudge, labelled: Labelled) -> tuple[CalibratedJudge, CalibrationSummary]:
    """A judge corrected by labels, and how it was.

    The judge is asked about every labelled pair (what the store knows costs nothing). Raises `CorpusError` if it
    answers fewer than 20 of them, or there are fewer.
    """
    if len(labelled.labels) < _LEAST_LABELS:
        raise CorpusError(
            f"got {len(labelled.labels)} labelled pairs, expected at least {_LEAST_LABELS} to calibrate a judge"
        )
    texts, text = np.unique(np.asarray(labelled.texts, dtype=object), return_inverse=True)
    predicates, predicate = np.unique(np.asarray(labelled.predicates, dtype=object), return_inverse=True)
    said = judge.judge(texts.tolist(), predicates.tolist(), np.column_stack([text, predicate]))
    there = np.isfinite(said)
    if there.sum() < _LEAST_LABELS:
        raise CorpusError(
            f"the judge answered {there.sum()} of {len(there)} labelled pairs, expected at least {_LEAST_LABELS}"
        )
    said, labels, text = said[there], np.asarray(labelled.labels)[there], text[there]
    calibration = fit_calibration(said, labels)
    summary = CalibrationSummary(
        calibration=calibration,
        before=reliability(said, labels),
        after=reliability(cross_calibrated(said, labels, text), labels),
        n_labels=int(there.sum()),
        n_failed=int((~there).sum()),
    )
    return CalibratedJudge(judge, calibration), summary


def self_consistent(
    judges: Sequence[AbstractJudge], texts: Sequence[str], predicates: Sequence[str], *, agreement: float = 1.0
) -> Labelled:
    """Labels without a person: pairs on which several ways of asking agree, for instance both prompt forms.

    **Arguments:** `judges`, at least two; `agreement`, the share of them that must say the same of a pair, more than
    half. Each text is judged for each predicate by each judge.

    **Returns:** the pairs on which they agree, with what they say, 0 or 1. A pair on which they differ tells that the
    answer is uncertain, and is given the label 0.5, so that calibration learns how sure the judge may be.

    Raises `ValueError` for fewer than two judges or another `agreement`.
    """
    if len(judges) < 2:
        raise ValueError(f"got {len(judges)} judge, expected at least two ways of asking")
    if not 0.5 < agreement <= 1:  # half of them would say both
        raise ValueError(f"got agreement={agreement}, expected a share above half, at most 1")
    pairs = np.argwhere(np.ones((len(texts), len(predicates)), dtype=bool))
    said = np.stack([judge.judge(texts, predicates, pairs) for judge in judges])
    there = np.isfinite(said).all(axis=0)
    share = (said[:, there] > 0.5).mean(axis=0)
    labels = np.where(share >= agreement, 1.0, np.where(1 - share >= agreement, 0.0, 0.5))
    return Labelled.of(
        (texts[int(row)], predicates[int(column)], label)
        for (row, column), label in zip(pairs[there], labels.tolist(), strict=True)
    )
