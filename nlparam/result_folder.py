"""The folder or file of a result: whether it may be written to, and the JSON file that is written last."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from nlparam.errors import FitFolderError

# The file that makes a folder complete, and what the folder then holds.
KINDS = {
    "fit.json": "fit",
    "taxonomy.json": "taxonomy",
    "comparison.json": "comparison",
    "guard.json": "guard",
    "evaluation.json": "guard's evaluation",
    "audit.json": "report of an audit",
}


def check_result_folder(
    folder: str | Path,
    main: str,
    wanted: Mapping[str, Any],
    read: Callable[[], Mapping[str, Any]],
    *,
    overwrite: bool = False,
    ignored: Collection[str] = (),
) -> None:
    """Raises `FitFolderError` if the folder cannot take a result: it holds another one, or is no folder.

    The same result may be written again: a repeated command is not an accident.

    **Arguments:** `main`, one of `KINDS`; `wanted`, the settings of what is to be written, without those `ignored`;
    `read`, gives the settings of what is there, and may raise `FitFolderError` or `KeyError` if it is damaged.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise FitFolderError(f"{folder} is a file, expected a folder (or nothing yet): choose another --out")
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        raise FitFolderError(f"{nearest} is not writable: choose another --out or change its permissions")
    if overwrite:
        return
    for name, kind in KINDS.items():
        if name != main and (folder / name).exists():
            raise FitFolderError(f"{folder} holds a {kind}: choose another --out")
    if not (folder / main).exists():
        return
    try:
        there = read()
    except (FitFolderError, KeyError):
        there = {}
    written = json.loads(json.dumps(dict(wanted)))  # as the file has them
    different = sorted(name for name in written.keys() - set(ignored) if there.get(name) != written[name])
    if different:
        raise FitFolderError(
            f"{folder} holds another {KINDS[main]} (it differs in {', '.join(different)}): "
            "choose another --out, or replace it with --overwrite"
        )


def write_json(path: str | Path, contents: Any) -> None:
    """Writes a JSON file that is there as a whole or not at all. Raises `OSError`."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
        # Half a surrogate pair has no UTF-8; with a backslash it is what JSON calls it.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def report_beside(file: str | Path) -> Path:
    """Where the report of a result stands that is one JSON file: `out/mine.html` for `out/mine.json`."""
    file = Path(file)
    return file.with_name(f"{file.name.removesuffix('.json')}.html")


def check_result_file(file: str | Path | None, *, overwrite: bool = False) -> None:
    """Raises `FitFolderError` if there is such a file, or such a report, and `overwrite` is not set."""
    for path in () if file is None or overwrite else (Path(file), report_beside(file)):
        if path.exists():
            raise FitFolderError(f"{path} exists already: choose another --out, or replace it with --overwrite")


def write_result_file(file: str | Path, contents: Any, report: Callable[[Path], Any]) -> Path:
    """Writes a result that is one JSON file, then its report beside it, by `report(path)`; returns the file's path.

    Raises `FitFolderError` if either cannot be written.
    """
    file = Path(file)
    try:
        write_json(file, contents)
        report(report_beside(file))
    except OSError as error:
        raise FitFolderError(f"{file} cannot be written ({error}): choose another --out") from error
    return file


def read_json(path: str | Path, *, again: str) -> dict[str, Any]:
    """What the JSON file of a result says.

    Raises `FitFolderError` if there is none or it is damaged; `again` says what to do then.
    """
    path = Path(path)
    kind = KINDS[path.name]
    if not path.exists():
        raise FitFolderError(
            f"{path.parent} holds no {kind} (there is no {path.name} in it): give the --out folder of a {kind}"
        )
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FitFolderError(f"{path} is not readable as JSON ({error}): {again}") from error
    if not isinstance(contents, dict) or "format" not in contents:
        raise FitFolderError(f"{path} was not written by nlparam: give the --out folder of a {kind}")
    return contents
