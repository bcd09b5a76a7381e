"""Labellings of the same texts that a set does not say: other sets say them, or the texts themselves."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.experiments.data.jsonl import read_set
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


def other_labellings(source: Source, there: Mapping[str, Path]) -> Source:
    """Adds what is known of the texts of SynGoalEx beside their topic: each is in one of four languages and styles.

    Where the sets `syngoalex_language` and `syngoalex_style` are `there` with the same texts, they say it. Else the
    language is read off the words: the corpus was written with 64 texts for each topic in each language, and that is
    what comes out, but for one of the 1024 texts. The style is then a goal without a truth.
    """
    if source.name != _SYNGOALEX:
        return source
    others = []
    for name, known in (("language", _by_words), ("style", _unknown)):
        place = there.get(_SYNGOALEX.replace("topic", name))
        said = None if place is None else read_set(place, name)
        if said is not None and said.texts == source.texts and said.attributes:
            others.append(dataclasses.replace(said.attributes[0], name=name))
        else:
            others.append(known(source.texts))
    return dataclasses.replace(source, others=tuple(others))


def _by_words(texts: list[str]) -> Attribute:
    holds = np.asarray([[language == name for name in _WORDS] for language in languages(texts)])
    return Attribute("language", tuple(f"has a language of {name}" for name in _WORDS), holds)


def _unknown(texts: list[str]) -> Attribute:
    return Attribute("style", (), np.zeros((len(texts), 0), dtype=bool))


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
