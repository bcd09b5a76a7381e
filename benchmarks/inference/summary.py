"""What the runs come to: coverage, false claims and power, each with its number of runs and its standard error;
and a table of it in the documentation.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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


# Between which shares the intervals of a nominal 90% are to hold the truth.
COVERAGE = (0.87, 0.93)
# Where the judge is right for 85% and half of the texts have what is asked for: how wide intervals are, against those
# from the labels alone.
_RIGHT_FOR_85 = ("share-people-p0.5-n150-N600", "coefficient-regression-85")
Lines = Sequence[dict[str, Any]]


def summary(lines: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all runs.

    `coverage`: of each scenario the share of intervals that hold the truth; `null_claims`: the share of runs without
    any effect in which something was claimed; `power`: the share of runs in which the planted effect was claimed;
    `naive`: coverage and false claims without the correction; `width`, `figures` and `unsaid`: means over the runs;
    `errors`: how many runs the library refused, and the first message; `width_ratios`: how wide the intervals are,
    against those from the labels alone; `width_ratio`: the larger one where the judge is right for 85%.
    """
    by_part: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        by_part[line["part"]][line["scenario"]].append(line)
    main, planted, naive = by_part["main"], by_part["planted"], by_part["naive"]
    both = {name: main.get(name, []) + planted.get(name, []) for name in dict.fromkeys([*main, *planted])}
    figures = {
        "coverage": _mapped(both, _coverage),
        "null_claims": _mapped(main, _claims),
        "power": _mapped(planted, _claims),
        "naive": {"coverage": _mapped(naive, _coverage), "null_claims": _mapped(naive, _claims)},
        "width": _mapped(both, lambda runs: _mean(run.get("width") for run in runs)),
        "unsaid": _mapped(both, _unsaid),
        "figures": _mapped(both, _figures),
        "errors": _mapped(both, _errors),
    }
    ratios = {name: one["width_ratio"] for name, one in figures["figures"].items() if "width_ratio" in one}
    widest = max((ratios[name] for name in _RIGHT_FOR_85 if name in ratios), default=None)
    return figures | {"width_ratio": widest, "width_ratios": ratios}


def missed(figures: dict[str, Any]) -> list[str]:
    """Scenarios that are outside what is promised by more than two standard errors."""
    low, high = COVERAGE
    found = []
    for name, one in figures["coverage"].items():
        # An interval that is the whole range covers too often, and says so.
        above = one["value"] - 2 * one["se"] > high and not figures["unsaid"].get(name)
        if one["value"] + 2 * one["se"] < low or above:
            found.append(f"{name}: coverage {one['value']:.3f}")
    for name, one in figures["null_claims"].items():
        if one["value"] - 2 * one["se"] > 0.05:
            found.append(f"{name}: false claims {one['value']:.3f}")
    return found


def _mapped(runs: dict[str, list[dict[str, Any]]], figure) -> dict[str, Any]:
    found = {name: figure(of_name) for name, of_name in runs.items()}
    return {name: value for name, value in found.items() if value is not None}


def _coverage(runs: Lines) -> dict[str, float] | None:
    return _share([float(np.mean(run["covered"])) for run in runs if run.get("covered")])


def _claims(runs: Lines) -> dict[str, float] | None:
    return _share([float(run["claimed"]) for run in runs if run.get("claimed") is not None])


def _share(values: Sequence[float]) -> dict[str, float] | None:
    """The mean of one share for each run. Intervals of one run are not independent, and runs are."""
    if not values:
        return None
    # With 0 or all of n the standard error is that after an imagined 0 and an imagined 1.
    spread = float(np.std(values)) or float(np.std([*values, 0.0, 1.0]))
    n = len(values)
    return {"value": round(float(np.mean(values)), 4), "n": n, "se": round(spread / math.sqrt(n), 4)}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def _unsaid(runs: Lines) -> float | None:
    """The share of intervals or tests of which it was said that they cannot be had from this."""
    total = sum(run.get("unsaid", 0) for run in runs)
    return round(total / sum(max(len(run.get("covered", ())), 1) for run in runs), 4) if total else None


def _figures(runs: Lines) -> dict[str, float | None] | None:
    names = dict.fromkeys(name for run in runs for name in run.get("figures", ()))
    return {name: _mean(run.get("figures", {}).get(name) for run in runs) for name in names} or None


def _errors(runs: Lines) -> dict[str, Any] | None:
    errors = [run["error"] for run in runs if "error" in run]
    return {"n": len(errors), "first": errors[0]} if errors else None
