"""The learned head: exact leave-one-out, bias removed, and no invention where there is nothing to learn."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import Ridge

from nlparam.numerics.heads.head import Judged, Stated, bias, fit_head


def corpus(rng, n_texts=400, n_features=20, slope=4.0):
    features = rng.normal(size=(n_texts, n_features)) / np.sqrt(n_features)
    truth = features[:, 0] > 0.15
    return features, truth, slope * np.where(truth, 1.0, -1.0)


def test_it_denotes_texts_that_were_not_judged(rng):
    features, truth, log_odds = corpus(rng)
    rows = rng.choice(400, 150, replace=False)
    fitted = fit_head(features, [Judged(rows, expit(log_odds[rows]))])
    others = np.setdiff1d(np.arange(400), rows)
    assert np.mean((fitted.head.denote(features)[others, 0] > 0.5) == truth[others]) > 0.85


def test_a_biased_teacher_is_corrected(rng):
    features, truth, log_odds = corpus(rng)
    rows = rng.choice(400, 200, replace=False)
    generous = expit(log_odds[rows] + 3.0 + 0.3 * rng.normal(size=200))
    corrected = fit_head(features, [Judged(rows, generous)]).head.denote(features)[:, 0] > 0.5
    believed = fit_head(features, [Judged(rows, generous)], correct_bias=False).head.denote(features)[:, 0] > 0.5
    assert np.mean(corrected == truth) > np.mean(believed == truth)


def test_left_out_predictions_are_exact(rng):
    features, _, log_odds = corpus(rng, n_texts=40)
    rows = np.arange(30)
    noisy = log_odds + rng.normal(size=40)
    fitted = fit_head(features, [Judged(rows, expit(noisy[rows]))], correct_bias=False)
    targets = np.clip(noisy, -4, 4)
    for left in (0, 7, 29):
        rest = np.setdiff1d(rows, [left])
        refitted = Ridge(alpha=fitted.penalty).fit(features[rest], targets[rest]).predict(features[[left]])
        # All scores are then moved by the same amount, which the intercept has, too.
        moved = Ridge(alpha=fitted.penalty).fit(features[rows], targets[rows]).intercept_ - fitted.head.intercepts[0]
        expected = expit(fitted.head.slope * (refitted[0] - moved))
        np.testing.assert_allclose(fitted.left_out[0][left], expected, atol=1e-6)


def test_a_predicate_that_holds_nowhere_stays_empty(rng):
    features, _, _ = corpus(rng)
    rows = np.arange(60)
    never = expit(-7 + 0.5 * rng.normal(size=60))
    assert fit_head(features, [Judged(rows, never)]).head.denote(features).max() < 0.5


def test_predicates_may_be_judged_on_different_texts(rng):
    features, _, log_odds = corpus(rng)
    judged = [Judged(np.arange(50), expit(log_odds[:50])), Judged(np.arange(100, 120), expit(log_odds[100:120]))]
    fitted = fit_head(features, judged)
    assert fitted.head.denote(features).shape == (400, 2)
    assert [len(left) for left in fitted.left_out] == [50, 20]
    np.testing.assert_allclose(fitted.head.take([1]).denote(features)[:, 0], fitted.head.denote(features)[:, 1])


def test_bias_lies_between_the_two_groups_and_is_bounded(rng):
    groups = np.concatenate([rng.normal(-4, 0.3, 40), rng.normal(2, 0.3, 20)])
    np.testing.assert_allclose(bias(groups), -0.5, atol=0.2)  # half of the valley at -1
    assert bias(groups - 50) == -2.0
    assert bias(np.full(20, -3.0)) == -1.5
    assert bias(groups[:5]) == 0.0


def test_too_few_judgments_are_an_error():
    with pytest.raises(ValueError, match="at least 2"):
        fit_head(np.ones((3, 2)), [Judged(np.asarray([0]), np.asarray([0.5]))])


def test_a_guess_helps_where_few_texts_are_judged_and_is_no_part_of_the_features(rng):
    features, truth, log_odds = corpus(rng)
    guess = np.zeros((20, 1))
    guess[0] = 1 / features[:, 0].std()
    rows = rng.choice(400, 12, replace=False)
    judged = [Judged(rows, expit(log_odds[rows]))]
    alone = fit_head(features, judged).head.denote(features)[:, 0]
    fitted = fit_head(features, judged, guesses=guess)
    assert fitted.head.coefficients.shape == (20, 1)
    guided = fitted.head.denote(features)[:, 0]
    assert np.mean((guided > 0.5) == truth) > np.mean((alone > 0.5) == truth) + 0.05


def test_a_wrong_guess_is_overruled_by_the_judgments(rng):
    features, truth, log_odds = corpus(rng)
    guess = np.zeros((20, 1))
    guess[0] = -1 / features[:, 0].std()
    rows = rng.choice(400, 150, replace=False)
    fitted = fit_head(features, [Judged(rows, expit(log_odds[rows]))], guesses=guess)
    others = np.setdiff1d(np.arange(400), rows)
    assert np.mean((fitted.head.denote(features)[others, 0] > 0.5) == truth[others]) > 0.85


def _judged_too_rarely(rng, n_judged, share=0.25, yes=-0.4):
    """A head for a language model that says "yes" too rarely to texts which the features tell apart, and the truth."""
    truth = rng.random(1500) < share
    features = np.stack([np.where(truth, 1.0, -1.0) + 0.2 * rng.normal(size=1500), rng.normal(size=1500)], axis=1)
    log_odds = np.where(truth, yes, -2.6) + 0.8 * rng.normal(size=1500)
    rows = rng.permutation(1500)[:n_judged]
    return fit_head(features, [Judged(rows, expit(log_odds[rows]))]), features, truth


@pytest.mark.parametrize("n_judged", [40, 160])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.6])
def test_a_predicate_holds_as_often_as_it_should_though_yes_is_said_too_rarely(rng, n_judged, share):
    fitted, features, truth = _judged_too_rarely(rng, n_judged, share=share)
    held = fitted.head.denote(features)[:, 0] >= 0.5
    assert np.mean(held == truth) > 0.9
    # The language model's own answers have the same threshold.
    assert np.mean((fitted.corrected[0] >= 0.5) == (fitted.left_out[0] >= 0.5)) > 0.8


def test_the_head_says_yes_as_often_as_it_was_taught_though_it_shrinks(rng):
    features, _, log_odds = corpus(rng, n_texts=2000)
    log_odds = log_odds + 3 * rng.normal(size=2000)
    rows = rng.choice(2000, 100, replace=False)
    fitted = fit_head(features, [Judged(rows, expit(log_odds[rows]))], correct_bias=False)
    assert abs(np.mean(fitted.head.denote(features) > 0.5) - np.mean(log_odds > 0)) < 0.1


def test_what_holds_nowhere_is_not_made_to_hold(rng):
    fitted, features, _ = _judged_too_rarely(rng, 160, share=0.0)
    assert np.mean(fitted.head.denote(features) >= 0.5) < 0.01


def _denied(rng):
    """A predicate that holds for a quarter of the texts, and is denied of all of them when it is asked."""
    features = rng.normal(size=(800, 20)) / np.sqrt(20)
    truth = features[:, 0] > np.quantile(features[:, 0], 0.75)
    features[:, 0] += 0.35 * truth
    log_odds = np.where(truth, -2.3, -3.3) + 0.6 * rng.normal(size=800)
    rows = rng.choice(800, 150, replace=False)
    return features, truth, Judged(rows, expit(log_odds[rows]))


def _share(features, judged, stated=None):
    return float(np.mean(fit_head(features, [judged], stated=stated).head.denote(features) > 0.5))


def test_what_is_denied_holds_where_it_was_said_without_being_asked(rng):
    features, truth, judged = _denied(rng)
    rows = rng.choice(800, 100, replace=False)
    said = truth[rows] & (rng.random(100) < 0.3)  # of most texts something else was said, though it is true
    before = fit_head(features, [judged]).head.denote(features)[:, 0] > 0.5
    fitted = fit_head(features, [judged], stated=Stated(rows, said[:, None]))
    after = fitted.head.denote(features)[:, 0] > 0.5
    assert np.sum(before & truth) / truth.sum() < 0.5
    assert np.sum(after & truth) / truth.sum() > 0.7
    assert np.mean(after[~truth]) < 0.02
    # The language model's own answers are read in the same way.
    assert np.mean(fitted.corrected[0][truth[judged.rows]] > 0.5) > 0.5


def test_what_was_said_at_random_moves_little(rng):
    features, _, judged = _denied(rng)
    before, moved = _share(features, judged), []
    for _ in range(50):
        said = np.zeros(100, dtype=bool)
        said[: rng.integers(3, 40)] = True
        moved.append(_share(features, judged, Stated(rng.choice(800, 100, replace=False), said[:, None])) - before)
    assert 0 <= np.mean(moved) < 0.01
    assert np.mean(np.asarray(moved) > 0) < 0.1


def test_what_was_said_never_takes_a_predicate_from_texts(rng):
    features, truth, log_odds = corpus(rng)
    rows = np.arange(100)
    judged, said = Judged(rows, expit(log_odds[rows])), truth[rows] & (features[rows, 0] > 0.4)
    assert _share(features, judged, Stated(rows, said[:, None])) == _share(features, judged)
    none = Stated(np.zeros(0, dtype=int), np.zeros((0, 1), dtype=bool))
    assert _share(features, judged, none) == _share(features, judged)
