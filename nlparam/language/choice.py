"""Choosing: which of several options does a language model pick?"""

import dataclasses
import hashlib
import json
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.language.prompting import Prompt
from nlparam.lm.base import Completion, Message, Request, neutralise
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
        asked: dict[_Asked, list[tuple[int, int]]] = {}
        for number, (fields, choices) in enumerate(zip(questions, options, strict=True)):
            if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) < len(choices):
                raise ValueError(f"got the options {list(choices)}, expected 2 to {len(LETTERS)} different ones")
            for turn in range(min(self.n_orders, len(choices))):
                order = (*choices[turn:], *choices[:turn])
                # On one line each: what stands in an option cannot be taken for another.
                lines = (" ".join(option.split()) for option in order)
                listed = "\n".join(f"{letter}. {line}" for letter, line in zip(LETTERS, lines, strict=False))
                # Neutralised here, as it is sent: the store must not take two texts for one, or one for two.
                messages = (dataclasses.replace(m, content=neutralise(m.content)) for m in self._fill(fields, listed))
                asked.setdefault(_Asked(tuple(messages), order), []).append((number, turn))
        read = self._read(list(asked))
        sums = [np.zeros(len(choices)) for choices in options]
        for one, places in asked.items():
            for number, turn in places:
                sums[number] += np.roll(read[one], turn)
        return [total / min(self.n_orders, len(total)) for total in sums]

    def _fill(self, fields: Mapping[str, Any], listed: str) -> tuple[Message, ...]:
        return self.prompt.fill(**fields, options=listed)

    def _read(self, asked: "list[_Asked]") -> "dict[_Asked, np.ndarray]":
        """The probabilities of each question in the order of its options, from the store or the language model."""
        store, model, version = self.engine.store, self.engine.lm.identity, f"{self.prompt.version}-choice"
        read: dict[_Asked, np.ndarray] = {}
        if store is not None:
            known = store.get_judgments(model, version, [key for one in asked for key in one.keys])
            for one in asked:
                values = np.asarray([known.get(key, np.nan) for key in one.keys])
                if np.isfinite(values).all():
                    read[one] = values
                    self.engine.costs.judgments_served += 1
        missing = [one for one in asked if one not in read]
        with self.progress.task(self.what, len(asked), costs=self.engine.costs, unit="answers") as task:
            task.advance(len(asked) - len(missing))

            def requests() -> Iterator[Request]:
                for one in missing:
                    yield Request(one.messages, labels=tuple(LETTERS[: len(one.options)]))

            def keep(number: int, completion: Completion) -> None:
                task.advance()
                one = missing[number]
                probabilities = letter_probabilities(completion)
                if probabilities is None:
                    self.engine.costs.failures += 1
                    return
                read[one] = probabilities
                self.engine.costs.judgments_asked += 1
                if store is not None:
                    items = [(*key, float(p)) for key, p in zip(one.keys, probabilities, strict=True)]
                    store.put_judgments(model, version, items)

            self.engine.stream(requests(), on_result=keep)
        return {one: read.get(one, np.full(len(one.options), np.nan)) for one in asked}


@dataclasses.dataclass(frozen=True)
class _Asked:
    """One question as it is sent, with its options in the order of their letters."""

    messages: tuple[Message, ...]
    options: tuple[str, ...]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Under which the store keeps the probability of each option: the option, and a digest of the question."""
        contents = json.dumps([[message.role, message.content] for message in self.messages])
        digest = hashlib.sha256(contents.encode("utf-8", errors="replace")).hexdigest()
        return [(option, digest) for option in self.options]


def letter_probabilities(completion: Completion) -> np.ndarray | None:
    """The probabilities of the letters, renormalised, or `None` where the model was about to say something else."""
    if completion.label_logprobs is None:
        return None
    probabilities = np.asarray([math.exp(logprob) for logprob in completion.label_logprobs])
    total = probabilities.sum()
    # As for yes and no (`language.judge`): dividing noise by noise would pass for an answer.
    return np.clip(probabilities / total, 0.0, 1.0) if total > 0.01 else None
