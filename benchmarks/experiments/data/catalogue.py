"""The public sets of `sources.yaml`: where they are, under which licence, and what to do about one that is not here."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands import fetched_folder, read_yaml
from benchmarks.experiments.base import Task
from benchmarks.experiments.data.jsonl import FOLDERS


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


@dataclasses.dataclass(frozen=True)
class AbsentSet:
    """A set that cannot be fetched: why, and how to ask for it."""

    name: str
    task: Task
    why: str
    ask: str
    folder: str | None = None

    @property
    def place(self) -> Path:
        """Its folder, in a folder of sets."""
        return place(self.name, self.task) if self.folder is None else Path(self.folder)

    @property
    def message(self) -> str:
        return (
            f"the data set {self.name!r} cannot be fetched. {self.why} {self.ask} What you have goes to "
            f"{fetched_folder() / self.place}, in the format of docs/how-to/experiments.md"
        )


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


def absent_sets() -> dict[str, AbsentSet]:
    """The sets that cannot be fetched, by name."""
    return {name: AbsentSet(name=name, **entry) for name, entry in _sources()["absent"].items()}


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
    for absent in absent_sets().values():
        if name == absent.name or f"{absent.place}/" in name:
            return absent.message
    return None


@functools.cache
def _sources() -> dict[str, Any]:
    return read_yaml(Path(__file__).with_name("sources.yaml"))
