"""The folder or file of a result: whether it may be written to, and the JSON file that is written last."""

import contextlib
import errno
import hashlib
import importlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nlparam.errors import ModelError, ResultFolderError
from nlparam.runtime.files import replacing


class Kind(NamedTuple):
    """A kind of result: its name in messages, and where its class is, for `nlparam.load`.

    `editing` is the module whose `Editing` serves its page, where that does more than mark and search texts.
    """

    name: str
    module: str
    attribute: str
    editing: str = ""

    def cls(self) -> Any:
        """The class."""
        return getattr(importlib.import_module(self.module), self.attribute)


# The file that makes a folder complete, and what the folder then holds.
KINDS = {
    "fit.json": Kind("fit", "nlparam.fitting.result", "Fit"),
    "taxonomy.json": Kind("taxonomy", "nlparam.taxonomies.result", "Taxonomy", "nlparam.taxonomies.editing"),
    "comparison.json": Kind("comparison", "nlparam.comparing.result", "Comparison"),
    "guard.json": Kind("guard", "nlparam.guard.folder", "Guard"),
    "evaluation.json": Kind("guard's evaluation", "nlparam.guard.result", "Evaluation"),
    "audit.json": Kind("report of an audit", "nlparam.evals.audit.audit", "Audit"),
}
# What a result that is one JSON file holds and no other kind does.
RECORDS = {
    "ranked": Kind("decomposition", "nlparam.evals.decomposition.result", "Decompositions"),
    "explanations": Kind("test of explanations", "nlparam.evals.simulatability.result", "Simulatability"),
    "claims": Kind("test of wordings", "nlparam.evals.robustness.result", "Robustness"),
    "by_perturbation": Kind("evaluation of code", "nlparam.evals.code.evaluation", "Evaluation"),
}
# Files that accompany a main file; they do not mark a result by themselves.
_BESIDE = (
    "report.html",
    "update.json",
    "assignments.parquet",
    "images.json",
    "pictures.json",
    "posterior.nc",
    "people.json",
    "trends.csv",
)
# Held by who writes to a folder; it ends with its process.
LOCK = ".lock"
# Another command writes for seconds. Its result is then looked at like any other that is there.
_WAIT = 60.0
# What file systems without locks say, as some of networks are.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


def check_same(
    path: Path, kind: str, there: Mapping[str, Any], wanted: Mapping[str, Any], ignored: Collection[str] = ()
) -> None:
    """Raises `ResultFolderError` if the settings of what is `there` are not those that are wanted."""
    written = json.loads(json.dumps(dict(wanted)))  # as the file has them
    if different := sorted(name for name in written.keys() - set(ignored) if there.get(name) != written[name]):
        raise ResultFolderError(
            f"{path} holds another {kind} (it differs in {', '.join(different)}): choose another --out, or replace it "
            "with --overwrite"
        )


def check_writable(folder: Path) -> None:
    """Raises `ResultFolderError` if it is a file, or cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise ResultFolderError(f"{folder} is a file, expected a folder (or nothing yet): choose another --out")
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        raise ResultFolderError(f"{nearest} is not writable: choose another --out or change its permissions")


@contextlib.contextmanager
def writing(folder: str | Path, file: str = "") -> Iterator[None]:
    """Keeps other processes from writing to the folder of a result, which is made, or to one `file` in a folder.

    Who holds it may enter again. A file system without locks is written to all the same. Raises `ResultFolderError` if
    the folder cannot be written, or another process does not let it go.
    """
    from filelock import FileLock, Timeout

    folder = Path(folder)
    check_writable(folder)
    lock = FileLock(folder.resolve() / (f".{file}{LOCK}" if file else LOCK), timeout=_WAIT, is_singleton=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ResultFolderError(
            f"another nlparam command is writing to {folder / file}: wait for it and run this one again, or choose "
            "another --out"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise ResultFolderError(f"{folder} cannot be written ({error}): choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def make_room(folder: str | Path, main: str, *, overwrite: bool) -> None:
    """Takes out of a folder that was checked what makes it complete, and what is of the result that is replaced.

    Raises `OSError`.

    **Arguments:** `main`, one of `KINDS`, which is to be written last; `overwrite`, as of `AbstractResult.check`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Without `overwrite` another result was refused: what is there is beside the same one, or of something else.
    for name in (*KINDS, *_BESIDE) if overwrite else (main,):
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def complete(path: str | Path, kind: str, *, again: str) -> Iterator[None]:
    """Raises `ResultFolderError` for all that damaged files of a result, or files of two results, may raise in the
    block.

    **Arguments:** `kind`, the name of what `path` should hold; `again`, what to do then.
    """
    from pyarrow import ArrowException
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:  # a program of the user's own, which is no part of the folder
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError, ArrowException) as error:
        said = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ResultFolderError(f"{path} holds an incomplete {kind} ({said}): {again}") from error


def write_json(path: str | Path, contents: Any) -> None:
    """Writes a JSON file that is there as a whole or not at all. Raises `OSError`."""
    text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
    with replacing(path) as partial:
        # Half a surrogate pair has no UTF-8; with a backslash it is what JSON calls it.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def report_beside(file: str | Path) -> Path:
    """Where the report of a result stands that is one JSON file: `out/mine.html` for `out/mine.json`."""
    file = Path(file)
    return file.with_name(f"{file.name.removesuffix('.json')}.html")


def report_of(out: str | Path) -> Path:
    """Where the report of a result stands that was saved to `out`, a folder or a JSON file."""
    return report_beside(out) if Path(out).is_file() else Path(out) / "report.html"


def digest_of_content(content: Any) -> str:
    """The content address of anything that JSON can hold: in the settings of a result, of what it was made from."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_record(file: str | Path) -> dict[str, Any]:
    """What a JSON file says that is a result by itself. Raises `ResultFolderError` if it is none."""
    contents = _parsed(Path(file), "give the --out file of a result")
    if not isinstance(contents, dict) or not contents.keys() & RECORDS.keys():
        *others, last = (kind.name for kind in RECORDS.values())
        raise ResultFolderError(
            f"{file} holds no result of nlparam: give the --out file of a {', a '.join(others)} or an {last}, or the "
            "--out folder of another result"
        )
    return contents


def read_json(path: str | Path, *, again: str) -> dict[str, Any]:
    """What the JSON file of a result says.

    Raises `ResultFolderError` if there is none or it is damaged; `again` says what to do then.
    """
    path = Path(path)
    kind = KINDS[path.name].name
    if not path.exists():
        raise ResultFolderError(
            f"{path.parent} holds no {kind} (there is no {path.name} in it): give the --out folder of a {kind}"
        )
    contents = _parsed(path, again)
    if not isinstance(contents, dict) or "format" not in contents:
        raise ResultFolderError(f"{path} was not written by nlparam: give the --out folder of a {kind}")
    return contents


def _parsed(path: Path, remedy: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultFolderError(f"{path} is not readable as JSON ({error}): {remedy}") from error
