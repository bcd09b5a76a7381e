"""Predicates in other words."""

import dataclasses
from collections.abc import Sequence

from nlparam.language.asking import ask
from nlparam.language.parse import parse_predicates
from nlparam.language.prompting import load_prompt, one_line
from nlparam.lm.engine import Engine

# Tokens of one predicate, bullet and line end included.
_TOKENS_EACH = 40


@dataclasses.dataclass
class Paraphraser:
    """Has a language model say predicates in other words. Answers are kept in the store of the engine."""

    engine: Engine

    def __post_init__(self):
        self.prompt = load_prompt("paraphrases")
        self.identity = f"{self.engine.lm.identity} {self.prompt.version}"

    def write(self, predicates: Sequence[str], n: int) -> list[list[str]]:
        """At most `n` other wordings of each predicate, distinct; fewer where the language model writes no more.

        Raises `LanguageModelError` and `StoreError` as `Engine.complete_stored` does.
        """
        rows = [{"predicate": one_line(predicate), "n": str(n)} for predicate in predicates]
        most = _TOKENS_EACH * n
        written = ask(self.engine, self.prompt, rows, parse_predicates, what="rewording", max_tokens=most, counted=True)
        return [
            [one for one in lines or () if one.casefold() != predicate.casefold() and not self.prompt.wrote(one)][:n]
            for predicate, lines in zip(predicates, written, strict=True)
        ]
