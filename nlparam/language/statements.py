"""Statements: what a language model says of single texts under a goal, in a few words."""

from collections.abc import Sequence

from nlparam.language.lm.base import Request
from nlparam.language.lm.engine import Engine
from nlparam.language.parse import parse_category
from nlparam.language.prompting import cut_words, load_prompt


class Stater:
    """Asks for the category of one text at a time.

    A small model that is shown many texts at once copies phrases from them; one text at a time it names well. The
    answers are stored, and the same text under the same goal is asked once, whoever asks.

    **Arguments:** `n_words`, how much of a text the model is shown.
    """

    def __init__(self, engine: Engine, *, n_words: int = 60):
        self.engine, self.n_words = engine, n_words
        self.prompt = load_prompt("state")

    @property
    def identity(self) -> str:
        return self.prompt.version

    def state(self, texts: Sequence[str], *, goal: str) -> list[str | None]:
        """The category of each text, in one spelling; `None` where the answer is not usable."""
        requests = [
            Request(self.prompt.fill(text=cut_words(text, self.n_words), goal=goal), max_tokens=10) for text in texts
        ]
        answers = self.engine.complete_stored(requests, what="stating")
        return [None if answer is None else category_of(answer.text) for answer in answers]


def category_of(answer: str) -> str | None:
    """The category that an answer names, in one spelling ("Sports", "sports." and "SPORTS" are one)."""
    category = parse_category(answer)
    if category is None:
        return None
    # All-capital words are acronyms ("UK", "AI") and stay.
    return " ".join(word if word.isupper() and len(word) <= 4 else word.lower() for word in category.split())
