"""Choosing: which of several options does a language model pick?"""

import dataclasses
import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.language.asking import LabelQuestion, read_labels
from nlparam.language.prompting import Prompt, one_line
from nlparam.lm.base import Message, neutralise
from nlparam.lm.engine import Engine
from nlparam.runtime.progress import Progress

LETTERS = string.ascii_uppercase[:20]  # servers report the 20 likeliest tokens


@dataclasses.dataclass
class Chooser:
    """Asks questions with options, lettered A, B, ..., and reads the probability of each letter as the next token.

    Every answer is stored as soon as it is there, as one judgment for each option, and not asked again.

    **Arguments:**

    - `prompt`: has the field `$options` besides those of the questions.
    - `n_orders`: in how many orders the options are put (each a rotation of the one given); probabilities are averaged
      over them. Small models prefer a letter whatever stands behind it, and only all orders undo that.
    - `what`: names the step in the progress display.
    """

    engine: Engine
    prompt: Prompt
    n_orders: int = 1
    what: str = "choosing"
    progress: Progress = dataclasses.field(default_factory=lambda: Progress(enabled=False))

    def choose(self, questions: Sequence[Mapping[str, str]], options: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The probabilities of the options of each question.

        **Arguments:** `questions`, the fields of the prompt; `options`, 2 to 20 different ones for each.

        **Returns:** for each question `(n_options,)` probabilities that add up to 1, or `nan` where the language model
        gave no usable answer or was not asked because the budget is spent.

        Raises `LanguageModelError` and `StoreError` as `Engine.stream` does.
        """
        asked: dict[tuple[tuple[Message, ...], tuple[str, ...]], list[tuple[int, int]]] = {}
        for number, (fields, choices) in enumerate(zip(questions, options, strict=True)):
            if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) < len(choices):
                raise ValueError(f"got the options {list(choices)}, expected 2 to {len(LETTERS)} different ones")
            for turn in range(min(self.n_orders, len(choices))):
                order = (*choices[turn:], *choices[:turn])
                # On one line each: what stands in an option cannot be taken for another.
                listed = "\n".join(f"{letter}. {one_line(o)}" for letter, o in zip(LETTERS, order, strict=False))
                filled = self.prompt.fill(**dict[str, Any](fields), options=listed)
                # Neutralised here, as it is sent: the store must not take two texts for one, or one for two.
                messages = tuple(dataclasses.replace(m, content=neutralise(m.content)) for m in filled)
                asked.setdefault((messages, order), []).append((number, turn))
        read = [np.full(len(order), np.nan) for _, order in asked]

        def keep(number: int, probabilities: Sequence[float]) -> None:
            read[number] = np.asarray(probabilities)

        costs, version = self.engine.costs, f"{self.prompt.version}-choice"
        with self.progress.task(self.what, len(asked), costs=costs, unit="answers") as task:
            lettered = (
                LabelQuestion(tuple(LETTERS[: len(order)]), version, _keys(messages, order), lambda m=messages: m)
                for messages, order in asked
            )
            read_labels(self.engine, lettered, list, keep, self.engine.store, costs, task)
        sums = [np.zeros(len(choices)) for choices in options]
        for probabilities, places in zip(read, asked.values(), strict=True):
            for number, turn in places:
                sums[number] += np.roll(probabilities, turn)
        return [total / min(self.n_orders, len(total)) for total in sums]


def _keys(messages: tuple[Message, ...], options: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Under which the store keeps the probability of each option: the option, and a digest of the question."""
    contents = json.dumps([[message.role, message.content] for message in messages])
    digest = hashlib.sha256(contents.encode("utf-8", errors="replace")).hexdigest()
    return tuple((option, digest) for option in options)
