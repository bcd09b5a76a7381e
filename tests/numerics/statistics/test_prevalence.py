"""Prevalence from a head and a few judgments: right whatever the head does, and as sure as it says."""

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from nlparam.numerics.statistics.prevalence import drift, holding, prevalence, random_sample


def population(rng, n_texts, share, *, false_yes, false_no):
    """Whether a predicate holds, and what a head with these errors says."""
    holds = rng.random(n_texts) < share
    return holds, np.where(holds, rng.random(n_texts) >= false_no, rng.random(n_texts) < false_yes)


def test_without_judgments_the_interval_is_wilsons_and_newcombes():
    before = prevalence(np.arange(400) < 100)
    after = prevalence(np.arange(300) < 120)
    assert (before.share, before.corrected) == (0.25, False)
    # But for the imagined texts, one of 0 and one of 1.
    assert (before.low, before.high) == pytest.approx(proportion_confint(100, 400, method="wilson"), abs=2e-3)
    change = drift(before, after)
    low, high = confint_proportions_2indep(120, 300, 100, 400, method="newcomb")
    assert (change.difference, change.low, change.high) == pytest.approx((0.15, low, high), abs=4e-3)


@pytest.mark.parametrize(("share", "false_yes", "false_no"), [(0.2, 0.15, 0.3), (0.05, 0.02, 0.2), (0.4, 0.5, 0.5)])
def test_intervals_hold_whatever_the_head_is_worth(share, false_yes, false_no):
    rng = np.random.default_rng(7)
    covered, false_alarms, estimates, widths, alone = 0, 0, [], [], []
    for _ in range(400):
        both = []
        for _ in range(2):
            holds, says = population(rng, 1500, share, false_yes=false_yes, false_no=false_no)
            judged = rng.choice(1500, 60, replace=False)
            both.append(prevalence(says, judged, holds[judged]))
            interval: Any = proportion_confint(holds[judged].sum(), 60, method="wilson")
            alone.append(interval[1] - interval[0])
        covered += both[0].low <= share <= both[0].high
        false_alarms += drift(*both).p_value < 0.05
        estimates.append(both[0].share)
        widths.append(both[0].high - both[0].low)
    assert covered >= 0.93 * 400
    assert false_alarms <= 0.075 * 400
    assert np.mean(estimates) == pytest.approx(share, abs=0.01)
    # A head that guesses costs nothing; a good one helps.
    assert np.mean(widths) <= 1.05 * np.mean(alone)


def test_of_heads_alone_no_change_is_claimed():
    """A head that says yes more often on new texts would make one, in 83% of runs with ten predicates."""
    before, after = prevalence(np.arange(400) < 100), prevalence(np.arange(300) < 120)
    assert drift(before, after).p_value == 1.0
    judged = np.arange(100)
    corrected = prevalence(np.arange(400) < 100, judged, judged < 25)
    assert drift(corrected, after).p_value == drift(after, corrected).p_value == 1.0
    everything = [prevalence(np.arange(n) < 100, np.arange(n), np.arange(n) < 100) for n in (400, 200)]
    assert drift(*everything).p_value < 0.001


def in_threads(rng, n_threads, share, *, likeness):
    """Texts in threads of 10 to 25, whose shares vary from one to another."""
    clusters = np.repeat(np.arange(n_threads), rng.integers(10, 26, n_threads))
    of_threads = rng.beta(share * (1 / likeness - 1), (1 - share) * (1 / likeness - 1), n_threads)
    return clusters, rng.random(len(clusters)) < of_threads[clusters]


@pytest.mark.parametrize("n_judged", [None, 100])
def test_threads_are_no_independent_texts(n_judged):
    rng = np.random.default_rng(11)
    covered, naive, false_alarms, naive_alarms = 0, 0, 0, 0
    for run in range(300):
        both, alone = [], []
        for n_threads in (40, 30):
            clusters, holds = in_threads(rng, n_threads, 0.2, likeness=0.2)
            says = np.where(rng.random(len(holds)) < 0.85, holds, ~holds)
            judged = random_sample(len(holds), n_judged, seed=run)
            both.append(prevalence(says, judged, holds[judged], clusters=clusters))
            alone.append(prevalence(says, judged, holds[judged]))
        covered += both[0].low <= 0.2 <= both[0].high
        naive += alone[0].low <= 0.2 <= alone[0].high
        false_alarms += drift(*both).p_value < 0.05
        naive_alarms += drift(*alone).p_value < 0.05
    assert 0.92 * 300 <= covered <= 0.99 * 300
    assert false_alarms <= 0.075 * 300
    # What the correction is for: without it neither would hold.
    assert naive <= 0.9 * 300
    assert naive_alarms >= 0.1 * 300


def test_of_one_thread_nothing_is_known():
    holds = np.arange(40) < 10
    one = prevalence(holds, np.arange(40), holds, clusters=np.zeros(40, int))
    assert (one.share, one.low, one.high) == (0.25, 0.0, 1.0)
    many = prevalence(~holds, np.arange(40), ~holds, clusters=np.arange(40))
    assert drift(one, many).p_value > 0.1
    # Each text a thread of its own is as no threads, but for the degrees of freedom.
    plain = prevalence(~holds, np.arange(40), ~holds)
    assert (many.low, many.high) == pytest.approx((plain.low, plain.high), abs=0.01)
    # All threads alike: each counts as one text.
    none = prevalence(np.zeros(40, bool), np.arange(40), np.zeros(40, bool), clusters=np.arange(40) // 10)
    assert none.high > 0.4


def test_a_head_that_is_off_is_put_right():
    """It says yes far too often: its own interval does not hold the truth, the corrected one does."""
    holds, says = population(np.random.default_rng(1), 2000, 0.1, false_yes=0.3, false_no=0.0)
    judged = random_sample(2000, 100, seed=0)
    assert prevalence(says).low > 0.3
    corrected = prevalence(says, judged, holds[judged])
    assert corrected.low < 0.1 < corrected.high < 0.25
    assert corrected.n_judged == 100


def test_agreement_in_all_judgments_is_no_certainty():
    holds = np.arange(1000) < 200
    judged = random_sample(1000, 40, seed=0)
    sure = prevalence(holds, judged, holds[judged])
    assert sure.share == pytest.approx(0.2, abs=0.03)
    assert sure.high - sure.low > 1.2 * (prevalence(holds).high - prevalence(holds).low)
    everything = prevalence(holds, np.arange(1000), holds)
    assert (everything.low, everything.high) == pytest.approx(prevalence(holds)[1:3], abs=2e-3)


def test_extremes_stay_in_bounds():
    for n_texts in (1, 3, 50):
        for says in (np.zeros(n_texts, bool), np.ones(n_texts, bool)):
            alone = prevalence(says)
            opposite = prevalence(says, np.arange(n_texts), ~says)
            for one in (alone, opposite):
                assert 0 <= one.low <= one.share <= one.high <= 1
                assert one.low < one.high
            assert 0 < drift(alone, opposite).p_value <= 1
    with pytest.raises(ValueError, match="got no texts"):
        prevalence(np.zeros(0, bool))


def test_a_larger_sample_holds_the_smaller():
    few, many = random_sample(500, 20, seed=3), random_sample(500, 200, seed=3)
    assert set(few) < set(many)
    assert random_sample(500, None, seed=3).tolist() == list(range(500))
    assert random_sample(5, 20, seed=3).tolist() == list(range(5))


def test_a_path_holds_where_all_of_it_does():
    columns = [np.asarray([0.9, 0.9, 0.2, np.nan]), np.asarray([0.5, 0.4, 0.9, 0.9])]
    assert holding(columns).tolist() == [True, False, False, False]
