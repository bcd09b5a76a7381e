"""A corpus of two levels of topics, made from lists of words, and a scripted language model that knows them."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nlparam.lm.scripted import ScriptedModel
from nlparam.taxonomies.growing import taxonomy

WORDS = {
    ("sports", "football"): ("goal", "striker", "penalty", "midfield", "offside", "keeper"),
    ("sports", "tennis"): ("racket", "serve", "volley", "backhand", "wimbledon", "deuce"),
    ("business", "banking"): ("bank", "loan", "mortgage", "deposit", "savings", "credit"),
    ("business", "energy"): ("oil", "barrel", "pipeline", "refinery", "drilling", "petrol"),
    ("science", "space"): ("rocket", "orbit", "planet", "astronaut", "telescope", "galaxy"),
    ("science", "medicine"): ("vaccine", "patient", "hospital", "surgery", "virus", "clinical"),
}
_FILLER = ("today", "people", "said", "report", "yesterday", "news", "again", "many")


def make_texts(n_per_topic: int, *, seed: int = 0) -> tuple[list[str], list[tuple[str, str]]]:
    """Texts in mixed order, and the general and specific topic of each."""
    rng = np.random.default_rng(seed)
    texts = []
    for topic, words in WORDS.items():
        for _ in range(n_per_topic):
            picked = [*rng.choice(words, 4), *rng.choice(_FILLER, 3)]
            texts.append((f"The {' '.join(rng.permutation(picked))} number {len(texts)}.", topic))
    order = rng.permutation(len(texts)).tolist()
    return [texts[n][0] for n in order], [texts[n][1] for n in order]


def topic_of(text: str) -> tuple[str, str]:
    """The topic whose words occur most often."""
    return max(WORDS, key=lambda topic: sum(word in text for word in WORDS[topic]))


def write(content: str) -> str | None:
    """What the script answers to a prompt that is no judgment, `None` to one that it does not know."""
    if content.startswith("Text: ") and "\nLabel (" in content:
        return topic_of(content.split("\n")[0])[0]
    if "broad category" in content:
        names = [line.removeprefix("- ") for line in content.splitlines() if line.startswith("- ")]
        return max(names, key=names.count)
    if "typical subcategories" in content:
        category = content.partition('subcategories of "')[2].partition('"')[0]
        return "\n".join(specific for general, specific in WORDS if general == category)
    if content.startswith("Turn a category"):
        return f"is about {content.rpartition('Category: ')[2].split('.')[0]}"
    if content.startswith("Do the two descriptions"):
        return "no"
    if content.startswith("The text "):
        return content  # there is nothing to correct
    if content.startswith("Reword"):
        lead = content.rpartition("Begins with: ")[2].split("\n")[0]
        return f"{lead} {content.rpartition('Property: ')[2].split(chr(10))[0].split()[-1]}"
    return None


def answer(request) -> str | dict[str, float]:
    """States, generalises, phrases and judges by the words of a text; predicates are "is about TOPIC"."""
    content = request.messages[-1].content
    if request.labels is not None and "Property: " not in content:
        return {"yes": 0.9, "no": 0.1}  # texts tell what the goal asks for, and statements answer it
    if request.labels is not None:
        text, _, question = content.rpartition("Property: ")
        # A definition, where there is one, follows the predicate.
        topic = question.split(". It is meant so:\n")[0].removesuffix(". Yes or no?").removeprefix("is about ")
        yes = 0.95 if topic in topic_of(text) else 0.05
        return {"yes": yes, "no": 1 - yes}
    if content.startswith("And which kind"):
        first, n_named = request.messages[1].content, sum(one.role == "assistant" for one in request.messages)
        return topic_of(first.split("\n")[0])[n_named] if n_named < 2 else "nothing more"
    written = write(content)
    if written is None:
        raise AssertionError(f"nobody asked the script before: {content}")
    return written


def scripted() -> ScriptedModel:
    """The language model, weak as the packaged one is."""
    return ScriptedModel(answer, strong=False)


def grown(texts: Sequence[str], folder: Path, *, store: Path, n_stated: int) -> Path:
    """The folder of a taxonomy that the script has grown."""
    options = {"n_stated": n_stated, "least_texts": 14}
    taxonomy(texts, goal="the topic", lm=scripted(), store=store, options=options, out=folder)
    return folder


TOPICS = list(dict.fromkeys(itertools.chain(*WORDS)))
