"""The folder of a taxonomy before each change to it."""

import shutil
from pathlib import Path

from nlparam.errors import FitFolderError
from nlparam.hierarchy import Taxonomy
from nlparam.taxonomies.entries import FILE, written

FOLDER = "history"
EDITED = "taxonomy.edited.yaml"


def keep(taxonomy: Taxonomy, folder: str | Path) -> Path:
    """Copies what is in the folder of a taxonomy to `history/1` in it, or the next number that is free.

    The copy can be loaded. Its `taxonomy.yaml` is that of the tree as it was, `taxonomy.edited.yaml` as a person had
    edited it. Raises `FitFolderError` if it cannot be written.
    """
    folder = Path(folder)
    there = [int(path.name) for path in (folder / FOLDER).glob("*") if path.name.isdigit()]
    kept = folder / FOLDER / str(max(there, default=0) + 1)
    try:
        kept.mkdir(parents=True)
        for path in folder.iterdir():
            if path.is_file():
                shutil.copy2(path, kept / (EDITED if path.name == FILE else path.name))
        (kept / FILE).write_text(written(taxonomy, folder=kept), encoding="utf-8")
    except OSError as error:
        raise FitFolderError(f"{kept} cannot be written ({error}): nothing was changed") from error
    return kept
