"""Corrected shares: right on average, as sure as they say, and never without an error."""

import warnings

import numpy as np
import pytest

from nlparam.numerics.statistics.correction import corrected_means


def world(rng, n_texts, prevalence, *, right, n_columns=1):
    """The wanted answers, and those of a layer that is right for this part of the texts either way."""
    holds = (rng.random((n_texts, n_columns)) < prevalence).astype(float)
    return holds, np.where(rng.random(holds.shape) < right, holds, 1 - holds)


def known_for(answers, texts):
    """The layer as it is known: for these texts only."""
    layer = np.full(answers.shape, np.nan)
    layer[texts] = answers[texts]
    return layer


@pytest.mark.parametrize("n", [30, 120])
def test_two_layers_agree_with_ppi_py(rng, n):
    with warnings.catch_warnings():  # it sets a filter for all warnings when it is imported
        ppi = pytest.importorskip("ppi_py")
    wanted, head = world(rng, 600, [0.1, 0.3, 0.5], right=0.8, n_columns=3)
    texts = rng.choice(600, n, replace=False)
    rest = np.setdiff1d(np.arange(600), texts)
    found = corrected_means([head, known_for(wanted, texts)], prior=0)
    for k in range(3):
        parts = wanted[texts, k], head[texts, k], head[rest, k]
        assert found.value[k] == pytest.approx(ppi.ppi_mean_pointestimate(*parts).item(), abs=1e-8)
        low, high = ppi.ppi_mean_ci(*parts, alpha=0.1)
        assert (found.low[k], found.high[k]) == pytest.approx((low.item(), high.item()), abs=1e-8)
