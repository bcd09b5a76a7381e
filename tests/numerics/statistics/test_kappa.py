"""Cohen's kappa with its interval: how often it holds the truth, and what it says where all answers are alike."""

import numpy as np
import pytest

from nlparam.numerics.statistics.kappa import agreed


def answers(rng, n, share, kappa):
    """Two raters who say yes to this share and have this kappa."""
    differ = share * (1 - share) * (1 - kappa)
    ways = rng.choice(4, size=n, p=[(1 - share) - differ, differ, differ, share - differ])
    return ways >= 2, ways % 2 == 1


@pytest.mark.parametrize(("n", "share", "kappa"), [(30, 0.5, 0.7), (50, 0.2, 0.4), (100, 0.1, 0.6), (100, 0.4, 0.9)])
def test_intervals_hold_the_true_kappa_as_often_as_they_say(n, share, kappa):
    rng, held = np.random.default_rng([n, int(100 * kappa)]), []
    for _ in range(200):
        found = agreed(*answers(rng, n, share, kappa), np.arange(n))
        held.append(found.low <= kappa <= found.high)
    assert 0.84 <= np.mean(held) <= 0.96


def test_texts_that_several_pairs_answered_count_as_texts():
    rng, held, widths = np.random.default_rng(4), [], []
    for _ in range(200):
        first, second = answers(rng, 40, 0.4, 0.5)
        # Three times the same answers say no more than once.
        found = agreed(np.repeat(first, 3), np.repeat(second, 3), np.repeat(np.arange(40), 3))
        held.append(found.low <= 0.5 <= found.high)
        alone = agreed(first, second, np.arange(40))
        widths.append((found.high - found.low) / (alone.high - alone.low))
        assert (found.n_pairs, found.n_things) == (120, 40)
    assert 0.84 <= np.mean(held) <= 0.96
    assert np.mean(widths) == pytest.approx(1.0, abs=0.05)


def test_where_all_answers_agree_the_interval_is_no_point():
    few = agreed(np.arange(10) < 5, np.arange(10) < 5, np.arange(10))
    assert few.concord.kappa == 1.0
    assert few.low < 0.8
    assert few.high <= 1.0
    alike = agreed(np.ones(30, bool), np.ones(30, bool), np.arange(30))
    assert alike.concord.kappa is None
    assert -1 <= alike.low < alike.high <= 1
    assert str(few).startswith("100% (kappa 1.00 [")


def test_the_interval_holds_what_few_answers_say():
    found = agreed(np.asarray([True, False, True]), np.asarray([True, False, True]), np.arange(3))
    assert found.concord.kappa == 1.0
    assert found.low < 0.1
    assert found.high == 1.0


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="expected as many of each"):
        agreed(np.ones(3, bool), np.ones(2, bool), np.arange(3))
    with pytest.raises(ValueError, match="expected one for each"):
        agreed(np.ones(3, bool), np.ones(3, bool), np.arange(2))
    with pytest.raises(ValueError, match="confidence"):
        agreed(np.ones(3, bool), np.ones(3, bool), np.arange(3), confidence=1.0)
