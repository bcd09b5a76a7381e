"""Fits to halves of the texts: how alike they are, and how alike they would be by chance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.denotation.session import opened
from nlparam.fitting.driver import search_and_fit
from nlparam.fitting.result import Fit
from nlparam.fitting.search import Found
from nlparam.fitting.setup import FitArguments
from nlparam.fitting.split import Split, split_texts
from nlparam.numerics.core.device import to_device
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.core.select import select
from nlparam.numerics.statistics.recurrence import alignment

# How often the data are permuted.
N_PERMUTED = 20


class Halves:
    """Fits of one model, each to half of the texts; the first and the second to two halves that share no text, the
    third and fourth to two others.

    **Attributes:** `fits`, and `denotations`, for each of them `(n_texts, n_predicates)` over all texts.
    """

    def __init__(self, model: AbstractPredicateModel, corpus: Corpus, data: Any, *, clusters: Sequence[Any] | None):
        self.model, self.corpus, self.clusters = model, corpus, clusters
        self.data, _ = model.prepare(data, len(corpus))
        self.fits: list[Fit] = []
        self.denotations: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._founds: list[Found] = []
        self._candidates: list[np.ndarray] = []

    def fit(self, number: int, seeds: Sequence[int], *, out: Path | None, overwrite: bool, asked: FitArguments) -> Fit:
        """Fits to the half that belongs to the seed of a number, and keeps what it found."""
        split = self._split(seeds[number - number % 2])
        rows = np.flatnonzero(split.held_out == bool(number % 2))
        model, data = self.model.subsample(self.data, to_device(rows), len(self.corpus))
        texts = [self.corpus.texts[row] for row in rows.tolist()]
        of_half: FitArguments = {**asked, "clusters": None, "held_out": 0.0, "inference": False}
        fitted, found = search_and_fit(model, texts, data, out=out, overwrite=overwrite, **of_half)
        columns = found.pool.usable()
        with opened(asked.get("store"), ":memory:") as store:
            features = fitted.denoter.features_of(self.corpus, store=store)
        denoted = self.corpus.spread(found.pool.head(columns).head.denote(features))
        self.fits.append(fitted)
        self._rows.append(rows)
        self._founds.append(found)
        self._candidates.append(denoted)
        self.denotations.append(denoted[:, [columns.index(column) for column in found.chosen]])
        return fitted

    def alignment(self) -> float:
        """The mean correlation of predicates matched one to one, over the pairs of halves."""
        return self._aligned(self.denotations)

    def chance(self, n_permuted: int = N_PERMUTED) -> tuple[float, ...]:
        """The same on permuted data, once for each permutation: each half chooses among its own candidates."""
        pools = [self._pool(half) for half in range(len(self.fits))]
        return tuple(
            self._aligned([self._chosen_by_chance(half, pool, [draw, half]) for half, pool in enumerate(pools)])
            for draw in range(n_permuted)
        )

    def _aligned(self, matrices: Sequence[np.ndarray]) -> float:
        pairs = [matrices[first : first + 2] for first in range(0, len(matrices) - 1, 2)]
        # Where nothing was chosen there is nothing that is alike.
        return float(np.mean([alignment(pair) if max(m.shape[1] for m in pair) else 0.0 for pair in pairs]))

    def _pool(self, half: int) -> np.ndarray:
        """Denotations of the candidates of a half for its texts."""
        found = self._founds[half]
        own = Corpus.from_texts(self.corpus.texts[row] for row in self._rows[half].tolist())
        return own.spread(found.pool.cautious_denotations(found.pool.usable()))

    def _chosen_by_chance(self, half: int, pool: np.ndarray, draw: list[int]) -> np.ndarray:
        """The denotations over all texts of what the model chooses for permuted data."""
        rows, rng = self._rows[half], np.random.default_rng(draw)
        model, data = self.model.subsample(self.data, to_device(rows), len(self.corpus))
        if jax.tree.leaves(data):
            model, data = model.subsample(data, to_device(self._permutation(rows, rng)), len(rows))
        else:
            # The loss looks at the denotations alone, for which the order of the texts is nothing.
            pool = np.stack([column[self._permutation(rows, rng)] for column in pool.T], axis=1)
        model = model.for_chances() if self._founds[half].pool.correct_bias else model
        selection = select(model, to_device(pool, float), data, n_starts=1, key=jax.random.key(draw[0]))
        return self._candidates[half][:, selection.chosen[selection.chosen >= 0]]

    def _permutation(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Positions among the rows in another order; texts of one cluster stay side by side."""
        if self._codes is None:
            return rng.permutation(len(rows))
        codes = np.unique(self._codes[rows], return_inverse=True)[1]
        # The clusters in another order, laid over the first.
        shuffled = rng.permutation(codes.max() + 1)[codes]
        order = np.empty(len(rows), dtype=np.int64)
        order[np.argsort(codes, kind="stable")] = np.argsort(shuffled, kind="stable")
        return order

    def _split(self, seed: int) -> Split:
        rng = np.random.default_rng([seed, 3])
        split = split_texts(self.corpus, share=0.5, explains=True, clusters=self.clusters, rng=rng)
        self._codes = split.clusters
        return split
