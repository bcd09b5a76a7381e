"""Subcategories of a category, from what a language model knows of the world."""

import dataclasses
import re

from nlparam.language.asking import ask
from nlparam.language.prompting import load_prompt
from nlparam.language.statements import category_of
from nlparam.lm.engine import Engine

_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s*")


@dataclasses.dataclass
class Subcategories:
    """Asks for the subcategories of a category under a goal: one call, whose answer is stored."""

    engine: Engine
    number: int = 8

    def __post_init__(self):
        self.prompt = load_prompt("subcategories")
        self.identity = f"{self.prompt.version}-n{self.number}"

    def name(self, category: str, *, goal: str) -> list[str]:
        """At most `number` names, each in one spelling; none if there is no usable answer."""
        row = {"goal": goal, "category": category, "number": str(self.number)}
        read = ask(self.engine, self.prompt, [row], parse_names, what="subcategories", max_tokens=8 * self.number)
        return (read[0] or [])[: self.number]


def parse_names(answer: str) -> list[str]:
    """The names of a list, one per line, or of one line with commas or semicolons; each once.

    A line that ends with a colon announces the list.
    """
    lines = [_BULLET.sub("", line).strip() for line in answer.splitlines() if line.strip()]
    lines = [line for line in lines if not line.rstrip("*_").endswith(":")]
    if len(lines) == 1:
        lines = re.split(r"\s*[,;]\s*", lines[0])
    return [name for name in dict.fromkeys(category_of(line) for line in lines) if name is not None]
