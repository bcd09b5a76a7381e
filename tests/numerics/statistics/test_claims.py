"""Sizes of what was claimed: not exaggerated by the claim, and covered at the false coverage rate."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from nlparam.numerics.statistics.effects import Effect, claimed_at, correct_p_values, size_of_claim


def _effect(z: float) -> Effect:
    return Effect(z / 20, 0.05, z / 20 - 0.1, z / 20 + 0.1, float(2 * scipy.stats.norm.sf(abs(z))))


@pytest.mark.parametrize("correction", ["bh", "by", "holm"])
def test_what_is_claimed_is_below_the_cut_and_nothing_else_is(rng, correction):
    for _ in range(40):
        p_values = rng.random(12) ** 4
        claimed = correct_p_values(p_values.tolist(), correction) <= 0.05
        cut = claimed_at(int(claimed.sum()), 12, 0.05, correction)
        if claimed.any():
            np.testing.assert_array_equal(p_values <= cut, claimed)


@pytest.mark.parametrize(("correction", "name"), [("bh", "fdr_bh"), ("by", "fdr_by"), ("holm", "holm")])
def test_p_values_are_adjusted_as_in_statsmodels(rng, correction, name):
    for p_values in (rng.random(9) ** 3, [0.01, 0.01, 0.0, 1.0], [0.2]):
        expected = np.asarray(multipletests(p_values, method=name)[1], float)
        np.testing.assert_allclose(correct_p_values(list(p_values), correction), expected, rtol=1e-12)


def test_sizes_of_claims_are_not_exaggerated():
    """Of six predicates tested one differs, by so much that it is claimed in a third of the runs."""
    rng = np.random.default_rng(0)
    seen, sizes, truth = [], [], 2.2
    for _ in range(900):
        z = rng.normal(size=6) + np.asarray([truth, 0, 0, 0, 0, 0])
        effects = [_effect(one) for one in z]
        claimed = correct_p_values([effect.p_value for effect in effects], "bh") <= 0.05
        if claimed[0] and z[0] > 0:
            cut = claimed_at(int(claimed.sum()), 6, 0.05, "bh")
            seen.append(effects[0].effect * 20 / truth)
            sizes.append(size_of_claim(effects[0], max(cut, effects[0].p_value)) * 20 / truth)
    assert np.mean(seen) > 1.35
    assert 0.8 < np.mean(sizes) < 1.1


def test_a_size_lies_between_nothing_and_what_was_seen():
    cut = float(2 * scipy.stats.norm.sf(2.0))
    sizes = [size_of_claim(_effect(z), cut) * 20 for z in (2.0001, 2.5, 3.0, 5.0, 40.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0.0
    assert 0 < sizes[1] < 2.5
    assert sizes[3] == pytest.approx(5.0, abs=0.02)
    for effect in (_effect(1.9), _effect(-3.0)):
        with pytest.raises(ValueError, match="expected one above 0 with p up to"):
            size_of_claim(effect, cut)
    with pytest.raises(ValueError, match="got 5 claims of 3 tested"):
        claimed_at(5, 3, 0.05, "bh")
    with pytest.raises(ValueError, match="expected one of bh, by, holm"):
        claimed_at(1, 3, 0.05, "none")
