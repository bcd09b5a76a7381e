"""Which texts to judge: the extremes and the uncertain middle of the relaxed scores, and some at random."""

import numpy as np


def judging_order(scores: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """All texts in an order whose every prefix is a good sample to judge.

    In turn: a high text (of each slot in turn), which teaches a head what a predicate means; an uncertain one (a small
    margin between its two highest slots), where it ends; a random one, which keeps the estimate of agreement honest.

    **Arguments:** `scores`, `(n_texts, n_slots)` relaxed scores.

    **Returns:** a permutation of `range(n_texts)`.
    """
    n_texts, n_slots = scores.shape
    best = np.argmax(scores, axis=1)
    ranked = np.sort(scores, axis=1)
    # With one slot, "uncertain" means near the middle of its own scores.
    margin = ranked[:, -1] - ranked[:, -2] if n_slots > 1 else np.abs(scores[:, 0] - np.median(scores[:, 0]))
    highs = []
    for slot in range(n_slots):
        members = np.flatnonzero(best == slot)
        members = members[np.argsort(-scores[members, slot], kind="stable")]
        # The upper half in random order: the very top is often one story told many times.
        upper, lower = np.split(members, [-(-len(members) // 2)])
        highs.append(np.concatenate([rng.permutation(upper), lower]))
    by_margin = np.argsort(margin, kind="stable")
    third, rest = np.split(by_margin, [-(-n_texts // 3)])
    uncertain = np.concatenate([rng.permutation(third), rest])
    return _first_occurrences(_round_robin([_round_robin(highs), uncertain, rng.permutation(n_texts)]))


def systematic(rows: np.ndarray, along: np.ndarray, n_drawn: int, *, rng: np.random.Generator) -> np.ndarray:
    """`n_drawn` of some rows, each as likely as any other, evenly along a value: every part gets its share.

    **Arguments:** `rows`, numbers of texts; `along`, `(n_texts,)` values that order them, by chance where they are
    equal.

    **Returns:** `(n_drawn,)` of the rows, in that order.
    """
    ordered = rows[np.lexsort((rng.random(len(rows)), along[rows]))]
    places = ((np.arange(n_drawn) + rng.random()) * len(ordered) / max(n_drawn, 1)).astype(int)
    return ordered[np.minimum(places, len(ordered) - 1)]


def _round_robin(queues: list[np.ndarray]) -> np.ndarray:
    ranks = np.concatenate([np.arange(len(queue)) for queue in queues])
    return np.concatenate(queues)[np.argsort(ranks, kind="stable")]


def _first_occurrences(values: np.ndarray) -> np.ndarray:
    _, first = np.unique(values, return_index=True)
    return values[np.sort(first)]
