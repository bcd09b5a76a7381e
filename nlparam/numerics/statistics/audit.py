"""What a random audit proves about errors that were not looked at: exact bounds, and how large an audit must be.

The pairs that the head answers form two strata, of few and of many expected errors. Each pair of stratum s is audited
with probability `rates[s]`, independently of all others. If stratum s holds E_s errors, the audit finds X_s ~
Binomial(E_s, rates[s]) of them, and the score T = sum_s X_s / rates[s] estimates their number. The derivation is in
`docs/explanation/cascade.md`.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import bdtr, gammaln, xlog1py, xlogy

_ROUNDING = 1e-9
# Candidates of a plan: how much of the errors allowed the head may be expected to make, how often the fewest audits
# that can prove anything, how much oftener pairs of many expected errors are audited than those of few.
_SHARES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.32, 0.25, 0.2, 0.15, 0.1, 0.07, 0.04, 0.02)
_SCALES = (1.001, 1.4, 1.75, 2.3, 3.0, 4.0, 5.5, 8.0, 12.0)
_RATIOS = (1.0, 2.0, 4.0, 8.0)
_LOW_SHARE = 0.25  # of the expected errors lie in the stratum of few
# The head's own error probabilities may be off by these factors, with these weights.
_DOUBTS = np.asarray([0.7, 1.0, 1.4, 2.0])
_DOUBT_WEIGHTS = np.asarray([0.2, 0.4, 0.25, 0.15])
_FALLBACK = 0.9  # share of what was left to the head that a failed audit asks for after all
_MOST_FOUND = 40  # a plan that expects to find more errors than this is too dear to consider
_MOST_SPREADS = 60  # ways to spread the errors that a plan, not a proof, looks at


def tail(found: np.ndarray, rates: np.ndarray, sizes: np.ndarray, n_errors: int) -> float:
    """The p-value of "the two strata hold at least `n_errors` errors".

    It is the largest probability of a score as low as the one seen among all ways to spread the errors over the strata,
    so it is valid wherever they hide.

    **Arguments:** `found`, errors the audit found in each stratum; `rates`, probabilities of being audited; `sizes`,
    numbers of pairs.
    """
    if n_errors > np.sum(sizes):
        return 0.0
    if n_errors <= np.sum(found):
        return 1.0
    score = np.sum(np.asarray(found) / rates) + _ROUNDING
    first = np.arange(max(0, n_errors - int(sizes[1])), min(n_errors, int(sizes[0])) + 1)
    x = np.arange(int(score * rates[0]) + 1)
    left = np.floor((score - x / rates[0]) * rates[1] + _ROUNDING)
    worst = 0.0
    for spreads in np.array_split(first, 1 + len(first) * len(x) // 4_000_000):
        rest = (n_errors - spreads)[:, None]
        low = np.where(left[None] >= rest, 1.0, bdtr(np.minimum(left[None], rest), rest, rates[1]))
        worst = max(worst, float(np.max(np.sum(_binomial(x[None], spreads[:, None], rates[0]) * low, axis=1))))
    return min(worst, 1.0)


def most_errors(found: np.ndarray, rates: np.ndarray, sizes: np.ndarray, alpha: float) -> int:
    """An upper bound of the number of errors of two strata, wrong with probability at most `alpha`."""
    low, high = int(np.sum(found)), int(np.sum(sizes))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tail(found, rates, sizes, middle) > alpha else (low, middle - 1)
    return low


def least_positives(rates: Float[np.ndarray, " n_found"], expected: float, alpha: float) -> int:
    """A lower bound of the number of positive pairs among pairs audited at unequal rates.

    By Markov's inequality for the product of 1 + tilt / rate over the positives found, whose mean is (1 + tilt)^n.

    **Arguments:** `rates` of the positives that were found; `expected`, how many there might be: it tunes the bound,
    which is valid for any value that does not depend on the audit.
    """
    if len(rates) == 0:
        return 0
    surprise, tilt = _tilt(expected, alpha)
    bound = (np.sum(np.log1p(tilt / rates)) - surprise) / np.log1p(tilt)
    return max(len(rates), int(np.ceil(bound - _ROUNDING)))


def expected_bound(
    rates: Float[np.ndarray, " n_pairs"], probabilities: Float[np.ndarray, " n_pairs"], alpha: float
) -> float:
    """What `least_positives` gives in the mean if pair `i` is positive with `probabilities[i]`, drawn at `rates[i]`."""
    surprise, tilt = _tilt(float(np.sum(probabilities)), alpha)
    return max(0.0, float((probabilities * rates) @ np.log1p(tilt / rates) - surprise) / float(np.log1p(tilt)))


def _tilt(expected: float, alpha: float) -> tuple[float, float]:
    # The mean rate is not used: it would depend on the audit.
    surprise = float(np.log(1 / alpha))
    return surprise, min(0.5, float(np.sqrt(2 * surprise / max(expected, 1.0))))


class SidePlan(NamedTuple):
    """Which pairs of one side (those the head says yes to, or no) to leave to it, and how to audit them.

    In ascending order of error probability, the first `n_kept` pairs are left to the head and the first `n_low` of them
    form the stratum of few errors. `rates` are the audit rates of both strata; `cost` the calls expected.
    """

    n_kept: int
    n_low: int
    rates: np.ndarray
    cost: float


def plan_side(errors: Float[np.ndarray, " n_pairs"], n_allowed: int, alpha: float) -> SidePlan:
    """The cheapest plan for one side, from error probabilities in ascending order.

    `n_allowed` is how many errors the target allows, `alpha` the level of the test.
    """
    n, expected = len(errors), np.cumsum(errors)
    best = SidePlan(0, 0, np.ones(2), float(n))
    if n == 0:
        return best
    least = 1 - alpha ** (1 / (n_allowed + 1))  # at a lower rate even an audit without any error proves nothing
    for share in _SHARES:
        n_kept = int(np.searchsorted(expected, share * n_allowed, side="right"))
        if n_kept == 0:
            continue
        n_low = int(np.searchsorted(expected, _LOW_SHARE * expected[n_kept - 1], side="right"))
        sizes = np.asarray([n_low, n_kept - n_low])
        means = np.asarray([expected[n_low - 1] if n_low else 0.0, 0.0])
        means[1] = expected[n_kept - 1] - means[0]
        for scale, ratio in itertools.product(_SCALES, _RATIOS):
            rates = np.minimum(least * scale * np.asarray([1.0, ratio]), 1.0)
            audited = float(sizes @ rates)
            if n - n_kept + audited >= best.cost:
                continue
            passes = passing_chance(means, rates, sizes, n_allowed + 1, alpha)
            cost = n - n_kept + audited + (1 - passes) * _FALLBACK * n_kept
            if cost < best.cost:
                best = SidePlan(n_kept, n_low, rates, cost)
    return best


def passing_chance(means, rates, sizes, n_errors, alpha) -> float:
    """How likely an audit is to prove that there are fewer than `n_errors` errors where `means` are expected."""
    if n_errors > sizes.sum():
        return 1.0
    if np.sum(means * rates) > _MOST_FOUND / 2:
        return 0.0
    tops = [int(min(n_errors * rate, _MOST_FOUND)) + 1 for rate in rates]
    grid = np.stack(np.meshgrid(np.arange(tops[0]), np.arange(tops[1]), indexing="ij"), -1).reshape(-1, 2)
    scores = np.sum(grid / rates, axis=1)
    order = np.argsort(scores, kind="stable")
    grid, scores = grid[order], scores[order]
    first = np.arange(max(0, n_errors - int(sizes[1])), min(n_errors, int(sizes[0])) + 1)
    first = first[np.unique(np.linspace(0, len(first) - 1, _MOST_SPREADS).astype(int))]
    tables = [
        _binomial(np.arange(top)[None], e[:, None], rate)
        for top, e, rate in zip(tops, (first, n_errors - first), rates, strict=True)
    ]
    masses = tables[0][:, grid[:, 0]] * tables[1][:, grid[:, 1]]
    low_enough = np.max(np.cumsum(masses, axis=1), axis=0) <= alpha
    # A score is passed only if every count with an equal score is.
    n_passing = int(np.searchsorted(scores, scores[np.argmin(low_enough)] - _ROUNDING)) if not low_enough.all() else -1
    grid = grid[:n_passing] if n_passing >= 0 else grid
    log_means = (means * rates)[None] * _DOUBTS[:, None]
    log_pmf = xlogy(grid[None], log_means[:, None]) - log_means[:, None] - gammaln(grid + 1)[None]
    return float(_DOUBT_WEIGHTS @ np.exp(log_pmf.sum(axis=2)).sum(axis=1))


def _binomial(x, n, rate):
    """Probabilities of `x` successes in `n` trials, 0 where `x` exceeds `n`."""
    chosen = gammaln(n + 1) - gammaln(x + 1) - gammaln(np.maximum(n - x, 0) + 1)
    return np.where(x <= n, np.exp(chosen + xlogy(x, rate) + xlog1py(np.maximum(n - x, 0), -rate)), 0.0)
