"""Runs of scenarios, one line of a file for each, so that they can be split and resumed."""

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands import keep_row, kept_rows
from benchmarks.inference.scenarios import Part, Scenario


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
    there = {(line["scenario"], line["part"], line["seed"]): line for line in [*known, *kept_rows(out)]}
    for scenario in chosen:
        start, n_new = time.perf_counter(), 0
        wanted: list[Part] = [one for one in scenario.parts if not parts or one in parts]
        for part, seed in itertools.product(wanted, seeds):
            key = scenario.name, part, seed
            if key not in there:
                there[key] = dict(zip(("scenario", "part", "seed"), key, strict=True)) | _found(scenario, part, seed)
                keep_row(out, there[key])
                n_new += 1
            yield there[key]
        seconds = time.perf_counter() - start
        print(f"{scenario.name}: {n_new} new runs, {seconds:.0f} s", file=sys.stderr, flush=True)


def _found(scenario: Scenario, part: Part, seed: int) -> dict[str, Any]:
    from nlparam.errors import NlparamError

    try:
        found = dataclasses.asdict(scenario.found(part, seed))
    except (NlparamError, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {name: value for name, value in found.items() if value not in (None, (), [], {}, 0) or name == "claimed"}
