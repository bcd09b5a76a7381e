"""What people meet, measured: `python -m benchmarks.people [--only KEY,KEY]`.

Each figure is measured by one module, which prints its details. The last line is one JSON object with all figures: what
cannot be measured here is `null`, and `reasons` says why. No language model is needed, and the network is not used.
"""

import argparse
import json
import pkgutil

from benchmarks.commands import chosen
from benchmarks.people import NotMeasuredError

FIGURES = {
    "again_seconds": "benchmarks.people.again:again_seconds",
    "repr_characters": "benchmarks.people.pages:repr_characters",
    "open_first_paint_seconds": "benchmarks.people.pages:open_first_paint_seconds",
    "open_edit_roundtrip_seconds": "benchmarks.people.pages:open_edit_roundtrip_seconds",
    "words_in_docs": "benchmarks.people.pages:words_in_docs",
    "inputs_accepted": "benchmarks.people.inputs:inputs_accepted",
    "axe_violations": "benchmarks.people.pages:axe_violations",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.people", description="What people meet, measured")
    parser.add_argument("--only", default=",".join(FIGURES), metavar="KEY,KEY", help=f"some of {', '.join(FIGURES)}")
    names = chosen(parser.parse_args().only.split(","), FIGURES)
    found: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name in names:
        try:
            found[name] = pkgutil.resolve_name(FIGURES[name])()
        except (NotMeasuredError, ModuleNotFoundError) as error:
            found[name], reasons[name] = None, str(error)
        print(json.dumps({name: found[name]}), flush=True)
    print(json.dumps(found | {"reasons": reasons}))


if __name__ == "__main__":
    main()
