"""A language model that answers from a function or a list: for tests, examples and the documentation."""

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel, Completion, Request, label_logprobs

Answer = str | Mapping[str, float] | Completion


class ScriptedModel(AbstractLanguageModel):
    """A backend like any other, whose answers are given beforehand.

    **Arguments:**

    - `answer`: a function (or coroutine function) of the request, or a sequence of texts, one for each call in turn.
      For a request with labels the answer is the text of a label, or the probability of each label.
    - `identity`: the name under which its answers are stored.
    - `max_in_flight`, `strong`: as for every backend.

    Raises `LanguageModelError` when a sequence is used up. Tokens are counted as words. Images come
    with the request that the function gets.

    ```pycon
    >>> import asyncio
    >>> from nlparam.lm.base import Message, Request
    >>> lm = ScriptedModel(lambda request: "yes" if "goal" in request.messages[-1].content else "no")
    >>> asyncio.run(lm.complete(Request((Message("user", "a late goal"),)))).text
    'yes'

    ```
    """

    takes_images = True

    def __init__(
        self,
        answer: Callable[[Request], Answer | Awaitable[Answer]] | Sequence[str],
        *,
        identity: str = "scripted",
        max_in_flight: int = 8,
        strong: bool = True,
    ):
        self._answer = answer if callable(answer) else _Reader(answer)
        self.identity = identity
        self.max_in_flight = max_in_flight
        self.strong = strong

    async def complete(self, request: Request) -> Completion:
        answer = self._answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Completion):
            return answer
        logprobs = None
        if isinstance(answer, Mapping):
            logprobs = tuple(_log(answer.get(label, 0.0)) for label in request.labels or ())
            answer = max(answer, key=answer.__getitem__, default="")
        elif request.labels is not None:
            logprobs = label_logprobs(request.labels, [(answer, 0.0)])
        words = sum(len(message.content.split()) for message in request.messages)
        return Completion(answer, logprobs if request.labels is not None else None, words, len(answer.split()))


class _Reader:
    def __init__(self, texts: Sequence[str]):
        self._n_texts = len(texts)
        self._texts = iter(texts)

    def __call__(self, request: Request) -> str:
        del request
        for text in self._texts:
            return text
        raise LanguageModelError(f"the script has {self._n_texts} answers and one more was asked for")


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf
