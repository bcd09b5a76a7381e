"""The cascade's numerics: bounds that hold however bad the head, few calls when it is good, nothing asked twice."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom

from nlparam.numerics.heads import certify as certifying
from nlparam.numerics.heads.cascade import CascadeSteps, Target
from nlparam.numerics.heads.certify import EVERYTHING, agreement, certify, errors_left, plan_audit
from nlparam.numerics.statistics.audit import least_positives, most_errors, plan_side, tail
from tests.helpers.remembering import remembering


@pytest.fixture(scope="module", autouse=True)
def _nothing_computed_twice():
    """The draws of one plan ask for the same chances over and over."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tail", "passing_chance", "most_errors"):
            patch.setattr(certifying, name, remembering(getattr(certifying, name)))
        yield


TARGET = Target(recall=0.95, precision=0.95, failure_probability=0.1)
SIZES, RATES = np.asarray([4000, 300]), np.asarray([0.05, 0.3])


def test_with_equal_rates_the_tail_is_binomial():
    rates = np.asarray([0.1, 0.1])
    assert tail(np.asarray([1, 2]), rates, SIZES, 80) == pytest.approx(binom.cdf(3, 80, 0.1))


def test_the_tail_is_the_worst_over_where_the_errors_lie(rng):
    found, n_errors = np.asarray([0, 3]), 60
    worst = tail(found, RATES, SIZES, n_errors)
    score = np.sum(found / RATES)
    chances = []
    for first in range(0, 61, 5):
        x = rng.binomial([first, n_errors - first], RATES, size=(100_000, 2))
        chances.append(np.mean(np.sum(x / RATES, axis=1) <= score + 1e-9))
    # Not more than the worst, and no more careful than it must be.
    assert max(chances) == pytest.approx(worst, abs=0.005)


@pytest.mark.parametrize("share_low", [0.0, 0.5, 1.0])
def test_the_upper_bound_of_errors_fails_no_oftener_than_it_may(rng, share_low):
    n_errors = 40
    errors = np.asarray([round(share_low * n_errors), n_errors - round(share_low * n_errors)])
    draws = rng.binomial(errors, RATES, size=(600, 2))
    counts, times = np.unique(draws, axis=0, return_counts=True)
    misses = sum(t for c, t in zip(counts, times, strict=True) if most_errors(c, RATES, SIZES, 0.1) < n_errors)
    assert misses / 600 <= 0.1 + 0.03


def test_a_bound_cannot_exceed_what_there_is():
    assert tail(np.asarray([0, 0]), RATES, np.asarray([3, 2]), 6) == 0.0
    assert tail(np.asarray([2, 2]), RATES, SIZES, 4) == 1.0
    assert most_errors(np.asarray([1, 2]), RATES, np.asarray([1, 2]), 0.1) == 3


def test_the_lower_bound_of_positives_fails_no_oftener_than_it_may(rng):
    n_positives = 400
    rates = np.where(np.arange(n_positives) < 200, 0.05, 0.4)
    bounds = [least_positives(rates[rng.random(n_positives) < rates], 400.0, 0.05) for _ in range(1000)]
    assert np.mean(np.asarray(bounds) > n_positives) <= 0.05 + 0.02
    assert np.median(bounds) > 200  # and it says something
    assert least_positives(rates[:0], 10.0, 0.05) == 0


def test_a_plan_leaves_sure_pairs_to_the_head_and_asks_for_unsure_ones():
    errors = np.concatenate([np.full(5000, 1e-4), np.full(500, 0.4)])
    plan = plan_side(errors, 100, 0.1)
    assert 5000 <= plan.n_kept < 5250
    assert plan.cost < 1000
    assert plan_side(np.full(50, 0.5), 0, 0.1).n_kept == 0
    assert plan_side(errors[:0], 10, 0.1).cost == 0


def sure_of(truth, rng, spread, wrong=0.0):
    """Probabilities of a head that is right up to `spread`, and surely wrong for a share of the pairs."""
    log_odds = np.where(truth, 4.0, -4.0) + spread * rng.normal(size=len(truth))
    return expit(np.where(rng.random(len(truth)) < wrong, -log_odds, log_odds))


def calibrated(rng, n_pairs, spread):
    """A head whose probabilities are true, and a truth drawn from them."""
    probabilities = expit(spread * rng.normal(size=n_pairs) - 2)
    return probabilities, rng.random(n_pairs) < probabilities


def hidden_errors(rng, n_pairs, side, rate=1.04):
    """The head is surest where it is wrong, and wrong slightly oftener than is allowed: the worst case."""
    truth = rng.random(n_pairs) < 0.3
    probabilities = sure_of(truth, rng, 0.5)
    wrong = rng.choice(np.flatnonzero(truth == bool(side)), int(rate * 0.05 * truth.sum()) + 2, replace=False)
    probabilities[wrong] = 0.001 if side else 0.999
    return probabilities, truth


def topics_of(rng, share, spread, wrong=0.0):
    truth = rng.random(6000) < share
    return sure_of(truth, rng, spread, wrong), truth


def one_sided(rng):
    """A head that says yes much too rarely."""
    probabilities, truth = calibrated(rng, 6000, 4.0)
    return probabilities**3, truth


HEADS = {
    "good": lambda rng: calibrated(rng, 6000, 12.0),
    "poor": lambda rng: calibrated(rng, 6000, 2.0),
    "random": lambda rng: (rng.random(3000), rng.random(3000) < 0.3),
    "misses": lambda rng: hidden_errors(rng, 6000, 1),
    "invents": lambda rng: hidden_errors(rng, 6000, 0),
    "overconfident": lambda rng: topics_of(rng, 0.25, 0.5, wrong=0.03),
    "rare": lambda rng: topics_of(rng, 0.005, 1.5),
    "none": lambda rng: topics_of(rng, 0.0, 1.5),
    "one-sided": one_sided,
}


def audits(probabilities, truth, n_audits, rng, target=TARGET):
    """Shares of audits whose certificate is true, and mean share of calls."""
    answers, asked = truth.astype(int), np.zeros(len(truth), dtype=bool)
    asked[rng.choice(len(truth), 200, replace=False)] = True
    plan = plan_audit(probabilities, np.where(asked, answers, -1), asked, target)
    true, calls, levels = [], [], []
    for _ in range(n_audits):
        audit = plan.draw(rng)
        outcome = certify(audit, answers, target)
        final = (audit.level <= outcome.level) | audit.drawn
        said = np.where(final, truth, audit.yes)
        right = np.sum(said & truth)
        recall, precision = right / max(truth.sum(), 1), right / max(said.sum(), 1)
        empty = truth.sum() == 0 and said.sum() == 0
        true.append(empty or (recall >= outcome.recall - 1e-9 and precision >= outcome.precision - 1e-9))
        calls.append(np.mean(final))
        levels.append(outcome.level)
    return np.mean(true), np.mean(calls), np.asarray(levels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
def test_the_certificate_is_true_as_often_as_it_says(kind, rng):
    probabilities, truth = HEADS[kind](rng)
    true, calls, levels = audits(probabilities, truth, 300, rng)
    # 0.9 less three standard deviations of 300 draws.
    assert true >= 0.9 - 3 * np.sqrt(0.09 / 300)
    if kind == "good":
        assert calls < 0.3
        assert np.mean(levels == 0) > 0.7
    if kind == "random":
        assert calls > 0.9


def test_everything_asked_is_exact(rng):
    truth = rng.random(400) < 0.5
    plan = plan_audit(np.full(400, 0.5), np.full(400, -1), np.zeros(400, dtype=bool), TARGET)
    plan = plan._replace(level=np.zeros(400, dtype=int))
    outcome = certify(plan.draw(rng), truth.astype(int), TARGET)
    assert (outcome.recall, outcome.precision) == (1.0, 1.0)


@pytest.mark.slow
def test_bounds_of_one_predicate_hold_and_are_weaker(rng):
    probabilities, truth = calibrated(rng, 8000, 5.0)
    of = np.arange(8000) % 4 == 1
    plan = plan_audit(probabilities, np.full(8000, -1), np.zeros(8000, dtype=bool), TARGET)
    held, recalls = 0, []
    for _ in range(100):
        audit = plan.draw(rng)
        outcome = certify(audit, truth.astype(int), TARGET)
        level = outcome.level
        final = (audit.level <= level) | audit.drawn
        said = np.where(final, truth, audit.yes)
        known = np.where(final, truth, -1)
        bound = agreement(audit, known, outcome, of, 0.1)
        recalls.append(bound.recall)
        right = np.sum(said & truth & of)
        held += right >= bound.recall * np.sum(truth & of) and right >= bound.precision * np.sum(said & of)
        if level < EVERYTHING:
            wrong = np.mean((audit.yes != truth)[~final])
            assert abs(errors_left(audit, known, level) / np.sum(~final) - wrong) < 0.02
    assert held >= 85
    assert 0.5 < np.median(recalls) < 0.95


def corpus(rng, n_texts=700, noise=0.5):
    predicates = np.linalg.qr(rng.normal(size=(16, 3)))[0].T
    topic = rng.integers(3, size=n_texts)
    texts = predicates[topic] + 0.15 * rng.normal(size=(n_texts, 16))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    answers = expit(4.0 * (2 * (topic[:, None] == np.arange(3)) - 1) + noise * rng.normal(size=(n_texts, 3)))
    return texts.astype(np.float32), predicates.astype(np.float32), answers


def run(cascade, answers):
    asked = np.zeros(answers.shape, dtype=int)
    stages = []
    while len(pairs := cascade.ask()):
        stages.append(cascade.stage)
        assert not asked[pairs[:, 0], pairs[:, 1]].any()
        asked[pairs[:, 0], pairs[:, 1]] += 1
        cascade.tell(pairs, answers[pairs[:, 0], pairs[:, 1]])
    return asked.astype(bool), stages


@pytest.mark.slow
def test_a_clear_corpus_costs_few_calls(rng):
    texts, predicates, answers = corpus(rng)
    cascade = CascadeSteps(texts, predicates, seed=0)
    asked, stages = run(cascade, answers)
    certificate = cascade.certificate
    assert certificate is not None
    assert stages[0] == "training" and "audit" in stages  # noqa: PT018
    assert certificate.n_asked == asked.sum() < 0.3 * answers.size
    assert certificate.n_head == answers.size - asked.sum()
    assert certificate.saved == pytest.approx(1 - asked.mean())
    assert certificate.n_training + certificate.n_audit <= certificate.n_asked
    assert min(certificate.recall, certificate.precision) >= 0.95
    said = cascade.denotations()
    np.testing.assert_array_equal(
        said[asked] > 0.5, answers[asked] > expit(np.broadcast_to(cascade.thresholds, answers.shape)[asked])
    )
    assert np.mean((said > 0.5) == (answers > 0.5)) > 0.98


@pytest.mark.slow
def test_the_same_seed_asks_the_same(rng):
    texts, predicates, answers = corpus(rng)
    first, second = (run(CascadeSteps(texts, predicates, seed=5), answers)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_tiny_corpus_is_asked_for_in_full(rng):
    texts, predicates, answers = corpus(rng, n_texts=40)
    cascade = CascadeSteps(texts, predicates, seed=0)
    asked, _ = run(cascade, answers)
    assert asked.all()
    assert cascade.certificate is not None
    assert (cascade.certificate.recall, cascade.certificate.precision, cascade.certificate.saved) == (1.0, 1.0, 0.0)
    assert cascade.certificate.predicate_recall == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("correct_bias", [True, False])
def test_without_a_head_the_bias_is_corrected_all_the_same(rng, correct_bias):
    texts, predicates, answers = corpus(rng, n_texts=50)
    answers = expit(logit(answers) - 5)  # a judge that is never sure enough to say yes
    cascade = CascadeSteps(texts, predicates, correct_bias=correct_bias, seed=0)
    run(cascade, answers)
    assert cascade.head is None
    said = cascade.denotations() > 0.5
    if correct_bias:
        np.testing.assert_array_equal(said, answers > expit(cascade.thresholds))
        assert said.any(axis=0).all()
    else:
        assert not said.any()


def test_what_is_known_is_not_asked_and_counts(rng):
    texts, predicates, answers = corpus(rng)
    known = np.full(answers.shape, np.nan)
    known[:60] = answers[:60]
    cascade = CascadeSteps(texts, predicates, known=known, seed=0)
    asked, _ = run(cascade, answers)
    assert not asked[:60].any()
    assert cascade.certificate is not None
    assert cascade.certificate.n_asked == asked.sum() + 180


def test_answers_that_fail_are_not_asked_again(rng):
    texts, predicates, answers = corpus(rng)
    failing = rng.random(answers.shape) < 0.1
    cascade = CascadeSteps(texts, predicates, seed=0)
    asked, _ = run(cascade, np.where(failing, np.nan, answers))
    assert cascade.certificate is not None
    assert cascade.certificate.n_failed == (asked & failing).sum() > 0
    assert np.isfinite(cascade.denotations()).all()


def test_a_judge_that_never_answers_is_asked_for_everything(rng):
    texts, predicates, answers = corpus(rng, n_texts=120)
    cascade = CascadeSteps(texts, predicates, seed=0)
    asked, _ = run(cascade, np.full_like(answers, np.nan))
    assert asked.all()
    assert cascade.certificate is not None
    assert cascade.certificate.n_failed == answers.size


@pytest.mark.slow
def test_noise_costs_calls_not_truth(rng):
    texts, predicates, answers = corpus(rng, n_texts=400, noise=0.5)
    flipped = np.where(rng.random(answers.shape) < 0.1, 1 - answers, answers)
    cascade = CascadeSteps(texts, predicates, seed=0)
    asked, _ = run(cascade, flipped)
    said, truth = cascade.denotations() > 0.5, flipped > expit(cascade.thresholds)
    assert asked.mean() > 0.4
    assert np.sum(said & truth) >= 0.95 * np.sum(truth)
    assert np.sum(said & truth) >= 0.95 * np.sum(said)


class Fixed:
    """A head of other texts that says what it is told to."""

    def __init__(self, probabilities):
        self.probabilities, self.thresholds = probabilities, np.zeros(probabilities.shape[1])

    def denote(self, features):
        assert len(features) == len(self.probabilities)
        return self.probabilities


def with_head(probabilities, truth, target=TARGET, seed=0):
    """A cascade with a fixed head, run to its end, and recall and precision of each predicate."""
    head: Any = Fixed(probabilities)
    n_texts, n_predicates = truth.shape
    features, predicates = np.zeros((n_texts, 1)), np.zeros((n_predicates, 1))
    cascade = CascadeSteps(features, predicates, target, head=head, thresholds=head.thresholds, seed=seed)
    run(cascade, np.where(truth, 0.99, 0.01))
    assert cascade.certificate is not None
    said = cascade.denotations() > 0.5
    right, true, claimed = ((said & truth).sum(axis=0), truth.sum(axis=0), said.sum(axis=0))
    recall = np.where(true > 0, right / np.maximum(true, 1), 1.0)
    return cascade.certificate, recall, np.where(claimed > 0, right / np.maximum(claimed, 1), 1.0)


@pytest.mark.slow
def test_a_head_that_is_too_sure_is_recalibrated_before_its_audit():
    rng = np.random.default_rng(1)
    shares = []
    for seed in range(5):
        probabilities = expit(3 * rng.normal(size=(2000, 3)) - 1)
        truth = rng.random((2000, 3)) < probabilities
        certificate, recall, precision = with_head(expit(3 * logit(probabilities)), truth, seed=seed)
        shares.append(certificate.n_asked / certificate.n_pairs)
        assert min(*recall, *precision) >= 0.9
        assert certificate.n_training == 90
    # As it says it is, its audits fail, and 93% of the calls are made.
    assert np.mean(shares) < 0.75


def blind_to_the_last(rng):
    """A head that is good at four predicates and never says yes to the fifth, which holds for 1%."""
    truth = rng.random((2000, 5)) < [0.3, 0.25, 0.2, 0.3, 0.01]
    probabilities = expit(np.where(truth, 6.0, -6.0) + 2 * rng.normal(size=truth.shape))
    probabilities[:, 4] = 0.002
    return probabilities, truth


@pytest.mark.slow
def test_a_predicate_that_the_head_is_blind_to_is_the_worst_of_the_certificate(rng):
    missed = 0
    for seed in range(10):
        certificate, recall, precision = with_head(*blind_to_the_last(rng), seed=seed)
        assert certificate.together
        assert certificate.recall >= 0.95
        bound = certificate.predicate_recall[certificate.worst_recall]
        assert bound == min(certificate.predicate_recall)
        assert (recall >= np.asarray(certificate.predicate_recall) - 1e-9).all()
        assert (precision >= np.asarray(certificate.predicate_precision) - 1e-9).all()
        if recall[4] < 0.9:
            missed += 1
            assert certificate.worst_recall == 4
            assert bound < 0.5
    assert missed > 0


@pytest.mark.slow
def test_targets_of_each_predicate_hold_for_the_worst(rng):
    target = Target(each=True)
    shares = []
    for seed in range(5):
        certificate, recall, precision = with_head(*blind_to_the_last(rng), target, seed=seed)
        assert min(*recall, *precision) >= certificate.recall >= 0.95
        assert certificate.recall == min(certificate.predicate_recall)
        assert certificate.precision == min(certificate.predicate_precision)
        shares.append(certificate.n_asked / certificate.n_pairs)
    # All of the fifth, which is the fifth part, and some of the others.
    assert 0.2 < np.mean(shares) < 0.8


def test_bad_arguments_are_errors(rng):
    texts, predicates, answers = corpus(rng)
    with pytest.raises(ValueError, match=r"recall=1\.5"):
        Target(recall=1.5)
    with pytest.raises(ValueError, match="n_texts, n_predicates"):
        CascadeSteps(texts, predicates, known=answers.T, seed=0)
    with pytest.raises(ValueError, match="too small"):
        CascadeSteps(texts, predicates, n_seed=1, seed=0)
    with pytest.raises(ValueError, match="without a head"):
        CascadeSteps(texts, predicates, seed=0).denotations()
