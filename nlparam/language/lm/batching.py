"""A thread for a backend that answers batches: calls that wait together are answered together."""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from nlparam.errors import LanguageModelError
from nlparam.language.lm.base import Completion, Request, RequestError

_CLOSE_LIMIT = 10.0  # seconds that closing waits for the batch under way


class BatchModel(Protocol):
    """A loaded language model that answers several requests at once."""

    def answer(self, requests: Sequence[Request]) -> Sequence[Completion | RequestError]:
        """One answer for each request, or why there is none. Anything it raises is the failure of them all."""
        ...

    def close(self) -> None:
        """Frees what it holds."""
        ...


class _Call(NamedTuple):
    request: Request
    answer: Future[Completion]


class BatchWorker:
    """The thread that the model runs in: takes what waits, answers it as one batch, and so on.

    **Arguments:** `load` makes the model when the first call comes; `batch_size`, the most calls in a batch; `where`
    names the model in messages.
    """

    def __init__(self, load: Callable[[], BatchModel], batch_size: int, *, where: str):
        self._load = load
        self._batch_size = batch_size
        self._where = where
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        # A daemon: a process that is told to stop does not wait for the batch under way.
        self._thread = threading.Thread(target=self._run, name="nlparam-batches", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Completion]:
        """The future answer of a request."""
        call = _Call(request, Future())
        self._calls.put(call)
        return call.answer

    def close(self) -> None:
        """Ends the thread after the batch under way, which is waited for a little while only."""
        self._calls.put(None)
        self._thread.join(_CLOSE_LIMIT)

    def _run(self) -> None:
        model: BatchModel | None = None
        while (batch := self._next()) is not None:
            # A call that was given up while it waited is not begun.
            batch = [call for call in batch if call.answer.set_running_or_notify_cancel()]
            answers: Sequence[Completion | LanguageModelError] = []
            try:
                if batch:
                    model = model or self._load()
                    answers = model.answer([call.request for call in batch])
                    if len(answers) != len(batch):
                        raise ValueError(f"gave {len(answers)} answers to {len(batch)} requests")
            except LanguageModelError as error:
                answers = [error] * len(batch)
            except Exception as error:  # whatever a library that broke down raises
                broken = LanguageModelError(f"{self._where} broke down ({type(error).__name__}: {error})")
                broken.__cause__ = error
                answers = [broken] * len(batch)
            for call, answer in zip(batch, answers, strict=True):
                if isinstance(answer, Completion):
                    call.answer.set_result(answer)
                else:
                    call.answer.set_exception(answer)
        if model is not None:
            model.close()

    def _next(self) -> list[_Call] | None:
        # Waits for the first call only; then takes what is there.
        batch: list[_Call] = []
        with contextlib.suppress(queue.Empty):
            while len(batch) < self._batch_size:
                call = self._calls.get(block=not batch)
                if call is None:
                    self._calls.put(None)  # for the next turn, which will find nothing else
                    return batch or None
                batch.append(call)
        return batch
