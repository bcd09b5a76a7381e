"""A judge corrected by labels: a few texts of which somebody, or several ways of asking, says what holds."""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.readers import read_texts
from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import CorpusError
from nlparam.numerics.heads.calibration import Calibration, Reliability, cross_calibrated, fit_calibration, reliability

# Labels below which a correction is more noise than help.
_LEAST_LABELS = 20
_TRUE, _FALSE = {"1", "true", "yes", "y", "t"}, {"0", "false", "no", "n", "f"}


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Pairs of text and predicate with a label each, in [0, 1]: 1 where the predicate holds."""

    texts: tuple[str, ...]
    predicates: tuple[str, ...]
    labels: tuple[float, ...]

    def __post_init__(self):
        if not len(self.texts) == len(self.predicates) == len(self.labels):
            raise CorpusError(
                f"got {len(self.texts)} texts, {len(self.predicates)} predicates and {len(self.labels)} labels, "
                "expected as many of each"
            )
        if len(self.labels) < _LEAST_LABELS:
            raise CorpusError(
                f"got {len(self.labels)} labelled pairs, expected at least {_LEAST_LABELS} to calibrate a judge"
            )
        if not all(0 <= label <= 1 for label in self.labels):
            raise CorpusError("got labels outside [0, 1], expected 1 where the predicate holds and 0 where it does not")

    @classmethod
    def of(cls, triples: "Iterable[tuple[str, str, float]]") -> "Labelled":
        """From triples of text, predicate and label."""
        texts, predicates, labels = zip(*triples, strict=True) if (triples := list(triples)) else ((), (), ())
        return cls(tuple(texts), tuple(predicates), tuple(float(label) for label in labels))

    @classmethod
    def read(cls, path: str | Path) -> "Labelled":
        """From a file of any kind that `nlparam fit` reads, with the fields `text`, `predicate` and `label`.

        A label is a number in [0, 1], true or false, yes or no. Raises `CorpusError` for anything else.
        """
        table = read_texts(path, text_field="text", fields=("predicate", "label"))
        labels = [_label(value, number, path) for number, value in enumerate(table.columns["label"], 1)]
        return cls(tuple(table.texts), tuple(str(p).strip() for p in table.columns["predicate"]), tuple(labels))


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

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: empty bins are `None`."""
        curves = {name: _written(getattr(self, name)) for name in ("before", "after")}
        return dataclasses.asdict(self) | {"calibration": self.calibration._asdict()} | curves

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "CalibrationSummary":
        """What `as_dict` wrote."""
        curves = {name: _read(kept[name]) for name in ("before", "after")}
        values: dict[str, Any] = kept | {"calibration": Calibration(**kept["calibration"])} | curves
        return cls(**values)


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
    answers fewer than 20 of them.
    """
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

    Raises `ValueError` for fewer than two judges or another `agreement`, `CorpusError` for fewer than 20 pairs.
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


def _written(curve: Reliability) -> dict[str, Any]:
    shares = {
        name: [None if np.isnan(value) else float(value) for value in getattr(curve, name)]
        for name in ("predicted", "observed")
    }
    return shares | {"counts": curve.counts.tolist(), "ece": curve.ece}


def _read(kept: dict[str, Any]) -> Reliability:
    predicted, observed = (np.asarray(kept[name], dtype=np.float64) for name in ("predicted", "observed"))
    return Reliability(predicted, observed, np.asarray(kept["counts"]), kept["ece"])


def _label(value: object, number: int, path: str | Path) -> float:
    said = str(value).strip().casefold()
    if said in _TRUE | _FALSE:
        return float(said in _TRUE)
    try:
        return float(said)
    except ValueError:
        raise CorpusError(
            f"{path}: the label of row {number} is {value!r}, expected a number in [0, 1], true or false, yes or no"
        ) from None
