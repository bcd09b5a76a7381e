"""The goals with their corpora, and what was measured, as a table in the documentation."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from benchmarks.commands import markdown_table
from benchmarks.goals.corpora import load
from benchmarks.goals.scoring import summary
from benchmarks.goals.suite import Goal, chosen

BEGIN = "<!-- benchmarks.goals: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.goals: end -->"
_HEADER = ("goal", "half", "k", "predicates", "F1", "k-means", "follows", "judgments", "seconds")


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
    """What the fits reached, and a Markdown table with a line for each, in the order of their halves and names."""
    entries = list(entries)
    rows = sorted(entries, key=lambda entry: (entry["group"] or entry["half"], entry["goal"], entry["seed"]))
    listed = markdown_table(_HEADER, map(_cells, rows), ("predicates", "follows", "half"))
    return f"{_reached(entries)}\n\n{listed}"


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
    return (
        f"{len(goals) - len(figures['missing'])} of {len(goals)} goals were fitted. Mean F1: {'; '.join(said)}. "
        f"{sum(crossed)} of {len(crossed)} fits of crossed corpora follow the goal. Below k-means: {below}. "
        f"Pairs of near-duplicates among the chosen: {figures['near_duplicates']}."
    )


def _cells(entry: dict[str, Any]) -> list[object]:
    followed = entry.get("followed")
    follows = "" if followed is None else "yes" if followed else f"no, the {entry['followed_axis']}"
    figures = entry.get("f1", entry.get("accuracy")), entry.get("kmeans_f1", entry.get("logistic_accuracy"))
    worded = (entry["asked"].replace("|", "/"), entry["group"] or entry["half"], entry["k"])
    predicates = "; ".join(entry["predicates"]).replace("|", "/")
    return [*worded, predicates, *(f"{f:.3f}" for f in figures), follows, entry["judgments"], f"{entry['seconds']:.0f}"]
