"""Ridge regression with an intercept and exact leave-one-out predictions, for any number of targets."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nlparam.numerics.core.threads import one_thread


class Ridge(NamedTuple):
    """The features of a ridge regression, decomposed once so that every penalty and every target is cheap.

    `targets` is `(n_rows,)` or `(n_rows, n_targets)`.
    """

    left: Float[np.ndarray, "n_rows rank"]
    singular: Float[np.ndarray, " rank"]
    right: Float[np.ndarray, "rank n_features"]
    centre: Float[np.ndarray, " n_features"]
    targets: Float[np.ndarray, "..."]

    @classmethod
    def of(cls, features: Float[np.ndarray, "n_rows n_features"], targets: Float[np.ndarray, "..."]):
        """Decomposes the features."""
        centre = features.mean(axis=0)
        with one_thread():
            left, singular, right = np.linalg.svd(features - centre, full_matrices=False)
        return cls(left, singular, right, centre, targets)

    def left_out(self, penalty: float) -> Float[np.ndarray, "..."]:
        """Predictions of each target without itself: residual / (1 - leverage), exact for ridge regression."""
        mean = self.targets.mean(axis=0)
        shrunk = self.left * (self.singular**2 / (self.singular**2 + penalty))
        residual = self.targets - mean - shrunk @ (self.left.T @ (self.targets - mean))
        leverage = np.sum(shrunk * self.left, axis=1) + 1 / len(self.targets)
        kept = np.maximum(1 - leverage, 1e-3)
        return self.targets - residual / kept.reshape(-1, *(1,) * (self.targets.ndim - 1))

    def solution(self, penalty: float) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
        """Coefficients and intercept."""
        mean = self.targets.mean(axis=0)
        inverse = self.singular / (self.singular**2 + penalty)
        coefficients = (self.right.T * inverse) @ (self.left.T @ (self.targets - mean))
        return coefficients, mean - self.centre @ coefficients
