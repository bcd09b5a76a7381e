"""The steps of asking: prompts become requests, which are sent in one batch, and what comes back is read."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nlparam.language.prompting import Prompt
from nlparam.lm.base import Completion, Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Task

_Read = TypeVar("_Read")
_LOOKED_UP = 4096  # questions looked up in the store at once, and the most that wait to be sent
_IN_TEXT = "-text"  # an answer that is read from text has a version of its own


def ask(
    engine: Engine,
    prompt: Prompt,
    rows: Iterable[Mapping[str, Any]],
    read: Callable[[str], _Read | None],
    *,
    what: str,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    counted: bool = False,
) -> list[_Read | None]:
    """Fills a prompt with the fields of each row, and reads the text that the language model generates for it.

    See `ask_all` for the other arguments and errors.
    """
    options = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    return ask_all(engine, [Request(prompt.fill(**row), **options) for row in rows], read, what=what, counted=counted)


def ask_all(
    engine: Engine,
    requests: Sequence[Request],
    read: Callable[[str], _Read | None],
    *,
    what: str,
    counted: bool = False,
) -> list[_Read | None]:
    """What `read` makes of the text generated for each request; `None` where there is no text, or `read` gives `None`.

    `what` names the step in the progress display. With `counted`, text that cannot be read counts as a failure.

    Raises `LanguageModelError` and `StoreError` as `Engine.complete_stored` does.
    """
    answers = engine.complete_stored(requests, what=what)
    found = [None if answer is None else read(answer.text) for answer in answers]
    if counted:  # the engine has counted the failures without any text
        engine.costs.failures += found.count(None) - answers.count(None)
    return found


class LabelQuestion(NamedTuple):
    """A question that is answered by the probabilities of labels as the next token.

    The store keeps one value for each of the `keys`, under `version`. `write` makes the messages when they are sent.
    """

    labels: tuple[str, ...]
    version: str
    keys: tuple[tuple[str, str], ...]
    write: Callable[[], tuple[Message, ...]]
    group: str = ""


def read_labels(
    engine: Engine,
    questions: Iterable[LabelQuestion],
    read: Callable[[np.ndarray], Iterable[float]],
    keep: Callable[[int, Sequence[float]], None],
    store: Store | None,
    costs: Costs,
    task: Task | None = None,
) -> None:
    """Answers questions from the store or the language model; every answer is stored as soon as it is there.

    `read` turns the probabilities of the labels, which add up to 1, into one value in [0, 1] per key. `keep(number,
    values)` takes those of a question by its number; it is not called where the language model gave no usable answer,
    or was not asked because the budget is spent. Questions are drawn as they are sent, so that a million need little
    memory.

    Raises `LanguageModelError` as `Engine.stream` does, `StoreError` if the store fails.
    """
    lm, numbered = engine.lm, enumerate(questions)
    model = lm.identity
    under_way: dict[int, tuple[int, LabelQuestion]] = {}

    def unanswered() -> Iterator[tuple[int, LabelQuestion]]:
        while block := list(itertools.islice(numbered, _LOOKED_UP)):
            left = block if store is None else _answer(block, store, model, keep, in_text=lm.answers_in_text)
            costs.judgments_served += len(block) - len(left)
            if task is not None:
                task.advance(len(block) - len(left))
            yield from left

    def requests() -> Iterator[Request]:
        for sent, (number, question) in enumerate(unanswered()):
            under_way[sent] = number, question
            yield Request(question.write(), labels=question.labels, group=question.group)

    def answered(sent: int, completion: Completion) -> None:
        number, question = under_way.pop(sent)
        if task is not None:
            task.advance()
        shares = label_shares(completion)
        if shares is None:
            costs.failures += 1
            return
        values = [float(value) for value in read(shares)]
        keep(number, values)
        costs.judgments_asked += 1
        if store is not None:
            items = [(*key, value) for key, value in zip(question.keys, values, strict=True)]
            store.put_judgments(model, question.version + _IN_TEXT * completion.in_text, items)

    engine.stream(requests(), on_result=answered)


def _answer(block, store: Store, model: str, keep, *, in_text: bool) -> list[tuple[int, LabelQuestion]]:
    """Keeps what the store has of some numbered questions, and returns the others.

    An answer in text serves only where answers are `in_text`, and comes before a probability there.
    """
    keys: dict[str, dict[tuple[str, str], None]] = {}
    for _, question in block:
        keys.setdefault(question.version, {}).update(dict.fromkeys(question.keys))
    kinds = ("", _IN_TEXT) if in_text else ("",)
    known = {
        version: {
            key: value
            for kind in kinds
            for key, value in store.get_judgments(model, version + kind, list(wanted)).items()
        }
        for version, wanted in keys.items()
    }
    left = []
    for number, question in block:
        values = [known[question.version].get(key, math.nan) for key in question.keys]
        if any(map(math.isnan, values)):
            left.append((number, question))
        else:
            keep(number, values)
    return left


def label_shares(completion: Completion) -> np.ndarray | None:
    """The probabilities of the labels, renormalised; `None` where the model was about to say something else altogether.

    A label that the server did not list among the likely tokens has probability 0. If all together have less than 1%,
    the model did not answer the question, and dividing noise by noise would pass for a judgment.
    """
    if completion.label_logprobs is None:
        return None
    probabilities = np.asarray([math.exp(logprob) for logprob in completion.label_logprobs])
    total = probabilities.sum()
    return np.clip(probabilities / total, 0.0, 1.0) if total > 0.01 else None
