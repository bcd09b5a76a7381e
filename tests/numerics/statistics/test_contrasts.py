"""Contrasts with clusters and labels: the level is kept, published estimators are met, what cannot be told is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.numerics.statistics.contrasts import LEAST_LABELS, robust_contrast, robust_share
from nlparam.numerics.statistics.correction import corrected_means
from nlparam.numerics.statistics.effects import adjusted_contrast, contrast, share


def _by_author(rng, n_authors: int, n_texts: int, alike: float, *, effect=0.0, crossing=False):
    """Answers, groups and authors of texts; `alike`, the correlation of an author's texts."""
    spread = (1 - alike) / alike
    rates = rng.beta(0.4 * spread, 0.6 * spread, n_authors)
    author = np.repeat(np.arange(n_authors), n_texts)
    groups = rng.integers(2, size=len(author)) if crossing else author % 2
    values = rng.random(len(author)) < np.clip(rates[author] + effect * groups, 0, 1)
    return values.astype(float), groups, author


def _share_of_claims(n_runs: int, first: int, *of_texts, **how) -> tuple[float, float]:
    """How often texts, and clusters, are claimed to differ."""
    claims = []
    for run in range(n_runs):
        values, groups, author = _by_author(np.random.default_rng([first, run]), *of_texts, **how)
        robust, reason = robust_contrast(values, groups, 2, 1, clusters=author)
        assert reason == ""
        claims.append((contrast(values, groups, 2, 1).p_value <= 0.05, robust.p_value <= 0.05))
    naive, robust = np.mean(claims, axis=0)
    return float(naive), float(robust)


@pytest.mark.parametrize(
    ("n_authors", "n_texts", "crossing"), [(30, 17, False), (8, 40, False), (5, 40, False), (20, 20, True)]
)
def test_texts_of_the_same_authors_make_no_claims(n_authors, n_texts, crossing):
    naive, robust = _share_of_claims(200, 1, n_authors, n_texts, 0.2, crossing=crossing)
    assert robust <= 0.096  # 0.05, with three standard errors
    assert crossing or naive > 0.25


def test_clusters_leave_power():
    assert _share_of_claims(40, 2, 60, 10, 0.2, effect=0.25)[1] > 0.8
    assert _share_of_claims(40, 3, 20, 20, 0.2, effect=0.2, crossing=True)[1] > 0.8


def test_intervals_of_clusters_cover():
    covered = 0
    for run in range(200):
        values, groups, author = _by_author(np.random.default_rng([4, run]), 24, 12, 0.2)
        effect, _ = robust_contrast(values, groups, 2, 1, clusters=author, confidence=0.9)
        covered += effect.low <= 0 <= effect.high
    assert 0.83 <= covered / 200 <= 0.97


def test_clusters_of_one_text_change_little(rng):
    groups = rng.integers(2, size=300)
    values = (rng.random(300) < 0.3 + 0.2 * groups).astype(float)
    alone, _ = robust_contrast(values, groups, 2, 1, clusters=np.arange(300))
    plain = contrast(values, groups, 2, 1)
    assert alone.effect == pytest.approx(plain.effect)
    assert alone.standard_error == pytest.approx(plain.standard_error, rel=0.02)
    covariates = rng.normal(size=(300, 3))
    alone, _ = robust_contrast(values, groups, 2, 1, covariates=covariates, clusters=np.arange(300))
    plain = adjusted_contrast(values, groups, 2, 1, covariates)
    assert alone.effect == pytest.approx(plain.effect)
    assert alone.standard_error == pytest.approx(plain.standard_error, rel=0.03)
    assert robust_share(values, clusters=np.arange(300)) == pytest.approx(share(values), abs=0.003)


def test_copies_are_no_evidence(rng):
    groups = np.repeat([0, 1], 60)
    values = (rng.random(120) < 0.4).astype(float)
    once, _ = robust_contrast(values, groups, 2, 1, clusters=np.arange(120))
    copied, _ = robust_contrast(values.repeat(9), groups.repeat(9), 2, 1, clusters=np.arange(120).repeat(9))
    assert copied.effect == pytest.approx(once.effect)
    assert copied.standard_error == pytest.approx(once.standard_error, rel=0.02)


def test_a_rare_predicate_of_a_few_authors_is_not_claimed():
    author = np.repeat(np.arange(20), 10)
    values = np.zeros(200)
    values[:4] = 1  # four texts of one author
    effect, _ = robust_contrast(values, (author >= 10).astype(int), 2, 0, clusters=author)
    assert effect.p_value > 0.1
    assert effect.low < 0


def test_what_cannot_be_told_is_not_told(rng):
    values, groups = rng.random(40), np.repeat([0, 1], 20)
    effect, reason = robust_contrast(values, groups, 2, 1, clusters=np.where(groups == 0, 0, np.arange(40)))
    assert (effect.low, effect.high, effect.p_value) == (-1, 1, 1)
    assert reason == "cannot be said from 1 cluster of a group: expected 2 and more"
    few = np.full(40, np.nan)
    few[: LEAST_LABELS + 5] = 1.0
    assert "cannot be said from 0 labels" in robust_contrast(values, groups, 2, 1, labels=few).reason
    many = rng.normal(size=(40, 30))
    assert "columns to adjust for" in robust_contrast(values, groups, 2, 1, covariates=many, labels=values).reason
    assert robust_share(values, clusters=np.zeros(40, int))[1:] == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"got clusters of shape \(3,\), expected \(40,\)"):
        robust_contrast(values, groups, 2, 1, clusters=np.zeros(3))
    with pytest.raises(ValueError, match=r"got confidence=95, expected a number between 0 and 1"):
        robust_contrast(values, groups, 2, 1, confidence=95)
    with pytest.raises(ValueError, match="expected two groups or more"):
        robust_contrast(values, groups * 0, 1, 0)
    with pytest.raises(ValueError, match="3 texts without an answer"):
        robust_share(np.full(3, np.nan))


def _judged(rng, n: int, n_labels: int, effect: float):
    """A judge that errs more in the first group, and labels of some texts of each."""
    groups = np.repeat([0, 1], n)
    truth = rng.random(2 * n) < 0.3 + effect * groups
    right = np.where(truth, 0.9, np.where(groups == 0, 0.8, 0.95))
    values = np.where(rng.random(2 * n) < right, truth, ~truth).astype(float)
    labels = np.full(2 * n, np.nan)
    for group in (0, 1):
        labelled = rng.choice(np.flatnonzero(groups == group), n_labels, replace=False)
        labels[labelled] = truth[labelled]
    return values, groups, labels


def test_labels_correct_a_judge_that_errs_unequally():
    runs = []
    for run in range(200):
        values, groups, labels = _judged(np.random.default_rng([5, run]), 400, 75, 0.0)
        effect, _ = robust_contrast(values, groups, 2, 1, labels=labels)
        naive = contrast(values, groups, 2, 1)
        values, groups, labels = _judged(np.random.default_rng([6, run]), 400, 75, 0.25)
        real, _ = robust_contrast(values, groups, 2, 1, labels=labels)
        rejected = [one.p_value <= 0.05 for one in (naive, effect, real)]
        runs.append((*rejected, real.low <= 0.25 <= real.high))
    naive, corrected, power, covered = np.mean(runs, axis=0)
    assert naive > 0.6
    assert corrected <= 0.096
    assert power > 0.9
    assert covered > 0.9


def test_a_corrected_share_is_that_of_the_correction(rng):
    values, groups, labels = _judged(rng, 300, 60, 0.1)
    mine = groups == 1
    expected = corrected_means([values[mine][:, None], labels[mine][:, None]], confidence=0.95)
    found = robust_share(values[mine], labels=labels[mine])
    assert found[0] == pytest.approx(expected.value[0], abs=1e-12)
    assert found[2] - found[1] == pytest.approx(expected.high[0] - expected.low[0], rel=0.1)
    effect, _ = robust_contrast(values, groups, 2, 1, labels=labels)
    other = corrected_means([values[~mine][:, None], labels[~mine][:, None]])
    assert effect.effect == pytest.approx(expected.value[0] - other.value[0], abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_figures_are_finite_or_said_to_be_unknown(data):
    n = data.draw(st.integers(4, 40))
    maybe = st.one_of(st.just(np.nan), st.sampled_from([0.0, 1.0]), st.floats(0, 1))
    values, labels = (np.asarray(data.draw(st.lists(maybe, min_size=n, max_size=n))) for _ in range(2))
    codes = st.lists(st.integers(0, 5), min_size=n, max_size=n)
    groups, clusters = np.asarray(data.draw(codes)) % 2, np.asarray(data.draw(codes))
    for given_labels in (None, labels):
        for given_clusters in (None, clusters):
            effect, reason = robust_contrast(
                values,
                groups,
                2,
                1,
                clusters=given_clusters,
                labels=given_labels,
                covariates=(clusters > 2)[:, None] * 1.0,
            )
            assert -1 <= effect.low <= effect.high <= 1
            assert 0 <= effect.p_value <= 1
            assert reason or (np.isfinite(effect.standard_error) and effect.low <= effect.effect <= effect.high)
