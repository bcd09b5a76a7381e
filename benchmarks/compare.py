"""Comparisons, measured: `python -m benchmarks.compare [--only planted,null,...]`.

| part | measures | needs |
| --- | --- | --- |
| `planted` | how often a planted difference is among the first three, with a scripted judge that errs | shared data |
| `null` | how often a difference is claimed between two halves of one corpus | shared data |
| `model` | how often the real 1.5B finds a planted difference that it proposes and judges itself | the 1.5B model |
| `d5` | D5's example problem with the real 1.5B | the 1.5B model |
| `ratings` | correlation of the model's ratings with those of D5's authors | the 1.5B model |

Each part prints one JSON object; the last line is one object with the figures of all that were run. Without `--only`,
the parts that need no language model are run.
"""

from pathlib import Path

from benchmarks.commands import DATA, command_of_parts

PARTS = {part: f"benchmarks.comparing.planted:measure_{part}" for part in ("planted", "null")}
PARTS |= {part: f"benchmarks.comparing.real:measure_{part}" for part in ("model", "d5", "ratings")}

if __name__ == "__main__":
    command_of_parts(
        PARTS,
        "Comparisons, measured",
        default="planted,null",
        data={"type": Path, "default": DATA, "help": "the folder of evaluation sets"},
        lm={"default": "native", "help": "the language model of the parts that need one"},
        store={"type": Path, "help": "where judgments are kept, by default the user's store"},
        problems={"help": "which problems of the part model, by number: 0,1,2"},
    )
