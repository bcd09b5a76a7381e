"""The folder of a run: claimed before it starts, complete when `run.json` is there, and read by `benchmarks.table`.

| file | holds |
| --- | --- |
| `config.yaml` | the whole configuration, written first |
| `run.json` | what came out and where from, written last |
| `fit/` | the fit, where the arm makes one |
| `failed.json` | why the run ended without a result |

Many finished runs fit into one `.jsonl` file (`write_archive`), a line for each, without their fits.
"""

import contextlib
import dataclasses
import json
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.experiments.schema import Config, flatten, slug, validate
from nlparam.results.jsonable import jsonable, read_fields
from nlparam.runtime.files import replacing

FORMAT = 1
CONFIG, RUN, FAILED, FIT, LOCK = "config.yaml", "run.json", "failed.json", "fit", ".lock"
# How much of the digest the name of a folder has.
_N_DIGITS = 10
# The figures that the line about a run has; all are in its folder.
_SHOWN = ("f1_hungarian", "f1_best", "nmi", "loss", "heldout_loss", "similarity")
_AGAIN = "choose another folder with out=FOLDER, or move this one away"


class RunFolderError(ValueError):
    """A folder holds no run, another run or one of another format, or is being written by another process."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, as its folder has it. `costs` is `Costs.as_dict()`; `metrics` that are no number are `nan`.

    `trace` has the `loss` and the `judgments` so far after each step of the search; older runs have none.

    `config` is its configuration where the run is from an archive, else that is in the folder.
    """

    folder: Path
    experiment: str
    task: str
    dataset: str
    arm: str
    seed: int
    model: str
    lm: str | None
    embedder: str
    commit: str | None
    dirty: bool
    identities: dict[str, Any]
    config_digest: str
    date: str
    seconds: float
    metrics: dict[str, float]
    costs: dict[str, Any]
    notes: dict[str, float]
    predicates: list[str]
    reference_predicates: list[str]
    versions: dict[str, str]
    config: dict[str, Any] | None = None
    trace: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def summary(self) -> str:
        """One line: what it was, what came out, what it took."""
        shown = ", ".join(f"{name} {value:.3f}" for name, value in self.metrics.items() if name in _SHOWN)
        costs = self.costs
        judgments = costs.get("judgments_asked", 0) + costs.get("judgments_served", 0)
        return (
            f"{self.experiment} {self.dataset} {self.arm} {self.lm or '-'} seed {self.seed}: "
            f"{shown or 'no metrics'}; {judgments:,} judgments, {costs.get('calls', 0):,} calls, {self.seconds:,.0f} s"
            f"; {self.folder}"
        )


_FIELDS = [field.name for field in dataclasses.fields(Run) if field.name not in ("folder", "config")]


def run_folder(config: Config) -> Path:
    """Where a run belongs: `OUT/EXPERIMENT/DATASET/ARM/LM/SEED-DIGEST`."""
    section = config.dataset
    dataset = slug(section.label or (Path(section.name).stem if os.sep in section.name else section.name))
    lm = slug(config.kept()["lm"]["name"].rpartition("//")[2])
    name = f"{config.seed}-{config.digest()[:_N_DIGITS]}"
    return config.out.expanduser().joinpath(*config.name.split("/"), dataset, slug(config.arm.name), lm, name)


@contextlib.contextmanager
def claimed(folder: Path, config: Config) -> Iterator[Run | None]:
    """Holds a run's folder for the `with` block; the finished run if it is there already, else `None`.

    An unfinished run of the same configuration is begun again: what its language model answered is in the store. An
    exception in the block is written to `failed.json` and goes on.

    **Raises:** `RunFolderError` if another process holds the folder, or if it holds something else. Then nothing in it
    is changed.
    """
    from filelock import FileLock, Timeout

    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file, expected a folder or nothing yet: {_AGAIN}")
    others = {file.name for file in folder.iterdir()} - {LOCK} if folder.is_dir() else set()
    if CONFIG not in others and any(not name.startswith(f"{CONFIG}.") for name in others):
        raise RunFolderError(f"{folder} has files in it that are no run's (there is no {CONFIG}): {_AGAIN}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout:
        raise RunFolderError(
            f"{folder} is being written by another process: wait for it, or give this sweep a folder of its own with "
            "out=FOLDER"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written ({error}): {_AGAIN}") from error
    with lock:
        there = _there(folder, config)
        if there is not None:
            yield there
            return
        _write(folder / CONFIG, yaml.safe_dump(config.kept(), sort_keys=False, allow_unicode=True))
        (folder / FAILED).unlink(missing_ok=True)
        try:
            yield None
        except Exception as error:
            failure = {"format": FORMAT, "config_digest": config.digest(), "error": type(error).__name__}
            failure |= {"message": str(error), "traceback": "".join(traceback.format_exception(error))}
            write_json(folder / FAILED, failure)
            raise


def write_run(run: Run) -> None:
    """Writes `run.json`, which makes a run complete."""
    write_json(run.folder / RUN, _written(run))


def write_archive(runs: Iterable[Run], path: Path) -> None:
    """Writes finished runs with their configurations into one `.jsonl` file, ordered by their folders."""
    listed = sorted(runs, key=lambda run: run.folder.as_posix())
    common = Path(os.path.commonpath([run.folder for run in listed])) if listed else Path()
    lines = [
        {"folder": run.folder.relative_to(common).as_posix(), "config": config_of(run), "run": _written(run)}
        for run in listed
    ]
    _write(path, "".join(json.dumps(jsonable(line), ensure_ascii=False) + "\n" for line in lines))


def config_of(run: Run) -> dict[str, Any]:
    """The configuration of a run. Raises `RunFolderError` if it cannot be read."""
    if run.config is not None:
        return run.config
    path = run.folder / CONFIG
    return _read(path, yaml.safe_load) if path.exists() else {}


def _written(run: Run) -> dict[str, Any]:
    return {"format": FORMAT} | {name: getattr(run, name) for name in _FIELDS}


def read_run(folder: str | Path) -> Run:
    """Reads one finished run.

    Raises `RunFolderError` if there is none (and says what there is instead), or if it has another format.
    """
    folder = Path(folder)
    path = folder / RUN
    if not path.exists():
        raise RunFolderError(f"{folder} holds no finished run: {_unfinished(folder)}")
    return _run_of(_read(path, json.loads), path, folder)


def _run_of(values: dict[str, Any], path: Path, folder: Path, config: dict[str, Any] | None = None) -> Run:
    if values.get("format") != FORMAT:
        raise RunFolderError(
            f"{path} has the format {values.get('format')!r}, expected {FORMAT}: read it with the version of nlparam "
            "that wrote it, or run it again into another folder"
        )
    try:
        return read_fields(Run, values | {"folder": folder, "config": config})
    except TypeError as error:
        raise RunFolderError(f"{path} was changed ({error}): run it again into another folder") from error


def read_runs(folders: Iterable[str | Path]) -> list[Run]:
    """All finished runs in or below folders, each once, in the order of their names; unfinished ones are passed over.

    A `.jsonl` file stands for the runs in it. Raises `RunFolderError` for a folder that is not there or has no finished
    run in it, and for another format.
    """
    found: dict[Path, Run] = {}
    for given in map(Path, folders):
        if given.suffix == ".jsonl":
            found |= {run.folder: run for run in _archived(given)}
            continue
        if not given.is_dir():
            raise RunFolderError(f"there is no folder {given}: expected the folder of a run, or one above several")
        files = sorted(file for file in given.rglob(RUN) if FIT not in file.relative_to(given).parts[:-1])
        if not files:
            raise RunFolderError(f"{given} holds no finished run: {_unfinished(given)}")
        for file in files:
            found.setdefault(file.parent.resolve(), read_run(file.parent))
    return list(found.values())


def _archived(path: Path) -> Iterator[Run]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error}): expected a file of runs, or a folder") from error
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            folder, config, run = path.with_suffix("") / values["folder"], values["config"], values["run"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"line {number} of {path} is no run ({error}): write the file again") from error
        yield _run_of(run, path, folder, config)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes JSON so that the file is either whole or not there; numbers that are not finite become null."""
    _write(path, json.dumps(jsonable(values), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _there(folder: Path, config: Config) -> Run | None:
    """The finished run in a folder; `None` where nothing is yet, or an unfinished run of this configuration."""
    path = folder / CONFIG
    if not path.exists():
        return None
    try:
        kept = validate(_read(path, yaml.safe_load))
    except ValueError as error:
        raise RunFolderError(f"{path} cannot be read by this version ({error}): {_AGAIN}") from error
    first, second = flatten(kept.identity()), flatten(config.identity())
    different = sorted(key for key in first | second if first.get(key) != second.get(key))
    if different:
        raise RunFolderError(
            f"{folder} holds a run of another configuration (it differs in {', '.join(different)}): {_AGAIN}"
        )
    run = read_run(folder) if (folder / RUN).exists() else None
    if run is not None and run.config_digest != config.digest():
        raise RunFolderError(f"{folder / RUN} is of another configuration than {CONFIG} beside it: {_AGAIN}")
    return run


def _unfinished(folder: Path) -> str:
    for path in sorted(folder.rglob(FAILED)):
        failure = _read(path, json.loads)
        return f"{path} says {failure.get('error')}: {failure.get('message')}"
    if any(folder.rglob(CONFIG)):
        return "the run in it did not end; start it again with the same command"
    return f"there is no {RUN} in it; runs are made by python -m benchmarks.run"


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    what = "JSON" if parse is json.loads else "YAML"
    try:
        return dict(parse(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise RunFolderError(f"{path} cannot be read as {what} ({error}): move it away and run it again") from error
