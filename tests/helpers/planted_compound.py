"""A compound planted in texts, and the scripted language model that takes it apart."""

import json
import re

from nlparam.lm.base import Request

COMPOUND = "is about sport and negative"
LAMENT = "laments sport"  # the same in words of its own
WORDS = {
    "is about sport": "match",
    "is about a game": "match",
    "is about money": "bank",
    "is negative": "sadly",
    "is disappointed": "sadly",
    "is positive": "gladly",
    "is long": "long",
}
TEXTS = [
    f"{mood.capitalize()}, the {subject} of {place} {what}."
    for mood in ("sadly", "gladly", "calmly")
    for subject in ("match", "bank")
    for place in ("Ulm", "Jena", "Bonn", "Kiel")
    for what in ("was long", "is near")
]
LABELS = ["match" in text and "Sadly" in text for text in TEXTS]
GOOD = "A: is about sport\nB: is negative\nFormula: A and B"
WRONG = "A: is about sport\nB: is long\nFormula: A and B"
ALTERNATIVES = {
    "is about sport": ["is about a game", "is about money"],
    "is negative": ["is disappointed", "is positive"],
    "is long": ["is negative", "is positive"],
}


class Oracle:
    """Proposes what it is given, finds fault with the wrong one, mends it, and judges by words."""

    def __init__(self, *proposals, mends=True):
        self.proposals, self.mends = proposals or (WRONG,), mends
        self.requests: list[Request] = []

    def __call__(self, request: Request):
        self.requests.append(request)
        prompt = request.messages[-1].content
        if request.labels is not None:
            text, _, question = prompt.rpartition("Property: ")
            predicate = question.removesuffix(". Yes or no?")
            if predicate in (COMPOUND, LAMENT):
                yes = "match" in text and "sadly" in text.casefold()
            else:
                yes = WORDS[predicate] in text.casefold()
            return {"yes": 0.9, "no": 0.1} if yes else {"yes": 0.1, "no": 0.9}
        if "one of its parts is:" in prompt:
            return json.dumps(ALTERNATIVES[re.findall(r"one of its parts is: (.*)", prompt)[0]])
        if "Criticism:" in prompt:
            return GOOD if self.mends else "I am not sure."
        if "Name the worst fault" in prompt:
            return "Part B is not about mood." if "is long" in prompt.rpartition("Property:")[2] else "None."
        return self.proposals[request.seed % len(self.proposals)]
