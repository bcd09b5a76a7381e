"""What a scenario is: a small function that draws a world with a known truth, and says what the library makes of it.

Each run is one line of a file, so that runs can be split and resumed.
"""

import dataclasses
import importlib
import inspect
import itertools
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.commands import keep_row, kept_rows

LEVEL, CLAIMED_AT = 0.9, 0.05
"""The nominal level of every interval, and the level at which something is claimed."""

Part = Literal["main", "planted", "naive"]
_MODULES = ("comparisons", "coefficients", "curves", "fits", "judges", "shares")


@dataclasses.dataclass(frozen=True)
class Found:
    """What one run found.

    **Attributes:**

    - `covered`: for each interval whether it holds the truth; `width`, their mean width.
    - `claimed`: whether anything was claimed (in the part "planted": what was planted); `None` where nothing is tested.
    - `unsaid`: how many intervals are the whole range, or how many tests were refused: "cannot be said from this".
    - `figures`: other numbers of interest. Their means over the runs are reported.
    """

    covered: Sequence[bool] = ()
    width: float | None = None
    claimed: bool | None = None
    unsaid: int = 0
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A scenario: its `name`, the `row` of the table that it belongs to, and what it is `about`, in a few words.

    `run(rng, planted=..., naive=...)` draws a world and says what was found. A scenario has the part "main"; where the
    function takes `planted`, "main" is a world without any effect and "planted" one with an effect; where it takes
    `naive`, that part is the same world as it would be analysed without the correction.
    """

    name: str
    row: str
    about: str
    run: Callable[..., Found]

    @property
    def parts(self) -> tuple[Part, ...]:
        taken = inspect.signature(self.run).parameters
        return ("main", *(part for part in ("planted", "naive") if part in taken))

    def found(self, part: Part, seed: int) -> Found:
        """One run. All parts of a scenario draw from the same random numbers."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed])
        return self.run(rng, **{name: name == part for name in self.parts if name != "main"})


SCENARIOS: dict[str, Scenario] = {}


def scenario(row: str, about: str, *, name: str | None = None, **worlds: Any) -> Callable:
    """Makes a scenario of a function. `worlds` are further arguments, for a function that draws several worlds.

    Decorators may be stacked, one for each world; each then has a `name` of its own.
    """

    def register(function: Callable[..., Found]) -> Callable[..., Found]:
        known = name or function.__name__.replace("_", "-")
        if known in SCENARIOS:
            raise ValueError(f"got two scenarios with the name {known!r}, expected different names")

        def run(rng: np.random.Generator, **parts: bool) -> Found:
            return function(rng, **worlds, **parts)

        run.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
            [one for key, one in inspect.signature(function).parameters.items() if key not in worlds]
        )
        SCENARIOS[known] = Scenario(known, row, about, run)
        return function

    return register


def scenarios(only: Sequence[str] = ()) -> list[Scenario]:
    """All scenarios, or those whose names or rows begin with one of `only`. Raises `ValueError` where none does."""
    for module in _MODULES:
        importlib.import_module(f"benchmarks.inference.{module}")
    chosen = [
        one
        for one in SCENARIOS.values()
        if not only or any(one.name.startswith(wanted) or one.row == wanted for wanted in only)
    ]
    for wanted in only:
        if not any(one.name.startswith(wanted) or one.row == wanted for one in chosen):
            raise ValueError(f"got {wanted!r}, expected the beginning of one of: {', '.join(SCENARIOS)}")
    return chosen


def interval(truth: Any, low: Any, high: Any) -> list[bool]:
    """For each interval whether it holds the truth; arrays of one shape."""
    return (np.less_equal(low, truth) & np.less_equal(truth, high)).ravel().tolist()


def covering(truth: Any, low: Any, high: Any, **others: Any) -> Found:
    """What intervals come to: which hold the truth, and the mean width of those that are finite."""
    widths = np.asarray(high) - np.asarray(low)
    finite = widths[np.isfinite(widths)]
    return Found(interval(truth, low, high), float(np.mean(finite)) if finite.size else None, **others)


def counted(truth: Any, yes: Any, n: Any, **others: Any) -> Found:
    """What shares of `yes` of `n` answers come to that are taken for the truth, with Wilson's intervals."""
    from statsmodels.stats.proportion import proportion_confint

    return covering(truth, *proportion_confint(yes, n, alpha=1 - LEVEL, method="wilson"), **others)


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
