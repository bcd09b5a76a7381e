"""Intervals of Cohen's kappa: how far two raters agree beyond chance, and how sure that is."""

from typing import NamedTuple

import numpy as np

from nlparam.errors import check_fractions
from nlparam.numerics.statistics.rates import Codes, Concord, Flags, concord

# Jeffreys' prior of the four ways in which two raters can answer, and the draws of the posterior.
_PRIOR, _DRAWS = 0.5, 4_000


class Agreed(NamedTuple):
    """How two raters agree in `n_pairs` answers to `n_things`: their `concord`, and the interval of kappa.

    The interval is finite even where kappa itself is `None`.
    """

    n_pairs: int
    n_things: int
    concord: Concord
    low: float
    high: float

    def __str__(self) -> str:
        kappa = "" if self.concord.kappa is None else f"kappa {self.concord.kappa:.2f} "
        return f"{self.concord.share:.0%} ({kappa}[{self.low:.2f}, {self.high:.2f}])"


def agreed(first: Flags, second: Flags, things: Codes, *, confidence: float = 0.9, seed: int = 0) -> Agreed:
    """How two raters agree, with an equal-tailed interval of Cohen's kappa.

    The interval is that of a Bayesian bootstrap: each thing has a random weight, and half an imagined answer is added
    to each of the four ways in which two raters can answer. If every thing is answered once this is the posterior of
    the four probabilities under Jeffreys' prior. So the interval does not shrink to a point where all answers agree.
    It holds the kappa of the answers, too, which it would else miss where they are few.

    **Arguments:** `first`, `second`, `(n,)` answers; `things`, `(n,)`, equal where answers are about the same thing (a
    text that several pairs of people labelled). `seed`, of the weights.

    Raises `ValueError` for answers of different shapes, none, or a confidence that is not between 0 and 1.
    """
    found = concord(first, second)
    check_fractions(confidence=confidence)
    if things.shape != first.shape:
        raise ValueError(f"got {things.shape} things for {first.shape} answers, expected one for each")
    codes = np.unique(things, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((int(codes.max()) + 1, 4))
    np.add.at(counts, (codes, 2 * first.astype(int) + second.astype(int)), 1.0)
    # Things with equal answers share a weight of the sum, so that thousands of things need few random numbers.
    patterns, times = np.unique(counts, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    cells = rng.gamma(times, size=(_DRAWS, len(times))) @ patterns
    cells += len(first) / len(counts) * rng.gamma(_PRIOR, size=(_DRAWS, 4))
    no_no, no_yes, yes_no, yes_yes = cells.T / cells.sum(axis=1)
    one, other = yes_no + yes_yes, no_yes + yes_yes
    by_chance = one * other + (1 - one) * (1 - other)
    tail = (1 - confidence) / 2
    low, high = np.quantile((no_no + yes_yes - by_chance) / np.maximum(1 - by_chance, 1e-12), [tail, 1 - tail])
    known = [] if found.kappa is None else [found.kappa]
    return Agreed(len(first), len(counts), found, min([float(low), *known]), max([float(high), *known]))
