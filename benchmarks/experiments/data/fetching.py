"""Public sets, fetched from the repositories of their authors and converted to the format of `jsonl`."""

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.base import DataError
from benchmarks.experiments.data import jsonl, reference
from benchmarks.experiments.data.catalogue import PublicSet, licences
from nlparam.errors import MissingExtraError

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
