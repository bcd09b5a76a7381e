"""The sibling systems, measured: `python -m benchmarks.siblings [--only NAME,NAME]`.

Each system prints one JSON object; the last line is one object with a section for every system that was run. The
language models are scripted unless a system says otherwise.
"""

from benchmarks.commands import command_of_parts

SYSTEMS = ("audit", "decomposition", "executable", "guard", "rates", "simulatability")

if __name__ == "__main__":
    parts = {name: f"benchmarks.siblings.{name}:measure" for name in SYSTEMS}
    command_of_parts(parts, "The sibling systems, measured", default=",".join(SYSTEMS))
