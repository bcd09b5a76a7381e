r"""Selection: what remains of an effect that is reported because it was significant, and of looking again.

Among 80 differences tested, those that are claimed are partly true and partly lucky: their sizes are exaggerated, and
their intervals miss the truth more often than they say. `fcr_intervals` and `shrunken` undo that. Testing again as data
arrive, until something is significant, is undone by `look_level`.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.stats
from jaxtyping import Bool, Float, Int

from nlparam.numerics.statistics.checks import check_confidence

_nodes = functools.cache(np.polynomial.legendre.leggauss)
_N_NODES = 100


class Intervals(NamedTuple):
    """Of the selected, in order: `low` and `high`, and the `confidence` that each interval was given."""

    low: Float[np.ndarray, " n_selected"]
    high: Float[np.ndarray, " n_selected"]
    confidence: float


def fcr_intervals(
    estimates: np.ndarray,
    standard_errors: np.ndarray,
    selected: Bool[np.ndarray, " n_tested"] | Int[np.ndarray, " n_selected"],
    *,
    confidence: float = 0.9,
    freedom: np.ndarray | float | None = None,
) -> Intervals:
    """Intervals of selected effects, of which at most a share of `1 - confidence` miss their effect, in expectation.

    With R of m selected, each has the level `1 - R q / m` for `q = 1 - confidence`: the false-coverage rate of
    Benjamini and Yekutieli (2005), for a selection such as that of Benjamini and Hochberg.

    **Arguments:** `estimates` and `standard_errors`, `(n_tested,)`, of all that were tested; `selected`, flags
    `(n_tested,)` or indices; `freedom`, degrees of freedom of the errors, one or `(n_tested,)` (`None`: normal).

    Raises `ValueError` for other shapes, standard errors that are not positive, or nothing tested.
    """
    values, errors = _checked(estimates, standard_errors)
    check_confidence(confidence)
    chosen = np.arange(len(values))[np.asarray(selected) if len(np.atleast_1d(selected)) else np.zeros(0, int)]
    each = 1 - len(chosen) * (1 - confidence) / len(values)
    degrees = np.broadcast_to(np.inf if freedom is None else np.asarray(freedom, np.float64), values.shape)
    half = scipy.stats.t.ppf(0.5 + each / 2, degrees[chosen]) * errors[chosen]
    return Intervals(values[chosen] - half, values[chosen] + half, each)


def shrunken(estimates: np.ndarray, standard_errors: np.ndarray) -> Float[np.ndarray, " n_tested"]:
    """The expected size of each effect, given all that were tested: adaptive shrinkage (Stephens 2017).

    Effects are taken to come from a mixture of normal distributions around 0, from very narrow to wide ones, with
    weights of most likelihood. So a lone large effect among many of 0 stays as it is, and one that is barely larger
    than what chance gives shrinks. As it conditions on the estimate, it holds however effects were selected. Give it
    all that were tested, not only what was claimed.

    Raises `ValueError` as `fcr_intervals` does.
    """
    values, errors = _checked(estimates, standard_errors)
    # From a tenth of the smallest error to twice what the largest estimate leaves (Stephens 2017, section 3.1).
    largest = 2 * np.sqrt(max(float(np.max(values**2 - errors**2)), (0.2 * errors.min()) ** 2))
    least = 0.1 * errors.min()
    scales = np.append(0.0, np.geomspace(least, largest, max(int(np.ceil(2 * np.log2(largest / least))), 1) + 1))
    variance = scales**2 + errors[:, None] ** 2
    logs = -0.5 * (np.log(variance) + values[:, None] ** 2 / variance)
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(len(scales), 1 / len(scales))
    for _ in range(500):
        before, weights = weights, _normalised(likelihood * weights).mean(axis=0)
        if np.abs(weights - before).max() < 1e-5:
            break
    posterior = _normalised(likelihood * weights)
    return values * (posterior * scales**2 / variance).sum(axis=1)


def _normalised(joint: np.ndarray) -> np.ndarray:
    return joint / joint.sum(axis=1, keepdims=True)


def look_level(look: int, *, level: float = 0.05, n_looks: int | None = None) -> float:
    """The p-value that a test at one of several looks at growing data has to be below.

    Without `n_looks`, for looks without end: `level / (look (look + 1))`, which sum to `level`. This holds whatever the
    data of the looks have in common. With `n_looks` planned, the same level at each of them (Pocock 1977), for looks
    after equal amounts of new data: larger in sum, as tests of data that are mostly the same agree.

    ```pycon
    >>> [round(look_level(look), 4) for look in (1, 2, 3, 4)], round(look_level(2, n_looks=4), 4)
    ([0.025, 0.0083, 0.0042, 0.0025], 0.0182)

    ```

    Raises `ValueError` unless `1 <= look <= n_looks` and the level is between 0 and 1.
    """
    if look < 1 or (n_looks is not None and look > n_looks):
        raise ValueError(f"got look={look}, expected at least 1 and at most n_looks={n_looks}")
    if not 0 < level < 1:
        raise ValueError(f"got level={level}, expected a number between 0 and 1")
    if n_looks is None:
        return level / (look * (look + 1))
    if n_looks == 1:
        return level
    low, high = (float(scipy.stats.norm.isf(share / 2)) for share in (level, level / n_looks))
    cut = scipy.optimize.brentq(lambda z: _crossing(z, n_looks) - level, low, high, xtol=1e-8)
    return float(2 * scipy.stats.norm.sf(cut))


def looked_p_value(p_values: Sequence[float], *, n_looks: int | None = None) -> float:
    """The p-value after all looks so far, corrected for looking: the smallest level at which one of them passes.

    Without `n_looks`, the least of `look (look + 1) p`. With it, the least p-value of Pocock's test.

    Raises `ValueError` for no p-value, more than `n_looks`, or one that is not in [0, 1].
    """
    values = np.asarray(p_values, np.float64)
    if len(values) == 0 or (n_looks is not None and len(values) > n_looks):
        raise ValueError(f"got {len(values)} p-values, expected at least one and at most n_looks={n_looks}")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"got p-values from {values.min()} to {values.max()}, expected them in [0, 1]")
    if n_looks is None:
        looks = np.arange(1, len(values) + 1)
        return float(min(np.min(looks * (looks + 1) * values), 1.0))
    least = float(values.min())
    if n_looks == 1 or least in (0.0, 1.0):
        return least
    return max(_crossing(float(scipy.stats.norm.isf(least / 2)), n_looks), least)


def _crossing(cut: float, n_looks: int) -> float:
    """The probability that a z statistic is beyond `cut` at one of the looks, after equal amounts of data.

    By the densities of the sums that have not crossed (Armitage, McPherson and Rowe 1969).
    """
    cut = min(cut, 37.0)  # beyond, nothing is left in double precision
    points, weights = _nodes(_N_NODES)
    sums, density = cut * points, scipy.stats.norm.pdf(cut * points) * cut * weights
    for look in range(2, n_looks + 1):
        following = cut * np.sqrt(look) * points
        kernel = np.exp(-((following - sums[:, None]) ** 2) / 2) / np.sqrt(2 * np.pi)
        density = density @ kernel * cut * np.sqrt(look) * weights
        sums = following
    return float(np.clip(1 - density.sum(), 2 * scipy.stats.norm.sf(cut), 1.0))


def _checked(estimates, standard_errors) -> tuple[np.ndarray, np.ndarray]:
    values, errors = np.asarray(estimates, np.float64), np.asarray(standard_errors, np.float64)
    if values.ndim != 1 or values.shape != errors.shape or len(values) == 0:
        raise ValueError(f"got estimates of shape {values.shape}, errors of {errors.shape}, expected one of each, (n,)")
    if not (np.isfinite(values).all() and np.isfinite(errors).all() and np.all(errors > 0)):
        raise ValueError("got estimates or standard errors that are not finite, or errors of 0; leave these tests out")
    return values, errors
