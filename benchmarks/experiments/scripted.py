"""A language model without weights, to try an experiment out: `lm=scripted embedder=hashed`.

The model sees words only: a text has the property "mentions goal" if the word stands in it. What comes out says whether
an experiment runs, not how well it does.
"""

import collections
import re

from nlparam.lm.base import Request
from nlparam.lm.scripted import Answer, ScriptedModel

_WORD = re.compile(r"[^\W\d_]{4,}")
_QUESTION = re.compile(r"Text: (?P<text>.*?)\n\nPropert(?:y: (?P<predicate>.*)\. Yes or no\?|ies:.*)\Z", re.DOTALL)
_NUMBERED = re.compile(r"Does property \d+ hold \((?P<predicate>.*)\)\? Yes or no\?\Z", re.DOTALL)
_CATEGORY = re.compile(r"Category: (?P<category>[^\n]*)\.\nProperty:\Z")
_TEXT = re.compile(r"Text: (?P<text>.*?)\n\n", re.DOTALL)
_ASKED_FOR = re.compile(r"\b(\d+) (?:properties|strings|predicates)\b")
# Words of the prompts and of the predicates themselves, which no text is about.
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        "about answer array below category describe given goal have highest hold listed lowest mentions more nothing "
        "only property properties score scores short should sorted text texts that their them they this what which "
        "with word words would",
    )
)


def scripted_model() -> ScriptedModel:
    """A backend that answers judgments and proposals by the words of the texts."""
    return ScriptedModel(_answer, identity="scripted words", strong=False)


def _answer(request: Request) -> Answer:
    prompt = request.messages[-1].content
    if request.labels is not None:
        chance = 0.95 if _holds(prompt) else 0.05
        labels = [label.strip().casefold() for label in request.labels]
        if "yes" not in labels:
            return dict.fromkeys(request.labels, 1 / len(labels))
        # Exactly one label is the yes; the others share what is left.
        rest = (1 - chance) / max(len(labels) - 1, 1)
        return {given: chance if label == "yes" else rest for given, label in zip(request.labels, labels, strict=True)}
    if category := _CATEGORY.search(prompt):
        return f"mentions {category['category'].strip()}"
    if asked := _ASKED_FOR.search(prompt):
        words = _frequent(prompt)[: int(asked[1])]
        return "[" + ", ".join(f'"mentions {word}"' for word in words) + "]"
    text = _TEXT.search(prompt + "\n\n")
    words = _frequent(prompt if text is None else text["text"])
    return words[0] if words else "nothing"


def _holds(prompt: str) -> bool:
    question = _QUESTION.search(prompt)
    if question is None:
        return False
    numbered = _NUMBERED.search(prompt)
    predicate = question["predicate"] if numbered is None else numbered["predicate"]
    text = question["text"].casefold()
    wanted = [word for word in _words(predicate or "") if word not in _EMPTY]
    return any(word in text for word in wanted)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _frequent(text: str) -> list[str]:
    counts = collections.Counter(word for word in _words(text) if word not in _EMPTY)
    return sorted(counts, key=lambda word: (-counts[word], -len(word), word))
