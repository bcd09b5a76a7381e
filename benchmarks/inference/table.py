"""What was measured, as a table in the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.commands import markdown_table, write_block

BEGIN = "<!-- benchmarks.inference: begin (what stands between these lines is written anew) -->"
END = "<!-- benchmarks.inference: end -->"
_NUMBER = re.compile(r"(?<![\w.])\.?\d[\d.,]*(?<![.,])%?")
_HEADER = ("what", "intervals that hold the truth", "false claims", "power", "uncorrected", "runs")


def table(figures: dict[str, Any]) -> str:
    """A Markdown table of the figures of a run. Scenarios that differ in numbers only share a line, with ranges."""
    from benchmarks.inference.scenarios import scenarios

    about = {one.name: f"{one.row}: {one.about}" for one in scenarios()}
    names = dict.fromkeys([*figures["coverage"], *figures["null_claims"]])
    simulated = [_cells(name, about.get(name) or name, figures) for name in names]
    return markdown_table(_HEADER, _together([*simulated, *_real(figures.get("real") or {})]))


def _together(rows: list[list[str]]) -> Iterator[list[str]]:
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for row in rows:
        alike.setdefault(tuple(_NUMBER.sub("#", cell) for cell in row), []).append(row)
    for shape, found in alike.items():
        yield [_ranges(form, cells) for form, *cells in zip(shape, *found, strict=True)]


def _ranges(shape: str, cells: list[str]) -> str:
    """ "3 of 5%" and "2 of 5%" as "2 to 3 of 5%"."""
    ranges = (sorted(set(numbers), key=_value) for numbers in zip(*map(_NUMBER.findall, cells), strict=True))
    said = iter(found[0] if len(found) == 1 else f"{found[0].rstrip('%')} to {found[-1]}" for found in ranges)
    return re.sub("#", lambda _: next(said), shape)


def _value(number: str) -> float:
    return float(number.rstrip("%").replace(",", ""))


def written(page: Path, figures: dict[str, Any]) -> None:
    """Replaces the table of a page. Raises `PageError` if the page has no place for it."""
    write_block(page, BEGIN, END, table(figures))


def _cells(name: str, about: str, figures: dict[str, Any]) -> list[str]:
    words = {"coverage": "hold", "null_claims": "claim"}
    naive = {word: figures["naive"][kind][name] for kind, word in words.items() if name in figures["naive"][kind]}
    before = "; ".join(f"{_percent(figure)} {word}" for word, figure in naive.items())
    found = [figures[kind].get(name) for kind in ("coverage", "null_claims", "power")]
    n_runs = max(one["n"] for one in found if one is not None)
    return [about, *map(_percent, found), before, f"{n_runs:,}"]


def _real(measured: dict[str, Any]) -> Iterator[list[str]]:
    """Real texts judged by a real language model: a line for each figure."""
    for corpus, parts in measured.items():
        for part, figure in parts.items() if isinstance(parts, dict) else ():
            if isinstance(figure, dict) and "value" in figure and not part.startswith("uncorrected_"):
                about = f"real: {corpus}, {parts['n_texts']:,} texts judged by the 1.5B, {part}"
                before = _percent(parts.get(f"uncorrected_{part}"))
                yield [about, _percent(figure), "", "", before and f"{before} hold", f"{figure['n']:,}"]


def _percent(figure: dict[str, float] | None) -> str:
    return "" if figure is None else f"{figure['value']:.1%}"
