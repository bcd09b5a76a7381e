r"""Planning: how many more answers a wanted width needs, and which texts should have them.

Of $N$ texts $n_1$ have the answers of layer 1, of these $n_2$ those of layer 2, and so on to $n_L$. A corrected share
(see `correction`) has the variance of sampling in phases,

$$V = \frac{\sigma^2}{N} + \sum_{\ell=1}^{L} \sigma^2_{\ell-1} \Big(\frac{1}{n_\ell} - \frac{1}{n_{\ell-1}}\Big),
\qquad n_0 = N,$$

with $\sigma^2$ the variance of the best answers and $\sigma^2_\ell$ what is left of it given layer $\ell$. The answers
seen so far give these variances, and the variances the numbers.

Those texts are worth most whose cheap answer is most likely wrong: with inclusion probabilities proportional to the
root of the expected squared error the variance is least (active inference, arXiv 2403.03208). A uniform part keeps
texts in whose errors nobody believed.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int

from nlparam.numerics.statistics.checks import check_confidence
from nlparam.numerics.statistics.correction import PRIOR, checked_layers, level

# This part of the inclusion probabilities is the same for all texts.
FLOOR = 0.2


class Plan(NamedTuple):
    """What a wanted half-width needs, each `(n,)` for as many shares or weights.

    `n_answers` of the best layer in all, `more` than there are; the `half_width` that is expected of them, and the
    `present` one. Where `reached` is false, answers to all texts would not do: more texts are needed.
    """

    n_answers: Int[np.ndarray, " n"]
    more: Int[np.ndarray, " n"]
    half_width: Float[np.ndarray, " n"]
    present: Float[np.ndarray, " n"]
    reached: Bool[np.ndarray, " n"]


def answers_needed(
    layers: Sequence[Float[np.ndarray, "n_texts n_predicates"]], half_width: float, *, confidence: float = 0.9
) -> Plan:
    """How many answers of the best layer give intervals of shares of this half-width.

    Of lower layers there are as many as now, and as many as of the best one. A pilot of thirty answers is a fair guide.

    **Arguments:** `layers` as for `corrected_means`, answers in [0, 1]; `half_width`, in the same unit.

    Raises `ValueError` for a half-width or a confidence that is not between 0 and 1, and for fewer than two answers to
    a predicate.
    """
    stack = checked_layers(layers)
    _check(half_width, confidence, most=1.0)
    columns = [_of_share(stack[:, :, k], half_width, confidence) for k in range(stack.shape[2])]
    return _plan(columns)


def answers_needed_for_weights(
    variances: Float[np.ndarray, " n_weights"],
    by_answers: Float[np.ndarray, " n_weights"],
    n_answers: int,
    n_texts: int,
    half_width: float,
    *,
    confidence: float = 0.9,
) -> Plan:
    """The same for corrected weights, each in its own unit.

    **Arguments:** `variances`, the diagonal of the covariance of `Estimated`, and its `by_answers`: what part of them
    falls with the number of answers, of which there are `n_answers` now.

    Raises `ValueError` for numbers that are not finite, negative ones, and fewer than two answers or texts.
    """
    variances, by_answers = np.asarray(variances, np.float64), np.asarray(by_answers, np.float64)
    _check(half_width, confidence, most=np.inf)
    if variances.ndim != 1 or by_answers.shape != variances.shape:
        raise ValueError(f"got shapes {variances.shape} and {by_answers.shape}, expected (n_weights,) twice")
    if not (np.isfinite(variances).all() and (by_answers >= 0).all() and (by_answers <= variances * (1 + 1e-9)).all()):
        raise ValueError(
            "got variances that are not finite or below a part of them, expected 0 <= by_answers <= variances"
        )
    if not 2 <= n_answers <= n_texts:
        raise ValueError(f"got {n_answers} answers to {n_texts} texts, expected at least 2, and no more than texts")

    def column(total: float, part: float):
        return _search(lambda n: total - part * (1 - n_answers / n), n_answers, n_texts, half_width, confidence)

    return _plan([column(*pair) for pair in zip(variances.tolist(), by_answers.tolist(), strict=True)])


def _check(half_width: float, confidence: float, *, most: float) -> None:
    if not (np.isfinite(half_width) and 0 < half_width < most):
        raise ValueError(f"got half_width={half_width}, expected a number between 0 and {most}")
    check_confidence(confidence)


def _plan(columns: list[tuple]) -> Plan:
    n_answers, more, expected, present, reached = np.asarray(columns, np.float64).reshape(-1, 5).T
    return Plan(n_answers.astype(int), more.astype(int), expected, present, reached.astype(bool))


def _of_share(answers: np.ndarray, half_width: float, confidence: float) -> tuple[int, int, float, float, bool]:
    if np.nanmin(answers, initial=0.0) < 0 or np.nanmax(answers, initial=0.0) > 1:
        raise ValueError("got answers below 0 or above 1, expected between 0 and 1")
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

    n_texts = sizes[0] if sizes else answers.shape[1]
    return _search(variance, n, n_texts, half_width, confidence)


def _spread(values: np.ndarray, weight: float) -> float:
    """The variance of what is averaged, with imagined answers: see `correction`."""
    n, mean = len(values), float(values.mean())
    squares = n * float(np.var(values)) + PRIOR * ((1 - mean) ** 2 + (weight + mean) ** 2)
    return squares / (n + 2 * PRIOR - 1)


def _search(
    variance: Callable[[float], float], n: int, n_texts: int, half_width: float, confidence: float
) -> tuple[int, int, float, float, bool]:
    def half(number: int) -> float:
        quantile = float(scipy.stats.t.ppf((1 + confidence) / 2, max(number - 1, 1)))
        return quantile * max(variance(number), 0.0) ** 0.5

    low, high = 2, max(n_texts, 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if half(middle) <= half_width else (middle + 1, high)
    return low, max(low - n, 0), half(low), half(n), half(low) <= half_width


def inclusion_probabilities(
    expected_errors: Float[np.ndarray, "n_texts ..."], n_answers: float, *, floor: float = FLOOR
) -> Float[np.ndarray, " n_texts"]:
    """With which probabilities to draw texts whose answers are worth most. They add up to `n_answers`.

    **Arguments:** `expected_errors`, `(n_texts,)`, or `(n_texts, n_predicates)` for several predicates at once: the
    expected squared error of the cheap answer, such as $p (1 - p)$ of a calibrated head; `floor`, what part of the
    probabilities is equal for all, in (0, 1].

    Raises `ValueError` for errors that are negative or not finite, and for more answers than texts.
    """
    errors = np.asarray(expected_errors, np.float64)
    if errors.ndim not in (1, 2) or len(errors) == 0 or not np.isfinite(errors).all() or (errors < 0).any():
        raise ValueError(f"got errors of shape {errors.shape}, expected finite ones, at least 0, one row per text")
    n_texts = len(errors)
    if not 0 < n_answers <= n_texts:
        raise ValueError(f"got n_answers={n_answers}, expected above 0, and at most the {n_texts} texts")
    if not 0 < floor <= 1:
        raise ValueError(f"got floor={floor}, expected above 0, and at most 1")
    roots = np.sqrt(errors.reshape(n_texts, -1).sum(axis=1))
    total = roots.sum()
    worth = floor / n_texts + (1 - floor) * (roots / total if total > 0 else np.full(n_texts, 1 / n_texts))
    # Texts that are sure to be drawn leave the rest of the answers to the others.
    sure = np.zeros(n_texts, bool)
    while True:
        left = n_answers - sure.sum()
        scaled = worth * (left / worth[~sure].sum()) if not sure.all() else worth
        above = ~sure & (scaled > 1)
        if not above.any():
            return np.where(sure, 1.0, np.minimum(scaled, 1.0))
        sure |= above


def draw(probabilities: Float[np.ndarray, " n_texts"], *, seed: int) -> Int[np.ndarray, " n_drawn"]:
    """Texts drawn with these probabilities, in ascending order: as many as they add up to, but for rounding.

    Systematic sampling in random order. Raises `ValueError` for probabilities outside of [0, 1].
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 1 or not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(f"got probabilities of shape {probabilities.shape}, expected (n_texts,), all in [0, 1]")
    rng = np.random.default_rng([seed, len(probabilities)])
    order = rng.permutation(len(probabilities))
    sums = np.concatenate([[0.0], np.cumsum(probabilities[order])])
    # Rounding must not decide about the last text where the sum is a whole number.
    ticks = np.floor(np.round(sums, 9) + rng.random())
    return np.sort(order[np.diff(ticks) > 0])
