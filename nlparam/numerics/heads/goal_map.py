"""The goal representation: texts where statements about them, made under a goal, would lie.

Embeddings of texts follow what their model was trained for (often the language or the topic), whatever the goal is. A
language model states what a sample of texts are with respect to the goal; a ridge regression maps features of a text to
the embedding of its statement. How much of the map enters the representation is chosen on statements left out: the
space whose clusters predict them best.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nlparam.numerics.heads.ridge import Ridge

_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Shares of the map in the representation that are tried, the ends among them.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_N_FOLDS = 4
# Clusters of k-means are computed on the stated texts and at most so many others.
_MOST_CLUSTERED = 4096
# Statements below this number cannot choose anything.
LEAST_STATEMENTS = 16


class GoalMap(NamedTuple):
    """Maps texts to the goal representation.

    `coefficients` and `intercept` map features of a text to the embedding of its statement; `share` is how much of an
    inner product of two represented texts is that of the mapped statements, the rest that of the embeddings.
    """

    coefficients: Float[np.ndarray, "n_features embed_dim"]
    intercept: Float[np.ndarray, " embed_dim"]
    share: float

    def represent(
        self, embeddings: Float[np.ndarray, "n_texts embed_dim"], features: Float[np.ndarray, "n_texts n_features"]
    ) -> Float[np.ndarray, "n_texts represented_dim"]:
        """Unit vectors, as wide as what they are made of: the embeddings, the mapped statements, or both."""
        return mixed(embeddings, self._mapped(features), self.share)

    def _mapped(self, features):
        # In the features' own precision: a matrix of two kinds would be copied whole to the wider one.
        return _unit(features @ self.coefficients.astype(features.dtype) + self.intercept.astype(features.dtype))


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


def fit_goal_map(
    embeddings: Float[np.ndarray, "n_texts embed_dim"],
    features: Float[np.ndarray, "n_texts n_features"],
    rows: Int[np.ndarray, " n_statements"],
    statements: Float[np.ndarray, "n_statements embed_dim"],
    *,
    n_clusters: int,
    seed: int,
) -> "LearnedMap":
    """Learns the map from the statements of some texts, and chooses how much of it is to be mixed in.

    **Arguments:** `embeddings`, unit vectors of all texts; `features`, what the map sees of them; `rows`, the texts
    that were stated; `statements`, the embeddings of what was said; `n_clusters`, in about how many parts the texts
    will be divided; `seed`, of the folds and of k-means.

    Raises `ValueError` for fewer than `LEAST_STATEMENTS` statements.
    """
    if len(rows) < LEAST_STATEMENTS or len(rows) != len(statements):
        raise ValueError(
            f"got {len(statements)} statements of {len(rows)} texts, expected one each of at least {LEAST_STATEMENTS}"
        )
    ridge = Ridge.of(features[rows].astype(np.float64), statements.astype(np.float64))
    errors = [np.mean((ridge.left_out(penalty) - statements) ** 2) for penalty in _PENALTIES]
    penalty = _PENALTIES[int(np.argmin(errors))]
    gains = _gains(embeddings, features, rows, statements, penalty, n_clusters=n_clusters, seed=seed)
    coefficients, intercept = ridge.solution(penalty)
    spread = float(np.mean((statements - statements.mean(axis=0)) ** 2))
    # Where all statements are one, there is nothing to explain.
    explained = 1 - float(min(errors)) / spread if spread > np.finfo(np.float32).eps else 0.0
    return LearnedMap(GoalMap(coefficients, intercept, _SHARES[_first_near_the_best(gains)]), explained)


def _first_near_the_best(gains: Float[np.ndarray, "n_statements n_shares"]) -> int:
    """The least share that is not clearly worse than the best: by less than one standard error.

    What the statements leave out of a text is lost in the map, so the lower of two shares that cannot be told apart is
    better.
    """
    best = int(np.argmax(gains.mean(axis=0)))
    behind = gains[:, [best]] - gains
    errors = behind.std(axis=0, ddof=1) / len(gains) ** 0.5
    return int(np.argmax(behind.mean(axis=0) <= errors))


def _gains(embeddings, features, rows, statements, penalty, *, n_clusters, seed) -> np.ndarray:
    """`(n_statements, n_shares)`: how much nearer to each left-out statement its cluster's statements are than all."""
    rng = np.random.default_rng(seed)
    others = rng.permutation(np.setdiff1d(np.arange(len(embeddings)), rows))
    clustered = np.concatenate([rows, others[: max(_MOST_CLUSTERED - len(rows), 0)]])
    order = rng.permutation(len(rows))
    gains = np.zeros((len(rows), len(_SHARES)))
    for fold in np.array_split(order, _N_FOLDS):
        kept = np.setdiff1d(order, fold)
        fitted = Ridge.of(features[rows[kept]].astype(np.float64), statements[kept].astype(np.float64))
        coefficients, intercept = fitted.solution(penalty)
        mapped = _unit(features[clustered] @ coefficients + intercept).astype(embeddings.dtype)
        for number, share in enumerate(_SHARES):
            labels = _clusters(mixed(embeddings[clustered], mapped, share), min(n_clusters, len(kept)), seed)
            gains[fold, number] = _explained(labels, kept, fold, statements)
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
