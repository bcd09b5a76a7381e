"""The sibling systems, measured: `python -m benchmarks.siblings [--only NAME,NAME]`.

Each module of this package that has a function `measure` is a system. It prints one JSON object; the last line is one
object with a section for every system that was run. The language models are scripted unless a system says otherwise.
"""

import argparse
import importlib
import json
import pkgutil
import time

import benchmarks.siblings


def main() -> None:
    found = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.siblings.__path__) if not module.name.startswith("_")
    )
    parser = argparse.ArgumentParser(description="The sibling systems, measured")
    parser.add_argument("--only", help=f"comma-separated, by default all: {', '.join(found)}")
    arguments = parser.parse_args()
    names = found if arguments.only is None else [name for name in arguments.only.split(",") if name]
    unknown = sorted(set(names) - set(found))
    if unknown:
        parser.error(f"got the systems {', '.join(unknown)}, expected some of {', '.join(found)}")
    sections: dict[str, dict] = {}
    for name in names:
        measure = getattr(importlib.import_module(f"benchmarks.siblings.{name}"), "measure", None)
        if measure is None:
            continue
        start = time.perf_counter()
        sections[name] = measure()
        sections[name]["seconds"] = round(time.perf_counter() - start, 1)
        print(json.dumps({name: sections[name]}), flush=True)
    print(json.dumps(sections))


if __name__ == "__main__":
    main()
