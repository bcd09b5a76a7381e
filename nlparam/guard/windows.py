"""Texts as windows: what is scored at once, of a whole text and of one that grows.

A text is cut into pieces (a word with the space before it; what has no spaces every 40 characters). A growing text is
looked at after 8, 12, 24, 36, ... pieces and at its end, each time at its last 36 pieces: so a look costs the same
however long the text is, and no more than the last pieces are kept.
"""

import dataclasses
import re

WINDOW = 36
STEP = 12
_FIRST = 8
# Lone surrogates and a flood of spaces are data too: every piece is bounded, whatever comes.
_PIECE = re.compile(r"\s{256}|\s{0,255}\S{1,40}")
_LONGEST_WORD = 40


def pieces_of(text: str) -> list[str]:
    """The pieces of a whole text; white space at its end is none."""
    return _PIECE.findall(text)


def windows_of(text: str) -> list[str]:
    """Overlapping windows that cover a whole text, for one that is there at once; none for a blank text."""
    pieces = pieces_of(text)
    starts = range(0, max(len(pieces) - WINDOW, 0) + 1, WINDOW - STEP)
    windows = ["".join(pieces[start : start + WINDOW]) for start in starts]
    if len(pieces) > WINDOW and starts[-1] + WINDOW < len(pieces):
        windows.append("".join(pieces[-WINDOW:]))
    return [window for window in windows if window.strip()]


def n_windows(text: str) -> int:
    """At least as many windows as `windows_of` makes, without cutting the text."""
    return 1 + len(text) // (WINDOW - STEP)


@dataclasses.dataclass(frozen=True)
class Look:
    """A window that is due, and the number of characters of the text that it has seen, with those before it.

    A window without words is no reason to hold anything back, and is not scored.
    """

    window: str
    n_characters: int


class GrowingText:
    """Cuts a text that comes in parts into the windows that are due. How it is parted makes no difference.

    Memory: the last 36 pieces, and a word that has only begun.
    """

    def __init__(self):
        self._tail = ""
        self._pieces: list[str] = []
        self._n_pieces = 0
        self._n_characters = 0
        self._seen = 0
        self.n_fed = 0

    def feed(self, part: str) -> list[Look]:
        """The looks that are due once `part` is there."""
        self.n_fed += len(part)
        self._tail += part
        looks, end = [], 0
        for found in _PIECE.finditer(self._tail):
            if found.end() == len(self._tail) and not _is_complete(found[0]):
                break
            end = found.end()
            if (look := self._add(found[0])) is not None:
                looks.append(look)
        self._tail = self._tail[end:]
        return looks

    def look(self) -> Look | None:
        """A look at all there is, a word that has only begun included; `None` if nothing is new since the last."""
        if self.n_fed == self._seen:
            return None
        self._seen = self.n_fed
        # What has only begun is looked at, and stays in the tail.
        return Look("".join([*self._pieces, *pieces_of(self._tail)][-WINDOW:]), self.n_fed)

    def _add(self, piece: str) -> Look | None:
        self._pieces = [*self._pieces[-WINDOW + 1 :], piece]
        self._n_pieces += 1
        self._n_characters += len(piece)
        if self._n_pieces != _FIRST and self._n_pieces % STEP:
            return None
        self._seen = self._n_characters
        return Look("".join(self._pieces), self._n_characters)


def looks_of(text: str) -> list[Look]:
    """The looks at a text that grows to its end, at those windows that have words."""
    growing = GrowingText()
    looks = [*growing.feed(text), growing.look()]
    return [look for look in looks if look is not None and look.window.strip()]


def _is_complete(piece: str) -> bool:
    return len(piece.lstrip()) >= _LONGEST_WORD or (not piece.strip() and len(piece) == 256)
