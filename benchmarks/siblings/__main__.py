"""The sibling systems, measured: `python -m benchmarks.siblings [--only NAME,NAME]`.

Each system prints one JSON object; the last line is one object with a section for every system that was run. The
language models are scripted unless a system says otherwise.
"""

import argparse
import json

from benchmarks.commands import run_parts

SYSTEMS = ("audit", "decomposition", "executable", "guard", "rates", "simulatability")


def main() -> None:
    parser = argparse.ArgumentParser(description="The sibling systems, measured")
    parts = {name: f"benchmarks.siblings.{name}:measure" for name in SYSTEMS}
    sections = {}
    for name, figures, seconds in run_parts(parts, parser, default=",".join(SYSTEMS)):
        sections[name] = figures | {"seconds": round(seconds, 1)}
        print(json.dumps({name: sections[name]}), flush=True)
    print(json.dumps(sections))


if __name__ == "__main__":
    main()
