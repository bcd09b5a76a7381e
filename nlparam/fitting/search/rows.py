"""Texts to judge a candidate on where those that all are judged on are few for so many predicates."""

import numpy as np

# With fewer texts than this for each predicate, few candidates meet a text for which they hold.
ENOUGH_EACH = 6


def half_near(order: np.ndarray, scores: np.ndarray, n_rows: int, n_predicates: int) -> np.ndarray:
    """At most `n_rows` texts: in turn one of high score, and one of those that all candidates are judged on.

    Every prefix is such a sample, too, since a budget may end early.

    **Arguments:** `order`, `(n_texts,)`, the texts in the order in which all candidates are judged on them; `scores`,
    `(n_texts,)`, the higher, the more likely the candidate holds.
    """
    n_near = n_rows - n_rows // 2
    # The very highest would be near-duplicates of one story.
    near = np.argsort(-scores, kind="stable")[: max(len(scores) // n_predicates, n_near)]
    spread = near[np.linspace(0, len(near) - 1, n_near).astype(int)]
    common = order[: n_rows // 2]
    in_turn = np.empty(n_near + len(common), dtype=np.int64)
    in_turn[::2], in_turn[1::2] = _far_apart(spread), common
    return np.asarray(list(dict.fromkeys(in_turn.tolist())), dtype=np.int64)


def _far_apart(values: np.ndarray) -> np.ndarray:
    """The values in an order whose every prefix is spread over all of them (van der Corput's)."""
    n_bits = max(len(values) - 1, 1).bit_length()
    return values[sorted(range(len(values)), key=lambda place: f"{place:0{n_bits}b}"[::-1])]
