"""Labellings of the same texts that a set does not say, where the texts themselves say them."""

import dataclasses
import re

import numpy as np

from benchmarks.experiments.data.truth import Attribute, Source

# Function words, by which one sentence is enough to tell these languages apart; letters count too, for short texts.
_WORDS = {
    "English": "the and to of is for with your that this in are on it be by you a at from as its has an our we what",
    "German": "der die und das ist zu den für mit ein eine von nicht auf im du sich des wie dem in sie ich wir zum zur",
    "French": "le la les et des est pour une dans vous votre que qui du sur avec un au ce en de l d il je nous à ses",
    "Spanish": "el la los las y es para una en que tu con del por su se un al lo como de más tus sus yo nos está a",
}
_LETTERS = {"English": "", "German": "äöüß", "French": "àâçèêîôùûœ", "Spanish": "ñáíóú¡¿"}
_SYNGOALEX = "syngoalex_topic"


def other_labellings(source: Source) -> Source:
    """Adds what the texts of SynGoalEx tell beside their topic: each is in one of four languages and of four styles.

    The language is read off the words: the corpus was written with 64 texts for each topic in each language, and that
    is what comes out, but for one of the 1024 texts. The style is a goal without a truth: the files do not say it.
    """
    if source.name != _SYNGOALEX:
        return source
    spoken = languages(source.texts)
    holds = np.asarray([[language == name for name in _WORDS] for language in spoken])
    language = Attribute("language", tuple(f"has a language of {name}" for name in _WORDS), holds)
    style = Attribute("style", (), np.zeros((len(source.texts), 0), dtype=bool))
    return dataclasses.replace(source, others=(language, style))


def languages(texts: list[str]) -> list[str]:
    """English, German, French or Spanish: that of the most function words, telling letters counting as words."""
    words = {name: set(listed.split()) for name, listed in _WORDS.items()}
    found = []
    for text in texts:
        tokens = re.findall(r"[^\W\d_]+", text.lower())
        scores = {
            name: sum(token in words[name] for token in tokens) + sum(text.lower().count(c) for c in _LETTERS[name])
            for name in words
        }
        found.append(max(scores, key=scores.__getitem__))
    return found
