"""Curves: intervals hold with a dozen answers a step, whatever is unequal between steps, and are finite everywhere."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from nlparam.numerics.statistics.curves import change, curves, shrink

T = 12


def judged_corpus(rng, shares, *, n_texts=4_000, n_answers=150, right=0.85):
    """A judge that is right with a probability, which may differ by step, and a random sample of labels."""
    steps = rng.integers(len(shares), size=n_texts)
    truth = rng.random(n_texts) < np.asarray(shares)[steps]
    judge = np.where(rng.random(n_texts) < np.broadcast_to(right, len(shares))[steps], truth, ~truth)
    labels = np.full(n_texts, np.nan)
    chosen = rng.choice(n_texts, n_answers, replace=False)
    labels[chosen] = truth[chosen]
    return judge[:, None].astype(float), labels[:, None], steps


def covered(low, value, high):
    return np.mean((low <= value) & (value <= high))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "right", "most"),
    [
        ((0.1, 0.4), 0.85, 0.95),
        ((0.1, 0.4), 0.95, 0.97),  # half of the steps have no error among their answers
        ((0.1, 0.4), np.linspace(0.95, 0.75, T), 0.95),
        ((0.03, 0.1), 0.9, 0.96),
    ],
    ids=["equal errors", "few errors", "errors grow", "rare"],
)
def test_intervals_hold_in_every_step_and_of_the_change(shares, right, most):
    truth = np.linspace(shares[0], shares[1], T)
    hits, changes, values = [], [], []
    for seed in range(150):
        judge, labels, steps = judged_corpus(np.random.default_rng([100, seed]), truth, right=right)
        curve = curves([judge, labels], steps, T)
        hits.append(covered(curve.low[:, 0], truth, curve.high[:, 0]))
        change_of = change(curve, [0], [T - 1])
        changes.append(covered(change_of.low, truth[-1] - truth[0], change_of.high))
        values.append(change_of.value[0])
    # The standard error of these means is about 0.008, and 0.025.
    assert 0.875 < np.mean(hits) < most
    assert 0.83 < np.mean(changes) < 0.985
    assert np.mean(values) == pytest.approx(truth[-1] - truth[0], abs=0.05)


def test_the_judges_own_curve_does_not_hold():
    """What the correction is for: uncorrected, the change is 0.21 of 0.30."""
    truth = np.linspace(0.1, 0.4, T)
    judge, _, steps = judged_corpus(np.random.default_rng(3), truth, n_texts=40_000)
    alone = curves([judge], steps, T)
    assert covered(alone.low[:, 0], truth, alone.high[:, 0]) < 0.3
    assert change(alone, [0], [T - 1]).value[0] == pytest.approx(0.21, abs=0.04)


def test_shrunken_shares_err_less():
    truth = np.linspace(0.1, 0.4, T)
    errors = []
    for seed in range(60):
        judge, labels, steps = judged_corpus(np.random.default_rng([200, seed]), truth)
        curve = curves([judge, labels], steps, T)
        errors.append([np.mean((part[:, 0] - truth) ** 2) for part in (curve.value, curve.shrunken)])
    value, shrunken = np.mean(errors, axis=0)
    assert shrunken < 0.5 * value


def test_estimates_far_from_their_targets_stay(rng):
    value = rng.normal(size=200)
    near = shrink(value, np.full(200, 0.01), value + rng.normal(0, 0.1, 200))
    far = shrink(value, np.full(200, 0.01), value + 5.0)
    assert np.abs(near - value).max() > 0.02
    assert np.abs(far - value).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("n_authors", [24, 60])
def test_authors_of_one_step_each_count_as_authors(n_authors):
    hits, blind = [], []
    for seed in range(100):
        rng = np.random.default_rng([300, seed])
        author = rng.integers(n_authors, size=2_000)
        steps = author % T
        truth = rng.random(2_000) < rng.beta(1.0, 3.0, n_authors)[author]  # mean 0.25, intraclass correlation 0.2
        judge = np.where(rng.random(2_000) < 0.85, truth, ~truth)[:, None].astype(float)
        labels = np.full((2_000, 1), np.nan)
        chosen = rng.choice(2_000, 150, replace=False)
        labels[chosen, 0] = truth[chosen]
        for found, clusters in ((hits, author), (blind, None)):
            part = change(curves([judge, labels], steps, T, clusters=clusters), range(6), range(6, T))
            found.append(covered(part.low, 0.0, part.high))
    assert 0.83 < np.mean(hits) < 0.97
    assert np.mean(blind) < 0.8


@pytest.mark.slow
def test_unequal_chances_of_being_labelled_are_undone():
    """Labels go to texts of which the judge says yes, four times as often."""
    truth, errors, hits, naive = np.full(4, 0.3), [], [], 0.0
    for seed in range(150):
        rng = np.random.default_rng([400, seed])
        judge, _, steps = judged_corpus(rng, truth, n_texts=3_000)
        answer = np.where(rng.random(3_000) < 0.85, judge[:, 0], 1 - judge[:, 0])
        chances = np.where(judge[:, 0] == 1, 0.12, 0.03)
        labels = np.where(rng.random(3_000) < chances, answer, np.nan)[:, None]
        expected = np.mean(judge) * 0.85 + (1 - np.mean(judge)) * 0.15
        curve = curves([judge, labels], steps, 4, inclusion=chances)
        errors.append(curve.value[:, 0] - expected)
        hits.append(covered(curve.low[:, 0], expected, curve.high[:, 0]))
        naive = np.nanmean(labels) - expected
    assert abs(np.mean(errors)) < 0.01 < 0.1 < naive
    assert 0.85 < np.mean(hits) < 0.96


@pytest.mark.slow
def test_three_layers_use_the_judge_between():
    """A weak head for all, a good judge for many, labels of people for few: the intervals hold and are narrower."""
    truth, hits, widths = np.linspace(0.2, 0.5, 6), [], []
    for seed in range(100):
        rng = np.random.default_rng([500, seed])
        judge, labels, steps = judged_corpus(rng, truth, n_texts=6_000, n_answers=120, right=0.95)
        head = np.where(rng.random(6_000) < 0.75, judge[:, 0], 1 - judge[:, 0])[:, None]
        judge[(rng.random(6_000) < 0.75)[:, None] & np.isnan(labels)] = np.nan
        three = curves([head, judge, labels], steps, 6)
        two = curves([head, labels], steps, 6)
        hits.append(covered(three.low[:, 0], truth, three.high[:, 0]))
        widths.append([np.mean(part.high - part.low) for part in (three, two)])
    assert 0.87 < np.mean(hits) < 0.98
    assert np.mean(widths, axis=0)[0] < 0.7 * np.mean(widths, axis=0)[1]


def test_where_all_is_answered_the_judge_does_not_matter(rng):
    answers, steps = (rng.random((300, 2)) < 0.3).astype(float), np.repeat(np.arange(6), 50)
    alone = curves([answers], steps, 6)
    beside = curves([(rng.random((300, 2)) < 0.3).astype(float), answers], steps, 6)
    means = np.stack([answers[steps == s].mean(axis=0) for s in range(6)])
    np.testing.assert_allclose(alone.value, means)
    np.testing.assert_allclose(beside.value, means)
    np.testing.assert_allclose(beside.standard_error, alone.standard_error)
    assert np.all(alone.n_answers == 50)


def test_one_step_is_prediction_powered_inference(rng):
    """The value is that of PPI++ with its tuned weight, where all texts without an answer are the unlabelled ones."""
    judge, labels, _ = judged_corpus(rng, [0.3], n_texts=1_000, n_answers=200)
    y, f = labels[~np.isnan(labels)], judge[~np.isnan(labels)]
    unlabelled = judge[np.isnan(labels)]
    weight = np.cov(y, f)[0, 1] / np.var(f, ddof=1) / (1 + 200 / 800)
    expected = np.mean(y) + weight * (np.mean(unlabelled) - np.mean(f))
    assert curves([judge, labels], np.zeros(1_000, int), 1).value[0, 0] == pytest.approx(expected, abs=1e-8)


def test_a_step_without_answers_takes_the_correction_of_the_others(rng):
    truth = np.full(6, 0.3)
    judge, labels, steps = judged_corpus(rng, truth, n_answers=600, right=0.8)
    labels[steps == 2] = np.nan
    curve = curves([judge, labels], steps, 6)
    assert curve.pooled[:, 0].tolist() == [s == 2 for s in range(6)]
    assert curve.value[2, 0] == pytest.approx(0.3, abs=0.06)
    assert curve.freedom[2, 0] < 200
    # Of two steps one does not learn how much corrections differ between steps.
    few = np.where(np.isin(steps, (0, 1))[:, None], labels, np.nan)
    alone = curves([judge, few], steps, 6)
    assert (alone.low[2, 0], alone.high[2, 0]) == (0.0, 1.0)
    assert alone.high[0, 0] - alone.low[0, 0] < 0.5


def test_too_few_answers_say_nothing(rng):
    judge, labels, steps = judged_corpus(rng, np.full(4, 0.3), n_answers=5)
    curve = curves([judge, labels], steps, 4)
    assert "cannot be said from 5 answers" in curve.reasons[0]
    assert np.all(curve.low == 0)
    assert np.all(curve.high == 1)
    part = change(curve, [0], [3])
    assert (part.low[0], part.high[0]) == (-1.0, 1.0)


def test_one_speech_a_year_says_nothing_of_other_speeches(rng):
    answers, year = (rng.random((300, 1)) < 0.3).astype(float), np.repeat(np.arange(6), 50)
    curve = curves([answers], year, 6, clusters=year)
    assert "no stratum has two clusters" in curve.reasons[0]
    assert np.all(curve.high - curve.low == 1)
    assert change(curve, [0], [5]).low == [-1.0]
    # Two speeches in one of the years say how much speeches differ.
    assert curves([answers], year, 6, clusters=np.append(year[:-25], np.full(25, 9))).reasons == ("",)


@pytest.mark.slow
@hypothesis.given(st.integers(0, 10_000))
@hypothesis.settings(max_examples=150, derandomize=True)
def test_everything_is_finite_and_in_order(seed):
    rng = np.random.default_rng(seed)
    n_texts, n_strata, n_layers = int(rng.integers(1, 60)), int(rng.integers(1, 8)), int(rng.integers(1, 4))
    share = rng.choice([0.0, 0.1, 0.5, 1.0])
    layers = [(rng.random((n_texts, 2)) < share).astype(float) for _ in range(n_layers)]
    for layer in layers[1:] if rng.random() < 0.8 else layers:
        layer[rng.random(n_texts) < rng.choice([0.0, 0.3, 0.9])] = np.nan
    curve = curves(
        layers,
        rng.integers(n_strata, size=n_texts),
        n_strata,
        inclusion=rng.uniform(0.05, 1.0, n_texts) if rng.random() < 0.5 else None,
        clusters=rng.integers(rng.choice([1, 4, 100]), size=n_texts) if rng.random() < 0.5 else None,
    )
    for field in curve[:-1]:
        assert np.isfinite(field).all()
    assert np.all((curve.low <= curve.value) & (curve.value <= curve.high))
    assert np.all((curve.low >= 0) & (curve.high <= 1) & (curve.high > curve.low) & (curve.freedom >= 1))
    assert all(np.isfinite(field).all() for field in change(curve, [0], [n_strata - 1]))


@pytest.mark.parametrize(
    ("layers", "strata", "options", "message"),
    [
        ([], [0, 1], {}, "expected one or more"),
        ([np.ones((2, 1)), np.ones((3, 1))], [0, 1], {}, "n_texts, n_predicates"),
        ([np.ones((0, 1))], np.zeros(0, int), {}, "expected one or more"),
        ([np.full((2, 1), 2.0)], [0, 1], {}, "between 0 and 1"),
        ([np.full((2, 1), np.inf)], [0, 1], {}, "infinite answers"),
        ([np.ones((2, 1))], [0, 2], {}, r"range\(2\)"),
        ([np.ones((2, 1))], [0.0, 1.0], {}, "integers"),
        ([np.ones((2, 1))], [0, 1], {"inclusion": np.zeros(2)}, "inclusion"),
        ([np.ones((2, 1))], [0, 1], {"inclusion": [None, None]}, "one for each"),
        ([np.ones((2, 1))], [0, 1], {"clusters": np.zeros(3)}, "one value per text"),
        ([np.ones((2, 1))], [0, 1], {"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_used_is_refused(layers, strata, options, message):
    with pytest.raises(ValueError, match=message):
        curves(layers, np.asarray(strata), 2, **options)


def test_a_change_needs_strata(rng):
    curve = curves([(rng.random((30, 1)) < 0.5).astype(float)], np.arange(30) % 3, 3)
    for earlier, later in (([], [1]), ([0], [3]), ([-1], [1])):
        with pytest.raises(ValueError, match="expected at least one"):
            change(curve, earlier, later)
