"""The cover of GoalEx: the integer programme is as good as trying everything, and keeps to its bounds."""

import itertools
from typing import Any

import numpy as np
import pytest

from nlparam.numerics.core.cover import correlations, facility_location, select_cover


def price(holds, chosen, uncovered=1.0, overlap=0.5):
    times = holds[:, list(chosen)].sum(axis=1)
    return np.sum(uncovered * np.maximum(1 - times, 0) + overlap * np.maximum(times - 1, 0))


@pytest.mark.parametrize("overlap", [0.0, 0.2, 2.0])
def test_no_other_choice_is_better(rng, overlap):
    for _ in range(5):
        holds = rng.random((40, 8)) < rng.uniform(0.1, 0.6, 8)
        best = min(price(holds, c, overlap=overlap) for c in itertools.combinations(range(8), 3))
        found = select_cover(holds, 3, overlap=overlap)
        assert len(found) == 3
        assert price(holds, found, overlap=overlap) == pytest.approx(best)
        fewer = select_cover(holds, 3, overlap=overlap, exactly=False)
        every = [c for n in range(4) for c in itertools.combinations(range(8), n)]
        assert price(holds, fewer, overlap=overlap) == pytest.approx(
            min(price(holds, c, overlap=overlap) for c in every)
        )


def test_planted_clusters_are_found_among_unions_and_parts(rng):
    clusters = np.eye(5, dtype=bool)[rng.integers(5, size=300)]
    parts = clusters & (rng.random((300, 5)) < 0.6)
    unions = clusters | np.roll(clusters, 1, axis=1)
    assert select_cover(np.concatenate([unions, parts, clusters], axis=1), 5).tolist() == [10, 11, 12, 13, 14]


def test_clusters_keep_to_their_bounds(rng):
    holds = rng.random((100, 6)) < np.asarray([0.9, 0.8, 0.3, 0.3, 0.3, 0.01])
    shares = holds[:, select_cover(holds, 2, least_share=0.1, most_share=0.5)].mean(axis=0)
    assert ((shares > 0.1) & (shares < 0.5)).all()
    assert len(select_cover(holds, 5, most_share=0.5, exactly=False)) <= 4
    with pytest.raises(ValueError, match="widen the bounds"):
        select_cover(holds, 5, most_share=0.5)


def test_more_than_are_there_is_an_error():
    with pytest.raises(ValueError, match="choose fewer"):
        select_cover(np.eye(3, dtype=bool), 4)
    assert select_cover(np.eye(3, dtype=bool), 4, exactly=False).tolist() == [0, 1, 2]


@pytest.mark.parametrize("options", [{"n_selected": 0}, {"overlap": -1.0}, {"uncovered": -1.0}])
def test_nonsense_is_refused(options):
    with pytest.raises(ValueError, match="expected"):
        select_cover(np.eye(3, dtype=bool), **{"n_selected": 2} | options)


def test_locked_columns_are_chosen_whatever_they_cost():
    holds = np.asarray([[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 0, 0]], dtype=bool)
    assert select_cover(holds, 2).tolist() == [0, 1]
    assert 3 in select_cover(holds, 2, locked=[3])
    assert select_cover(holds, 2, locked=[3], least_share=0.25, exactly=False).tolist()[-1] == 3
    with pytest.raises(ValueError, match="at least 2"):
        select_cover(holds, 1, locked=[0, 3])


def test_weights_count_a_text_as_often_as_it_occurs():
    holds = np.asarray([[1, 0], [0, 1], [0, 1]], dtype=bool)
    assert select_cover(holds, 1).tolist() == [1]
    assert select_cover(holds, 1, weights=np.asarray([5.0, 1.0, 1.0])).tolist() == [0]
    repeated = np.repeat(holds, [5, 1, 1], axis=0)
    assert select_cover(repeated, 1).tolist() == [0]


def test_columns_that_are_too_alike_are_not_chosen_together():
    holds = np.asarray([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)
    prices: dict[str, Any] = {"uncovered": 1.0, "overlap": 0.0}
    assert select_cover(holds, 2, max_correlation=0.5, **prices).tolist() == [0, 2]
    with pytest.raises(ValueError, match="differ enough"):
        select_cover(holds[:, :2], 2, max_correlation=0.5, **prices)
    assert select_cover(holds[:, :2], 2, max_correlation=0.5, locked=[0, 1], **prices).tolist() == [0, 1]


def test_soft_denotations_share_a_text():
    holds = np.asarray([[0.5, 0.5, 1.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    assert select_cover(holds, 2).tolist() == [0, 1]
    np.testing.assert_allclose(correlations(holds)[0, 2], 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        select_cover(holds * 3, 2)


def test_columns_near_to_different_rows_are_chosen_before_ones_that_are_alike():
    scores = np.asarray([[0.9, 0.85, 0.1, 0.2], [0.9, 0.88, 0.2, 0.2], [0.1, 0.1, 0.8, 0.2], [0.2, 0.1, 0.7, 0.3]])
    assert facility_location(scores, 2).tolist() == [0, 2]
    assert sorted(facility_location(scores, 9).tolist()) == [0, 1, 2, 3]


def test_the_greedy_choice_is_near_to_the_best(rng):
    scores = rng.random((40, 9))
    best = max(scores[:, list(columns)].max(axis=1).sum() for columns in itertools.combinations(range(9), 3))
    assert scores[:, facility_location(scores, 3)].max(axis=1).sum() > 0.95 * best


def test_what_is_fixed_stays_and_the_others_add_to_it(rng):
    scores = rng.random((40, 9))
    chosen = facility_location(scores, 4, fixed=[7, 2]).tolist()
    assert chosen[:2] == [7, 2]
    assert len(set(chosen)) == 4
    # The next one is the one that is nearest to what the fixed ones leave.
    rest = np.maximum(scores - scores[:, [7, 2]].max(axis=1, keepdims=True), 0).sum(axis=0)
    assert chosen[2] == np.argmax(rest)
    assert facility_location(scores, 2, fixed=[7, 2]).tolist() == [7, 2]
