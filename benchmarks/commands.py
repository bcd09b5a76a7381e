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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nlparam.errors import NlparamError
from nlparam.runtime.cache_dir import cache_dir

T = TypeVar("T")
_ROOT = Path(__file__).resolve().parents[1]


def fetched_folder() -> Path:
    """Where fetched data sets are: `NLPARAM_DATA`, else a folder in the cache."""
    return Path(os.environ.get("NLPARAM_DATA") or cache_dir() / "data").expanduser()


_SHARED = _ROOT.parent / "shared" / "data"
DATA = _SHARED if _SHARED.is_dir() else fetched_folder()


def command(function: Callable[..., Any], description: str | None = None) -> None:
    """Runs a function as a command, and prints what it returns as one JSON object.

    Each parameter with a plain type becomes an option: `--texts` for `n_texts`, a flag for a `bool`, and for a list
    what is comma-separated or given several times. `Annotated[int, "..."]` gives it a help text.
    """
    parser = argparse.ArgumentParser(description=description or function.__doc__)
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        _add_option(parser, name, parameter)
    given = vars(parser.parse_args())
    print(json.dumps(function(**{name: value for name, value in given.items() if value is not None})))


def _add_option(parser: argparse.ArgumentParser, name: str, parameter: inspect.Parameter) -> None:
    kind, text = parameter.annotation, None
    if typing.get_origin(kind) is typing.Annotated:
        kind, text = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
    option: dict[str, Any] = {"dest": name, "help": text, "required": parameter.default is parameter.empty}
    if kind is bool:
        option["action"] = "store_true"
    elif typing.get_origin(kind) is list:
        (item,) = typing.get_args(kind)
        option |= {"action": "extend", "type": lambda listed: [item(one) for one in listed.split(",")]}
        option["metavar"] = "N,N" if item is int else "NAME,NAME"
    elif kind in (int, float, str, Path):
        option["type"] = kind
    else:
        return
    parser.add_argument("--" + name.removeprefix("n_").replace("_", "-"), **option)


def chosen(names: Iterable[str] | None, there: Iterable[str]) -> list[str]:
    """The names that were asked for, else all there are. Ends the command for a name that there is not."""
    wanted, there = [name for name in names or there if name], list(there)
    if unknown := [name for name in wanted if name not in there]:
        sys.exit(f"got {', '.join(unknown)}, expected some of {', '.join(there)}")
    return wanted


def command_of_parts(
    parts: Mapping[str, str], description: str, *, default: str, merged: bool = False, **options: dict[str, Any]
) -> None:
    """Runs the parts that `--only` names (else those of `default`), and prints what each returns.

    `parts` has a `module:function` for each name. A part is given the `options` of the command, by name as argparse
    takes them, that it has a parameter for, unless they are `None`. The last line is one object with the figures under
    the names of their parts, or of all parts `merged`.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, option in options.items():
        parser.add_argument(f"--{name}", **option)
    parser.add_argument("--only", default=default, help=f"comma-separated: {', '.join(parts)}")
    given, found = vars(parser.parse_args()), {}
    for name in chosen(given["only"].split(","), parts):
        function = pkgutil.resolve_name(parts[name])
        known = inspect.signature(function).parameters
        options = {key: value for key, value in given.items() if key in known and value is not None}
        figures, seconds = timed(function, **options)
        figures = {"seconds": round(seconds, 1)} | figures
        print(json.dumps({"part": name} | figures), flush=True)
        found |= figures if merged else {name: figures}
    print(json.dumps(found))


def timed(function: Callable[..., T], *arguments: Any, **options: Any) -> tuple[T, float]:
    """What a call returns, and the seconds that it takes."""
    start = time.perf_counter()
    returned = function(*arguments, **options)
    return returned, time.perf_counter() - start


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


def kept_rows(out: Path | None) -> list[dict[str, Any]]:
    """The rows that earlier runs have kept in a JSON Lines file; none where there is no file."""
    return [] if out is None or not out.exists() else read_rows(out)


def keep_row(out: Path | None, row: Mapping[str, Any]) -> None:
    """Appends a row to a JSON Lines file, if there is to be one."""
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def kmeans(vectors: Any, n_clusters: int, *, seed: int, n_init: int = 10, weights: Any = None, **options: Any) -> Any:
    """scikit-learn's k-means, fitted."""
    from sklearn.cluster import KMeans

    options |= {"n_init": n_init, "random_state": seed}  # its own annotation has no integers
    return KMeans(n_clusters, **options).fit(vectors, sample_weight=weights)


def embedded(texts: Sequence[str], store: Path | None = None) -> Any:
    """MiniLM's embeddings of texts, those that are in the store from there."""
    from nlparam.language.embed import SentenceTransformerEmbedder, embed_corpus
    from nlparam.lm.store import Store

    with Store(store) as opened:
        return embed_corpus(texts, SentenceTransformerEmbedder(), opened)


def n_judgments(costs: Any) -> int:
    """Judgments that were answered, by the language model or by the store."""
    return costs.judgments_asked + costs.judgments_served


class PageError(ValueError):
    """A page exists and does not say where what is generated belongs."""


def write_block(page: Path, begin: str, end: str, body: str, *, title: str | None = None) -> None:
    """Replaces what stands between two marker lines of a page; with a `title` a page is begun where there is none.

    Raises `PageError` for a page without these lines, each once and in this order; nothing is changed then.
    """
    from nlparam.runtime.files import replacing

    new = title is not None and not page.exists()
    text = f"# {title}\n\n{begin}\n{end}\n" if new else page.read_text(encoding="utf-8")
    at, until = text.find(begin), text.find(end)
    if at < 0 or until < at or text.count(begin) > 1 or text.count(end) > 1:
        raise PageError(
            f"{page} does not say where the tables belong: expected a page with the lines below, once and in this "
            f"order; add them to it, or choose another file\n{begin}\n{end}"
        )
    with replacing(page) as partial:
        partial.write_text(f"{text[:at]}{begin}\n\n{body.strip()}\n\n{text[until:]}", encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]], words: Collection[str] = ()) -> str:
    """A table in Markdown; columns but the first, and those named as `words`, are set to the right."""
    rules = ["---:" if number and name not in words else "---" for number, name in enumerate(header)]
    lines = ([str(cell).replace("|", "\\|") for cell in line] for line in (header, rules, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
