"""`nlparam doctor`: what is resolved on this machine, whether it works, and what to do if not."""

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from nlparam.cli import options as shared
from nlparam.cli.output import print_json, print_lines, print_table, printable
from nlparam.errors import NlparamError

if TYPE_CHECKING:
    from nlparam.lm.base import AbstractLanguageModel
    from nlparam.lm.server import Capabilities

_SENTENCE = "The striker scored twice in the second half and the home team won the match."
_PREDICATE = "is about sports"
# Below this a store or a fit may not find room any more.
_LEAST_FREE = 500e6


class Check(NamedTuple):
    """One line of the diagnosis: what was looked at, whether it is in order, and what was found or is to be done."""

    name: str
    ok: bool
    found: str


def doctor(
    lm: str = shared.LM,
    embedder: str | None = shared.EMBEDDER,
    timeout: float = shared.TIMEOUT,
    store: Path | None = shared.STORE,
    json: bool = shared.JSON,
) -> None:
    """Show which embedder, language model, devices and store are used, try each, and say what to do if one fails.

    One sentence is embedded and one judgment asked of the language model. Exit code 1 if something is wrong.
    """
    from nlparam.runtime.progress import Progress

    progress = Progress()
    checks: list[Check] = []
    steps: dict[str, Callable[[], Iterator[Check]]] = {
        "packages": _packages,
        "devices": _devices,
        "store": lambda: _store(store),
        "embedder": lambda: _embedder(embedder),
        "language model": lambda: _language_model(lm, timeout),
    }
    for name, look in steps.items():
        # What breaks a step is its last line.
        with progress.task(name, None):
            try:
                checks.extend(look())
            except NlparamError as error:
                checks.append(Check(name, False, str(error)))
            except Exception as error:  # a broken installation can raise anything, and that is what is looked for
                checks.append(Check(name, False, f"failed with {type(error).__name__}: {error}"))
    ok = all(check.ok for check in checks)
    if json:
        print_json({"ok": ok, "checks": checks})
    else:
        _show(checks)
    if not ok:
        raise typer.Exit(1)


def _packages() -> Iterator[Check]:
    import importlib.metadata
    import platform

    from packaging.requirements import Requirement

    yield Check("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    versions, problems = [f"nlparam {importlib.metadata.version('nlparam')}"], []
    for line in importlib.metadata.requires("nlparam") or ():
        requirement = Requirement(line)
        optional = requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            if not optional:
                problems.append(f"{requirement.name} is missing: pip install '{requirement}'")
            continue
        if not optional and not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} is {version}: pip install '{requirement}'")
        if requirement.name in _TELLING:
            versions.append(f"{requirement.name} {version}")
    found = ", ".join(dict.fromkeys(versions))
    yield Check("packages", not problems, found if not problems else f"{'; '.join(problems)} (here: {found})")


# Those whose versions people ask for when something is odd.
_TELLING = {
    "aiohttp", "equinox", "flax", "jax", "numpy", "optax", "scikit-learn", "sentence-transformers", "torch",
    "xllamacpp",
}  # fmt: skip


def _devices() -> Iterator[Check]:
    import jax
    import torch

    yield Check("JAX", True, ", ".join(str(device) for device in jax.devices()))
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    yield Check("torch", True, ", ".join(gpus) or f"cpu, {torch.get_num_threads()} threads")


def _store(path: Path | None) -> Iterator[Check]:
    from nlparam.lm.store import Store as OpenStore
    from nlparam.runtime.cache_dir import cache_dir

    with OpenStore(path) as store:  # writes into the file, so that a read-only one is found out
        counts = "{:,} judgments, {:,} proposals, {:,} embeddings".format(*store.counts())
        yield Check("store", True, f"{store.path}, writable: {counts}")
    yield _free_space("disk of the store", Path(store.path).parent)
    yield _free_space("disk of the cache", cache_dir())


def _free_space(name: str, folder: Path) -> Check:
    folder = folder.absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:,.1f} GB free at {folder}"
    if free < _LEAST_FREE:
        found += ": free some space, or move it with --store, NLPARAM_STORE or NLPARAM_CACHE"
    return Check(name, free >= _LEAST_FREE, found)


def _embedder(name: str | None) -> Iterator[Check]:
    from nlparam.language.embed import SentenceTransformerEmbedder

    embedder = SentenceTransformerEmbedder(name)
    yield Check("embedder", True, embedder.identity)
    start = time.perf_counter()
    vector = embedder.embed([_SENTENCE])
    seconds = time.perf_counter() - start
    yield Check("one embedding", True, f"{vector.shape[1]} dimensions, {seconds:.1f} s with loading")


def _language_model(name: str, timeout: float) -> Iterator[Check]:
    from nlparam.lm import load_language_model

    model = load_language_model(name, timeout=timeout)
    where = getattr(model, "path", None) or getattr(model, "base_url", None) or name
    yield Check("language model", True, f"{model.identity} at {where}")
    if name == "embedded" or name.startswith("embedded:"):
        other = name.replace("embedded", "native", 1)
        found = f"pip install 'nlparam[native]' compiles llama.cpp for this processor; --lm {other} is then faster"
        if importlib.util.find_spec("llama_cpp") is not None:
            found = f"llama-cpp-python is installed: --lm {other} runs the same weights faster"
        yield Check("faster", True, found)
    for server in getattr(model, "servers", [model]):
        if (capabilities := getattr(server, "capabilities", None)) is not None:
            yield _reading(server.base_url, capabilities())
    yield from _judgment(model, timeout)


def _reading(address: str, found: "Capabilities") -> Check:
    """How a server's labels are read, and what else it can do."""
    can = [name for name in ("structured_outputs", "response_format", "chat_template_kwargs") if getattr(found, name)]
    can += ["images"] if found.images else []
    context = "" if found.context is None else f", a context of {found.context:,} tokens"
    return Check(
        "labels", not found.thinks, f"{address}: {found.reads_labels}; {', '.join(can) or 'no extras'}{context}"
    )


def _judgment(model: "AbstractLanguageModel", timeout: float) -> Iterator[Check]:
    import numpy as np

    from nlparam.denotation.session import Session
    from nlparam.runtime.progress import Progress

    # The store is empty, so the answer cannot come from it.
    with Session(lm=model, store=":memory:", timeout=timeout, progress=Progress(enabled=False)) as session:
        start = time.perf_counter()
        [probability] = session.judge().judge([_SENTENCE], [_PREDICATE], np.array([[0, 0]]))
        seconds = time.perf_counter() - start
    if np.isnan(probability):
        yield Check("one judgment", False, "the model answered neither yes nor no: choose an instruct model")
        return
    found = f"P(yes) = {probability:.2f} that “{_SENTENCE}” {_PREDICATE}, {seconds:.1f} s with loading"
    if probability < 0.5:
        found += " (a stronger model would say yes)"
    yield Check("one judgment", True, found)


def _show(checks: list[Check]) -> None:
    from rich.text import Text

    states = [Text("ok", "green") if check.ok else Text("problem", "bold red") for check in checks]
    rows = [(check.name, state, printable(check.found)) for check, state in zip(checks, states, strict=True)]
    print_table(("check", "state", "found, or what to do"), rows)
    n_problems = sum(not check.ok for check in checks)
    print_lines("", f"{n_problems} of {len(checks)} checks found a problem" if n_problems else "all is well")
