"""All texts of a result, searched by words and by what holds for them, a page at a time."""

import functools
from typing import Any

import numpy as np

from nlparam.corpus.corpus import place_of
from nlparam.errors import CorpusError
from nlparam.results.page.searched import Searched
from nlparam.results.page.text import text_key

PER_PAGE = 25
# Characters of a text that a page shows; the search looks at all.
MAX_SHOWN = 4000


class Texts:
    """Searches the distinct texts of a result."""

    def __init__(self, searched: Searched):
        self.searched = searched
        _, first = np.unique(searched.corpus.row, return_index=True)
        # The first of each distinct text, in order, without blank ones.
        self._first = np.sort(first[searched.corpus.row[first] >= 0])

    @functools.cached_property
    def _folded(self) -> list[str]:
        return [text.casefold() for text in self.searched.corpus.texts]

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {text_key(self.searched.corpus.texts[at]): at for at in self._first.tolist()}

    def of(self, key: str) -> str:
        """The text that a page calls so. Raises `CorpusError` if there is none."""
        if key not in self._places:
            raise CorpusError("the result here has no such text: load the page again, as the result is another by now")
        return self.searched.corpus.texts[self._places[key]]

    def find(self, words: str = "", *, column: int | None = None, holds: bool = True, page: int = 0) -> dict[str, Any]:
        """Texts in which all of the words stand, as JSON: how many there are (`n`), and those of a page.

        **Arguments:** `column`, the number of a predicate that is to hold for them (or not, with `holds=False`), those
        for which it is surest first; `page`, from 0. Raises `CorpusError` for a predicate that is not there.
        """
        searched, sought = self.searched, words.casefold().split()
        if column is not None and not 0 <= column < len(searched.names):
            raise CorpusError(f"got the {searched.noun} {column}, expected one from 0 to {len(searched.names) - 1}")
        found = self._first
        if column is not None:
            values = searched.denotations[found, column]
            fits = np.isfinite(values) & ((values >= 0.5) == holds)
            order = np.argsort(np.where(holds, -values[fits], values[fits]), kind="stable")
            found = found[fits][order]
        if sought:
            folded = self._folded
            found = [at for at in found.tolist() if all(word in folded[at] for word in sought)]
        shown = [int(at) for at in found[page * PER_PAGE : (page + 1) * PER_PAGE]]
        return {"n": len(found), "page": page, "perPage": PER_PAGE, "texts": [self._shown(at) for at in shown]}

    def _shown(self, at: int) -> dict[str, Any]:
        text, values = self.searched.corpus.texts[at], self.searched.denotations[at]
        under = np.flatnonzero(np.nan_to_num(values) >= 0.5).tolist()
        return {
            "number": at,
            "key": text_key(text),
            "place": place_of(text),
            "text": text[:MAX_SHOWN],
            "left": max(0, len(text) - MAX_SHOWN),
            "under": [[column, round(float(values[column]), 4)] for column in under],
        }
