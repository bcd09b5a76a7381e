"""Which texts choose the predicates, and which are kept for figures that the choice has not seen."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from nlparam.corpus.corpus import Corpus
from nlparam.corpus.labels import is_missing
from nlparam.errors import CorpusError

# By default half of the texts are kept, if there are so many; of fewer, either half would say too little.
_SHARE, _LEAST = 0.5, 200


@dataclasses.dataclass(frozen=True)
class Split:
    """`held_out`, `(n_texts,)` booleans: the texts that do not choose. `clusters`, `(n_texts,)` integers: which texts
    belong together; `None` if each stands for itself."""

    held_out: np.ndarray
    clusters: np.ndarray | None

    @property
    def any(self) -> bool:
        """Whether some texts are held out."""
        return bool(self.held_out.any())


def split_texts(
    corpus: Corpus,
    *,
    share: float | None,
    explains: bool,
    clusters: Sequence[Any] | None,
    rng: np.random.Generator,
) -> Split:
    """Splits the texts at random. Equal texts, and texts of one cluster, stay on one side.

    **Arguments:** `share` of the texts that is held out, `None` for half of them where the predicates are to explain
    something beside the texts (`explains`) and there are 200 distinct texts; `clusters`, one value for each text.

    Raises `ValueError` for a share outside [0, 1), `CorpusError` for clusters of another number than the texts, or if
    one side would have fewer than two texts.
    """
    if share is not None and not 0 <= share < 1:
        raise ValueError(f"got held_out={share}, expected a share of at least 0 and below 1")
    codes = None if clusters is None else cluster_codes(clusters, len(corpus))
    if share is None:
        share = _SHARE if explains and len(corpus.distinct) >= _LEAST else 0.0
    held_out = np.zeros(len(corpus), dtype=bool)
    if share == 0.0:
        return Split(held_out, codes)
    together = _together(corpus, codes)
    units, position = np.unique(together[~corpus.blank], return_inverse=True)
    sizes = np.bincount(position)
    order = rng.permutation(len(units))
    before = np.cumsum(sizes[order]) - sizes[order]
    # A unit goes to the side that lacks more of its share at its middle.
    kept = units[order[before + sizes[order] / 2 <= share * sizes.sum()]]
    held_out[~corpus.blank] = np.isin(together[~corpus.blank], kept)
    n_held = len(np.unique(corpus.row[held_out]))
    if min(n_held, len(corpus.distinct) - n_held) < 2:
        raise CorpusError(
            f"got {len(corpus.distinct)} distinct texts in {len(units)} clusters, expected two texts on either side "
            f"with held_out={share:g}: give more clusters, or held_out=0"
        )
    return Split(held_out, codes)


def folds(corpus: Corpus, clusters: np.ndarray | None, n_folds: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The texts that are not blank in `n_folds` parts of about as many; equal texts, and texts of one cluster, are in
    one part. Empty if there are fewer than two such units for each part."""
    there = np.flatnonzero(~corpus.blank)
    units, position = np.unique(_together(corpus, clusters)[there], return_inverse=True)
    if len(units) < 2 * n_folds:
        return []
    order = rng.permutation(len(units))
    sizes = np.bincount(position)[order]
    before = np.cumsum(sizes) - sizes
    of_unit = np.empty(len(units), dtype=np.int64)
    of_unit[order] = before * n_folds // len(there)
    return [there[of_unit[position] == fold] for fold in range(n_folds)]


def cluster_codes(clusters: Sequence[Any], n_texts: int) -> np.ndarray:
    """`(n_texts,)` integers, equal where the values are. A missing value is a cluster of its own.

    Raises `CorpusError` for another number of values, or one value throughout.
    """
    values = list(clusters)
    if len(values) != n_texts:
        raise CorpusError(f"got {len(values)} clusters for {n_texts} texts, expected one value for each text")
    codes, _ = numbered(values)
    if codes.max() < 1:
        raise CorpusError(f"all {n_texts} texts are of one cluster ({values[0]!r}), expected several: leave it out")
    return codes


def numbered(values: Sequence) -> tuple[np.ndarray, int]:
    """`(n,)` integers, equal where texts belong together, and how many texts have no value: each is a cluster alone."""
    places: dict[str, int] = {}
    missing = [is_missing(value) for value in values]
    codes = [
        -1 if absent else places.setdefault(str(value), len(places))
        for value, absent in zip(values, missing, strict=True)
    ]
    found = np.asarray(codes, dtype=np.int64)
    alone = np.flatnonzero(found < 0)
    found[alone] = len(places) + np.arange(len(alone))
    return found, len(alone)


def _together(corpus: Corpus, codes: np.ndarray | None) -> np.ndarray:
    """`(n_texts,)` numbers, equal for texts that are equal or of one cluster, through others too; -1 for blank ones."""
    if codes is None:
        return corpus.row
    n_distinct, there = len(corpus.distinct), ~corpus.blank
    size = n_distinct + int(codes.max()) + 1
    edges = coo_matrix((np.ones(there.sum()), (corpus.row[there], n_distinct + codes[there])), shape=(size, size))
    parts = connected_components(edges, directed=False)[1]
    return np.where(there, parts[corpus.row], -1)
