"""The threshold for a stated refusal rate, and what it guarantees."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import binom

from nlparam.guard.errors import GuardError


class Threshold(NamedTuple):
    """A score above which a text is refused.

    For benign text from the same source as the `n_texts` it was set on, the refusal rate is at most `max_refusals`,
    with probability `confidence` over the draw of those texts. `n_refused` of them are refused.
    """

    value: float
    max_refusals: float
    confidence: float
    n_texts: int
    n_refused: int


def texts_needed(max_refusals: float, confidence: float) -> int:
    """The fewest benign texts that can show a refusal rate of at most `max_refusals` with this confidence."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-max_refusals))


def set_threshold(scores: Float[np.ndarray, " n_texts"], *, max_refusals: float, confidence: float = 0.95) -> Threshold:
    """The lowest threshold that keeps the refusal rate, by the scores of benign texts that no head was trained on.

    The scores are drawn independently, so the share of the source that lies above the (k+1)-th highest of n is above
    `max_refusals` with a probability of at most P(Binomial(n, max_refusals) <= k), whatever their distribution
    (Wilks 1941, one-sided tolerance limits; the same as the Clopper-Pearson bound). k is the largest for which that is
    at most 1 - confidence.

    Raises `GuardError` if even k = 0 is too many: the texts are too few for the rate.
    """
    check_rate(max_refusals, confidence)
    n = len(scores)
    needed = texts_needed(max_refusals, confidence)
    if n < needed:
        raise GuardError(
            f"got {n:,} benign texts to set the threshold on, and a refusal rate of at most {max_refusals:g} with "
            f"confidence {confidence:g} needs {needed:,}: give more benign text, or allow more (--max-refusals)"
        )
    allowed = np.arange(n)
    k = int(np.searchsorted(binom.cdf(allowed, n, max_refusals), 1 - confidence, side="right")) - 1
    value = float(np.sort(scores)[::-1][k])
    return Threshold(value, max_refusals, confidence, n, int(np.sum(scores > value)))


def check_rate(max_refusals: float, confidence: float) -> None:
    """Raises `GuardError` unless both are shares strictly between 0 and 1."""
    for name, value in (("max_refusals", max_refusals), ("confidence", confidence)):
        if not 0 < value < 1:
            raise GuardError(f"got {name}={value:g}, expected a share above 0 and below 1")
