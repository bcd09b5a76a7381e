"""A planted world for explanations: a shop's rule, explanations true and flawed, and an oracle that plays all parts."""

import json
import re

from nlparam.lm.base import Request
from nlparam.lm.scripted import ScriptedModel

ITEMS = ("kettle", "lamp", "chair", "radio", "bicycle", "blanket", "teapot", "ladder", "mirror", "tent")
TASK = "A shop says whether it takes an item back."
TRUE = "An item is taken back if there is a receipt and it is unopened."
BROAD = "An item is taken back if there is a receipt."
WRONG = "An item is taken back if it is opened."
VACUOUS = "We decide each case with care."


def request_text(item: str, receipt: bool, opened: bool) -> str:
    return f"A {item}, {'opened' if opened else 'unopened'}, {'with a' if receipt else 'without'} receipt."


def rule(text: str) -> str:
    return "yes" if "with a receipt" in text and ", unopened" in text else "no"


def shop(texts):
    """The model that is explained."""
    return [rule(text) for text in texts]


def infer(explanation: str, text: str) -> str | None:
    if explanation == TRUE:
        return rule(text)
    if explanation == BROAD:
        return "yes" if "with a receipt" in text else "no"
    if explanation == WRONG:
        return "yes" if ", opened" in text else "no"
    return None


class Oracle:
    """Writes counterfactuals, reads explanations, answers: what a perfect language model would say."""

    def __init__(self):
        self.requests: list[Request] = []

    def __call__(self, request: Request):
        self.requests.append(request)
        prompt = request.messages[-1].content
        if request.labels is None:
            return self.write(prompt, request.seed)
        options = dict(re.findall(r"^([A-T])\. (.*)$", prompt, re.MULTILINE))
        text = _found(r"(?:New input|Input):\n(.*)\n", prompt)
        if "explains how it answers:" in prompt or "It explained:" in prompt:
            explanation = _found(r"(?:how it answers:\n|It explained: )(.*)\n", prompt)
            said = infer(explanation, text) or "this cannot be inferred from the explanation"
        else:
            said = rule(text)
        letter = next(letter for letter, option in options.items() if option == said)
        return {label: 0.9 if label == letter else 0.1 / (len(options) - 1) for label in options}

    def write(self, prompt: str, seed: int) -> str:
        n = int(_found(r"Write (\d+) variants", prompt))
        cases = [(item, receipt, opened) for item in ITEMS for receipt in (True, False) for opened in (True, False)]
        start = (7 * seed + 11 * ("another answer" in prompt)) % len(cases)
        return json.dumps([request_text(*cases[(start + 3 * k) % len(cases)]) for k in range(n)])


def _found(pattern: str, prompt: str) -> str:
    match = re.search(pattern, prompt)
    assert match is not None, prompt
    return match[1]


def scripted(oracle=None, **options) -> ScriptedModel:
    return ScriptedModel(oracle or Oracle(), **options)
