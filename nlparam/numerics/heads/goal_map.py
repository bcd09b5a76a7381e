"""The goal representation: texts where statements about them, made under a goal, would lie.

Embeddings of texts follow what their model was trained for (often the language or the topic), whatever the goal is. A
language model states what a sample of texts are with respect to the goal; a ridge regression maps features of a text to
the embedding of its statement. How much of the map enters the representation is chosen on statements left out: the
space whose clusters predict them best.

Where a language model shows what it is about to say (its state), that says more of a text than the words it then says:
which others were likely. States are turned to where the statements lie, and the regression maps other texts to them.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nlparam.numerics.core.threads import one_thread
from nlparam.numerics.heads.ridge import Ridge

_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Shares of the map in the representation that are tried, the ends among them.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_N_FOLDS = 4
# Clusters of k-means are computed on the stated texts and at most so many others.
_MOST_CLUSTERED = 4096
# Statements below this number cannot choose anything.
LEAST_STATEMENTS = 16
# Principal coordinates of states; 8 to 128 served as well.
_N_COORDINATES = 32


class Mapped(NamedTuple):
    """Where texts lie among the statements that is known without the map: the `rows`, and a unit vector for each."""

    rows: Int[np.ndarray, " n_known"]
    vectors: Float[np.ndarray, "n_known embed_dim"]

    def among(self, some: Int[np.ndarray, " n_some"]) -> "Mapped":
        """The same of some texts, `rows` being positions among them."""
        _, here, there = np.intersect1d(some, self.rows, assume_unique=True, return_indices=True)
        return Mapped(here, self.vectors[there])


class GoalMap(NamedTuple):
    """Maps texts to the goal representation.

    `coefficients` and `intercept` map features of a text to the embedding of its statement; `share` is how much of an
    inner product of two represented texts is that of the mapped statements, the rest that of the embeddings.
    """

    coefficients: Float[np.ndarray, "n_features embed_dim"]
    intercept: Float[np.ndarray, " embed_dim"]
    share: float

    def represent(
        self,
        embeddings: Float[np.ndarray, "n_texts embed_dim"],
        features: Float[np.ndarray, "n_texts n_features"],
        known: Mapped | None = None,
    ) -> Float[np.ndarray, "n_texts represented_dim"]:
        """Unit vectors, as wide as what they are made of: the embeddings, the mapped statements, or both."""
        return mixed(embeddings, self.mapped(features, known), self.share)

    def mapped(self, features, known: Mapped | None = None):
        """Where the statements of texts lie, as far as features tell that; `known` is taken as it is."""
        # In the features' own precision: a matrix of two kinds would be copied whole to the wider one.
        mapped = _unit(features @ self.coefficients.astype(features.dtype) + self.intercept.astype(features.dtype))
        if known is not None:
            mapped[known.rows] = known.vectors
        return mapped


class LearnedMap(NamedTuple):
    """A goal map, and the share of the variance of statements left out that it explains (leave-one-out; at most 1)."""

    goal_map: GoalMap
    explained: float


def mixed(embeddings: np.ndarray, mapped: np.ndarray, share: float) -> np.ndarray:
    """Unit vectors whose inner products are those of two spaces, the second with the weight `share`."""
    if share == 0.0:
        return embeddings
    if share == 1.0:
        return mapped
    kind = embeddings.dtype.type
    return np.concatenate([embeddings * kind((1 - share) ** 0.5), mapped * kind(share**0.5)], axis=1)


def align_states(
    states: Float[np.ndarray, "n_read state_dim"],
    rows: Int[np.ndarray, " n_read"],
    stated: Int[np.ndarray, " n_statements"],
    statements: Float[np.ndarray, "n_statements embed_dim"],
) -> Mapped:
    """States of the texts `rows`, turned to where the statements of some of them, the texts `stated`, lie.

    Their principal coordinates, scaled to length one, are rotated by the orthogonal Procrustes solution (Schönemann
    1966): what lies near one another as a state still does, and a predicate is near to texts of which it was said.
    """
    centred = states.astype(np.float64) - states.mean(axis=0)
    with one_thread():
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        n_kept = max(1, min(_N_COORDINATES, statements.shape[1], int(np.sum(singular > 1e-6 * singular[0]))))
        coordinates = _unit(left[:, :n_kept] * singular[:n_kept])
        _, there, said = np.intersect1d(rows, stated, assume_unique=True, return_indices=True)
        left, _, right = np.linalg.svd(coordinates[there].T @ statements[said], full_matrices=False)
    return Mapped(rows, (coordinates @ (left @ right)).astype(np.float32))


def fit_goal_map(
    embeddings: Float[np.ndarray, "n_texts embed_dim"],
    features: Float[np.ndarray, "n_texts n_features"],
    rows: Int[np.ndarray, " n_statements"],
    statements: Float[np.ndarray, "n_statements embed_dim"],
    *,
    known: Mapped | None = None,
    n_clusters: int,
    seed: int,
) -> "LearnedMap":
    """Learns the map from the statements of some texts, and chooses how much of it is to be mixed in.

    **Arguments:** `embeddings`, unit vectors of all texts; `features`, what the map sees of them; `rows`, the texts
    that were stated; `statements`, the embeddings of what was said; `known`, what the map is learned from instead, the
    states of these texts and of others (`align_states`); `n_clusters`, in about how many parts the texts will be
    divided; `seed`, of the folds and of k-means.

    Raises `ValueError` for fewer than `LEAST_STATEMENTS` statements.
    """
    if len(rows) < LEAST_STATEMENTS or len(rows) != len(statements):
        raise ValueError(
            f"got {len(statements)} statements of {len(rows)} texts, expected one each of at least {LEAST_STATEMENTS}"
        )
    targets = Mapped(rows, statements) if known is None else known
    ridge, penalty, explained = _regression(features[targets.rows], targets.vectors)
    learned = GoalMap(*ridge.solution(penalty), 1.0)

    def places(some: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Where some texts lie, as far as that is known without the statements that are not kept."""
        if known is not None:
            return learned.mapped(features[some], known.among(some))
        fitted = Ridge.of(features[rows[kept]].astype(np.float64), statements[kept].astype(np.float64))
        coefficients, intercept = fitted.solution(penalty)
        return _unit(features[some] @ coefficients + intercept)

    if known is not None:
        # How well statements that are left out follow from the states of their texts.
        explained = _regression(places(rows, rows), statements)[2]
    gains = _gains(embeddings, rows, statements, places, anew=known is None, n_clusters=n_clusters, seed=seed)
    return LearnedMap(learned._replace(share=_SHARES[_first_near_the_best(gains)]), explained)


def _regression(features: np.ndarray, targets: np.ndarray) -> tuple[Ridge, float, float]:
    """A regression, its best penalty, and the share of the variance of targets left out that it explains."""
    ridge = Ridge.of(features.astype(np.float64), targets.astype(np.float64))
    errors = [np.mean((ridge.left_out(penalty) - targets) ** 2) for penalty in _PENALTIES]
    spread = float(np.mean((targets - targets.mean(axis=0)) ** 2))
    # Where all targets are one, there is nothing to explain.
    explained = 1 - float(min(errors)) / spread if spread > np.finfo(np.float32).eps else 0.0
    return ridge, _PENALTIES[int(np.argmin(errors))], explained


def _first_near_the_best(gains: Float[np.ndarray, "n_statements n_shares"]) -> int:
    """The least share that is not clearly worse than the best: by less than one standard error.

    What the statements leave out of a text is lost in the map, so the lower of two shares that cannot be told apart is
    better.
    """
    best = int(np.argmax(gains.mean(axis=0)))
    behind = gains[:, [best]] - gains
    errors = behind.std(axis=0, ddof=1) / len(gains) ** 0.5
    return int(np.argmax(behind.mean(axis=0) <= errors))


def _gains(embeddings, rows, statements, places, *, anew, n_clusters, seed) -> np.ndarray:
    """`(n_statements, n_shares)`: how much nearer to each left-out statement its cluster's statements are than all.

    `anew`: where texts lie depends on which statements are kept; else they are clustered once.
    """
    rng = np.random.default_rng(seed)
    others = rng.permutation(np.setdiff1d(np.arange(len(embeddings)), rows))
    clustered = np.concatenate([rows, others[: max(_MOST_CLUSTERED - len(rows), 0)]])
    order = rng.permutation(len(rows))
    gains, labels = np.zeros((len(rows), len(_SHARES))), list[np.ndarray]()
    for fold in np.array_split(order, _N_FOLDS):
        kept = np.setdiff1d(order, fold)
        if anew or not labels:
            mapped = places(clustered, kept).astype(embeddings.dtype)
            spaces = (mixed(embeddings[clustered], mapped, share) for share in _SHARES)
            labels = [_clusters(space, min(n_clusters, len(kept)), seed) for space in spaces]
        gains[fold] = np.stack([_explained(one, kept, fold, statements) for one in labels], axis=1)
    return gains


def _clusters(space, n_clusters, seed) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    kind: Any = KMeans  # its annotations, guessed from its defaults, know a string for n_init only
    with warnings.catch_warnings():
        # Where all statements are alike, so are all mapped texts: one cluster, which then explains nothing.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(n_clusters, n_init=3, random_state=seed).fit_predict(space)


def _explained(labels, kept, fold, statements) -> np.ndarray:
    mean = statements[kept].mean(axis=0)
    gains = np.zeros(len(fold))
    for number, row in enumerate(fold):
        alike = statements[kept[labels[kept] == labels[row]]]
        # Shrunk to the mean of all: a cluster that few statements speak for says little.
        predicted = (alike.sum(axis=0) + mean) / (len(alike) + 1)
        gains[number] = np.sum((statements[row] - mean) ** 2) - np.sum((statements[row] - predicted) ** 2)
    return gains


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)
