"""What was measured, as a table in the documentation."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.commands import with_block
from benchmarks.goals.errors import SuiteError
from benchmarks.goals.scoring import summary
from benchmarks.goals.suite import chosen

BEGIN = "<!-- benchmarks.goals: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.goals: end -->"
_HEAD = (
    "| goal | half | k | predicates | F1 | k-means | follows | judgments | seconds |",
    "| --- | --- | ---: | --- | ---: | ---: | --- | ---: | ---: |",
)


def table(entries: Iterable[dict[str, Any]]) -> str:
    """What the fits reached, and a Markdown table with a line for each, in the order of their halves and names."""
    entries = list(entries)
    rows = sorted(entries, key=lambda entry: (entry["group"] or entry["half"], entry["goal"], entry["seed"]))
    return "\n".join([_reached(entries), "", *_HEAD, *map(_line, rows)])


def written(page: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Replaces the table of a page. Raises `SuiteError` if the page has no place for it."""
    text = with_block(page.read_text(encoding="utf-8"), BEGIN, END, table(entries))
    if text is None:
        raise SuiteError(f"got {page}, expected a page with the lines {BEGIN!r} and {END!r}, each once")
    page.write_text(text, encoding="utf-8")


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


def _line(entry: dict[str, Any]) -> str:
    predicates = "; ".join(entry["predicates"]).replace("|", "/")
    reached = entry.get("f1", entry.get("accuracy"))
    bar = entry.get("kmeans_f1", entry.get("logistic_accuracy"))
    followed = entry.get("followed")
    follows = "" if followed is None else "yes" if followed else f"no, the {entry['followed_axis']}"
    cells = (
        entry["asked"].replace("|", "/"),
        entry["group"] or entry["half"],
        entry["k"],
        predicates,
        f"{reached:.3f}",
        f"{bar:.3f}",
        follows,
        entry["judgments"],
        f"{entry['seconds']:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"
