"""Planning: the width that was asked for is the one that comes out, and the texts drawn are worth most."""

import numpy as np
import pytest

from nlparam.numerics.statistics.correction import corrected_means
from nlparam.numerics.statistics.planning import (
    answers_needed,
    answers_needed_for_weights,
    draw,
    inclusion_probabilities,
)


def world(rng, n_texts, prevalence, *, right, n_columns):
    holds = (rng.random((n_texts, n_columns)) < prevalence).astype(float)
    return holds, np.where(rng.random(holds.shape) < right, holds, 1 - holds)


def first(answers, n):
    return np.where(np.arange(len(answers))[:, None] < n, answers, np.nan)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize(("prevalence", "half_width"), [(0.08, 0.018), (0.4, 0.03)])
def test_the_planned_width_is_reached(n_layers, prevalence, half_width):
    rng = np.random.default_rng([n_layers, int(100 * prevalence)])
    wanted, judged = world(rng, 4000, prevalence, right=0.9, n_columns=100)
    head = np.where(rng.random(judged.shape) < 0.85, judged, 1 - judged)
    lower = [[], [judged], [head, first(judged, 800)]][n_layers - 1]
    plan = answers_needed([*lower, first(wanted, 80)], half_width)
    assert plan.reached.all()
    assert (plan.more == np.maximum(plan.n_answers - 80, 0)).all()
    n = int(np.median(plan.n_answers))
    found = corrected_means([*lower, first(wanted, n)])
    assert np.mean(found.high - found.low) / 2 == pytest.approx(half_width, rel=0.1)
    now = corrected_means([*lower, first(wanted, 80)])
    assert np.mean(plan.present) == pytest.approx(np.mean(now.high - now.low) / 2, rel=0.1)


def test_a_width_that_all_answers_do_not_give_is_called_so(rng):
    wanted, judged = world(rng, 300, 0.4, right=0.9, n_columns=1)
    plan = answers_needed([judged, first(wanted, 100)], 0.01)
    assert not plan.reached.any()
    assert plan.n_answers.tolist() == [300]
    assert plan.half_width[0] > 0.01
    assert answers_needed([judged, first(wanted, 100)], 0.3).more.tolist() == [0]


def test_of_weights_only_a_part_falls():
    plan = answers_needed_for_weights(np.asarray([0.05, 0.05]), np.asarray([0.04, 0.01]), 100, 10_000, 0.25)
    assert plan.reached.tolist() == [True, False]
    assert 200 < plan.n_answers[0] < 400
    assert plan.half_width[0] == pytest.approx(0.25, rel=0.01)
    assert plan.present == pytest.approx(0.371, rel=0.01)


def test_texts_that_are_likely_wrong_are_drawn_more_often():
    errors = np.repeat([0.0, 0.01, 0.16], 100)
    chance = inclusion_probabilities(errors, 60)
    assert chance.sum() == pytest.approx(60)
    assert (np.diff(chance[[0, 100, 200]]) > 0).all()
    assert chance[0] == pytest.approx(0.2 * 60 / 300)
    # No probability is above 1, and what is cut goes to the others.
    chance = inclusion_probabilities(errors, 200)
    assert chance.max() == 1
    assert chance.sum() == pytest.approx(200)
    drawn = np.stack([np.isin(np.arange(300), draw(chance, seed=seed)) for seed in range(600)])
    assert (drawn.sum(axis=1) == 200).all()
    np.testing.assert_allclose(drawn.mean(axis=0), chance, atol=0.09)
    assert drawn.mean(axis=0).reshape(3, 100).mean(axis=1) == pytest.approx(chance[[0, 100, 200]], abs=0.01)
    np.testing.assert_allclose(inclusion_probabilities(np.zeros((5, 2)), 2), 0.4)


def test_answers_where_they_are_worth_most_give_narrower_intervals():
    """Of half of the texts the head is right for 99%, of the others for 70%."""
    rng = np.random.default_rng(6)
    right = np.repeat([0.99, 0.7], 1500)
    holds = (rng.random((3000, 200)) < 0.4).astype(float)
    head = np.where(rng.random(holds.shape) < right[:, None], holds, 1 - holds)
    chance = inclusion_probabilities(1 - right, 200)
    taken = np.stack([np.isin(np.arange(3000), draw(chance, seed=seed)) for seed in range(200)], axis=1)
    active = corrected_means([head, np.where(taken, holds, np.nan)], inclusion=[chance])
    even = np.stack([np.isin(np.arange(3000), rng.choice(3000, 200, replace=False)) for _ in range(200)], axis=1)
    uniform = corrected_means([head, np.where(even, holds, np.nan)])
    assert 0.84 <= np.mean((active.low <= 0.4) & (active.high >= 0.4)) <= 0.96
    assert np.mean(active.high - active.low) < 0.93 * np.mean(uniform.high - uniform.low)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: answers_needed([np.full((9, 1), np.nan)], 0.1), "needs a pilot"),
        (lambda: answers_needed([np.zeros((9, 1))], 1.5), "got half_width=1.5"),
        (lambda: answers_needed([np.zeros((9, 1))], 0.1, confidence=2), "got confidence=2"),
        (lambda: answers_needed([np.full((9, 1), 3.0)], 0.1), "between 0 and 1"),
        (lambda: answers_needed_for_weights(np.ones(2), np.ones(3), 9, 9, 0.1), "expected"),
        (lambda: answers_needed_for_weights(np.ones(1), np.full(1, 2.0), 9, 9, 0.1), "by_answers <= variances"),
        (lambda: answers_needed_for_weights(np.ones(1), np.ones(1), 1, 9, 0.1), "at least 2"),
        (lambda: inclusion_probabilities(np.ones(3), 4), "at most the 3 texts"),
        (lambda: inclusion_probabilities(-np.ones(3), 1), "at least 0"),
        (lambda: inclusion_probabilities(np.ones(3), 1, floor=0.0), "got floor=0.0"),
        (lambda: draw(np.full(3, 1.5), seed=0), r"all in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
