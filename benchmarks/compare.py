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
import json
from pathlib import Path

from benchmarks.commands import DATA, run_parts

PARTS = {part: f"benchmarks.comparing.planted:measure_{part}" for part in ("planted", "null", "racing")}
PARTS |= {"statistics": "benchmarks.comparing.d5:measure_statistics"}
PARTS |= {part: f"benchmarks.comparing.real:measure_{part}" for part in ("model", "d5", "ratings")}


def main() -> None:
    parser = argparse.ArgumentParser(description="Comparisons, measured")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of evaluation sets")
    parser.add_argument("--lm", default="native", help="the language model of the parts that need one")
    parser.add_argument("--store", type=Path, help="where judgments are kept, by default the user's store")
    parser.add_argument("--problems", help="which problems of the part model, by number: 0,1,2")
    found: dict = {}
    for part, figures, seconds in run_parts(PARTS, parser, default="planted,null,racing,statistics"):
        print(json.dumps({"part": part, "seconds": seconds} | figures), flush=True)
        found[part] = figures
    print(json.dumps(found))


if __name__ == "__main__":
    main()
