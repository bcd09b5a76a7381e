"""Tables of the experiments: `python -m benchmarks.table outputs --out docs/reference/benchmarks.md`.

Reads the folders of finished runs (RUNS, or folders above them) and nothing else; without RUNS those in
`benchmarks/runs.jsonl`, which the published tables are made from (without their fits, which hold the texts), and what
sweeps have written into `outputs`. With `--out` the tables are written into a page, between two marker lines if the
page is there already, with the metrics and costs of all arms in a CSV file beside it and the figures under `images/`;
without, the tables are printed. The last line is a
JSON object with the few figures that say where nlparam stands, each with its run folders; `--json` prints nothing else.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Relative to where the command is run: what is printed names no folder of this machine.
RECORDED = Path(os.path.relpath(Path(__file__).parent / "runs.jsonl"))
# Where sweeps write by default.
WRITTEN = Path("outputs")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.table", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        default=[],
        metavar="RUNS",
        help="folders of runs, or folders above them; by default the published ones and outputs",
    )
    parser.add_argument("--out", type=Path, help="the page to write the tables into")
    parser.add_argument("--json", action="store_true", help="print the figures of the last line alone")
    parser.add_argument("--record", type=Path, help="a .jsonl file to write the runs into, without their fits")
    given = parser.parse_args(arguments)
    runs = given.runs or [RECORDED, *([WRITTEN] if any(WRITTEN.rglob("run.json")) else [])]
    from benchmarks.experiments.runs import RunFolderError, read_runs, write_archive
    from benchmarks.experiments.tables.page import PageError

    try:
        if given.record is not None:
            write_archive(read_runs(runs), given.record)
        _tables(runs, given.out, as_json=given.json)
    except (RunFolderError, PageError, OSError) as error:
        sys.exit(str(error))


def _tables(folders: Sequence[Path], out: Path | None, *, as_json: bool) -> None:
    from benchmarks.experiments.runs import read_runs
    from benchmarks.experiments.tables import headline
    from benchmarks.experiments.tables.cells import tabulate
    from benchmarks.experiments.tables.figures import draw
    from benchmarks.experiments.tables.page import cell_rows, markdown, write_page

    runs = read_runs(folders)
    tables = tabulate(runs)
    if out is not None:
        figures = draw(tables)
        # The page first: where it cannot be written, no figure is left behind.
        rows, cells = cell_rows(tables), out.with_name(f"{out.stem}-cells.csv")
        write_page(out, markdown(runs, tables, figures=figures, cells=cells.name if rows else None))
        if rows:
            with cells.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        images = out.parent / "images" / "benchmarks"
        if figures:
            images.mkdir(parents=True, exist_ok=True)
        for name, svg in figures.items():
            (images / f"{name}.svg").write_text(svg, encoding="utf-8")
    elif not as_json:
        print(markdown(runs, tables))
    print(json.dumps(headline.as_json(headline.headline(runs, tables), tables)))


if __name__ == "__main__":
    main()
