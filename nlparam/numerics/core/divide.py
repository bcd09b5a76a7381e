r"""How many parts a set of texts falls into: what a division tells of texts held out.

A division into $K$ predicates is worth what it tells about where the statement of a text under the goal (or its
embedding) lies, $t_i$, beyond the text being one of all. With $w_{ik}$ the probability that text $i$ belongs to part
$k$, the log-likelihood is $\log \sum_k w_{ik} N(t_i; \mu_k, \sigma^2 I)$, with means estimated on other texts. A part
that few texts speak for is estimated badly, so the gain ends where the data end. Texts in no part have mean and
variance of all.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit, logsumexp

from nlparam.numerics.core.threads import one_thread

Denoted: TypeAlias = Float[np.ndarray, "n_texts n_predicates"]

# Coordinates of the targets beyond these are noise, which only makes the likelihood sharper than it should be.
_MOST_COORDINATES = 16
_N_FOLDS = 5
# How far, in log-odds and in standard deviations of them, thresholds of siblings are moved at most; in how many steps
# each way, and how often all of them.
MOST_SHIFT, _MOST_OF_SPREAD, _N_SHIFTS, _N_ROUNDS = 1.0, 1.0, 20, 10
_MOST_GROWTH = 4 / 3


class Gain(NamedTuple):
    """Log-likelihood of held-out texts against no division, in nats: one value per text."""

    per_text: Float[np.ndarray, " n_texts"]

    @property
    def mean(self) -> float:
        return float(self.per_text.mean())

    @property
    def standard_error(self) -> float:
        return float(self.per_text.std(ddof=1) / len(self.per_text) ** 0.5) if len(self.per_text) > 1 else np.inf


class HeldOut:
    """What divisions tell of each text, their means being estimated without the text (five folds).

    **Arguments:** `targets`, what divisions are to explain.
    """

    def __init__(self, targets: Float[np.ndarray, "n_texts target_dim"], *, seed: int = 0):
        n_texts = len(targets)
        self.coordinates = _principal(targets)
        folds = np.array_split(np.random.default_rng(seed).permutation(n_texts), min(_N_FOLDS, n_texts))
        self._folds = [(fold, np.setdiff1d(np.arange(n_texts), fold)) for fold in folds]

    def gain(self, denotations: Denoted) -> Gain:
        """Of a division, given the denotations of its predicates."""
        coordinates, memberships = self.coordinates, membership(denotations)
        dim, gains = coordinates.shape[1], np.zeros(len(coordinates))
        for fold, kept in self._folds:
            mean = coordinates[kept].mean(axis=0)
            parts = memberships[kept, :-1]
            # Shrunk to the mean of all, as if one more text spoke for it.
            means = (parts.T @ coordinates[kept] + mean) / (parts.sum(axis=0)[:, None] + 1)
            spread = np.sum(parts * _squared(coordinates[kept], means))
            variance = max(spread / (max(parts.sum(), 1e-9) * dim), 1e-9)
            variance_of_all = max(np.mean(_squared(coordinates[kept], mean[None])) / dim, 1e-9)
            variances = np.append(np.full(parts.shape[1], variance), variance_of_all)
            distances = _squared(coordinates[fold], np.concatenate([means, mean[None]]))
            log_densities = -distances / (2 * variances) - dim / 2 * np.log(variances)
            gains[fold] = logsumexp(log_densities, axis=1, b=memberships[fold]) - log_densities[:, -1]
        return Gain(gains)


def near_the_best(gains: Sequence[Gain]) -> list[int]:
    """Which of several divisions are not clearly worse than the best: by one standard error of the difference."""
    best = max(gains, key=lambda gain: gain.mean)
    behind = [best.per_text - gain.per_text for gain in gains]
    return [n for n, less in enumerate(behind) if less.mean() <= Gain(less).standard_error]


def membership(denotations: Denoted) -> Float[np.ndarray, "n_texts n_predicates_and_none"]:
    """Rows that sum to one: a text's denotations, shared out where they sum to more, the rest to none (last)."""
    total = denotations.sum(axis=1, keepdims=True)
    shared = denotations / np.maximum(total, 1)
    return np.concatenate([shared, np.maximum(1 - total, 0)], axis=1)


def matched(denotations: Denoted) -> Float[np.ndarray, " n_predicates"]:
    """Log-odds to subtract from each column so that it holds (is at least one half) for as many texts as it sums up to.

    A head that knows little keeps to the middle: its denotations of a predicate that holds for a fifth of the texts are
    near 0.2 everywhere and 0.5 nowhere. Their sum is right all the same, and their order the best there is.
    """
    n_texts = len(denotations)
    shifts = np.zeros(denotations.shape[1])
    for column, values in enumerate(denotations.T):
        n_holding = round(float(values.sum()))
        if 0 < n_holding < n_texts:
            ordered = logit(np.clip(np.sort(values)[::-1], 1e-9, 1 - 1e-9))
            last, following = ordered[n_holding - 1 : n_holding + 1]
            if last == following:
                # Equal values hold together or not at all; those of a predicate that holds nowhere are all equal.
                above = ordered[ordered > following]
                last = above[-1] if len(above) else following + 1e-3
            shifts[column] = (last + following) / 2
    return shifts


def certainty(denotations: Denoted, weights: Float[np.ndarray, " n_texts"]) -> Float[np.ndarray, " n_predicates"]:
    """The certainty factor (Shortliffe and Buchanan 1975) of each predicate for the texts that it is taken to hold of,
    from 1/2 on: by how much likelier it is to hold of these than of any text.

    1 is sure, 0 no likelier. A head that knows little keeps to the middle, and which texts are above it is chance. Of a
    predicate that holds of no text, or of all, it is 0.
    """
    holds = denotations >= 0.5
    mean = weights @ denotations / max(weights.sum(), np.finfo(float).tiny)
    of_those = np.sum(weights[:, None] * holds * denotations, axis=0) / np.maximum(weights @ holds, 1e-9)
    return np.clip((of_those - mean) / np.maximum(1 - mean, 1e-9), 0, 1)


def jointly(
    denotations: Denoted,
    weights: Float[np.ndarray, " n_texts"],
    *,
    uncovered: float,
    overlap: float,
    least_share: float = 0.0,
    most_share: float = 1.0,
    most: float = MOST_SHIFT,
) -> Float[np.ndarray, " n_predicates"]:
    """Log-odds to subtract from each column so that about one of them holds for every text.

    Where a small language model begins to say yes differs from predicate to predicate. Siblings that were chosen to
    hold for every text about once tell where: one threshold after another is moved to where the price of the cover (see
    `nlparam.numerics.core.cover`) is least, until none helps. Each moves by at most `most` and a standard deviation of
    its log-odds, and not so far that it holds for more than `most_share` of the texts or a third more than before
    (texts far from all stay under none), or for fewer than `least_share` of them.
    """
    log_odds = logit(np.clip(denotations, 1e-9, 1 - 1e-9))
    # A predicate of which little is known has log-odds that hardly differ: a large shift would make it hold for all.
    limits = np.minimum(most, _MOST_OF_SPREAD * log_odds.std(axis=0))
    steps = np.linspace(-1, 1, 2 * _N_SHIFTS + 1)
    steps = steps[np.argsort(np.abs(steps), kind="stable")]  # of equally good ones the least
    sizes, total = weights @ (log_odds >= 0), weights.sum()
    largest = np.minimum(_MOST_GROWTH * sizes, most_share * total)
    smallest = np.minimum(sizes, least_share * total)
    shifts = np.zeros(denotations.shape[1])

    def price(n_holding: np.ndarray) -> float:
        each = uncovered * np.maximum(1 - n_holding, 0) + overlap * np.maximum(n_holding - 1, 0)
        return float(weights @ each)

    for _ in range(_N_ROUNDS):
        before = shifts.copy()
        for column, limit in enumerate(limits):
            others = np.delete(log_odds - shifts >= 0, column, axis=1).sum(axis=1)
            holding = [log_odds[:, column] >= limit * step for step in steps]
            held = [weights @ holds for holds in holding]
            allowed = [n == 0 or smallest[column] <= size <= largest[column] for n, size in enumerate(held)]
            prices = [price(others + holds) if fits else np.inf for holds, fits in zip(holding, allowed, strict=True)]
            shifts[column] = limit * steps[int(np.argmin(prices))]
        if np.array_equal(before, shifts):
            break
    return shifts


def shifted(denotations: Denoted, shifts: Float[np.ndarray, " n_predicates"]) -> Denoted:
    """Denotations whose log-odds are lower by `shifts`."""
    return expit(logit(np.clip(denotations, 1e-9, 1 - 1e-9)) - shifts)


def _principal(targets: np.ndarray) -> np.ndarray:
    centred = targets.astype(np.float64) - targets.mean(axis=0)
    with one_thread():
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    n_kept = max(1, min(_MOST_COORDINATES, len(targets) // 4, int(np.sum(singular > 1e-9))))
    return left[:, :n_kept] * singular[:n_kept]


def _squared(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    return np.sum((points[:, None] - means[None]) ** 2, axis=2)
