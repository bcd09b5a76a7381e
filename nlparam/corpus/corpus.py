"""The texts a model is fitted to: cleaned, numbered, and each distinct text handled once."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nlparam.corpus.frames import is_frame, listed
from nlparam.errors import CorpusError


def text_digest(text: str) -> str:
    """The content address of a text: hexadecimal SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def whole_characters(text: str) -> str:
    """The text without surrogates: pairs are joined, others replaced.

    JSON may hold them, and undecodable bytes become such; none can be hashed, stored or sent to a model.

    ```pycon
    >>> whole_characters("cut off \\ud83d"), whole_characters("\\ud83d\\ude00") == "\\U0001f600"
    ('cut off \ufffd', True)

    ```
    """
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Cited(str):
    """A text that says where it stands (`place`): "conversation 12, message 3 (assistant)". Reports cite it so.

    In all else it is the string that it is.
    """

    place: str

    def __new__(cls, text: str, place: str = "") -> "Cited":
        cited = super().__new__(cls, text)
        cited.place = place
        return cited


def place_of(text: str) -> str:
    """Where a text stands, "" where that is not known."""
    return text.place if isinstance(text, Cited) else ""


@dataclasses.dataclass(frozen=True)
class Corpus:
    """`n_texts` texts in the order given, and the distinct ones among them.

    **Attributes:** `texts` as given (with characters that UTF-8 cannot encode replaced), some of them perhaps `Cited`;
    `distinct`, the distinct
    non-blank texts in order of first appearance; `row`, `(n_texts,)` the index into `distinct` of each text, -1 for a
    blank one. Embeddings, judgments and denotations are computed for `distinct` and spread by `spread`.
    """

    texts: tuple[str, ...]
    distinct: tuple[str, ...]
    row: np.ndarray

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Corpus":
        """The corpus of a list of texts, or of a column of a data frame. Raises `CorpusError` if something is not a
        string."""
        if isinstance(texts, str):
            raise CorpusError(
                f"got one string ({texts[:40]!r}), expected a list of texts: put it into a list, or read the file of "
                "this name with nlparam.corpus.readers.read_texts"
            )
        if isinstance(texts, Mapping) or is_frame(texts):
            kind = type(texts).__name__
            raise CorpusError(f'got a {kind}, expected texts: give those of one column, such as frame["text"]')
        texts = listed(texts)
        if not isinstance(texts, Iterable):
            raise CorpusError(f"got {type(texts).__name__}, expected a list of texts")
        cleaned: list[str] = []
        position: dict[str, int] = {}
        row: list[int] = []
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise CorpusError(
                    f"text number {number} is of type {type(text).__name__}, expected str: "
                    "drop missing values and convert the others with str()"
                )
            clean = whole_characters(str(text))
            cleaned.append(Cited(clean, text.place) if isinstance(text, Cited) else clean)
            row.append(position.setdefault(clean, len(position)) if clean.strip() else -1)
        return cls(tuple(cleaned), tuple(position), np.asarray(row, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"Corpus of {len(self):,} texts, {len(self.distinct):,} of them distinct"

    @property
    def blank(self) -> np.ndarray:
        """`(n_texts,)`, true where a text has no words."""
        return self.row < 0

    @property
    def multiplicity(self) -> np.ndarray:
        """`(n_distinct,)`, how often each distinct text occurs."""
        return np.bincount(self.row[self.row >= 0], minlength=len(self.distinct))

    @property
    def places(self) -> list[str] | None:
        """Where each text stands, "" where that is not known; `None` if it is known of none."""
        found = [place_of(text) for text in self.texts]
        return found if any(found) else None

    def columns(self) -> dict[str, list[str]]:
        """The texts as columns of a table: `text`, and `place` where some texts have one. `of_table` reads it."""
        places = self.places
        return {"text": list(self.texts)} | ({} if places is None else {"place": places})

    @classmethod
    def of_table(cls, table: Any) -> "Corpus":
        """The corpus of an Arrow table with the `columns` of one."""
        texts = table["text"].to_pylist()
        if "place" in table.column_names:
            texts = map(Cited, texts, table["place"].to_pylist())
        return cls.from_texts(texts)

    def rows_of(self, texts: Iterable[str]) -> np.ndarray:
        """`(n,)`, the index into `distinct` of each of some texts. Raises `KeyError` for one that is not there."""
        place = {text: row for row, text in enumerate(self.distinct)}
        return np.asarray([place[text] for text in texts], dtype=np.int64)

    def spread(self, values: np.ndarray, *, fill: float = 0.0) -> np.ndarray:
        """From one row per distinct text to one row per text; blank texts get `fill`.

        Where the texts are distinct as they are, that is `values` itself, not a copy.
        """
        if len(self.distinct) == len(self):
            return values
        spread = np.full((len(self), *values.shape[1:]), fill, dtype=values.dtype)
        spread[~self.blank] = values[self.row[~self.blank]]
        return spread
