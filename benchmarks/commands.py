"""What the measurements share: options from signatures, parts by name, the shared sets, and other processes."""

import argparse
import contextlib
import inspect
import json
import os
import pkgutil
import resource
import subprocess
import sys
import time
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nlparam.errors import NlparamError
from nlparam.runtime.cache_dir import cache_dir

_ROOT = Path(__file__).resolve().parents[1]


def fetched_folder() -> Path:
    """Where fetched data sets are: `NLPARAM_DATA`, else a folder in the cache."""
    return Path(os.environ.get("NLPARAM_DATA") or cache_dir() / "data").expanduser()


_SHARED = _ROOT.parent / "shared" / "data"
DATA = _SHARED if _SHARED.is_dir() else fetched_folder()


def command(function: Callable[..., dict[str, Any]], description: str | None = None) -> None:
    """Runs a function as a command, and prints what it returns as one JSON object.

    Each parameter with a plain type becomes an option: `--texts` for `n_texts`, a flag for a `bool`, comma-separated
    numbers for a `list[int]`. `Annotated[int, "..."]` gives it a help text.
    """
    parser = argparse.ArgumentParser(description=description or function.__doc__)
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        _add_option(parser, name, parameter)
    print(json.dumps(function(**vars(parser.parse_args()))))


def _add_option(parser: argparse.ArgumentParser, name: str, parameter: inspect.Parameter) -> None:
    kind, default, text = parameter.annotation, parameter.default, None
    if typing.get_origin(kind) is typing.Annotated:
        kind, text = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
    option: dict[str, Any] = {"dest": name, "help": text}
    if default is parameter.empty:
        option["required"] = True
    else:
        option["default"] = default
    if kind is bool:
        option["action"] = "store_true"
    elif kind == list[int]:
        option |= {"type": lambda listed: [int(number) for number in listed.split(",")], "metavar": "N,N"}
    elif kind in (int, float, str, Path):
        option["type"] = kind
    else:
        return
    parser.add_argument("--" + name.removeprefix("n_").replace("_", "-"), **option)


def run_parts(
    parts: Mapping[str, str], parser: argparse.ArgumentParser, *, default: str, what: str = "parts"
) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Runs the parts that `--only` names (else those of `default`); each with its figures and seconds.

    `parts` has a `module:function` for each name. A part is given the options of the command that it has a parameter
    for, unless they are `None`.
    """
    parser.add_argument("--only", default=default, help=f"comma-separated: {', '.join(parts)}")
    given = vars(parser.parse_args())
    names = [name for name in given["only"].split(",") if name]
    if unknown := sorted(set(names) - set(parts)):
        parser.error(f"got the {what} {', '.join(unknown)}, expected some of {', '.join(parts)}")
    for name in names:
        function = pkgutil.resolve_name(parts[name])
        known = inspect.signature(function).parameters
        options = {key: value for key, value in given.items() if key in known and value is not None}
        start = time.perf_counter()
        figures = function(**options)
        yield name, figures, time.perf_counter() - start


def in_process(module: str, *arguments: object) -> dict[str, Any]:
    """What `python -m MODULE ARGUMENTS` prints on its last line, as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def serving(module: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A module that prints its address and serves, in a process that ends with the block."""
    with subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def status_mib(field: str, process: str | int = "self") -> float:
    """Memory of a process on Linux: `VmHWM` is the most it has held, `RssAnon` what it holds of its own."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024 if f"{field}:" in status else 0.0


def peak_bytes() -> int:
    """The most memory that this process has held."""
    # What `getrusage` says includes the process that started this one, as large as it was then.
    if Path("/proc/self/status").exists():
        return round(status_mib("VmHWM") * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file, or of `texts.jsonl` in a folder."""
    path = path / "texts.jsonl" if path.is_dir() else path
    if not path.exists():
        raise NlparamError(f"{path} is not here: `python -m benchmarks.data list` says which sets can be had, and how")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def read_yaml(path: Path) -> Any:
    """What a YAML file holds."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def read_results(folder: Path, names: Iterable[str], file: str) -> dict[str, Any]:
    """What earlier runs of the named cases have written, as far as they are there."""
    paths = {name: folder / name / file for name in names}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def kmeans(vectors: Any, n_clusters: int, *, seed: int, n_init: int = 10) -> Any:
    """scikit-learn's k-means, fitted."""
    return new_kmeans(n_clusters, seed=seed, n_init=n_init).fit(vectors)


def new_kmeans(n_clusters: int, *, seed: int, n_init: int = 10) -> Any:
    from sklearn.cluster import KMeans

    options: dict[str, Any] = {"n_init": n_init, "random_state": seed}  # its own annotation has no integers
    return KMeans(n_clusters, **options)


def n_judgments(costs: Any) -> int:
    """Judgments that were answered, by the language model or by the store."""
    return costs.judgments_asked + costs.judgments_served


def with_block(text: str, begin: str, end: str, body: str) -> str | None:
    """A page with other words between two marker lines, each of which is there once; `None` if the page lacks them."""
    at, until = text.find(begin), text.find(end)
    if at < 0 or until < at or text.count(begin) > 1 or text.count(end) > 1:
        return None
    return f"{text[:at]}{begin}\n\n{body.strip()}\n\n{text[until:]}"
