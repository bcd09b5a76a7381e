"""How a fit is scored against what is known of its texts, and what was measured as a table in the documentation."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.commands import markdown_table
from benchmarks.goals.corpora import load
from benchmarks.goals.suite import Goal, chosen
from nlparam.denotation.following import GoalFollowing
from nlparam.numerics.statistics.metrics import matched_f1, one_hot

BEGIN = "<!-- benchmarks.goals: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.goals: end -->"
_HEADER = (
    "goal", "half", "k", "predicates", "F1", "given", "k-means", "follows", "warned", "states", "judgments", "seconds",
)  # fmt: skip


def shown(goal: Goal) -> str:
    """A goal with its corpus: how many texts there are of each answer, and two of them."""
    corpus = load(goal.corpus)
    counts = Counter(label for label in corpus.axes[goal.axis] if label is not None)
    others = [axis for axis in corpus.axes if axis != goal.axis]
    lines = [
        f"{goal.name} [{goal.group or goal.half}] {goal.model} k={goal.k}: {goal.goal}",
        f"  {corpus.name}: {len(corpus.texts)} texts{', crossed' if corpus.crossed else ''}"
        f"{'; other axes: ' + ', '.join(others) if others else ''}",
        f"  {len(counts)} classes: {', '.join(f'{label} {count}' for label, count in counts.most_common())}",
    ]
    for number in (0, len(corpus.texts) // 2):
        lines.append(f"  [{corpus.axes[goal.axis][number]}] {' '.join(corpus.texts[number].split())[:100]}")
    return "\n".join(lines)


def table(entries: Iterable[dict[str, Any]]) -> str:
    """What the fits reached, and a Markdown table with a line for each, in the order of their halves and names.

    Beside a fit stands what the same texts and goal reached with the predicates of one who knows the classes (`given`),
    whether the user was warned that the goal might not be followed, and of how many texts the states were used.
    """
    entries = list(entries)
    given = {(entry["goal"], entry["seed"]): _score(entry) for entry in entries if entry["given"]}
    fits = [entry for entry in entries if not entry["given"]]
    fits.sort(key=lambda entry: (entry["group"] or entry["half"], entry["goal"], entry["seed"]))
    cells = (_cells(entry, given.get((entry["goal"], entry["seed"]))) for entry in fits)
    listed = markdown_table(_HEADER, cells, ("predicates", "follows", "warned", "half"))
    return f"{_reached(fits)}{_compared(fits, given)}\n\n{listed}"


def _score(entry: dict[str, Any]) -> float:
    """The F1 of a clustering, the accuracy of a classification."""
    return entry["accuracy"] if "accuracy" in entry else entry["f1"]


def _compared(fits: list[dict[str, Any]], given: dict[tuple[str, int], float]) -> str:
    """How the fits that found their predicates compare with those that were given them."""
    pairs = [(_score(fit), given[key]) for fit in fits if (key := (fit["goal"], fit["seed"])) in given]
    if not pairs:
        return ""
    own, known = np.asarray(pairs).T
    return (
        f" With the predicates given, {len(pairs)} of these fits reach {known.mean():.3f} in the mean, with their own "
        f"{own.mean():.3f}; {int(np.sum(own >= known))} reach more with their own."
    )


def _reached(entries: list[dict[str, Any]]) -> str:
    goals = chosen("all", None)
    figures = summary(entries, goals)
    crossed = [entry["followed"] for entry in entries if entry.get("followed") is not None]
    means = {
        "all of the two halves": "mean_f1",
        "the unseen half": "unseen_mean_f1",
        "languages": "language_f1",
        "k-means on all": "kmeans_mean_f1",
    }
    said = [f"{what} {figures[key]:.3f}" for what, key in means.items() if figures[key] is not None]
    below = ", ".join(figures["below_kmeans"]) or "none"
    n_told = sum(_is_warned(entry) for entry in entries if entry.get("followed") is False)
    return (
        f"{len(goals) - len(figures['missing'])} of {len(goals)} goals were fitted. Mean F1: {'; '.join(said)}. "
        f"{sum(crossed)} of {len(crossed)} fits of crossed corpora follow the goal; {n_told} of the others say that "
        f"they may not. {_trusted(entries)}Below k-means: {below}. "
        f"Pairs of near-duplicates among the chosen: {figures['near_duplicates']}."
    )


def _trusted(entries: list[dict[str, Any]]) -> str:
    """What clusterings of the two halves reached with a warning, and without one."""
    fits = [entry for entry in entries if "f1" in entry and not entry["group"]]
    scores = {told: [fit["f1"] for fit in fits if _is_warned(fit) == told] for told in (True, False)}
    if not all(scores.values()):
        return ""
    warned, others = (f"{np.mean(scores[told]):.3f} ({len(scores[told])} fits)" for told in (True, False))
    return f"Mean F1 of the two halves with a warning: {warned}; without: {others}. "


def _is_warned(entry: dict[str, Any]) -> bool:
    """Whether a fit said that the goal might not be followed. Old entries lack some of what it is told by."""
    following = entry.get("following")
    return following is not None and any(GoalFollowing(**{"n_read": 0} | following).warnings())


def _cells(entry: dict[str, Any], given: float | None) -> list[object]:
    followed = entry.get("followed")
    follows = "" if followed is None else "yes" if followed else f"no, the {entry['followed_axis']}"
    figures = _score(entry), given, entry.get("kmeans_f1", entry.get("logistic_accuracy"))
    shown = ("" if figure is None else f"{figure:.3f}" for figure in figures)
    worded = (entry["asked"].replace("|", "/"), entry["group"] or entry["half"], entry["k"])
    predicates = "; ".join(entry["predicates"]).replace("|", "/")
    told = "yes" if _is_warned(entry) else "", (entry.get("following") or {}).get("n_states", "")
    return [*worded, predicates, *shown, follows, *told, entry["judgments"], f"{entry['seconds']:.0f}"]


# What fits of the topics reached before goals beyond topics were followed.
TOPICS = {"bbc": 0.95, "agnews": 0.848, "syngoalex_topic": 0.924}
_SAME = 0.9


def axis_f1(assignments: np.ndarray, n_clusters: int, labels: Sequence[str | None]) -> float:
    """Matched macro F1 of a partition with the labels of an axis, on the texts whose label is known."""
    known, classes, codes = _coded(labels)
    return matched_f1(one_hot(assignments[known], n_clusters), one_hot(codes, len(classes))).macro


def information(assignments: np.ndarray, labels: Sequence[str | None]) -> float:
    """The adjusted mutual information of a partition and an axis: 0 by chance, 1 if they are the same."""
    from sklearn.metrics import adjusted_mutual_info_score

    known, _, codes = _coded(labels)
    return float(adjusted_mutual_info_score(codes, assignments[known]))


def _coded(labels: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    known = np.asarray([label is not None for label in labels])
    classes, codes = np.unique(np.asarray([label for label in labels if label is not None]), return_inverse=True)
    return known, classes, codes


def followed_axis(assignments: np.ndarray, axes: dict[str, list[str | None]]) -> str:
    """The axis that a partition tells most about."""
    return max(axes, key=lambda axis: information(assignments, axes[axis]))


def near_duplicates(denotations: np.ndarray) -> int:
    """How many pairs of columns say about the same of every text: their correlation is above 0.9."""
    varied = denotations[:, denotations.std(axis=0) > 0]
    if varied.shape[1] < 2:
        return 0
    correlations = np.corrcoef(varied, rowvar=False)
    return int(np.sum(np.triu(correlations, k=1) > _SAME))


def summary(
    entries: Iterable[dict[str, Any]], goals: Sequence[Goal], busy_slowdown: float | None = None
) -> dict[str, Any]:
    """The figures of a run. A goal with several seeds counts once, with the mean of its fits.

    Means are over the goals of the two halves; large sets and topics have figures of their own, and so has the
    classification, whose score is an accuracy.
    """
    entries = list(entries)
    fitted = {goal: [entry for entry in entries if entry["goal"] == goal.name] for goal in goals}
    by_goal = {goal: fits for goal, fits in fitted.items() if fits}
    clusterings = {goal: fits for goal, fits in by_goal.items() if goal.model == "clustering"}
    f1, kmeans = (
        {goal: float(np.mean([fit[name] for fit in fits])) for goal, fits in clusterings.items()}
        for name in ("f1", "kmeans_f1")
    )
    halves = {goal: value for goal, value in f1.items() if not goal.group}
    crossed = [fit["followed"] for fits in clusterings.values() for fit in fits if fit["followed"] is not None]
    classified = {goal.name: fits for goal, fits in by_goal.items() if goal not in f1}
    return {
        "mean_f1": _mean(halves.values()),
        "unseen_mean_f1": _mean(value for goal, value in halves.items() if goal.half == "unseen"),
        "worst_f1": min(halves.values(), default=None),
        "language_f1": _mean(value for goal, value in halves.items() if goal.about_language),
        "goal_followed": _mean(crossed),
        "below_kmeans": [goal.name for goal, value in halves.items() if value < kmeans[goal]],
        "near_duplicates": sum(fit["near_duplicates"] for fits in by_goal.values() for fit in fits),
        "large_gain": _mean(f1[goal] - kmeans[goal] for goal in f1 if goal.group == "large"),
        "topics_not_worse": topics_not_worse({goal.name: f1[goal] for goal in f1 if goal.group == "topics"}),
        "busy_slowdown": busy_slowdown,
        "accuracy": {name: _mean(fit["accuracy"] for fit in fits) for name, fits in classified.items()},
        "kmeans_mean_f1": _mean(kmeans[goal] for goal in halves),
        "missing": [goal.name for goal in goals if goal not in by_goal],
        "goals": [_entry(goal, fits, f1.get(goal), kmeans.get(goal)) for goal, fits in by_goal.items()],
    }


def topics_not_worse(means: dict[str, float]) -> bool | None:
    """Whether each topic reaches what was reached before; None unless all of them were fitted."""
    if set(means) != set(TOPICS):
        return None
    return all(value >= TOPICS[name] for name, value in means.items())


def _entry(goal: Goal, fits: list[dict[str, Any]], f1: float | None, kmeans: float | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"goal": goal.name, "half": goal.half, "group": goal.group, "k": goal.k}
    if f1 is None:
        entry |= {name: _mean(fit[name] for fit in fits) for name in ("accuracy", "logistic_accuracy", "largest_class")}
    else:
        entry |= {"f1": f1, "kmeans_f1": kmeans, "followed": [fit["followed_axis"] for fit in fits]}
    entry |= {name: _mean(fit[name] for fit in fits) for name in ("judgments", "calls", "seconds")}
    return entry | {"predicates": [fit["predicates"] for fit in fits]}


def _mean(values: Iterable[Any]) -> float | None:
    numbers = [float(value) for value in values]
    return float(np.mean(numbers)) if numbers else None
