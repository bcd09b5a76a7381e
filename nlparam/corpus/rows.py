"""What a reader finds in a file, and which of its fields holds the text."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nlparam.errors import CorpusError

DEFAULT_FIELD = "text"
_LOOKED_AT = 2_000  # rows that say which field holds the text
_FEWEST_WORDS = 3.0  # per row, of a field that is taken for the text where there are several
_CLEARLY = 1.5  # so many times the words of the next field
_SHOWN = 40  # names of fields that a message shows


@dataclasses.dataclass(frozen=True)
class Rows:
    """What a reader found: the `names` of the fields, those that hold `prose`, the values of a field.

    `column` gives `None` where a row lacks the field; `place(i)` says in words where row `i` stands in the file;
    `talks` are the fields that hold lists of messages.
    """

    n_rows: int
    names: list[str]
    prose: list[str]
    column: Callable[[str], list]
    place: Callable[[int], str]
    talks: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The names of the fields in words."""
        shown = ", ".join(map(repr, self.names[:_SHOWN]))
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        return f"its fields are {shown}{more}" if self.names else "it has no named fields"

    def known(self, path: Path, field: str) -> str:
        """The name of a field that is there once; raises `CorpusError` for another."""
        if field not in self.names:
            raise CorpusError(f"{path} has no field {field!r}; {self.described}")
        if (n := self.names.count(field)) > 1:
            raise CorpusError(f"{path} has {n} fields {field!r}, expected one: rename the others")
        return field

    def text_field(self, path: Path) -> tuple[str, str | None]:
        """The field that holds the text, and a warning if it was chosen among several.

        It is the field `text`, else the conversations, else the only field of prose, else the one with most words.

        Words are counted in different values only, so that a field with few of them (a category, a question that is
        the same everywhere) is not taken for the text. Raises `CorpusError` if no field is clearly first.
        """
        if DEFAULT_FIELD in self.names:
            return DEFAULT_FIELD, None
        if len(self.talks) == 1 or "messages" in self.talks:
            return "messages" if "messages" in self.talks else self.talks[0], None
        if len(self.prose) == 1:
            return self.prose[0], None
        words = {name: self._words(name) for name in dict.fromkeys(self.prose)}
        first, *others = sorted(words, key=words.__getitem__, reverse=True) or [""]
        if others and words[first] >= max(_FEWEST_WORDS, _CLEARLY * words[others[0]]):
            return first, (
                f"{path}: the field {first!r} was taken for the text ({words[first]:.0f} words in a row; next is "
                f"{others[0]!r} with {words[others[0]]:.0f}); --text-field NAME chooses another"
            )
        raise CorpusError(f"{path}: which field holds the text? Say so with --text-field NAME; {self.described}")

    def _words(self, name: str) -> float:
        """Words of the different values, per row that has a value."""
        if self.names.count(name) > 1:
            return 0.0
        values = [str(value) for value in self.column(name)[:_LOOKED_AT] if value is not None and str(value).strip()]
        n_words = sum(any(map(str.isalpha, word)) for value in set(values) for word in value.split())
        return n_words / max(len(values), 1)


def row_place(index: int) -> str:
    """Where a row of a table stands."""
    return f"row {index + 1}"


def without_blank(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows in which some cell holds something."""
    return [row for row in rows if any(cell is not None and str(cell).strip() for cell in row)]
