"""The folder of a taxonomy before each change to it."""

import contextlib
import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nlparam.corpus.marks import LABELS_FILE
from nlparam.errors import ResultFolderError
from nlparam.results.folder import LOCK, make_room, writing
from nlparam.runtime.files import writable
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.yaml_file import FILE, written

FOLDER = "history"
_MOST_SHOWN = 10
EDITED = "taxonomy.edited.yaml"


def keep(taxonomy: Taxonomy, folder: str | Path) -> Path:
    """Copies what is in the folder of a taxonomy to `history/1` in it, or the next number that is free.

    The copy can be loaded. Its `taxonomy.yaml` is that of the tree as it was, `taxonomy.edited.yaml` as a person had
    edited it. Raises `ResultFolderError` if it cannot be written, or the folder holds another taxonomy by now.
    """
    folder = Path(folder)
    if Taxonomy.read(folder)["settings"] != taxonomy.settings:
        raise ResultFolderError(
            f"another command has changed the taxonomy in {folder} meanwhile, and nothing was changed by this one: run "
            "it again; what was judged until now costs nothing again"
        )
    kept = folder / FOLDER / str(_last(folder) + 1)
    try:
        kept.mkdir(parents=True)
        for path in folder.iterdir():
            if path.is_file() and path.name != LOCK:
                shutil.copy2(path, kept / (EDITED if path.name == FILE else path.name))
        (kept / FILE).write_text(written(taxonomy, folder=kept), encoding="utf-8")
    except OSError as error:
        raise ResultFolderError(f"{kept} cannot be written ({error}): nothing was changed") from error
    return kept


def load_or_hint(folder: str | Path) -> Taxonomy:
    """Loads a taxonomy; where a change to the folder was broken off, the message says where the tree before is."""
    folder = Path(folder)
    try:
        return Taxonomy.load(folder)
    except ResultFolderError as error:
        last = _last(folder)
        if last == 0:
            raise
        raise ResultFolderError(
            f"{error}; the taxonomy before the last change is in {folder / FOLDER / str(last)}: copy its files here"
        ) from error


def replace(taxonomy: Taxonomy, folder: str | Path, new: Taxonomy) -> Path:
    """Writes a changed taxonomy and its report in the place of the one that is there, which `keep` keeps; returns
    where that is. Raises `ResultFolderError` as `keep` does."""
    folder = Path(folder)
    with writing(folder):
        kept = keep(taxonomy, folder)
        new.save(folder, overwrite=True)
        new.report(folder / "report.html")
    return kept


class Kept(NamedTuple):
    """A tree that is kept: its `number`, the `date` it was replaced on, and the `changes` that did so, in words."""

    number: int
    date: str
    changes: tuple[str, ...]


def kept_in(folder: str | Path) -> Iterator[Kept]:
    """The last trees that are kept in the history of a folder, the latest first."""
    folder = Path(folder)
    for number in range(_last(folder), max(0, _last(folder) - _MOST_SHOWN), -1):
        path = folder / FOLDER / str(number)
        if not (path / Taxonomy.main).exists():
            continue
        after = folder / FOLDER / str(number + 1)
        edits = _edits(after if after.exists() else folder)
        # What replaced it is the last edit of the tree that came next, if it was an edit.
        edit = edits[-1] if len(edits) > len(_edits(path)) else {}
        date = datetime.datetime.fromtimestamp(path.stat().st_mtime).astimezone().isoformat(timespec="seconds")
        yield Kept(number, str(edit.get("date", date)), tuple(edit.get("changes", ())))


def go_back(taxonomy: Taxonomy, folder: str | Path, number: int) -> Path:
    """Puts a tree of the history in the place of the one that is there, which is kept too; returns where that is.

    What people said of texts (`labels.csv`) stays. Raises `ResultFolderError` if there is no such tree, or as `keep`.
    """
    folder = Path(folder)
    before = folder / FOLDER / str(number)
    Taxonomy.load(before)  # a damaged one takes no place
    with writing(folder):
        kept = keep(taxonomy, folder)
        with writable(folder):
            make_room(folder, Taxonomy.main, overwrite=True)
            files = [path for path in before.iterdir() if path.is_file() and not path.name.startswith(".")]
            # The main file comes last: a folder that has one is complete.
            for path in sorted(files, key=lambda path: path.name == Taxonomy.main):
                if path.name not in (EDITED, LABELS_FILE):
                    shutil.copy2(path, folder / path.name)
            (folder / FILE).write_text(written(Taxonomy.load(folder), folder=folder), encoding="utf-8")
    return kept


def _edits(folder: Path) -> list[dict]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return list(json.loads((folder / Taxonomy.main).read_text(encoding="utf-8"))["settings"].get("edits") or ())
    return []


def _last(folder: Path) -> int:
    return max((int(path.name) for path in (folder / FOLDER).glob("*") if path.name.isdigit()), default=0)
