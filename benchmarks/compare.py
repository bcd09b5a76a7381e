"""Comparisons, measured: `python -m benchmarks.compare [--only planted,null,...]`.

| part | measures | needs |
| --- | --- | --- |
| `planted` | how often a planted difference is among the first three, with a scripted judge that errs | shared data |
| `null` | how often a difference is claimed between two halves of one corpus | shared data |
| `racing` | judgments spent, with and without dropping candidates early, and what is lost | shared data |
| `statistics` | effects, intervals and p-values against those of D5's own system on its example | shared data |
| `model` | how often the real 1.5B finds a planted difference that it proposes and judges itself | the 1.5B model |
| `d5` | D5's example problem with the real 1.5B | the 1.5B model |
| `ratings` | correlation of the model's ratings with those of D5's authors | the 1.5B model |

Each part prints one JSON object; the last line is one object with the figures of all that were run. Without `--only`,
the parts that need no language model are run.
"""

import argparse
import importlib
import json
import time
from pathlib import Path

PARTS = {
    "planted": "planted",
    "null": "planted",
    "racing": "planted",
    "statistics": "d5",
    "model": "real",
    "d5": "real",
    "ratings": "real",
}
DEFAULT = "planted,null,racing,statistics"


def main() -> None:
    parser = argparse.ArgumentParser(description="Comparisons, measured")
    parser.add_argument("--only", default=DEFAULT, help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of evaluation sets")
    parser.add_argument("--lm", default="native", help="the language model of the parts that need one")
    parser.add_argument("--store", type=Path, help="where judgments are kept, by default the user's store")
    parser.add_argument("--problems", help="which problems of the part model, by number: 0,1,2")
    arguments = parser.parse_args()
    parts = [part for part in arguments.only.split(",") if part]
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        parser.error(f"got the parts {', '.join(unknown)}, expected some of {', '.join(PARTS)}")
    found: dict = {}
    for part in parts:
        options: dict = {"data": arguments.data}
        if PARTS[part] == "real":
            options |= {"lm": arguments.lm, "store": arguments.store}
        if part == "model" and arguments.problems is not None:
            options["numbers"] = [int(number) for number in arguments.problems.split(",")]
        start = time.perf_counter()
        figures = getattr(importlib.import_module(f"benchmarks.comparing.{PARTS[part]}"), f"measure_{part}")(**options)
        print(json.dumps({"part": part, "seconds": time.perf_counter() - start} | figures), flush=True)
        found[part] = figures
    print(json.dumps(found))


if __name__ == "__main__":
    main()
