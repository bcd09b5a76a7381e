"""The shape of the library, measured: `python -m benchmarks.house`, `--tests` with the times of the tests.

Reads the tree (lines, names at the top level, circles, ignored imports) and follows two probes through it: in how many
files an option of `nlparam.fit` is named, and in how many a kind of result. The last line is one JSON object.
"""

import argparse
import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.commands import timed

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, BENCHMARKS = ("nlparam", "models"), ("benchmarks",)
SUFFIXES = {".py", ".j2", ".css", ".js"}
NOT_NAMES = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
# What is followed: an option that every fit has, and a kind of result that has nothing of its own.
OPTION, RESULT = "goal_examples", "Audit"
_MOST_LINES = 400


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="run and time both sets of tests, too")
    given = parser.parse_args()
    large = {str(path.relative_to(ROOT)): n for path in files(LIBRARY) if (n := n_lines(path)) > _MOST_LINES}
    for path, n in large.items():
        print(f"{path}: {n} lines, expected at most {_MOST_LINES}")
    found_circles = circles()
    for circle in found_circles:
        print("circle: " + " -> ".join(circle))
    found = {
        "library_lines": sum(map(n_lines, files(LIBRARY))),
        "benchmark_lines": sum(map(n_lines, files(BENCHMARKS))),
        "files_too_long": len(large),
        "top_level_names": len([path for path in (ROOT / "nlparam").iterdir() if path.name not in NOT_NAMES]),
        "ignored_imports": ignored_imports(),
        "circles": len(found_circles),
        "files_for_a_fit_option": len(naming(OPTION, "fitting", "denotation", "cli")),
        "files_for_a_result": len(naming(RESULT, "evals", "results", "cli")),
        "same_results": passes("tests/e2e/test_recorded_runs.py"),
    }
    if given.tests:
        found["quick_seconds"], found["test_seconds"] = seconds("quick"), seconds("test")
    print(json.dumps(found))


def files(folders: tuple[str, ...]) -> Iterator[Path]:
    """The files of code and templates in folders; links are not followed."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            linked = any(parent.is_symlink() for parent in path.parents)
            if path.suffix in SUFFIXES and not linked and "__pycache__" not in path.parts:
                yield path


def n_lines(path: Path) -> int:
    """As `wc -l` counts."""
    return path.read_bytes().count(b"\n")


def ignored_imports() -> int:
    """How many imports the contracts overlook."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return sum(len(contract.get("ignore_imports", ())) for contract in contracts["contracts"])


def naming(name: str, *rooms: str) -> list[Path]:
    """The files of rooms in which a name stands in the code (not in a comment or docstring)."""
    found = []
    for path in files(LIBRARY):
        if path.suffix == ".py" and path.parts[len(ROOT.parts) + 1] in rooms:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword) and node.arg}
            if name in names:
                found.append(path)
    return found


def circles() -> list[list[str]]:
    """The groups of files that import one another in a circle, for types only or inside a function, too."""
    import grimp
    import networkx

    graph = grimp.build_graph("nlparam", cache_dir=None)
    # The package itself imports each public name when that is asked for.
    modules = graph.modules - {"nlparam"}
    found = [(one, other) for one in modules for other in graph.find_modules_directly_imported_by(one) & modules]
    groups = networkx.strongly_connected_components(networkx.DiGraph(found))
    return [sorted(group) for group in groups if len(group) > 1]


def passes(tests: str) -> bool:
    """Whether a file of tests passes."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", tests]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0


def seconds(target: str) -> float:
    """How long a target of the Makefile takes; not a number if it fails."""
    done, seconds = timed(subprocess.run, ["make", target], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    return round(seconds, 1) if done.returncode == 0 else float("nan")


if __name__ == "__main__":
    main()
