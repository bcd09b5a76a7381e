"""Labellings of the same texts that a set does not say: other sets say them, or the texts themselves."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.experiments.data.jsonl import read_set
from benchmarks.experiments.data.truth import Attribute, Source

_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}
_SYNGOALEX = "syngoalex_topic"


def other_labellings(source: Source, there: Mapping[str, Path]) -> Source:
    """Adds what is known of the texts of SynGoalEx beside their topic: each is in one of four languages and styles.

    Where the sets `syngoalex_language` and `syngoalex_style` are `there` with the same texts, they say it. Else the
    language is told from the text: the corpus was written with 64 texts for each topic in each language, and that is
    what comes out, but for one of the 1024 texts. The style is then a goal without a truth.
    """
    if source.name != _SYNGOALEX:
        return source
    others = []
    for name in ("language", "style"):
        place = there.get(_SYNGOALEX.replace("topic", name))
        said = None if place is None else read_set(place, name)
        if said is not None and said.texts == source.texts and said.attributes:
            others.append(dataclasses.replace(said.attributes[0], name=name))
        else:
            told = languages(source.texts) if name == "language" else []
            values = list(_LANGUAGES.values()) if told else []
            holds = np.asarray([[one == value for value in values] for one in told or source.texts], dtype=bool)
            others.append(Attribute(name, tuple(f"has a language of {value}" for value in values), holds))
    return dataclasses.replace(source, others=tuple(others))


def languages(texts: list[str]) -> list[str]:
    """English, German, French or Spanish: what each text is in."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(_LANGUAGES))
    return [_LANGUAGES[identifier.classify(text)[0]] for text in texts]
