"""Covers of a node: the best choice of each number of children, their thresholds, and which number is good."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.hierarchy import HOLDS
from nlparam.numerics.cover import correlations, select_cover
from nlparam.numerics.divide import Gain, jointly, near_the_best, shifted
from nlparam.taxonomies.options import TaxonomyOptions

# A cover is chosen on at most so many of the texts of a node.
_MOST_TEXTS = 4096
# Divisions that cover fewer of the texts, or more of them twice, are passed over where another is as likely.
WELL_COVERED, _MOST_OVERLAP = 0.9, 0.15


@dataclasses.dataclass(frozen=True)
class Covers:
    """Chooses among the candidates of a node.

    `denotations` are `(n_texts, n_candidates)`, such that each candidate holds for as many texts as they sum up to
    (`nlparam.numerics.divide.matched`); `weights` `(n_texts,)`, how often each text occurs.
    """

    denotations: np.ndarray
    weights: np.ndarray
    options: TaxonomyOptions

    def of_each_number(self, least: int, most: int, *, locked: Sequence[int], seed: int) -> list[list[int]]:
        """The best choice of each number of children; where none is possible, the best of at most so many."""
        options = self.options
        correlation = correlations(self.denotations, self.weights)
        sampled = self._sample(seed)
        holds = sampled.denotations >= HOLDS

        def cover(n_children: int, *, exactly: bool) -> list[int]:
            return select_cover(
                holds,
                n_children,
                uncovered=options.uncovered,
                overlap=options.overlap,
                exactly=exactly,
                least_share=options.least_share,
                most_share=options.most_share,
                weights=sampled.weights,
                locked=locked,
                max_correlation=options.max_correlation,
                correlation=correlation,
            ).tolist()

        covers = []
        for n_children in range(max(least, len(locked)), max(most, len(locked)) + 1):
            try:
                covers.append(cover(n_children, exactly=True))
            except ValueError:  # no choice of so many fulfils the bounds, so none of more does
                break
        if not covers:
            at_most = cover(max(least, len(locked)), exactly=False)
            return [at_most] if len(at_most) > 1 or locked else []
        return covers

    def shifts(self, columns: Sequence[int]) -> np.ndarray:
        """What is subtracted from the log-odds of siblings: their bias, looked at together."""
        if not self.options.correct_bias:
            return np.zeros(len(columns))
        options = self.options
        return jointly(
            self.denotations[:, columns],
            self.weights,
            uncovered=options.uncovered,
            overlap=options.overlap,
            most_share=options.most_share,
        )

    def best(self, covers: Sequence[list[int]], gains: Sequence[Gain], *, seed: int) -> int:
        """Of the covers that are not clearly worse than the likeliest: the smallest under which nearly all texts are
        under one child, else the one whose price is least.

        Texts are counted with the thresholds that the siblings would have.
        """
        sampled = self._sample(seed)
        eligible = near_the_best(gains)
        prices = {}
        for number in eligible:
            covered, overlap, prices[number] = sampled._measures(covers[number])
            if covered >= WELL_COVERED and overlap <= _MOST_OVERLAP:
                return number
        return min(eligible, key=lambda number: prices[number])

    def _measures(self, columns: list[int]) -> tuple[float, float, float]:
        """The shares of texts under a child and under several, and the price of the cover per text."""
        n_holding = (shifted(self.denotations[:, columns], self.shifts(columns)) >= HOLDS).sum(axis=1)
        uncovered, beyond = n_holding == 0, np.maximum(n_holding - 1, 0)
        prices = self.options.uncovered * uncovered + self.options.overlap * beyond
        total = max(self.weights.sum(), np.finfo(float).tiny)
        shares = [float(self.weights @ values / total) for values in (~uncovered, beyond > 0, prices)]
        return shares[0], shares[1], shares[2]

    def _sample(self, seed: int) -> "Covers":
        n_texts = len(self.denotations)
        if n_texts <= _MOST_TEXTS:
            return self
        sample = np.random.default_rng(seed).choice(n_texts, _MOST_TEXTS, replace=False)
        return Covers(self.denotations[sample], self.weights[sample], self.options)
