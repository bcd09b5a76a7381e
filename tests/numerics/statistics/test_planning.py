"""Planning: the width that was asked for is the one that comes out."""

import numpy as np
import pytest

from nlparam.numerics.statistics.correction import corrected_means
from nlparam.numerics.statistics.planning import answers_needed


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: answers_needed([np.full((9, 1), np.nan)], 0.1), "needs a pilot"),
        (lambda: answers_needed([np.zeros((9, 1))], 1.5), "got half_width=1.5"),
        (lambda: answers_needed([np.zeros((9, 1))], 0.1, confidence=2), "got confidence=2"),
        (lambda: answers_needed([np.full((9, 1), 3.0)], 0.1), "between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
