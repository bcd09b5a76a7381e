"""Sensitivity: a judge that errs by the tipping point makes the difference, from groups that are alike."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from nlparam.numerics.statistics.sensitivity import nearest_to_zero, tipping_point

rates = st.floats(0.0, 1.0)


@pytest.mark.parametrize("kind", ["sensitivity", "specificity", "both"])
def test_such_a_judge_makes_the_difference(rng, kind):
    """Groups of one truth, judged with errors that differ by the tipping point."""
    found = tipping_point(0.30, 0.20, sensitivity=0.9, specificity=0.95)
    assert found.sensitivity is not None
    assert found.specificity is not None
    assert found.share == pytest.approx((0.25 - 0.05) / 0.85)
    seen = []
    for sign in (0.5, -0.5):
        more_yes, fewer_no = 0.75, 0.15  # of a text that is meant, of one that is not
        if kind in ("sensitivity", "both"):
            more_yes += sign * (found.sensitivity if kind == "sensitivity" else found.both)
        if kind in ("specificity", "both"):
            fewer_no += sign * (found.specificity if kind == "specificity" else found.both)
        truth = rng.random(400_000) < found.share
        seen.append(np.mean(rng.random(400_000) < np.where(truth, more_yes, fewer_no)))
    assert seen[0] - seen[1] == pytest.approx(0.10, abs=0.005)


def test_what_no_judge_could_do_is_none():
    assert tipping_point(0.05, 0.02).sensitivity == pytest.approx(0.03 / 0.035)
    assert tipping_point(0.10, 0.0).sensitivity is None  # 10 points of texts, and only 5 are meant
    assert tipping_point(0.10, 0.0).specificity == pytest.approx(0.10 / 0.95)


def test_less_is_needed_to_doubt_a_finding_than_to_explain_it():
    whole, doubt = tipping_point(0.3, 0.2), tipping_point(0.3, 0.2, difference=nearest_to_zero(0.03, 0.17))
    assert doubt.both == pytest.approx(0.03)
    assert doubt.specificity == pytest.approx(0.03 / 0.75)
    assert whole.specificity == pytest.approx(0.10 / 0.75)
    assert tipping_point(0.2, 0.3, difference=nearest_to_zero(-0.17, -0.03)) == doubt
    assert tipping_point(0.3, 0.2, difference=nearest_to_zero(-0.01, 0.2))[:3] == (0.0, 0.0, 0.0)


@hypothesis.given(rates, rates, rates, rates)
def test_finite_or_refused(first, second, sensitivity, specificity):
    given = {"sensitivity": sensitivity, "specificity": specificity}
    if sensitivity + specificity <= 1:
        with pytest.raises(ValueError, match="more than 1 together"):
            tipping_point(first, second, **given)
        return
    found = tipping_point(first, second, **given)
    assert all(part is None or 0 <= part <= 1 for part in found)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1.2, 0.5), {}, "first=1.2"),
        ((0.5, float("nan")), {}, "second=nan"),
        ((0.5, 0.4), {"difference": 2.0}, "between -1 and 1"),
        ((0.5, 0.4), {"difference": float("nan")}, "between -1 and 1"),
    ],
)
def test_what_is_no_rate_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        tipping_point(*arguments, **options)
    with pytest.raises(ValueError, match="lower end first"):
        nearest_to_zero(0.2, 0.1)
