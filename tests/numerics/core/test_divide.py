"""What a division tells of texts held out, and where the thresholds of siblings are."""

import numpy as np
import pytest

from nlparam.numerics.core.divide import (
    Gain,
    HeldOut,
    certainty,
    jointly,
    matched,
    membership,
    near_the_best,
    shifted,
)


def held_out_gain(denotations, targets):
    return HeldOut(targets).gain(denotations)


@pytest.fixture
def planted(rng):
    """Three groups of texts whose targets lie apart, and the denotations of the groups."""
    labels = np.repeat([0, 1, 2], 20)
    targets = rng.normal(size=(60, 5)) * 0.3 + np.eye(5)[labels] * 3
    return targets, np.eye(3)[labels] * 0.9 + 0.05


def test_the_planted_division_is_likelier_than_a_part_of_it_or_noise(planted, rng):
    targets, denotations = planted
    whole, part = held_out_gain(denotations, targets), held_out_gain(denotations[:, :2], targets)
    noise = held_out_gain(rng.permutation(denotations), targets)
    assert whole.mean > part.mean > noise.mean
    assert abs(noise.mean) < 4 * noise.standard_error + 0.2
    assert near_the_best([part, whole]) == [1]


def test_of_one_text_nothing_is_clearly_worse():
    assert near_the_best([Gain(np.asarray([0.2])), Gain(np.asarray([0.5]))]) == [0, 1]


def test_dividing_a_group_at_random_gains_nothing(planted, rng):
    targets, denotations = planted
    halves = rng.random(60) < 0.5
    split = np.column_stack([denotations[:, 0] * halves, denotations[:, 0] * ~halves, denotations[:, 1:]])
    assert held_out_gain(split, targets).mean < held_out_gain(denotations, targets).mean


def test_nothing_that_holds_explains_nothing(planted):
    targets, _ = planted
    np.testing.assert_allclose(held_out_gain(np.zeros((60, 2)), targets).per_text, 0, atol=1e-9)


def test_memberships_sum_to_one():
    rows = membership(np.asarray([[0.2, 0.3], [0.9, 0.9], [0.0, 0.0]]))
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    np.testing.assert_allclose(rows[:, -1], [0.5, 0, 1])


def test_a_matched_predicate_holds_for_as_many_texts_as_its_denotations_sum_to(rng):
    denotations = rng.uniform(0.1, 0.3, size=(200, 2))
    holds = shifted(denotations, matched(denotations)) >= 0.5
    np.testing.assert_allclose(holds.sum(axis=0), np.round(denotations.sum(axis=0)))
    order = np.argsort(denotations[:, 0])
    assert not holds[order[:100], 0].any()


def test_the_certainty_of_a_head_that_knows_all_much_or_nothing(rng):
    holds = rng.random(400) < 0.3
    sure, unsure = np.where(holds, 1.0, 0.0), np.where(holds, 0.8, 0.1)
    nothing = 0.3 + rng.normal(size=400) * 0.001
    columns = np.column_stack([sure, unsure, nothing, np.full(400, 0.3)])
    columns = shifted(columns, matched(columns))
    one, much, little, same = certainty(columns, np.ones(400))
    assert one == pytest.approx(1, abs=1e-6)
    assert 0.6 < much < 0.9
    assert 0 <= little < 0.01
    assert same == 0
    weights = rng.integers(1, 4, size=400)
    np.testing.assert_allclose(
        certainty(columns, weights), certainty(np.repeat(columns, weights, axis=0), np.ones(weights.sum()))
    )
    assert np.isfinite(certainty(np.zeros((3, 2)), np.ones(3))).all()


def test_thresholds_that_are_biased_are_moved_back(rng):
    labels = np.repeat([0, 1], 50)
    log_odds = np.where(np.eye(2)[labels] > 0, 0.6, -0.6) + rng.normal(size=(100, 2)) * 0.05
    log_odds[:10, 0] = 0.1  # of which the language model is not sure
    biased = 1 / (1 + np.exp(-(log_odds - [0.3, -0.2])))
    assert np.mean(biased >= 0.5, axis=0).tolist() == [0.4, 0.5]
    moved = shifted(biased, jointly(biased, np.ones(100), uncovered=1.0, overlap=0.5))
    assert ((moved >= 0.5) == (np.eye(2)[labels] > 0)).mean() > 0.95


def test_a_predicate_of_which_nothing_is_known_does_not_take_what_is_left(rng):
    log_odds = np.column_stack([np.where(np.arange(100) < 40, 2.0, -2.0), rng.normal(size=100) * 0.1 - 0.13])
    denotations = 1 / (1 + np.exp(-log_odds))
    before = (log_odds >= 0).sum(axis=0)
    moved = shifted(denotations, jointly(denotations, np.ones(100), uncovered=1.0, overlap=0.5))
    assert (moved >= 0.5).sum(axis=0)[1] <= before[1] * 4 / 3


def test_a_small_part_is_not_moved_out_of_the_way_of_a_large_one():
    large = np.where(np.arange(100) < 60, 0.9, 0.1)
    small = np.where(np.arange(100) < 6, 0.6, 0.02)  # all of it is under the large one too
    denotations = np.stack([large, small], axis=1)
    price = {"uncovered": 1.0, "overlap": 0.5}
    free = shifted(denotations, jointly(denotations, np.ones(100), **price))
    kept = shifted(denotations, jointly(denotations, np.ones(100), least_share=0.04, **price))
    assert (free >= 0.5).sum(axis=0).tolist() == [60, 0]
    assert (kept >= 0.5).sum(axis=0).tolist() == [60, 6]


def test_thresholds_that_are_right_stay_and_far_texts_stay_uncovered():
    log_odds = np.asarray([[3.0, -3.0], [-3.0, 3.0], [-3.0, -3.0]])
    denotations = 1 / (1 + np.exp(-log_odds))
    assert jointly(denotations, np.ones(3), uncovered=1.0, overlap=0.5).tolist() == [0.0, 0.0]
