"""The desk of a result that is in a folder, whichever kind it is."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlparam.results.folder import KINDS
from nlparam.results.load import load
from nlparam.results.serving.desk import Desk


def opened(folder: str | Path, *, who: str | None = None, asking: Mapping[str, Any] | None = None) -> Desk:
    """What the page of the result in a folder can ask for.

    **Arguments:** `who` marks texts if a reader gives no other name; `asking`, how a refit asks the language model.
    Raises `ResultFolderError` if the folder holds no result, or one without texts and predicates.
    """
    folder = Path(folder)
    for main, kind in KINDS.items():
        if kind.editing and (folder / main).exists():
            return importlib.import_module(kind.editing).Editing(folder, who=who, asking=asking).desk
    result = load(folder)
    return Desk(result.page(**result.beside(folder)), folder, who=who)
