"""The output of a job: Parquet parts that are whole or not there, each with what it cost in its footer."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlparam.errors import JobError
from nlparam.runtime.files import replacing
from nlparam.scale.sources import resolve

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.dataset

FOLDER = "parts"
_KEY = b"nlparam"


@contextlib.contextmanager
def whole_file(system: Any, path: str) -> Iterator[Any]:
    """A stream to write a file through. Killed at any moment, it leaves no file, or the one that was there.

    Raises `JobError` if the file cannot be written.
    """
    from pyarrow import fs

    try:
        if not isinstance(system, fs.LocalFileSystem):
            # An object store shows an object when its upload is complete, and not before.
            with system.open_output_stream(path) as stream:
                yield stream
            return
        with replacing(path) as partial, partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave an empty file under the final name
    except OSError as error:
        raise JobError(
            f"{path} cannot be written ({error}): free some space and run the same command again, or choose another "
            "output folder"
        ) from error


def write_part(system: Any, path: str, table: "pyarrow.Table", info: dict[str, Any]) -> None:
    """Writes a part with `info` in its footer, as a whole. Raises `JobError` if it cannot be written."""
    from pyarrow import parquet

    with whole_file(system, path) as stream:
        table = table.replace_schema_metadata({_KEY: json.dumps(info).encode()})
        parquet.write_table(table, stream, compression="zstd")


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (OSError, pyarrow.ArrowException, KeyError, ValueError) as error:
        raise JobError(
            f"{path} is damaged or was not written by nlparam ({error}): delete it and run the same command again"
        ) from error


def read_info(system: Any, path: str) -> dict[str, Any]:
    """The `info` in the footer of a part. Raises `JobError` if the file is no part."""
    from pyarrow import parquet

    with _explained(path):
        return json.loads((parquet.read_schema(path, filesystem=system).metadata or {})[_KEY])


def read_part(system: Any, path: str) -> "pyarrow.Table":
    """A part as it was written. Raises `JobError` if it cannot be read."""
    from pyarrow import parquet

    with _explained(path):
        return parquet.ParquetFile(path, filesystem=system).read()


def exists(system: Any, path: str) -> bool:
    return system.get_file_info(path).is_file


def list_parts(system: Any, folder: str) -> set[str]:
    """The names of the parts that are there."""
    from pyarrow import fs

    entries = system.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return {entry.base_name for entry in entries if entry.is_file and entry.base_name.endswith(".parquet")}


def read(out: str | Path) -> "pyarrow.dataset.Dataset":
    """The parts of a job as an Arrow dataset, ordered by file and row; nothing is loaded yet.

    `read(out).to_table().to_pandas()` loads all, `.scanner(columns=[...])` and `.to_batches()` what you choose.
    Raises `JobError` if the folder holds none.
    """
    from pyarrow import dataset

    system, path = resolve(out)
    names = sorted(list_parts(system, f"{path}/{FOLDER}"))
    if not names:
        raise JobError(f"{out} holds no parts: give the output folder of a job")
    return dataset.dataset([f"{path}/{FOLDER}/{name}" for name in names], filesystem=system, format="parquet")
