import json

import numpy as np
import pytest
from scipy.special import expit

import nlparam
from nlparam.denotation.calibration import CalibratedJudge, CalibrationSummary, calibrate, self_consistent
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.models import Clustering
from nlparam.numerics.heads.calibration import Calibration, cross_calibrated, fit_calibration, reliability
from nlparam.results.jsonable import from_json, jsonable
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


class Biased(AbstractJudge):
    """Says yes too readily: the truth's log-odds, doubled and moved by 1.5."""

    identity = "biased"

    def __init__(self, truth, move=1.5, fails=()):
        self.truth, self.move, self.fails = truth, move, set(fails)

    def judge(self, texts, predicates, pairs):
        del predicates
        said = [expit(2 * self.truth[texts[text]] + self.move) for text, _ in pairs]
        return np.asarray([np.nan if i in self.fails else p for i, p in enumerate(said)])


@pytest.fixture
def truth(rng):
    return {f"text {number}": float(z) for number, z in enumerate(rng.normal(0, 2, 400))}


def _labelled(truth, rng):
    return Labelled.of((text, "holds", float(rng.random() < expit(z))) for text, z in truth.items())


def test_a_bias_is_found_and_removed(truth, rng):
    labelled = _labelled(truth, rng)
    judge, summary = calibrate(Biased(truth), labelled)
    assert summary.calibration.slope == pytest.approx(0.5, abs=0.1)
    assert summary.calibration.offset == pytest.approx(-0.75, abs=0.25)
    assert summary.after.ece < 0.06 < 0.1 < summary.before.ece
    texts = list(truth)
    pairs = np.column_stack([np.arange(400), np.zeros(400, int)])
    assert np.abs(judge.judge(texts, ["holds"], pairs) - expit([truth[text] for text in texts])).mean() < 0.04
    assert judge.identity.startswith("biased calibrated-")
    kept = from_json(CalibrationSummary, json.loads(json.dumps(jsonable(summary), allow_nan=False)))
    assert kept.calibration == summary.calibration
    assert kept.after.observed == pytest.approx(summary.after.observed, nan_ok=True)


def test_without_a_bias_nothing_changes_much(rng):
    z = rng.normal(0, 2, 2000)
    found = fit_calibration(expit(z), (rng.random(2000) < expit(z)).astype(float))
    assert found.slope == pytest.approx(1.0, abs=0.15)
    assert found.offset == pytest.approx(0.0, abs=0.15)
    assert Calibration().apply(np.array([0.2, np.nan])) == pytest.approx([0.2, np.nan], nan_ok=True)


def test_few_labels_change_little():
    found = fit_calibration(np.array([0.9]), np.array([0.0]))
    assert 0.7 < found.slope <= 1.0
    assert -0.5 < found.offset < 0


def test_reliability_of_known_bins():
    curve = reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 1.0]), n_bins=10)
    assert curve.counts.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert curve.observed[[0, 9]] == pytest.approx([0.5, 1.0])
    assert np.isnan(curve.observed[4])
    assert curve.ece == pytest.approx((2 * 0.45 + 2 * 0.025) / 4)
    with pytest.raises(ValueError, match="as many of each"):
        reliability(np.zeros(2), np.zeros(3))


def test_cross_calibration_uses_no_label_of_the_same_text(rng):
    probabilities, labels = rng.random(60), np.repeat([0.0, 1.0], 30)
    groups = np.arange(60) // 2
    corrected = cross_calibrated(probabilities, labels, groups)
    flipped = labels.copy()
    flipped[groups == 3] = 1 - flipped[groups == 3]
    assert cross_calibrated(probabilities, flipped, groups)[groups == 3] == pytest.approx(corrected[groups == 3])


def test_failures_are_counted_and_too_few_labels_refused(truth, rng):
    labelled = _labelled(truth, rng)
    _, summary = calibrate(Biased(truth, fails=range(30)), labelled)
    assert (summary.n_labels, summary.n_failed) == (370, 30)
    with pytest.raises(CorpusError, match="answered 10 of 400 labelled pairs"):
        calibrate(Biased(truth, fails=range(390)), labelled)
    with pytest.raises(CorpusError, match="expected at least 20"):
        calibrate(Biased(truth), Labelled.of([("a", "b", 1.0)] * 19))


def test_ways_of_asking_that_differ_tell_where_the_judge_is_unsure(truth):
    texts = list(truth)
    labelled = self_consistent([Biased(truth, 1.5), Biased(truth, -1.5)], texts, ["holds"])
    by_text = dict(zip(labelled.texts, labelled.labels, strict=True))
    for text, z in truth.items():
        assert by_text[text] == (1.0 if z > 0.75 else 0.0 if z <= -0.75 else 0.5)
    _, summary = calibrate(Biased(truth, 1.5), labelled)
    assert summary.calibration.offset < -0.5
    with pytest.raises(ValueError, match="at least two"):
        self_consistent([Biased(truth)], texts, ["holds"])
    for agreement in (0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="expected a share above half"):
            self_consistent([Biased(truth, 1.5), Biased(truth, -1.5)], texts, ["holds"], agreement=agreement)


@pytest.mark.slow
def test_a_calibrated_fit_says_so_and_keeps_it(tmp_path):
    texts, labels = topics(120, 3)
    oracle = Oracle(texts, labels, distractors=1)
    labelled = Labelled.of(
        (text, "has the label topic 0", float(label == "topic 0"))
        for text, label in zip(texts[:40], labels, strict=False)
    )
    fit = nlparam.fit(
        Clustering(3),
        texts,
        lm=oracle.model(strong=False),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        store=":memory:",
        calibration=labelled,
    )
    assert fit.calibration is not None
    assert fit.calibration.n_labels == 40
    assert "calibrated-" in fit.settings["judge"]
    assert fit.costs.stages["calibration"]["calls"] == 40
    html = fit.report()
    assert "Calibration of the judge" in html
    assert 'id="chart-reliability"' in html
    fit.save(tmp_path / "fit")
    loaded = nlparam.load(tmp_path / "fit", embedder=LexicalEmbedder(texts))
    assert loaded.calibration is not None
    assert loaded.calibration.calibration == pytest.approx(fit.calibration.calibration)
    assert isinstance(CalibratedJudge(Biased({}), loaded.calibration.calibration), AbstractJudge)
