"""Every function of the statistics gives finite numbers, or says what is wrong with its input.

Inputs are of the right type, but may be empty, all alike, unknown, or out of range.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nlparam.numerics.statistics import (
    audit,
    correction,
    effects,
    logic,
    metrics,
    planning,
    prevalence,
    racing,
    rates,
    recurrence,
    simulation,
)

EXAMPLES = 60
SIZES = st.integers(0, 12)
SHARES = st.floats(0, 1, width=32)
CONFIDENCES = st.one_of(st.sampled_from([0.5, 0.9, 0.95]), st.floats(-0.5, 1.5))
ANSWERS = st.one_of(st.sampled_from([0.0, 1.0, 0.5, np.nan]), SHARES)
NUMBERS = st.one_of(st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf]), st.floats(-1e6, 1e6))


def vector(draw, n, elements, dtype: Any = np.float64):
    return draw(arrays(dtype, n, elements=elements))


def matrix(draw, n, k, elements=ANSWERS):
    return draw(arrays(np.float64, (n, k), elements=elements))


def flags(draw, n):
    return vector(draw, n, st.booleans(), bool)


def codes(draw, n, most=3):
    return vector(draw, n, st.integers(0, most - 1), np.int64)


CASES: dict[str, Any] = {}


def case(*, none_for=()):
    """Registers a function from `draw` to a result. The fields of `none_for` may have no number: it is documented."""

    def register(function):
        CASES[function.__name__] = (function, frozenset(none_for))
        return function

    return register


@case()
def corrected_means(draw):
    n, k, n_layers = draw(SIZES), draw(st.integers(0, 2)), draw(st.integers(0, 3))
    layers = [matrix(draw, n, k) for _ in range(n_layers)]
    inclusion = draw(st.sampled_from([None, "given"])) and [vector(draw, n, SHARES) for _ in layers[1:]]
    clusters = draw(st.sampled_from([None, "given"])) and codes(draw, n)
    prior = draw(st.sampled_from([0.0, 0.5, 1.0, np.nan]))
    return correction.corrected_means(
        layers, inclusion=inclusion, clusters=clusters, confidence=draw(CONFIDENCES), prior=prior
    )


@case()
def answers_needed(draw):
    n, k = draw(SIZES), draw(st.integers(0, 2))
    layers = [matrix(draw, n, k) for _ in range(draw(st.integers(0, 3)))]
    return planning.answers_needed(layers, draw(NUMBERS), confidence=draw(CONFIDENCES))


@case(none_for=("mean", "variance"))
def moments(draw):
    n = draw(SIZES)
    return effects.moments(vector(draw, n, ANSWERS), codes(draw, n), 3, prior=draw(st.sampled_from([0.0, 1.0])))


@case(none_for=("effect", "standard_error"))
def contrast(draw):
    n, prior = draw(SIZES), draw(st.sampled_from([0.0, 1.0]))
    return effects.contrast(
        vector(draw, n, ANSWERS), codes(draw, n), 3, draw(st.integers(0, 2)), confidence=draw(CONFIDENCES), prior=prior
    )


@case(none_for=("effect", "standard_error"))
def contrasts(draw):
    n = draw(SIZES)
    return effects.contrasts(vector(draw, n, ANSWERS), codes(draw, n, 2), 2, confidence=draw(CONFIDENCES))


@case()
def share(draw):
    return effects.share(vector(draw, draw(SIZES), ANSWERS), confidence=draw(CONFIDENCES))


@case(none_for=("effect", "standard_error"))
def adjusted_contrast(draw):
    n = draw(st.integers(0, 25))
    covariates = matrix(draw, n, draw(st.integers(0, 2)), st.one_of(SHARES, st.floats(-1e6, 1e6)))
    return effects.adjusted_contrast(
        vector(draw, n, ANSWERS), codes(draw, n, 2), 2, 1, covariates, confidence=draw(CONFIDENCES)
    )


@case()
def correct_p_values(draw):
    return effects.correct_p_values(
        draw(st.lists(ANSWERS, max_size=5)), draw(st.sampled_from(["bh", "by", "holm", "none"]))
    )


@case()
def auroc(draw):
    n = draw(SIZES)
    return effects.auroc(vector(draw, n, NUMBERS), flags(draw, n))


@case()
def welch_p_value(draw):
    n = draw(SIZES)
    return effects.welch_p_value(vector(draw, n, NUMBERS), flags(draw, n))


@case(none_for=("rate",))
def rate(draw):
    return rates.rate(
        draw(st.integers(-1, 9)),
        draw(st.integers(-1, 9)),
        confidence=draw(CONFIDENCES),
        design_effect=draw(NUMBERS),
        exact=draw(st.booleans()),
    )


@case()
def wilson(draw):
    return rates.wilson(draw(NUMBERS), draw(NUMBERS), draw(CONFIDENCES))


@case()
def design_effect(draw):
    n = draw(SIZES)
    return rates.design_effect(flags(draw, n), codes(draw, n))


@case(none_for=("difference",))
def difference(draw):
    def any_rate():
        n = draw(st.integers(0, 9))
        return rates.rate(draw(st.integers(0, n)), n)

    return rates.difference(any_rate(), any_rate(), confidence=draw(CONFIDENCES))


@case()
def p_values_of_rates(draw):
    n = draw(SIZES)
    parts = flags(draw, n), flags(draw, n), codes(draw, n)
    found = [rates.stratified_p_value(*parts), rates.swapped_p_value(*parts), rates.shuffled_p_value(*parts)]
    assert all(0 <= p <= 1 for p in found)
    return found


@case()
def mcnemar(draw):
    return rates.mcnemar(draw(st.integers(-2, 9)), draw(st.integers(-2, 9)))


@case()
def paired_difference(draw):
    n = draw(SIZES)
    return rates.paired_difference(
        flags(draw, n), flags(draw, n), codes(draw, n), confidence=draw(CONFIDENCES), n_draws=50
    )


@case()
def prevalence_of_heads(draw):
    n = draw(st.integers(0, 30))
    judged = np.arange(draw(st.integers(0, n)))
    given_answers = draw(st.booleans())
    parts = (judged, flags(draw, len(judged))) if given_answers else ()
    found = prevalence.prevalence(flags(draw, n), *parts, confidence=draw(CONFIDENCES))
    return found, prevalence.drift(found, found)


@case()
def racing_of_candidates(draw):
    n, k = draw(SIZES), draw(st.integers(0, 4))
    effect, error = vector(draw, k, NUMBERS), vector(draw, k, SHARES)
    return (
        racing.laps(draw(st.integers(1, 50)), draw(st.integers(1, 9))),
        racing.still_racing(effect, error, draw(st.integers(1, 3)), 2.0),
        racing.alike(matrix(draw, n, k), draw(SHARES)),
    )


@case(none_for=("effect", "standard_error"))
def standing(draw):
    n = draw(SIZES)
    return racing.standing(vector(draw, n, ANSWERS), codes(draw, n, 2), 2, confidence=draw(CONFIDENCES))


@case()
def least_gap(draw):
    return racing.least_gap(draw(st.floats(-0.5, 1.5)))


@case()
def recurring(draw):
    n = draw(SIZES)
    runs = [matrix(draw, n, draw(st.integers(0, 3)), ANSWERS) for _ in range(draw(st.integers(0, 3)))]
    return recurrence.recurring(runs), recurrence.alignment(runs)


@case()
def metrics_of_columns(draw):
    n, k = draw(SIZES), draw(st.integers(0, 3))
    bits = st.sampled_from([0.0, 1.0])
    first, second = matrix(draw, n, k, bits), matrix(draw, n, draw(st.integers(0, 3)), bits)
    return (
        metrics.matched_f1(first, second),
        metrics.best_f1(first, second),
        metrics.f1_ceiling(second, draw(st.integers(-1, 3))),
    )


@case()
def partition_agreement(draw):
    n = draw(SIZES)
    return metrics.partition_agreement(codes(draw, n), codes(draw, n))


@case()
def coverage_and_overlap(draw):
    columns = matrix(draw, draw(SIZES), draw(st.integers(0, 3)))
    return metrics.coverage(columns), metrics.overlap(columns)


@case(none_for=("value", "low", "high"))
def simulated_precision(draw):
    n = draw(SIZES)
    inferred = vector(draw, n, st.integers(-1, 2), np.int64)
    return simulation.precision(inferred, codes(draw, n), confidence=draw(CONFIDENCES))


@case(none_for=("low", "high"))
def generality(draw):
    n = draw(SIZES)
    half = matrix(draw, n, n, SHARES)
    return simulation.generality((half + half.T) / 2, confidence=draw(CONFIDENCES))


@case(none_for=("value", "low", "high"))
def mean_of_explanations(draw):
    return simulation.mean(vector(draw, draw(SIZES), ANSWERS), confidence=draw(CONFIDENCES))


@case()
def audited_errors(draw):
    sizes = np.asarray([draw(st.integers(0, 20)), draw(st.integers(0, 20))])
    found = np.asarray([draw(st.integers(0, int(size))) for size in sizes])
    audited = np.asarray([draw(st.floats(0.05, 1)), draw(st.floats(0.05, 1))])
    alpha = draw(st.floats(0.001, 0.5))
    return (
        audit.tail(found, audited, sizes, draw(st.integers(0, 30))),
        audit.most_errors(found, audited, sizes, alpha),
        audit.least_positives(vector(draw, draw(SIZES), st.floats(0.01, 1)), draw(st.floats(0, 50)), alpha),
    )


@case()
def audit_plan(draw):
    errors = np.sort(vector(draw, draw(SIZES), SHARES))
    return audit.plan_side(errors, draw(st.integers(0, 4)), draw(st.floats(0.001, 0.5)))


@case()
def logic_of_columns(draw):
    n = draw(SIZES)
    columns, candidates, labels = matrix(draw, n, 3, SHARES), matrix(draw, n, 2, SHARES), flags(draw, n)
    tree = draw(st.sampled_from([0, ("not", 1), ("and", 0, ("or", 1, ("not", 2)))]))
    weights = logic.balanced_weights(labels)
    return (
        logic.evaluate(tree, columns),
        logic.agreement(columns[:, 0], labels, weights),
        logic.one_part_edits(tree, columns, candidates, labels, weights),
    )


def numbers_without_value(result, name="") -> set[str]:
    """The fields that hold no finite number; of a bare value the name is empty."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    if isinstance(result, Mapping):
        return set().union(*(numbers_without_value(part, key) for key, part in result.items()))
    if isinstance(result, (tuple, list, set)):
        return set().union(*(numbers_without_value(part, name) for part in result))
    if result is None or isinstance(result, str):
        return set()
    return set() if np.isfinite(np.asarray(result, dtype=np.float64)).all() else {name}


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_finite_or_the_input_is_refused(name):
    function, none_for = CASES[name]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.data())
    def check(data):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            refused, result = "", None
            try:
                result = function(data.draw)
            except ValueError as error:
                refused = str(error)
        assert numbers_without_value(result) <= none_for
        assert not refused or refused.startswith("got "), refused

    check()
