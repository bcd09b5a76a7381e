"""Which candidates of a node are siblings: of each number of children, and which number is good."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from nlparam.numerics.core.cover import correlations
from nlparam.numerics.core.divide import Gain, jointly
from nlparam.taxonomies.options import TaxonomyOptions
from nlparam.taxonomies.records import HOLDS

# Divisions that cover fewer of the texts are passed over where another, as likely, covers so many.
WELL_COVERED = 0.9
# What an exchange tells more is no rounding error.
_LITTLE = 1e-9


@dataclasses.dataclass(frozen=True)
class Siblings:
    """Chooses the children of a node among its candidates.

    `denotations` are `(n_texts, n_candidates)`, such that each candidate holds for as many texts as they sum up to
    (`nlparam.numerics.core.divide.matched`); `weights` `(n_texts,)`, how often each text occurs.
    """

    denotations: np.ndarray
    weights: np.ndarray
    options: TaxonomyOptions

    def of_each_number(
        self, gain: Callable[[list[int]], Gain], least: int, most: int, *, locked: Sequence[int]
    ) -> list[tuple[list[int], Gain]]:
        """For each number of children a division, and what it tells (`gain`).

        To those that are `locked` the candidate is added with which texts are told best, then the next; after each, one
        is exchanged for another as long as that tells more. Where none of `least` children or more is possible, it is
        the largest there is; empty if there is none of two.
        """
        chosen, found = list(locked), list[tuple[list[int], Gain]]()
        if len(chosen) >= max(least, 1):
            found.append((sorted(chosen), gain(chosen)))
        while len(chosen) < most and (added := self._best([[*chosen, one] for one in self._beside(chosen)], gain)):
            while exchanged := self._best(self._exchanged(added[0], n_locked=len(locked)), gain, above=added[1].mean):
                added = exchanged
            chosen = added[0]
            if len(chosen) >= least:
                found.append((sorted(chosen), added[1]))
        if not found and (len(chosen) > 1 or locked):
            found.append((sorted(chosen), gain(chosen)))
        return found

    def shifts(self) -> np.ndarray:
        """What is subtracted from the log-odds of the candidates, if all of them are siblings."""
        of = ("uncovered", "overlap", "least_share", "most_share")
        return jointly(self.denotations, self.weights, **{name: getattr(self.options, name) for name in of})

    def best(self, divisions: Sequence[list[int]]) -> list[int]:
        """Of divisions that are as likely: the smallest that covers the texts well, else the one that covers most."""
        coverage = [self._shares(np.any(self.denotations[:, one] >= HOLDS, axis=1)) for one in divisions]
        enough = next((number for number, share in enumerate(coverage) if share >= WELL_COVERED), None)
        return divisions[int(np.argmax(coverage)) if enough is None else enough]

    @staticmethod
    def _best(
        divisions: Sequence[list[int]], gain: Callable[[list[int]], Gain], *, above: float = -np.inf
    ) -> tuple[list[int], Gain] | None:
        """The division that tells most, and what, if that is more than `above`."""
        gains = [gain(division) for division in divisions]
        best = int(np.argmax([one.mean for one in gains])) if gains else None
        return None if best is None or gains[best].mean <= above + _LITTLE else (divisions[best], gains[best])

    def _exchanged(self, chosen: list[int], *, n_locked: int) -> list[list[int]]:
        """All divisions that have one child in place of another; those that came first are locked."""
        without = [(place, [*chosen[:place], *chosen[place + 1 :]]) for place in range(n_locked, len(chosen))]
        return [
            [*rest[:place], one, *rest[place:]]
            for place, rest in without
            for one in self._beside(rest)
            if one != chosen[place]
        ]

    def _beside(self, chosen: Sequence[int]) -> list[int]:
        """The candidates that may be children beside some."""
        possible = self._admissible.copy()
        possible[list(chosen)] = False
        alike = self._correlations[:, list(chosen)] > self.options.max_correlation
        return np.flatnonzero(possible & ~alike.any(axis=1)).tolist()

    def _shares(self, holds: np.ndarray) -> np.ndarray:
        return self.weights @ holds / max(self.weights.sum(), np.finfo(float).tiny)

    @functools.cached_property
    def _admissible(self) -> np.ndarray:
        shares = self._shares(self.denotations >= HOLDS)
        return (shares >= self.options.least_share) & (shares <= self.options.most_share)

    @functools.cached_property
    def _correlations(self) -> np.ndarray:
        return correlations(self.denotations, self.weights)
