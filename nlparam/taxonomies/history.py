"""The folder of a taxonomy before each change to it."""

import shutil
from pathlib import Path

from nlparam.errors import ResultFolderError
from nlparam.results.folder import LOCK
from nlparam.taxonomies.result import Taxonomy
from nlparam.taxonomies.yaml_file import FILE, written

FOLDER = "history"
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


def _last(folder: Path) -> int:
    return max((int(path.name) for path in (folder / FOLDER).glob("*") if path.name.isdigit()), default=0)
