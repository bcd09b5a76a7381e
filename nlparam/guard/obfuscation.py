"""Obfuscations that need no language model, and the canonical form that undoes the usual ones.

Training and screening see the canonical form of a text, so what is undone costs the guard nothing. `typos` and `vowels`
are not undone: they measure what is left.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable

import numpy as np

from nlparam.corpus.corpus import whole_characters

_LEET = str.maketrans("aeiost", "431057")
_UNLEET = str.maketrans("4310578@$", "aeiostbas")
_HOMOGLYPHS = dict(zip("aceiopxyABCEHKMOPTXy", "асеіорхуАВСЕНКМОРТХу", strict=True))
# Letters of other scripts that look like Latin ones; NFKC leaves them as they are.
_FOLDED = str.maketrans(
    {look: plain for plain, look in _HOMOGLYPHS.items()}
    | dict(zip("јѕԁһӏЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρτ", "jsdhlSJABEZHIKMNOPTYXoavpt", strict=True))
)
# Three letters or more with the same separator between them: words stay apart, by another one or by more of it.
_SPACED = re.compile(r"(?<![^\s\"'(])[^\W\d_]([ .\-_*|])(?:[^\W\d_]\1)+[^\W\d_](?!\w)(?:\1(?=[.,;:!?]))?")
_LEET_WORD = re.compile(r"(?<!\S)(?=\S*[^\W\d_])(?=\S*[0134578@$])\S+")
# Words have any length: in none of these can two repeated parts take the same characters, which would be slow.
_BARE = re.compile(r"\w(?:\S*\w)?")  # a word without the signs around it
# What has letters and digits as it is: amounts, ordinals and times (500mg, 20th, 7am), and names (covid-19, b12, mp3).
_PLAIN_DIGITS = re.compile(
    r"[\d.,:]+(?:[mµ]?g|kg|[mcdk]?l|[mck]?m|km|am|pm|st|nd|rd|th|s|k|h|min|p|x|d|[gmt]b|hz|w|kw|v)"
    r"|[^\W\d_]+-?[\d.]+|[\d.,]+-\S*",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s@]*@\S+\.\S+|\S*://\S*")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{12,}={0,2}(?![A-Za-z0-9+/=])")
_LATIN = re.compile(r"[A-Za-z]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u04ff\u0500-\u052f]")


def _at_random(share: float, change: Callable[[str], str]) -> Callable[[str, np.random.Generator], str]:
    """Changes each character with the probability `share`."""
    return lambda text, rng: "".join(change(char) if rng.random() < share else char for char in text)


def _separators(text: str, rng: np.random.Generator) -> str:
    separator = str(rng.choice(["-", ".", "*"]))
    return " ".join(separator.join(word) for word in text.split())


def _case(text: str, rng: np.random.Generator) -> str:
    return "".join(char.upper() if rng.random() < 0.5 else char.lower() for char in text)


def _zero_width(text: str, rng: np.random.Generator) -> str:
    return "".join(char + ("\u200b" if char.isalpha() and rng.random() < 0.4 else "") for char in text)


def _typos(text: str, rng: np.random.Generator) -> str:
    def swapped(word: str) -> str:
        if len(word) < 5 or rng.random() < 0.4:
            return word
        at = int(rng.integers(1, len(word) - 2))
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return " ".join(swapped(word) for word in text.split())


def _vowels(text: str, rng: np.random.Generator) -> str:
    def thinned(word: str) -> str:
        return word[:1] + "".join(char for char in word[1:] if char not in "aeiou" or rng.random() < 0.4)

    return " ".join(thinned(word) for word in text.split())


OBFUSCATIONS: dict[str, Callable[[str, np.random.Generator], str]] = {
    "leet": _at_random(0.7, lambda char: char.translate(_LEET)),
    "spacing": lambda text, _: "   ".join(" ".join(word) for word in text.split()),
    "case": _case,
    "separators": _separators,
    "homoglyphs": _at_random(0.7, lambda char: _HOMOGLYPHS.get(char, char)),
    "zero-width": _zero_width,
    "base64": lambda text, _: base64.b64encode(text.encode("utf-8")).decode("ascii"),
    "typos": _typos,
    "vowels": _vowels,
}


def obfuscate(text: str, name: str, *, seed: int) -> str:
    """The text under the obfuscation `name` of `OBFUSCATIONS`; the same for the same seed."""
    return OBFUSCATIONS[name](text, np.random.default_rng(seed))


def canonical(text: str) -> str:
    """The text without what hides it, in lower case; linear in its length.

    Half characters (surrogates) are joined, compatible ones folded (NFKC), invisible ones and stacked accents removed,
    base64 that decodes to text decoded, Greek and Cyrillic letters within words of Latin ones replaced by those they
    look like, digits and signs inside words by the letters they stand for, and letters written apart joined.
    """
    text = unicodedata.normalize("NFKC", whole_characters(text))
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Mn", "Me"))
    text = _BASE64.sub(lambda found: _decoded(found[0]), text)
    text = " ".join(_latin(word) for word in text.split(" "))
    text = _SPACED.sub(lambda found: found[0].replace(found[1], ""), text)
    text = _LEET_WORD.sub(lambda found: _unleet(found[0]), text)
    return " ".join(text.casefold().split())


def _latin(word: str) -> str:
    """Homoglyphs undone where a word mixes scripts, or has letters of another that all look like Latin ones."""
    others = _OTHER_SCRIPT.findall(word)
    if not others:
        return word
    folded = word.translate(_FOLDED)
    return folded if _LATIN.search(word) or not _OTHER_SCRIPT.search(folded) else word


def _unleet(word: str) -> str:
    bare = _BARE.search(word)
    plain = _ADDRESS.fullmatch(word) or (bare and _PLAIN_DIGITS.fullmatch(bare[0]))
    return word if plain else word.translate(_UNLEET)


def _decoded(found: str) -> str:
    """What base64 decodes to, if that is text; words of twelve letters decode to noise and stay."""
    padded = found.rstrip("=")
    padded = padded[: len(padded) - (len(padded) % 4 == 1)]
    try:
        text = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        # A piece of a longer text may end within a character.
        text = error.object[: error.start].decode("utf-8") if len(error.object) - error.start < 4 else ""
    except (binascii.Error, ValueError):
        return found
    readable = sum(char.isalpha() or char in " .,;:?!'-\n" for char in text)
    return text if len(text) >= 6 and readable >= 0.85 * len(text) and " " in text.strip() else found
