"""Trends: a flat curve is seldom called anything, a rise of 0.30 mostly rising, and a hump changed."""

import numpy as np
import pytest

from nlparam.numerics.statistics.curves import curves
from nlparam.numerics.statistics.trends import Verdict, trends

T = 12


def corpus(rng, shares, *, right: np.ndarray | float = 0.85, n_answers=150, n_texts=3_000, n_predicates=1):
    """`shares`, `(n_strata,)`: what a judge says of the texts, labels of some, and the strata."""
    strata = rng.integers(len(shares), size=n_texts)
    truth = rng.random((n_texts, n_predicates)) < np.asarray(shares)[strata][:, None]
    judge = np.where(rng.random(truth.shape) < np.broadcast_to(right, len(shares))[strata][:, None], truth, ~truth)
    labels = np.full(truth.shape, np.nan)
    chosen = rng.choice(n_texts, n_answers, replace=False)
    labels[chosen] = truth[chosen]
    return [judge.astype(float), labels], strata


def verdicts(seeds, shares, **options):
    found = []
    for seed in seeds:
        layers, strata = corpus(np.random.default_rng([1, *seed]), shares, **options)
        found.append(trends(curves(layers, strata, len(shares))).verdicts)
    return np.asarray(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("share", "right"),
    [(0.25, 0.85), (0.25, np.linspace(0.95, 0.75, T)), (0.05, 0.85)],
    ids=["equal errors", "errors grow", "rare"],
)
def test_flat_curves_are_seldom_called_anything(share, right):
    found = verdicts([(0, r) for r in range(250)], np.full(T, share), right=right)
    # The standard error is 0.014.
    assert np.mean(found != Verdict.NOTHING) < 0.095


def test_the_judge_alone_would_call_its_own_errors_a_trend():
    """The truth is flat; the judge's errors grow."""
    layers, strata = corpus(np.random.default_rng(2), np.full(T, 0.1), right=np.linspace(0.97, 0.8, T))
    assert trends(curves(layers[:1], strata, T)).verdicts == (Verdict.RISING,)
    assert trends(curves(layers, strata, T)).verdicts == (Verdict.NOTHING,)


@pytest.mark.slow
def test_a_rise_is_found_and_called_so():
    found = verdicts([(1, r) for r in range(60)], np.linspace(0.1, 0.4, T))
    assert np.mean(found == Verdict.RISING) > 0.8
    assert not np.any(found == Verdict.FALLING)
    found = verdicts([(2, r) for r in range(30)], np.linspace(0.4, 0.1, T), right=0.95)
    assert np.mean(found == Verdict.FALLING) > 0.9


@pytest.mark.slow
def test_a_hump_has_changed():
    shares = np.where(np.abs(np.arange(T) - 5.5) < 3, 0.6, 0.1)
    found = verdicts([(3, r) for r in range(30)], shares, right=0.9, n_answers=300)
    assert np.mean(found == Verdict.CHANGED) > 0.9


@pytest.mark.slow
def test_many_predicates_together_claim_no_more_than_one():
    found = verdicts([(4, r) for r in range(60)], np.full(T, 0.25), n_predicates=8)
    # Uncorrected, a third of the runs would have a claim.
    assert np.mean(np.any(found != Verdict.NOTHING, axis=1)) < 0.14


def test_the_change_is_that_of_the_line_between_the_times_given():
    answers, steps = np.repeat([0.0, 1.0], 300)[:, None], np.repeat([0, 1, 2], [200, 200, 200])
    curve = curves([answers], steps, 3)  # shares 0, 1/2, 1
    assert trends(curve).change == pytest.approx(1.0)
    assert trends(curve, [0.0, 1.0, 10.0]).change == pytest.approx(10 * np.polyfit([0, 1, 10], [0, 0.5, 1], 1)[0])
    assert trends(curve).verdicts == (Verdict.RISING,)


def test_too_few_answers_find_nothing(rng):
    layers, strata = corpus(rng, np.full(4, 0.3), n_answers=4)
    found = trends(curves(layers, strata, 4))
    assert found.verdicts == (Verdict.NOTHING,)
    assert "4 answers" in found.reasons[0]
    assert (found.low[0], found.high[0]) == (-found.high[0], found.high[0])
    assert found.p_value[0] == 1.0


def test_finite_where_nothing_varies():
    for share in (0.0, 1.0):
        curve = curves([np.full((24, 2), share)], np.arange(24) % 4, 4, clusters=np.arange(24) % 4)
        result = trends(curve)
        assert set(result.verdicts) == {Verdict.NOTHING}
        assert all(np.isfinite(field).all() for field in result[1:6])


@pytest.mark.parametrize(
    ("times", "message"),
    [([0, 1, 1], "ascend"), ([0, 1], "3 finite"), ([0, 1, np.nan], "finite"), ([2, 1, 0], "ascend")],
)
def test_times_that_do_not_ascend_are_refused(rng, times, message):
    curve = curves([(rng.random((30, 1)) < 0.5).astype(float)], np.arange(30) % 3, 3)
    with pytest.raises(ValueError, match=message):
        trends(curve, times)


def test_one_step_has_no_trend(rng):
    curve = curves([(rng.random((30, 1)) < 0.5).astype(float)], np.zeros(30, int), 1)
    with pytest.raises(ValueError, match="at least 2"):
        trends(curve)
