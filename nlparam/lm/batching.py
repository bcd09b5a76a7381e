"""A thread for a model in this process: calls that wait together are answered together, and it ends before the process.

Whoever frees a model that native code is computing with, or lets the interpreter end, brings the process down. So the
thread that loads a model is the only one that touches it. Others tell it to stop, and wait for it.
"""

import abc
import asyncio
import atexit
import contextlib
import ctypes
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple, NoReturn, Protocol

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel, Completion, Request, RequestError, reads_no_images
from nlparam.runtime.budget import Meter

STANDING_STILL = 300  # seconds without a step of the computation after which a model in this process is given up
_LOOK = 1.0  # seconds between looks
CLOSE_LIMIT = 60.0  # seconds that closing waits for a computation that was told to stop; most stop within one


class Pulse:
    """A computation counts its steps in it, and others tell it to stop.

    `steps` is `None` while a model loads, or where a library shows nothing of its steps.
    """

    def __init__(self):
        self.steps: int | None = None
        self._flag = ctypes.create_string_buffer(2)

    def beat(self) -> None:
        """Another step is done."""
        self.steps = (self.steps or 0) + 1

    def stop(self) -> None:
        """Tells the computation to stop at the next occasion, for good."""
        self._flag[0] = b"\x01"

    @property
    def stopped(self) -> bool:
        return self._flag[0] != b"\x00"

    @property
    def address(self) -> int:
        """Where native code reads whether to stop: a C string, which is empty until then."""
        return ctypes.addressof(self._flag)

    def check(self) -> None:
        """Raises `LanguageModelError` if the computation is to stop."""
        if self.stopped:
            raise LanguageModelError("the language model was closed before it had answered")


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
    """The thread that the model runs in: answers what waits as one batch. Ends with `close`, or with the interpreter.

    **Arguments:** `load` makes the model when the first call comes; it counts its steps in the given `Pulse`, and stops
    when that says so. `batch_size` is the most calls in a batch; `where` names the model in messages.
    """

    def __init__(self, load: Callable[[Pulse], BatchModel], batch_size: int, *, where: str):
        self.pulse = Pulse()
        self._load = load
        self._batch_size = batch_size
        self._where = where
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        # A daemon: the interpreter waits for all other threads before it runs what is registered for its end.
        self._thread = threading.Thread(target=self._run, name="nlparam-batches", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def submit(self, request: Request) -> Future[Completion]:
        """The future answer of a request."""
        call = _Call(request, Future())
        self._calls.put(call)
        return call.answer

    def close(self) -> None:
        """Stops the batch under way, and returns when the thread has freed the model and ended."""
        self.pulse.stop()
        self._calls.put(None)
        self._thread.join(CLOSE_LIMIT)
        atexit.unregister(self.close)

    def _run(self) -> None:
        model: BatchModel | None = None
        while (batch := self._next()) is not None:
            # A call that was given up while it waited is not begun.
            batch = [call for call in batch if call.answer.set_running_or_notify_cancel()]
            answers: Sequence[Completion | LanguageModelError] = []
            try:
                if batch:
                    self.pulse.check()
                    model = model or self._load(self.pulse)
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


class AbstractBatchedModel(AbstractLanguageModel):
    """A backend in this process: a `BatchWorker` loads the model for the first `complete` and answers every call."""

    in_process = True
    _worker: BatchWorker | None = None

    @abc.abstractmethod
    def _start(self) -> BatchWorker:
        """A worker for the model, which is loaded when the first call comes."""

    @property
    def steps(self) -> int | None:
        return None if self._worker is None else self._worker.pulse.steps

    async def complete(self, request: Request) -> Completion:
        if request.has_images:
            raise reads_no_images(self.where)
        if self._worker is None:
            self._worker = self._start()
        return await asyncio.wrap_future(self._worker.submit(request))

    async def aclose(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.to_thread(worker.close)


async def watch(lm: AbstractLanguageModel, meter: Meter) -> NoReturn:
    """Models in this process have all the time they need, as long as they compute.

    Raises `LanguageModelError` when calls are under way and the model has computed no step for `STANDING_STILL`.

    Looks are counted rather than time: while a process is suspended there are none.
    """
    seen, still = lm.steps, 0
    while still * _LOOK < STANDING_STILL:
        await asyncio.sleep(_LOOK)
        steps = lm.steps
        stands = steps is not None and steps == seen and meter.under_way > 0
        seen, still = steps, still + 1 if stands else 0
    raise LanguageModelError(
        f"{lm.where} has computed nothing for {STANDING_STILL / 60:g} minutes, expected a step in a few seconds: see "
        "what else uses the processor and the memory of this machine, or take a smaller model (`nlparam lm list`); the "
        "same command again repeats none of the answers so far"
    )
