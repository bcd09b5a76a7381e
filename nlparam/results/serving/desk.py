"""What the page of a result can ask of the process behind it, whichever way it reaches that."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlparam.corpus.marks import LABELS_FILE, ON_PAGE, Mark, add_labels, kept_labels, user_name
from nlparam.errors import CorpusError, NlparamError, ResultFolderError
from nlparam.results.folder import KINDS
from nlparam.results.load import load
from nlparam.results.page.sections import AbstractPage
from nlparam.results.page.text import text_key
from nlparam.results.serving.texts import Texts

Call = Callable[[Mapping[str, Any]], dict[str, Any]]


class Desk:
    """Marks and searches the texts of a result; `calls` are what else its page can ask for, by name.

    **Arguments:** `page`, the report of the result; `folder`, where its `labels.csv` is or will be; `who` marks texts
    if a reader gives no other name. Raises `ResultFolderError` for a result that has no texts with predicates.
    """

    def __init__(self, page: AbstractPage, folder: str | Path, *, who: str | None = None):
        self.labels = Path(folder) / LABELS_FILE
        self.who = user_name() if who is None else who
        self.calls: dict[str, Call] = {"texts": self._texts, "marks": self._marks, "mark": self._mark}
        self.show(page)

    def show(self, page: AbstractPage) -> None:
        """From now on, another result."""
        searched = page.searched()
        if searched is None:
            raise ResultFolderError(
                "this result has no texts with predicates to be marked or edited: read its report (nlparam report "
                "FOLDER --open)"
            )
        self._page, self.texts = page, Texts(searched)
        self._html: dict[str, str] = {}

    def html(self, how: str = "http") -> str:
        """The page, made once for each result and way in which it reaches this desk: "http" or "widget"."""
        if how not in self._html:
            self._html[how] = self._page.served_as(how)
        return self._html[how]

    def call(self, name: str, given: Any) -> dict[str, Any]:
        """What a page asked for, as JSON; under `error` what is wrong, in words for the reader."""
        try:
            if name not in self.calls or not isinstance(given, Mapping):
                raise NlparamError(f"got a request for {name!r}, which this page does not have: load it again")
            if not (folder := self.labels.parent).is_dir():
                raise ResultFolderError(f"there is no folder {folder} any more: put it back, and do this again")
            return self.calls[name](given)
        except NlparamError as error:
            return {"error": str(error)}
        except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            return {"error": f"got a request that makes no sense ({error!r}): load the page again"}

    def _texts(self, given: Mapping[str, Any]) -> dict[str, Any]:
        column = given.get("column")
        return self.texts.find(
            str(given.get("words", "")),
            column=None if column is None else int(column),
            holds=bool(given.get("holds", True)),
            page=max(0, int(given.get("page", 0))),
        )

    def _marks(self, given: Mapping[str, Any]) -> dict[str, Any]:
        del given
        return self._kept(kept_labels(self.labels))

    def _mark(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps what somebody says of a text, before the answer says so."""
        predicate, who = str(given["predicate"]), str(given.get("who") or self.who)
        if predicate not in self.texts.searched.predicates or not predicate:
            raise CorpusError(f"the result here has no predicate {predicate!r}: load the page again")
        mark = Mark(self.texts.of(str(given["text"])), predicate, str(given["label"]), who, ON_PAGE)
        return self._kept(add_labels(self.labels, [mark]))

    def _kept(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        marks = [[text_key(row["text"]), row["predicate"], row["label"], row["who"]] for row in rows]
        return {"marks": marks, "who": self.who, "file": str(self.labels)}


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
