"""Rates whose samples come in clusters: intervals and tests count clusters as far as their members are alike."""

import numpy as np
import pytest

from nlparam.evals.audit import Evaluations
from nlparam.evals.audit.mistakes import changes, system_rates
from nlparam.numerics.statistics.rates import (
    concord,
    design_effect,
    difference,
    mcnemar,
    rate,
    shuffled_p_value,
    stratified_p_value,
    swapped_p_value,
)


def repeated(values, times):
    return np.repeat(np.asarray(values, dtype=bool), times)


def test_a_rater_who_always_says_no_agrees_by_chance_alone(rng):
    rare, never = np.arange(200) < 6, np.zeros(200, bool)
    assert concord(rare, never) == (0.97, pytest.approx(0.97), 0.0)
    assert concord(rare, rare).kappa == 1.0
    assert concord(never, never) == (1.0, 1.0, None)
    first, second = rng.random((2, 20_000)) < [[0.3], [0.6]]
    apart = concord(first, second)
    assert apart.share == pytest.approx(apart.by_chance, abs=0.02)
    assert apart.kappa == pytest.approx(0.0, abs=0.03)
    with pytest.raises(ValueError, match="expected as many of each"):
        concord(never, never[:5])


def test_what_is_alike_counts_once(rng):
    hits = rng.random(60) < 0.4
    assert design_effect(hits, np.arange(60)) == 1.0
    copies, clusters = repeated(hits, 7), np.repeat(np.arange(60), 7)
    assert design_effect(copies, clusters) == pytest.approx(7 * 60 / 59)
    n = int(hits.sum())
    narrow, once = rate(7 * n, 420), rate(n, 60)
    wide = rate(7 * n, 420, design_effect=7.0)
    assert wide[2:] == pytest.approx(once[2:])
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)
    # Independent outputs that share a task are no fewer for that, but for chance.
    assert np.mean([design_effect(rng.random(420) < 0.4, clusters) for _ in range(50)]) < 1.2


def test_where_clusters_say_nothing_each_counts_as_one():
    assert design_effect(np.zeros(40, bool), np.repeat(np.arange(8), 5)) == 5.0
    assert design_effect(np.arange(10) < 4, np.zeros(10, int)) == 10.0
    assert design_effect(np.zeros(0, bool), np.zeros(0, int)) == 1.0


def test_the_interval_of_a_difference_is_that_of_fewer_outputs():
    few, many = difference(rate(12, 20), rate(5, 20)), difference(rate(120, 200), rate(50, 200))
    widened = difference(rate(120, 200), rate(50, 200), design_effects=(10.0, 10.0))
    assert widened[:3] == pytest.approx(few[:3])
    assert many.low > widened.low


def test_swaps_of_pairs_are_mcnemars_test():
    for lost, gained, both in ((2, 9, 20), (4, 4, 0), (0, 6, 3)):
        first = repeated([1, 0, 1], [lost, gained, both])
        second = repeated([0, 1, 1], [lost, gained, both])
        n = lost + gained + both
        given = np.concatenate([first, second]), repeated([0, 1], n), np.tile(np.arange(n), 2)
        exact = mcnemar(lost, gained)
        assert stratified_p_value(*given) == pytest.approx(exact)
        assert swapped_p_value(*given) == pytest.approx(exact, rel=0.35)


def test_five_equal_outputs_of_a_task_are_no_more_evidence_than_one():
    first, second = repeated([1, 0, 1], [3, 9, 20]), repeated([0, 1, 1], [3, 9, 20])
    strata = np.tile(np.arange(32), 2)
    given = [np.repeat(values, 5) for values in (np.concatenate([first, second]), repeated([0, 1], 32), strata)]
    assert stratified_p_value(*given) < 1e-4
    assert swapped_p_value(*given) == pytest.approx(mcnemar(3, 9), rel=0.35)
    assert swapped_p_value(*given, seed=3) == swapped_p_value(*given, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_each"), [((20, 20), (8, 8)), ((10, 50), (10, 2))])
def test_shuffled_clusters_keep_to_the_level(n, n_each):
    """Of outputs that are much alike in a cluster: Fisher's test is wrong half of the time here."""
    p_values, of_fisher = [], []
    clusters = np.repeat(np.arange(sum(n)), np.repeat(n_each, n))
    second = repeated([0, 1], [n[0] * n_each[0], n[1] * n_each[1]])
    for seed in range(150):
        rng = np.random.default_rng(seed)
        hits = rng.random(len(clusters)) < rng.beta(0.5, 0.5, sum(n))[clusters]
        p_values.append(shuffled_p_value(hits, second, clusters, seed=seed))
        counts = [rate(int(hits[side].sum()), int(side.sum())) for side in (second, ~second)]
        of_fisher.append(difference(*counts).p_value)
    assert 0.01 <= np.mean(np.asarray(p_values) <= 0.05) <= 0.11  # 0.05, with three standard errors and more
    assert np.mean(np.asarray(of_fisher) <= 0.05) > 0.2
    assert np.mean(np.asarray(p_values) <= 0.5) == pytest.approx(0.5, abs=0.15)


def unequal(rng, n_tasks, means, shared):
    """Outputs of two groups, so many of a task as chance gives, that are alike in a task, and more so in a cell."""
    sizes = [np.minimum(1 + rng.negative_binomial(0.7, 0.7 / (0.7 + mean), n_tasks), 60) for mean in means]
    tasks = np.concatenate([np.repeat(np.arange(n_tasks), size) for size in sizes])
    second = np.repeat([False, True], [size.sum() for size in sizes])
    cells = tasks + n_tasks * second
    logits = shared * rng.normal(size=n_tasks)[tasks] + 1.5 * rng.normal(size=2 * n_tasks)[cells] - 0.8
    return rng.random(len(tasks)) < 1 / (1 + np.exp(-logits)), second, tasks if shared else cells


@pytest.mark.slow
@pytest.mark.parametrize("means", [(4, 4), (2, 10)])
@pytest.mark.parametrize("test", [shuffled_p_value, swapped_p_value])
def test_clusters_of_unequal_sizes_keep_the_level(test, means):
    p_values, as_if_single = [], []
    for seed in range(200):
        given = unequal(np.random.default_rng(seed), 30, means, test is swapped_p_value)
        p_values.append(test(*given, seed=seed))
        as_if_single.append(stratified_p_value(given[0], given[1], given[2] * (test is swapped_p_value)))
    assert 0.005 <= np.mean(np.asarray(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.asarray(as_if_single) <= 0.05) > 0.15


def test_shuffled_clusters_find_a_difference(rng):
    clusters = np.repeat(np.arange(60), 6)
    second = clusters >= 30
    hits = rng.random(360) < np.where(second, 0.6, 0.25)
    assert shuffled_p_value(hits, second, clusters) <= 0.001
    # Groups without any variation that differ are as far apart as can be.
    assert shuffled_p_value(second, second, clusters) == pytest.approx(1e-4)
    assert shuffled_p_value(np.ones(360, bool), second, clusters) == 1.0
    assert shuffled_p_value(hits, clusters == 0, clusters) == 1.0  # one cluster


def alike(n_tasks, n_outputs, accepted, *, shared):
    """Wrong outputs, so many of a task that are all accepted or all rejected; and a right one of each task."""
    verdict = np.concatenate([repeated(np.arange(n_tasks) < n, n_outputs) for n in accepted])
    first = np.repeat(np.arange(n_tasks), n_outputs)
    tasks = np.concatenate([first, first + (0 if shared else n_tasks)])
    n = len(tasks)
    return Evaluations(
        task=[str(task) for task in [*tasks, *range(1_000, 1_020)]],
        output=[""] * (n + 20),
        verdict=np.concatenate([verdict, np.ones(20, bool)]),
        correct=np.concatenate([np.zeros(n, bool), np.ones(20, bool)]),
        system=[*["before"] * (n // 2), *["after"] * (n // 2), *["before"] * 10, *["after"] * 10],
    )


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "test"), [(True, "tasks swapped"), (False, "tasks shuffled")])
def test_changes_are_not_claimed_for_outputs_that_repeat_each_other(shared, test):
    evaluations = alike(30, 10, (12, 15), shared=shared)
    (change,) = [c for c in changes(evaluations) if c.kind == "false positives"]
    assert change.test == test
    assert change.difference == pytest.approx(0.1)
    assert change.p_value > 0.2  # 120 of 300 against 150 of 300 would have one of 0.02
    assert change.low < -0.1
    assert changes(evaluations, seed=1) == changes(evaluations, seed=1)
    few, many = system_rates(evaluations)[0].false_positives, rate(120, 300)
    assert few.high - few.low > 2.5 * (many.high - many.low)
    (change,) = [c for c in changes(alike(30, 10, (3, 25), shared=shared)) if c.kind == "false positives"]
    assert change.p_adjusted < 0.01
    assert change.low > 0.3
