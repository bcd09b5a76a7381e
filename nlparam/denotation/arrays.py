"""What denotes texts, as named arrays for files: heads, n-grams, the goal representation. What is slow to compute is
read from the files of an earlier computation."""

import json
from collections.abc import Sequence

import numpy as np

from nlparam.language.features import NgramFeatures
from nlparam.numerics.heads.goal_map import GoalMap, LearnedMap, Mapped, fit_goal_map
from nlparam.numerics.heads.head import Head
from nlparam.numerics.heads.joint_head import JointHead
from nlparam.runtime.memo import memoised


def head_arrays(head: Head | JointHead) -> dict[str, np.ndarray]:
    """A head as named arrays."""
    if isinstance(head, JointHead):
        return {f"joint.{name}": _array(leaf) for name, leaf in head.arrays().items()}
    return {name: _array(leaf) for name, leaf in zip(Head._fields, head, strict=True)}


def head_of(arrays: dict[str, np.ndarray]) -> Head | JointHead:
    """The head from the arrays of `head_arrays`."""
    joint = {name.removeprefix("joint."): leaf for name, leaf in arrays.items() if name.startswith("joint.")}
    if joint:
        return JointHead.from_arrays(joint)
    return Head(arrays["coefficients"], arrays["intercepts"], arrays["slope"].item(), arrays["thresholds"])


def ngram_arrays(ngrams: NgramFeatures, mark: str = "_") -> dict[str, np.ndarray]:
    """What the n-grams are weighted by, and their axes, as named arrays; their vocabularies are JSON. `mark` is in the
    names of the arrays."""
    idf = {f"idf{mark}{name}": _array(values) for name, values in ngrams.idf.items()}
    return idf | {f"axes{mark}{name}": _array(axes) for name, axes in ngrams.axes.items()}


def ngrams_of(vocabularies: dict[str, list[str]], arrays: dict[str, np.ndarray], mark: str = "_") -> NgramFeatures:
    """The n-grams from their vocabularies and the arrays of `ngram_arrays`."""
    return NgramFeatures(
        vocabularies,
        {name: arrays[f"idf{mark}{name}"] for name in vocabularies},
        {name: arrays[f"axes{mark}{name}"] for name in vocabularies},
    )


def ngrams_of_texts(texts: Sequence[str], *, kept: bool) -> tuple[NgramFeatures, np.ndarray]:
    """The n-grams of texts, and `(n_texts, n_features)` features; `kept` reads and keeps them in the cache."""

    def computed() -> dict[str, np.ndarray]:
        ngrams, features = NgramFeatures.fit_transform(texts)
        return ngram_arrays(ngrams) | {
            "features": features,
            "vocabularies": np.frombuffer(json.dumps(ngrams.vocabularies).encode(), dtype=np.uint8),
        }

    arrays = memoised("n-grams, 1", {"texts": texts}, computed, kept=kept)
    return ngrams_of(json.loads(arrays["vocabularies"].tobytes()), arrays), arrays["features"]


def learned_goal_map(
    *given: np.ndarray, known: Mapped | None = None, n_clusters: int, seed: int, kept: bool
) -> LearnedMap:
    """As `nlparam.numerics.heads.goal_map.fit_goal_map`; `kept` reads it from the cache and keeps it there."""

    def computed() -> dict[str, np.ndarray]:
        learned = fit_goal_map(*given, known=known, n_clusters=n_clusters, seed=seed)
        return goal_arrays(learned.goal_map) | {"explained": np.asarray(learned.explained)}

    inputs: dict[str, np.ndarray] = dict(zip(("embeddings", "features", "rows", "statements"), given, strict=True))
    if known is not None:
        inputs |= {"known_rows": known.rows, "known_vectors": known.vectors}
    inputs["settings"] = np.asarray([n_clusters, seed])
    arrays = memoised("goal representation, 1", inputs, computed, kept=kept)
    goal_map = goal_map_of(arrays)
    assert goal_map is not None
    return LearnedMap(goal_map, arrays["explained"].item())


def goal_arrays(goal_map: GoalMap | None) -> dict[str, np.ndarray]:
    """The goal representation as named arrays, none of them if there is none."""
    if goal_map is None:
        return {}
    return {f"goal.{name}": _array(leaf) for name, leaf in zip(GoalMap._fields, goal_map, strict=True)}


def goal_map_of(arrays: dict[str, np.ndarray]) -> GoalMap | None:
    """The goal representation from the arrays of `goal_arrays`."""
    if "goal.share" not in arrays:
        return None
    return GoalMap(arrays["goal.coefficients"], arrays["goal.intercept"], arrays["goal.share"].item())


def _array(leaf) -> np.ndarray:
    return np.ascontiguousarray(leaf)
