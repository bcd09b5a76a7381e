"""Intervals and claims, simulated: `python -m benchmarks.inference [run|real|table]`.

`run` (the default) simulates every scenario, `--runs` times each part, and keeps a line for each run in `--out`, so
that it can be interrupted, split (`--first`, `--only`, several processes with one `--out` each) and resumed; the last
line is one JSON object with the figures of all of them. `real` does the same with texts of news and speeches and the
answers of a language model (`--lm`), which are asked once and kept in `--store`. `table` shows figures that were
recorded, in the place for them on `--page`.
"""

import argparse
import json
import sys
from pathlib import Path

RECORDED = Path(__file__).parent / "measured.json"
"""Figures of the table in the documentation: the last line of a run of all scenarios."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference", description="Intervals and claims")
    parser.add_argument("command", nargs="?", choices=("run", "real", "table"), default="run")
    parser.add_argument("--only", default="", help="comma-separated: the beginnings of names of scenarios, or rows")
    parser.add_argument("--parts", default="", help="comma-separated: main, planted, naive; by default all")
    parser.add_argument("--runs", type=int, default=300, help="runs of each part (draws of the labels for `real`)")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first run")
    parser.add_argument("--out", type=Path, nargs="+", help="JSON Lines: the first grows, none is run again")
    parser.add_argument("--real", type=Path, help="the JSON of `real`, to be put into the last line")
    parser.add_argument("--lm", default="native", help="the language model of `real`")
    parser.add_argument("--store", type=Path, help="for the judgments of `real`, by default the user's store")
    parser.add_argument("--texts", type=int, help="the most texts of each corpus that `real` has judged")
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="the figures that `table` shows")
    parser.add_argument("--page", type=Path, help="a page of the documentation whose table `table` replaces")
    given = parser.parse_args()
    only = [name for name in given.only.split(",") if name]
    if given.command == "table":
        from benchmarks.inference.summary import table, written

        figures = json.loads(given.recorded.read_text(encoding="utf-8"))
        print(table(figures)) if given.page is None else written(given.page, figures)
    elif given.command == "real":
        from benchmarks.inference.real import measure

        print(json.dumps(measure(lm=given.lm, store=given.store, n_texts=given.texts, n_draws=given.runs, only=only)))
    else:
        print(json.dumps(_run(given, only)))


def _run(given: argparse.Namespace, only: list[str]) -> dict:
    from benchmarks.commands import kept_rows
    from benchmarks.inference.scenarios import run, scenarios
    from benchmarks.inference.shares import agrees_with_ppi_py
    from benchmarks.inference.summary import missed, summary

    try:
        chosen = scenarios(only)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    out, *others = given.out or [None]
    known = [line for path in others for line in kept_rows(path)]
    parts = [part for part in given.parts.split(",") if part]
    figures = summary(run(chosen, range(given.first, given.first + given.runs), out, parts=parts, known=known))
    for line in missed(figures):
        print(f"outside what is promised: {line}", file=sys.stderr)
    real = None if given.real is None else json.loads(given.real.read_text(encoding="utf-8"))
    return figures | {"agrees_with_ppi_py": agrees_with_ppi_py(), "real": real}


if __name__ == "__main__":
    main()
