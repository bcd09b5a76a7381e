"""From which denotation on a predicate holds, and how those of heads are compared."""

import numpy as np
from jaxtyping import Float

HOLDS = 0.5
# By what the log-odds of heads are multiplied, measured in `docs/explanation/design.md`.
_SHARPNESS = 3.0


def decided(probabilities: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """1 where a predicate holds, 0 where it does not; `nan` stays `nan`."""
    return np.where(np.isnan(probabilities), np.nan, probabilities >= HOLDS)


def sharpened(denotations: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Denotations of heads drawn towards a yes or a no: their log-odds tripled.

    A clustering looks at the shape of a column alone. A predicate that holds for a few texts of a cluster would do as
    well as one that holds for all of them, if its head thought it a little likelier for the others than elsewhere.
    """
    yes, no = denotations**_SHARPNESS, (1 - denotations) ** _SHARPNESS
    return yes / (yes + no)
