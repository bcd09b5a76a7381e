"""What was measured, as a table in the documentation."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.commands import with_block
from benchmarks.goals.errors import SuiteError

BEGIN = "<!-- benchmarks.goals: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.goals: end -->"
_HEAD = (
    "| goal | half | k | predicates | F1 | k-means | follows | judgments | seconds |",
    "| --- | --- | ---: | --- | ---: | ---: | --- | ---: | ---: |",
)


def table(entries: Iterable[dict[str, Any]]) -> str:
    """A Markdown table with a line for each fit, in the order of their halves and names."""
    rows = sorted(entries, key=lambda entry: (entry["group"] or entry["half"], entry["goal"], entry["seed"]))
    return "\n".join([*_HEAD, *map(_line, rows)])


def written(page: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Replaces the table of a page. Raises `SuiteError` if the page has no place for it."""
    text = with_block(page.read_text(encoding="utf-8"), BEGIN, END, table(entries))
    if text is None:
        raise SuiteError(f"got {page}, expected a page with the lines {BEGIN!r} and {END!r}, each once")
    page.write_text(text, encoding="utf-8")


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
