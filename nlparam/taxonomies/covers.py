"""Covers of a node: the best choice of each number of children, their thresholds, and which number is good."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.numerics.core.cover import correlations, select_cover
from nlparam.numerics.core.divide import certainty, jointly
from nlparam.taxonomies.options import TaxonomyOptions
from nlparam.taxonomies.records import HOLDS

# A cover is chosen on at most so many of the texts of a node.
_MOST_TEXTS = 4096
# Divisions that cover fewer of the texts are passed over where another, as likely, covers so many.
WELL_COVERED = 0.9


@dataclasses.dataclass(frozen=True)
class Covers:
    """Chooses among the candidates of a node.

    `denotations` are `(n_texts, n_candidates)`, such that each candidate holds for as many texts as they sum up to
    (`nlparam.numerics.core.divide.matched`); `weights` `(n_texts,)`, how often each text occurs.
    """

    denotations: np.ndarray
    weights: np.ndarray
    options: TaxonomyOptions

    def of_each_number(self, least: int, most: int, *, locked: Sequence[int], seed: int) -> list[list[int]]:
        """The best choice of each number of children; where none is possible, the best of at most so many."""
        correlation = correlations(self.denotations, self.weights)
        sample = np.arange(len(self.denotations))
        if len(sample) > _MOST_TEXTS:
            sample = np.random.default_rng(seed).choice(len(sample), _MOST_TEXTS, replace=False)
        holds, weights = self.denotations[sample] >= HOLDS, self.weights[sample]
        worth = certainty(self.denotations, self.weights)

        def cover(n_children: int, *, exactly: bool) -> list[int]:
            return select_cover(
                holds,
                n_children,
                worth=worth,
                exactly=exactly,
                weights=weights,
                locked=locked,
                max_correlation=self.options.max_correlation,
                correlation=correlation,
                **self._prices_and_bounds,
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

    def shifts(self) -> np.ndarray:
        """What is subtracted from the log-odds of the candidates, if all of them are siblings."""
        return jointly(self.denotations, self.weights, **self._prices_and_bounds)

    @property
    def _prices_and_bounds(self) -> dict[str, float]:
        return {name: getattr(self.options, name) for name in ("uncovered", "overlap", "least_share", "most_share")}

    def best(self, covers: Sequence[list[int]]) -> list[int]:
        """Of covers that are as likely: the smallest that covers the texts well, else the one that covers most."""
        total = max(self.weights.sum(), np.finfo(float).tiny)
        coverage = [self.weights @ (self.denotations[:, cover] >= HOLDS).any(axis=1) / total for cover in covers]
        enough = next((number for number, share in enumerate(coverage) if share >= WELL_COVERED), None)
        return covers[int(np.argmax(coverage)) if enough is None else enough]
