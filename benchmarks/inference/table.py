"""What was measured, as a table in the documentation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import with_block

BEGIN = "<!-- benchmarks.inference: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.inference: end -->"
_UNCORRECTED = "uncorrected_"
_HEAD = (
    "| what | intervals that hold the truth | false claims | power | uncorrected | runs |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
)


def table(figures: dict[str, Any]) -> str:
    """A Markdown table of the figures of a run, with a line for each scenario."""
    from benchmarks.inference.scenarios import scenarios

    about = {one.name: f"{one.row}: {one.about}" for one in scenarios()}
    names = list(dict.fromkeys([*figures["coverage"], *figures["null_claims"]]))
    lines = [_line(name, about.get(name) or name, figures) for name in names]
    return "\n".join([*_HEAD, *lines, *_real(figures.get("real") or {})])


def written(page: Path, figures: dict[str, Any]) -> None:
    """Replaces the table of a page. Raises `ValueError` if the page has no place for it."""
    text = with_block(page.read_text(encoding="utf-8"), BEGIN, END, table(figures))
    if text is None:
        raise ValueError(f"got {page}, expected a page with the lines {BEGIN!r} and {END!r}, each once")
    page.write_text(text, encoding="utf-8")


def _line(name: str, about: str, figures: dict[str, Any]) -> str:
    naive = figures["naive"]
    before = "; ".join(
        f"{_percent(naive[kind][name])} {word}"
        for kind, word in (("coverage", "hold"), ("null_claims", "claim"))
        if name in naive[kind]
    )
    found = [figures[kind].get(name) for kind in ("coverage", "null_claims", "power")]
    n_runs = max(one["n"] for one in found if one is not None)
    cells = [about, *("" if one is None else _percent(one) for one in found), before, f"{n_runs:,}"]
    return f"| {' | '.join(cells)} |"


def _real(measured: dict[str, Any]) -> Iterator[str]:
    """Real texts judged by a real language model: a line for each figure."""
    for corpus, parts in measured.items():
        for part, figure in parts.items() if isinstance(parts, dict) else ():
            if not isinstance(figure, dict) or "value" not in figure or part.startswith(_UNCORRECTED):
                continue
            naive = parts.get(f"{_UNCORRECTED}{part}")
            before = "" if naive is None else f"{_percent(naive)} hold"
            about = f"real: {corpus}, {parts['n_texts']:,} texts judged by the 1.5B, {part}"
            yield f"| {about} | {_percent(figure)} |  |  | {before} | {figure['n']:,} |"


def _percent(figure: dict[str, float]) -> str:
    return f"{figure['value']:.1%}"
