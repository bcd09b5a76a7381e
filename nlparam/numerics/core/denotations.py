"""From which denotation on a predicate holds."""

import numpy as np
from jaxtyping import Float

HOLDS = 0.5


def decided(probabilities: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """1 where a predicate holds, 0 where it does not; `nan` stays `nan`."""
    return np.where(np.isnan(probabilities), np.nan, probabilities >= HOLDS)
