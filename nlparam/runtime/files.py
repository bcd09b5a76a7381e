"""Files that are there as a whole or not at all, and what is said where one cannot be written."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from nlparam.errors import NlparamError, ResultFolderError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path to write to, for a file that is there as a whole or not at all. Raises `OSError`."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")  # no two processes write to the same
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def writable(
    path: str | Path, remedy: str = "choose another --out", *, kind: type[NlparamError] = ResultFolderError
) -> Iterator[None]:
    """Raises an error of the `kind` where the block cannot write to a file or folder. Its message ends in `remedy`."""
    try:
        yield
    except OSError as error:
        raise kind(f"{path} cannot be written ({error}): {remedy}") from error
