"""How little any cascade with the same head could ask: it knows every answer, needs no audit and stops in time."""

from collections.abc import Sequence

import numpy as np

from nlparam.numerics.heads.cascade import Target
from nlparam.numerics.heads.head import bias, correct, log_odds_of
from nlparam.numerics.heads.joint_head import fit_joint_head


def least_fraction(
    features: np.ndarray,
    predicates: np.ndarray,
    probabilities: np.ndarray,
    target: Target,
    *,
    n_training: Sequence[int] = (200, 400, 800),
    seed: int = 0,
) -> float:
    """The least share of pairs asked, over some sizes of the training.

    The head is trained on so many pairs of random texts; then the pairs of which it is least certain are asked one by
    one, until recall and precision, computed from all answers, are what the target says.
    """
    thresholds = np.asarray([bias(log_odds_of(column[np.isfinite(column)])) for column in probabilities.T])
    answered = np.isfinite(probabilities)
    corrected = [correct(column, threshold) for column, threshold in zip(probabilities.T, thresholds, strict=True)]
    yes = (np.stack(corrected, axis=1) > 0.5)[answered]
    order = np.random.default_rng(seed).permutation(len(features))
    fractions = []
    for n_pairs in n_training:
        asked = np.zeros_like(answered)
        asked[order[: n_pairs // probabilities.shape[1]]] = True
        asked &= answered
        pairs = np.argwhere(asked)
        fitted = fit_joint_head(
            features,
            predicates,
            pairs,
            probabilities[asked],
            thresholds=thresholds,
            typical=np.ones(len(pairs)),
            seed=seed,
        )
        fractions.append(_fraction(fitted.head.denote(features)[answered], yes, asked[answered], target))
    return min(fractions)


def _fraction(denoted: np.ndarray, yes: np.ndarray, asked: np.ndarray, target: Target) -> float:
    """The share of pairs asked once recall and precision are reached, the least certain first."""
    said = denoted > 0.5
    order = np.argsort(-np.minimum(denoted, 1 - denoted), kind="stable")
    order = np.concatenate([np.flatnonzero(asked), order[~asked[order]]])
    # What is asked is right from then on: after the first `n` of the order, these are still wrong.
    missed = np.sum(yes & ~said) - np.cumsum((yes & ~said)[order])
    false = np.sum(~yes & said) - np.cumsum((~yes & said)[order])
    found = yes.sum() - missed
    reached = (found >= target.recall * yes.sum()) & (found >= target.precision * (found + false))
    first = int(np.argmax(reached)) + 1
    return max(first, int(asked.sum())) / len(yes)
