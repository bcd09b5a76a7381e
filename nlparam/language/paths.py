"""Paths: what a language model says of single texts under a goal, from general to specific, for a whole taxonomy."""

import dataclasses
import functools
import re
from collections.abc import Sequence

from nlparam.language.asking import ask
from nlparam.language.prompting import Prompt, cut_words, load_prompt
from nlparam.language.statements import category_of
from nlparam.lm.engine import Engine

# A language model that is asked for more levels at once makes them up.
MOST_LEVELS = 3
_EXAMPLE = ("birds", "owls", "barn owls")
_SEPARATOR = re.compile(r"\s*(?:>|›|→|->)\s*")
# Some models write a line for each level ("Subcategory: football").
_LABEL = re.compile(r"^(?:general |main |top |sub)?[- ]?(?:category|topic|level \d|path|answer)\s*:\s*", re.IGNORECASE)


@dataclasses.dataclass
class PathStater:
    """Asks for the path of one text at a time: `("sports", "football")`, once for all nodes of a taxonomy.

    **Arguments:** `n_levels`, how many names a path has (up to three); `n_words`, how much of a text the model is
    shown.
    """

    engine: Engine
    n_levels: int = 2
    n_words: int = 60

    def __post_init__(self):
        if not 1 <= self.n_levels <= MOST_LEVELS:
            raise ValueError(f"got n_levels={self.n_levels}, expected 1 to {MOST_LEVELS}")
        self.prompt = load_prompt("state_path")

    @property
    def identity(self) -> str:
        return f"{self.prompt.version}-l{self.n_levels}"

    def state(self, texts: Sequence[str], *, goal: str) -> list[tuple[str, ...]]:
        """The path of each text, each name in one spelling, no longer than `n_levels`; `()` for no usable answer."""
        same = {"goal": goal, "n_levels": str(self.n_levels), "example": " > ".join(_EXAMPLE[: self.n_levels])}
        rows = (same | {"text": cut_words(text, self.n_words)} for text in texts)
        read = functools.partial(parse_path, n_levels=self.n_levels, prompt=self.prompt)
        return [
            path or ()
            for path in ask(self.engine, self.prompt, rows, read, what="stating", max_tokens=8 * self.n_levels)
        ]


def parse_path(answer: str, n_levels: int, *, prompt: Prompt | None = None) -> tuple[str, ...]:
    """The names of a path, from one line with separators or one line for each name; none that the prompt wrote."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    if not lines:
        return ()
    parts = _SEPARATOR.split(lines[0]) if _SEPARATOR.search(lines[0]) else lines
    names = []
    for part in parts:
        name = category_of(_LABEL.sub("", part.strip()).replace("_", " "))
        if name is not None and name not in names and not (prompt is not None and prompt.wrote(name)):
            names.append(name)
    return tuple(names[:n_levels])
