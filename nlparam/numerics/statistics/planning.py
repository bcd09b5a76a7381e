r"""Planning: how many more answers a wanted width needs.

Of $N$ texts $n_1$ have the answers of layer 1, of these $n_2$ those of layer 2, and so on to $n_L$. A corrected share
(see `correction`) has the variance of sampling in phases,

$$V = \frac{\sigma^2}{N} + \sum_{\ell=1}^{L} \sigma^2_{\ell-1} \Big(\frac{1}{n_\ell} - \frac{1}{n_{\ell-1}}\Big),
\qquad n_0 = N,$$

with $\sigma^2$ the variance of the best answers and $\sigma^2_\ell$ what is left of it given layer $\ell$. The answers
seen so far give these variances, and the variances the numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.correction import PRIOR, checked_answers, level


class Plan(NamedTuple):
    """What a wanted half-width needs, each `(n_predicates,)`.

    `n_answers` of the best layer in all, `more` than there are; the `half_width` that is expected of them, and the
    `present` one. Where `reached` is false, answers to all texts would not do: more texts are needed.
    """

    n_answers: Int[np.ndarray, " n_predicates"]
    more: Int[np.ndarray, " n_predicates"]
    half_width: Float[np.ndarray, " n_predicates"]
    present: Float[np.ndarray, " n_predicates"]
    reached: Bool[np.ndarray, " n_predicates"]


def answers_needed(
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]], half_width: float, *, confidence: float = 0.9
) -> Plan:
    """How many answers of the best layer give intervals of shares of this half-width.

    Of lower layers there are as many as now, and as many as of the best one. A pilot of thirty answers is a fair guide.

    **Arguments:** `layers` as for `corrected_means`, answers in [0, 1]; `half_width`, in the same unit.

    Raises `ValueError` for a half-width or a confidence that is not between 0 and 1, and for fewer than two answers to
    a predicate.
    """
    stack = checked_answers(layers)
    check_fractions(half_width=half_width, confidence=confidence)
    columns = [_of_share(stack[:, :, k], half_width, confidence) for k in range(stack.shape[2])]
    n_answers, more, expected, present, reached = np.asarray(columns, np.float64).reshape(-1, 5).T
    return Plan(n_answers.astype(int), more.astype(int), expected, present, reached.astype(bool))


def _of_share(answers: np.ndarray, half_width: float, confidence: float) -> tuple[int, int, float, float, bool]:
    levels = level(np.isfinite(answers))
    n = levels.n_answers
    if n < 2:
        raise ValueError(f"got {n} answers to a predicate, expected at least 2: a plan needs a pilot")
    values = [answers[number][levels.held[-1]] for number in levels.layers]
    best, sizes = values[-1], [int(held.sum()) for held in levels.held[:-1]]
    whole = _spread(best, 0.0)
    left = []
    for below in values[:-1]:
        varies = float(np.var(below))
        slope = float(np.clip(np.mean((best - best.mean()) * below) / varies, 0.0, 1.0)) if varies > 0 else 0.0
        left.append(_spread(best - slope * below, slope))

    def variance(number: float) -> float:
        phases = [max(size, number) for size in sizes] + [number]
        steps = [part * (1 / after - 1 / before) for part, before, after in zip(left, phases, phases[1:], strict=False)]
        return whole / phases[0] + sum(steps)

    def half(number: int) -> float:
        quantile = float(scipy.stats.t.ppf((1 + confidence) / 2, max(number - 1, 1)))
        return quantile * max(variance(number), 0.0) ** 0.5

    low, high = 2, max(sizes[0] if sizes else answers.shape[1], 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if half(middle) <= half_width else (middle + 1, high)
    return low, max(low - n, 0), half(low), half(n), half(low) <= half_width


def _spread(values: np.ndarray, weight: float) -> float:
    """The variance of what is averaged, with imagined answers: see `correction`."""
    n, mean = len(values), float(values.mean())
    squares = n * float(np.var(values)) + PRIOR * ((1 - mean) ** 2 + (weight + mean) ** 2)
    return squares / (n + 2 * PRIOR - 1)
