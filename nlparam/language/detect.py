"""In which language texts are written, as far as that can be told."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

# How many texts are looked at, and how much of each.
_N_TEXTS, _CHARACTERS = 60, 400
# The share of texts that decides the corpus language, and the probabilities that decide or rule out that of a goal.
_MOST, _SURE, _RULED_OUT = 0.7, 0.8, 0.05
# Words that show at once, without a model, that a goal is in a language.
_PLAINLY = {"en": {"the", "what", "which", "who", "whether"}}
# What has words of no language.
_NO_LANGUAGE = "zxx"
# Their texts pass for one another's, which no user should be warned of.
_CLOSE = ({"en", "pcm"}, {"no", "nb", "nn", "da"}, {"sr", "hr", "bs"}, {"id", "ms"}, {"zh", "wuu", "yue"}, {"es", "gl"})


class Mismatch(NamedTuple):
    """The languages, as ISO 639 codes, of a goal and of the texts, which differ."""

    goal: str
    texts: str


def language_mismatch(goal: str, texts: Sequence[str], *, spared: str | None = None) -> Mismatch | None:
    """The two languages if a goal is clearly written in another language than most texts, else `None`.

    Short goals ("topic") belong to many languages, and are never called different; nor are goals in the language
    `spared`.
    """
    if spared is not None and _PLAINLY.get(spared, set()).intersection(goal.casefold().split()):
        return None
    probable = _rank(goal)
    language, probability = max(probable.items(), key=lambda item: item[1])
    if probability < _SURE or language == spared:
        return None
    common = main_language(texts)
    if common in (None, _NO_LANGUAGE) or probable.get(common, 0.0) > _RULED_OUT or alike(language, common):
        return None
    return Mismatch(language, common)


def language_warning(mismatch: Mismatch) -> str:
    """What a user should know where the goal is in another language than the texts."""
    return (
        f"the goal seems to be {language_name(mismatch.goal)} and the texts {language_name(mismatch.texts)}: the "
        "predicates will be in the language of the goal, and a small language model follows a goal better in the "
        "language of the texts"
    )


def main_language(texts: Sequence[str]) -> str | None:
    """The language that most texts are in, `None` if there is no such; texts without words are in none."""
    step = max(len(texts) // _N_TEXTS, 1)
    shown = [text.lstrip()[:_CHARACTERS] for text in texts[::step][:_N_TEXTS]]
    ranks = [_rank(text) for text in shown if _words(text)]
    found = Counter(max(ranked, key=ranked.__getitem__) for ranked in ranks)
    return next((language for language, n in found.items() if n >= _MOST * len(ranks)), None)


def alike(first: str, second: str) -> bool:
    """Whether texts in one language pass for texts in the other."""
    return first == second or any({first, second} <= close for close in _CLOSE)


def _rank(text: str) -> dict[str, float]:
    return {language: float(probability) for language, probability in _identifier().rank(_words(text))}


def _words(text: str) -> str:
    """The words of a text: what has no letter tells nothing, and a link is in no language."""
    return " ".join(word for word in text.split() if "://" not in word and any(map(str.isalpha, word)))


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_name(code: str) -> str:
    """The name of a language in English where it is a frequent one, else its code."""
    return _NAMES.get(code, code)


_NAMES = dict(
    re.findall(
        r"(\w+) (\w+)",
        "ar Arabic, de German, en English, es Spanish, fr French, hi Hindi, it Italian, ja Japanese, ko Korean, "
        "nl Dutch, pl Polish, pt Portuguese, ru Russian, tr Turkish, uk Ukrainian, zh Chinese",
    )
)
