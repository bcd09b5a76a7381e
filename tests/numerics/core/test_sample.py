"""The order of judging: a permutation whose beginning covers every slot and the uncertain middle."""

import numpy as np
import pytest

from nlparam.numerics.core.sample import judging_order


@pytest.mark.parametrize("n_slots", [1, 2, 5])
@pytest.mark.parametrize("n_texts", [1, 7, 200])
def test_every_text_comes_once(rng, n_texts, n_slots):
    order = judging_order(rng.normal(size=(n_texts, n_slots)), rng=rng)
    np.testing.assert_array_equal(np.sort(order), np.arange(n_texts))


def test_the_beginning_holds_high_texts_of_every_slot_and_uncertain_ones(rng):
    labels = rng.integers(4, size=400)
    scores = 0.5 * rng.random((400, 4)) + (labels[:, None] == np.arange(4))
    ranked = np.sort(scores, axis=1)
    margin = ranked[:, -1] - ranked[:, -2]
    first = judging_order(scores, rng=rng)[:48]
    assert np.bincount(labels[first], minlength=4).min() >= 4
    assert np.mean(margin[first] < np.quantile(margin, 1 / 3)) > 0.3


def test_an_empty_slot_does_no_harm(rng):
    scores = np.column_stack([rng.random(50), rng.random(50), np.full(50, -1.0)])
    assert len(judging_order(scores, rng=rng)) == 50
