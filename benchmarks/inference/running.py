"""Runs of scenarios, one line of a file for each, so that they can be split and resumed."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands import read_rows
from benchmarks.inference.scenarios import Part, Scenario

Key = tuple[str, str, int]


def key_of(line: dict[str, Any]) -> Key:
    """What says that two lines are of the same run."""
    return line["scenario"], line["part"], line["seed"]


def run(
    chosen: Sequence[Scenario],
    seeds: Sequence[int],
    out: Path | None,
    *,
    parts: Sequence[Part] = (),
    known: Sequence[dict[str, Any]] = (),
) -> Iterator[dict[str, Any]]:
    """A line for each run of the scenarios; a new one is appended to the file `out`.

    What is in `out`, or among the `known` lines, is not run again. A run that the library refuses has a line with the
    error. `parts` restricts the runs to some parts.
    """
    there = {key_of(line): line for line in [*known, *read(out)]}
    for scenario in chosen:
        start, n_new = time.perf_counter(), 0
        for part in scenario.parts:
            if parts and part not in parts:
                continue
            for seed in seeds:
                key = scenario.name, part, seed
                line = there.get(key)
                if line is None:
                    line = dict(zip(("scenario", "part", "seed"), key, strict=True)) | _found(scenario, part, seed)
                    n_new += 1
                    if out is not None:
                        with out.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(line) + "\n")
                yield line
        seconds = time.perf_counter() - start
        print(f"{scenario.name}: {n_new} new runs, {seconds:.0f} s", file=sys.stderr, flush=True)


def _found(scenario: Scenario, part: Part, seed: int) -> dict[str, Any]:
    from nlparam.errors import NlparamError

    try:
        found = dataclasses.asdict(scenario.found(part, seed))
    except (NlparamError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {name: value for name, value in found.items() if value not in (None, (), [], {}, 0) or name == "claimed"}


def read(out: Path | None) -> list[dict[str, Any]]:
    """The lines of a file; none where there is no file."""
    return [] if out is None or not out.exists() else read_rows(out)
