"""The public sets of `sources.yaml`: where they are, under which licence, and what to do about one that is not here."""

import dataclasses
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands import fetched_folder, read_yaml
from benchmarks.experiments.base import DataError, Task
from benchmarks.experiments.data import jsonl, reference
from benchmarks.experiments.data.jsonl import FOLDERS
from nlparam.errors import MissingExtraError


@dataclasses.dataclass(frozen=True)
class PublicSet:
    """A set that its authors published: `files` are paths in their repository and sizes in bytes."""

    name: str
    task: Task
    repository: str
    commit: str
    files: Mapping[str, int]
    licences: Sequence[str]
    k: int | None = None
    goal: str | None = None
    sha256: str | None = None

    @property
    def place(self) -> Path:
        """Its folder, in a folder of sets."""
        return place(self.name, self.task)


def place(name: str, task: Task) -> Path:
    """The folder of a set, in a folder of sets."""
    return Path(next(folder for folder, its in FOLDERS.items() if its == task), name.rpartition("/")[2])


def public_sets() -> dict[str, PublicSet]:
    """The sets that can be fetched, by name."""
    read = _sources()
    return {
        name: PublicSet(name=name, commit=read["commits"][entry["repository"]], **entry)
        for name, entry in read["sets"].items()
    }


def absent_sets() -> dict[str, str]:
    """The sets that cannot be fetched, by name: why, and how to ask for them."""
    return {
        name: f"the data set {name!r} cannot be fetched. {entry['why']} {entry['ask']} What you have goes to "
        f"{fetched_folder() / _absent_place(name)}, in the format of docs/how-to/experiments.md"
        for name, entry in _sources()["absent"].items()
    }


def _absent_place(name: str) -> Path:
    entry = _sources()["absent"][name]
    return Path(entry["folder"]) if "folder" in entry else place(name, entry["task"])


def licences() -> dict[str, str]:
    """What is known of each licence, by the name it is accepted by."""
    return _sources()["licences"]


def hosts() -> list[str]:
    """Addresses, with `{repository}`, `{commit}` and `{path}`, and folders, in the order they are tried.

    Those of `NLPARAM_DATA_MIRROR`, which stand between commas, come first.
    """
    own = os.environ.get("NLPARAM_DATA_MIRROR", "").split(",")
    return [*(host.strip() for host in own if host.strip()), *_sources()["hosts"]]


def remedy(name: str) -> str | None:
    """What to do about a named set that is not here; `None` if it is not known."""
    if name in public_sets():
        return f"the data set {name!r} is not here: `python -m benchmarks.data fetch {name}` brings it"
    absent = absent_sets()
    return next((absent[one] for one in absent if one == name or f"{_absent_place(one)}/" in name), None)


# To connect, and between two pieces.
_SECONDS = (10, 60)


def fetch(public: PublicSet, folder: Path, hosts: Sequence[str]) -> Path:
    """Downloads a set, converts it and puts it into a folder of sets; the path of its own folder.

    The folder is complete or not there. `hosts` are tried in turn: addresses with `{repository}`, `{commit}` and
    `{path}`, or folders that hold clones of the repositories.

    Raises `DataError` if no host has the files in their known size, if they are not as described, and if their texts
    have another SHA-256; `MissingExtraError` without pooch.
    """
    target = folder / public.place
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as parts:
        files = [_downloaded(public, path, hosts, Path(parts) / str(n)) for n, path in enumerate(public.files)]
        source = reference.read_published(files, task=public.task)
        source = dataclasses.replace(
            source,
            name=target.name,
            k=public.k or source.k,
            goal=public.goal or source.goal,
            origin=f"{public.repository}@{public.commit}:{', '.join(public.files)}",
        )
        made = Path(parts) / target.name
        jsonl.write_set(
            source,
            made,
            licence="; ".join(licences()[name] for name in public.licences),
            sha256={path: _digest(file) for path, file in zip(public.files, files, strict=True)},
        )
        found = _digest(made / jsonl.TEXTS)
        if public.sha256 not in (None, found):
            raise DataError(
                f"its texts have the SHA-256 {found[:16]}..., expected {public.sha256[:16]}...: a file is not the one "
                "that was published; fetch it from another host (NLPARAM_DATA_MIRROR)"
            )
        if target.exists():
            shutil.rmtree(target)
        made.rename(target)
    return target


def _downloaded(public: PublicSet, path: str, hosts: Sequence[str], folder: Path) -> Path:
    """One file, of the size that it should have."""
    failed = []
    for host in hosts:
        where = host
        try:
            where = _place(public, path, host)
            file = _from_web(where, folder) if "://" in where else Path(where)
            if (found := file.stat().st_size) == public.files[path]:
                return file
            failed.append(f"{where}: {found} bytes, expected {public.files[path]}: it broke off, or is another file")
        except (OSError, ValueError, LookupError) as error:  # those of requests are OSErrors
            failed.append(f"{where}: {_said(error)}")
    raise DataError(f"no host has {path}:\n  " + "\n  ".join(failed))


def _place(public: PublicSet, path: str, host: str) -> str:
    """Where a host should have a file: an address, or a path in a folder of clones."""
    if "://" in host:
        return host.format(repository=public.repository, commit=public.commit, path=path)
    folder = Path(host).expanduser()
    clones = [folder / public.repository / path, folder / public.repository.rpartition("/")[2] / path]
    return str(next((clone for clone in clones if clone.exists()), clones[0]))


def _from_web(address: str, folder: Path) -> Path:
    try:
        import pooch
    except ImportError:
        raise MissingExtraError("pooch", "benchmarks", "fetching a data set") from None

    pooch.get_logger().setLevel("WARNING")
    downloader: Any = pooch.HTTPDownloader(timeout=_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)  # what another host left
    return Path(pooch.retrieve(address, None, fname=address.rpartition("/")[2], path=folder, downloader=downloader))


def _said(error: Exception) -> str:
    """The first cause, in one line: where a host is not reached, requests raises a chain of four errors."""
    while error.__cause__ is not None or error.__context__ is not None:
        deeper = error.__cause__ or error.__context__
        if not isinstance(deeper, Exception):
            break
        error = deeper
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _sources() -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name("sources.yaml"))
