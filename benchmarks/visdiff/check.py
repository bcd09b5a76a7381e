"""How far a grader can be trusted, measured without any image: on hypotheses whose grade is known."""

from collections.abc import Sequence

import numpy as np

from benchmarks.visdiff.pairs import Pair


def known_hypotheses(pairs: Sequence[Pair]) -> list[tuple[str, Pair, str, float]]:
    """Kind, pair, hypothesis and the grade that is right, three for each pair.

    "identical" is the description of set A, "swapped" that of set B, and "permuted" that of another pair's set A.
    """
    # Half the list away, so that neighbours of one subject do not meet.
    others = [pairs[(number + len(pairs) // 2) % len(pairs)] for number in range(len(pairs))]
    known = []
    for pair, other in zip(pairs, others, strict=True):
        said = ("identical", pair.set_a, 1.0), ("swapped", pair.set_b, 0.0), ("permuted", other.set_a, 0.0)
        known += [(kind, pair, f"shows {shown[:1].lower()}{shown[1:]}", grade) for kind, shown, grade in said]
    return known


def agreement(kinds: Sequence[str], right: Sequence[float], grades: np.ndarray) -> dict[str, dict[str, float | None]]:
    """For each kind the mean grade, the share of right ones, and of hypotheses without a usable grade."""
    found: dict[str, dict[str, float | None]] = {}
    for kind in dict.fromkeys(kinds):
        rows = np.flatnonzero([other == kind for other in kinds])
        given, wanted = grades[rows], np.asarray(right)[rows]
        answered = ~np.isnan(given)
        found[kind] = {
            "mean_grade": float(given[answered].mean()) if answered.any() else None,
            "right": float(np.mean(np.where(answered, given == wanted, False))),
            "unanswered": float(np.mean(~answered)),
        }
    return found
