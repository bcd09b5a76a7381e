"""What the tests of guards share: rules, a scripted language model that follows the prompts, benign texts, a guard."""

import dataclasses
import functools
import re

import numpy as np

from nlparam.guard import Constitution, Guard, Plan, Rule, train
from nlparam.lm.base import Request
from nlparam.lm.scripted import Answer, ScriptedModel
from nlparam.testing import ScriptedEmbedder

RULES = Constitution(
    (
        Rule("dosage", "says how much of a medicine to take", True, "asks how much of a medicine to take", ("pills",)),
        Rule("rival", "mentions Zephyr Telecom", True, "mentions Zephyr Telecom", ("phones",)),
        Rule("cooking", "is about cooking", False, "asks about cooking", ("soup",)),
    )
)
PLAN = Plan(n_per_rule=8, n_held_out=4, obfuscations=("leet", "spacing"), held_out_obfuscations=("homoglyphs",))
WORDS = {
    "dosage": ["take", "tablets", "daily", "dose", "milligrams", "medicine", "twice", "pills", "spoon", "syrup"],
    "rival": ["Zephyr", "Telecom", "contract", "offers", "tariff", "switched", "customers", "provider", "mobile"],
    "cooking": ["soup", "onions", "simmer", "pepper", "kitchen", "butter", "garlic", "oven", "recipe", "flour"],
    "benign": ["match", "minister", "shares", "market", "film", "season", "coach", "vote", "album", "growth", "report"],
}
_TELLS = {"how much of a medicine": "dosage", "Zephyr Telecom": "rival", "cooking": "cooking"}


def sentence(kind: str, rng: np.random.Generator, n_words: int = 14) -> str:
    """A text of one kind: half of its words say which, the others could be of any."""
    fillers = ["the", "and", "with", "for", "a", "some", "people", "this", "about", "more"]
    return " ".join(str(rng.choice(WORDS[kind] if n % 2 == 0 else fillers)) for n in range(n_words))


def benign_texts(n: int, *, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [sentence("benign", rng, int(rng.integers(8, 40))) + f" {number}" for number in range(n)]


def kind_of(text: str) -> str | None:
    """The rule whose words a text has most of."""
    counts = {kind: sum(word in text.split() for word in words) for kind, words in WORDS.items() if kind != "benign"}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None


def answer(request: Request) -> Answer:
    """Writes texts of the kind that the prompt asks for, and judges them by their words."""
    prompt = request.messages[-1].content
    if request.labels is not None:
        text, _, question = prompt.rpartition("Property: ")
        asked = next(kind for tell, kind in _TELLS.items() if tell in question)
        yes = 0.95 if kind_of(text) == asked else 0.05
        return {"yes": yes, "no": 1 - yes}
    predicate = re.search(r"The (?:message|answer) (.*)\.\n", prompt)
    if predicate is None:
        return "a summary of it"
    kind = next(kind for tell, kind in _TELLS.items() if tell in predicate[1])
    return sentence(kind, np.random.default_rng(request.seed))


def scripted(respond=answer) -> tuple[ScriptedModel, list[Request]]:
    """A model that answers as told, and the requests it was sent."""
    sent: list[Request] = []

    def recorded(request: Request) -> Answer:
        sent.append(request)
        return respond(request)

    return ScriptedModel(recorded, identity="scripted guard"), sent


@functools.cache
def trained() -> Guard:
    """A guard for `RULES`, trained with the scripted model: texts for a rule are about its words."""
    return train(
        RULES,
        benign_texts(400),
        plan=PLAN,
        lm=scripted()[0],
        embedder=ScriptedEmbedder(),
        max_refusals=0.02,
        store=":memory:",
    )


def between() -> Guard:
    """A guard with its threshold between what is benign and what is not, where it is not the guard that is tested."""
    return dataclasses.replace(trained(), screen=dataclasses.replace(trained().screen, threshold=3.0))
