"""Sends batches of requests to a language model: concurrency, retries, counting and storing, written once."""

import asyncio
import dataclasses
import math
import random
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from nlparam.corpus.corpus import whole_characters
from nlparam.errors import LanguageModelError
from nlparam.lm.base import (
    AbstractLanguageModel,
    Completion,
    Request,
    RequestError,
    TransientError,
    neutralise,
    reads_no_images,
)
from nlparam.lm.batching import CLOSE_LIMIT, watch
from nlparam.lm.store import Store, completion_key
from nlparam.lm.waiting import result_of
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.pace import Pace
from nlparam.runtime.progress import Progress

BACKOFF_LIMIT = 30.0  # seconds; waits double up to this
RETRY_AFTER_LIMIT = 60.0  # seconds; a server that asks for more is tried again earlier
_BUDGET_CHECK = 0.02  # seconds between looks whether calls under way have left room for another
PATIENCE = 8  # failures in a row, or as many as may be in flight, that end a batch

OnResult = Callable[[int, Completion], None]
_Result = TypeVar("_Result")


class Engine:
    """Runs requests on a language model: asynchronous inside, an ordinary function call outside.

    Its event loop runs in a daemon thread, so it works where a loop is running already (Jupyter). Message contents pass
    through `neutralise` on their way out.

    **Arguments:**

    - `lm`: the backend.
    - `store`: where `complete_stored` looks and keeps; `None` for nowhere.
    - `costs`: counts calls (each try is one), rounds (each batch is one), tokens, retries, failures and proposals.
    - `max_retries`: how often a request is sent again after a `TransientError`.
    - `timeout`: seconds a request may take, retries included; `None` for no limit. Not for backends that keep time
      themselves or run in this process.
    - `backoff`: seconds before the first retry; doubled each time, with jitter.
    - `progress`: shows how far `complete_stored` has come.
    - `meter`: once the budget is spent, no further call is started; by default there is no limit.
    """

    def __init__(
        self,
        lm: AbstractLanguageModel,
        *,
        store: Store | None,
        costs: Costs,
        max_retries: int = 4,
        timeout: float | None = None,
        backoff: float = 0.5,
        progress: Progress | None = None,
        meter: Meter | None = None,
    ):
        self.lm = lm
        self.store = store
        self.costs = costs
        self.meter = Meter(costs) if meter is None else meter
        self._max_retries = max_retries
        self._timeout = None if lm.keeps_time or lm.in_process else timeout
        self._backoff = backoff
        self._progress = Progress(enabled=False) if progress is None else progress
        self._progress.limited |= self.meter.budget.max_seconds is not None
        self._jitter = random.Random()
        self._answered = False
        self._one_batch = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, requests: Sequence[Request], *, on_result: OnResult | None = None) -> list[Completion | None]:
        """Answers a batch; `None` stands where a request failed, after its retries, or was not sent (budget).

        See `stream` for the rest.
        """
        results: list[Completion | None] = [None] * len(requests)

        def keep(index: int, completion: Completion) -> None:
            results[index] = completion
            if on_result is not None:
                on_result(index, completion)

        self.stream(requests, on_result=keep)
        return results

    def stream(self, requests: Iterable[Request], *, on_result: OnResult) -> None:
        """Answers requests from an iterator, which is drawn from only as fast as they can be sent.

        At most `lm.max_in_flight` requests are under way at once. They start in the order given, so that a backend with
        a prefix cache reads a long common beginning once. The iterator and `on_result(index, completion)` run in the
        engine's thread and must not call the engine; what they raise ends the batch. `on_result` is called as each
        request finishes, before another takes its place: if it stores the answer, a killed run loses only what was in
        flight. When the budget is spent, no further request is sent, and those under way are waited for.

        Raises `LanguageModelError` at once if the backend as a whole fails, if nothing in the batch was answered, or if
        `PATIENCE` (at least `lm.max_in_flight`) requests in a row failed.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("Engine was called from on_result or from a backend: it would wait for itself")
        with self._one_batch:
            calls = self.costs.calls
            try:
                self._wait_for(self._stream(requests, on_result))
            except _Interrupted as interrupted:
                raise interrupted.reason from None
            finally:
                # A batch that the budget, or an empty iterator, kept from sending anything was no wait.
                self.costs.rounds += self.costs.calls > calls

    def complete_stored(self, requests: Sequence[Request], *, what: str = "generating") -> list[Completion | None]:
        """Generated text for each request, from the store where it is there; new text is stored as it arrives.

        `what` names the step in the progress display.

        Raises `LanguageModelError` as `run` does, `StoreError` if the store fails, `ValueError` for a request
        of another kind.
        """
        if any(request.labels is not None or request.state for request in requests):
            raise ValueError("got a request for labels or a state, expected one for text: label reads are judgments")
        return self._once(requests, what=what)

    def read_states(self, requests: Sequence[Request], *, what: str = "reading") -> list[np.ndarray | None]:
        """The state that each request asks for, as `complete_stored` gives text; the backend has `states`."""
        answers = self._once(requests, what=what)
        return [None if answer is None else answer.state for answer in answers]

    def _once(self, requests: Sequence[Request], *, what: str) -> list[Completion | None]:
        """Answers each distinct request once, from the store or by the language model; what is new is kept there."""
        results: list[Completion | None] = [None] * len(requests)
        missing: dict[Request, list[int]] = {}
        for index, request in enumerate(requests):
            request = _neutral(request)
            known = None if self.store is None else self._stored(self.store, request)
            if known is None:
                missing.setdefault(request, []).append(index)
            else:
                results[index] = known
                self.costs.proposals_served += 1
        asked = list(missing)
        if not asked:
            return results
        with self._progress.task(what, len(asked), costs=self.costs, unit="texts") as task:

            def answered(number: int, completion: Completion) -> None:
                if self.store is not None:
                    self._keep(self.store, asked[number], completion)
                self.costs.proposals_asked += 1
                task.advance()

            answers = self.run(asked, on_result=answered)
        for request, completion in zip(asked, answers, strict=True):
            for index in missing[request]:
                results[index] = completion
        return results

    def close(self) -> None:
        """Stops what is under way and frees what the backend holds; a later `run` opens everything again."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._loop = self._thread = None
        asyncio.run_coroutine_threadsafe(self._shut_down(), loop)
        # A daemon thread: if a backend does not let go, the process can still end.
        thread.join(timeout=CLOSE_LIMIT + 5.0 if self.lm.in_process else 5.0)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _key(self, request: Request) -> str:
        return completion_key(self.lm.identity, request)

    def _state_key(self, request: Request) -> tuple[str, str]:
        """The source and the address of a state, which the messages alone decide."""
        return f"{self.lm.states} of {self.lm.identity}", self._key(Request(request.messages))

    def _stored(self, store: Store, request: Request) -> Completion | None:
        if not request.state:
            return store.get_completion(self._key(request))
        source, key = self._state_key(request)
        state = store.get_embeddings(source, [key]).get(key)
        return None if state is None else Completion("", state=state)

    def _keep(self, store: Store, request: Request, completion: Completion) -> None:
        """Stores the text, the state, or both."""
        if not request.state:
            store.put_completion(self._key(request), completion, model=self.lm.identity)
        if completion.state is not None:
            source, key = self._state_key(request)
            store.put_embeddings(source, [key], completion.state[None])

    def _wait_for(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_turn, args=(self._loop,), name="nlparam-engine", daemon=True)
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return result_of(future)
        except BaseException:
            future.cancel()
            raise

    async def _stream(self, requests: Iterable[Request], on_result: OnResult) -> None:
        waiting, pace = enumerate(requests), Pace()
        n_requests = len(requests) if isinstance(requests, Sequence) else None
        n_workers = max(1, self.lm.max_in_flight if n_requests is None else min(self.lm.max_in_flight, n_requests))
        batch = _Batch(max(PATIENCE, self.lm.max_in_flight), self._answered, n_requests)

        def keep(index: int, completion: Completion) -> None:
            on_result(index, completion)
            if completion.label_logprobs is not None:
                pace.answered()
                self._progress.tell(self.meter.seconds_ahead(pace.seconds_each or 0.0))

        workers = [asyncio.create_task(self._work(waiting, batch, keep)) for _ in range(n_workers)]
        watching = [asyncio.create_task(watch(self.lm, self.meter))] if self.lm.in_process else []
        answered = asyncio.gather(*workers)
        try:
            await asyncio.wait([answered, *watching], return_when=asyncio.FIRST_COMPLETED)
            await (answered if answered.done() else watching[0])
        finally:
            for task in (*workers, *watching):
                task.cancel()
            await asyncio.gather(answered, *workers, *watching, return_exceptions=True)
        batch.finished()

    async def _work(self, waiting: Iterator[tuple[int, Request]], batch: "_Batch", on_result: OnResult) -> None:
        # All workers draw from the one iterator, so requests start in order.
        while self.meter.spent is None and (drawn := next(waiting, None)) is not None:
            index, request = drawn
            batch.n_drawn += 1
            try:
                try:
                    completion = await self._complete(_neutral(request))
                except (LanguageModelError, TransientError) as error:
                    self.costs.failures += 1
                    batch.failed(error)
                    continue
                if completion is None:  # the budget was spent while it waited for its turn
                    return
                self._answered = True
                batch.answered()
                on_result(index, completion)
            except (KeyboardInterrupt, SystemExit) as reason:
                # Raised as it is, it would end the event loop and leave the caller waiting for ever.
                raise _Interrupted(reason) from None

    async def _complete(self, request: Request) -> Completion | None:
        if request.has_images and not self.lm.takes_images:
            raise reads_no_images(self.lm.where)
        loop, deadline, tries = asyncio.get_running_loop(), None, 0
        while True:
            try:
                async with self.lm.slot(request):
                    while self.meter.spent is None and self.meter.must_wait:
                        await asyncio.sleep(_BUDGET_CHECK)
                    if self.meter.spent is not None:
                        return None
                    if tries == 0 and self._timeout is not None:
                        deadline = loop.time() + self._timeout
                    self.costs.calls += 1
                    tries += 1
                    self.meter.under_way += 1
                    try:
                        async with asyncio.timeout_at(deadline):
                            completion = await self.lm.complete(request)
                        completion = dataclasses.replace(completion, text=whole_characters(completion.text))
                        self.costs.prompt_tokens += completion.prompt_tokens
                        self.costs.completion_tokens += completion.completion_tokens
                    finally:
                        self.meter.under_way -= 1
            except TimeoutError as error:
                limit = "within its time limit" if self._timeout is None else f"within {self._timeout:g} s"
                raise TransientError(
                    f"{self.lm.where} did not answer {limit} (tries: {tries}): see whether it still runs, or allow it "
                    "more time (--timeout)"
                ) from error
            except TransientError as error:
                delay = self._delay(tries, error.retry_after)
                if tries > self._max_retries or (deadline is not None and loop.time() + delay >= deadline):
                    raise
                self.costs.retries += 1
                await asyncio.sleep(delay)
                continue
            _check(request, completion)
            return completion

    def _delay(self, tries: int, retry_after: float | None) -> float:
        # Jitter, so that requests turned away together do not come back together.
        if retry_after is not None:
            return min(max(0.0, retry_after), RETRY_AFTER_LIMIT) + self._jitter.uniform(0.0, self._backoff)
        return min(self._backoff * 2.0 ** (tries - 1), BACKOFF_LIMIT) * self._jitter.uniform(0.5, 1.5)

    async def _shut_down(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        try:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.lm.aclose()
        finally:
            asyncio.get_running_loop().stop()


@dataclasses.dataclass
class _Batch:
    """Decides when failures mean that going on is useless."""

    patience: int
    answered_before: bool
    n_requests: int | None  # where it is known
    n_drawn: int = 0
    n_answered: int = 0
    failed_in_a_row: int = 0
    last: Exception | None = None
    backend_failed: bool = False

    def answered(self) -> None:
        self.n_answered += 1
        self.failed_in_a_row = 0

    def failed(self, error: LanguageModelError | TransientError) -> None:
        self.last = error
        if isinstance(error, RequestError):  # says nothing about the requests to come
            return
        self.backend_failed = True
        self.failed_in_a_row += 1
        if isinstance(error, LanguageModelError):  # the backend as a whole: it is gone, or is another
            raise error
        if self.failed_in_a_row >= self.patience:
            raise LanguageModelError(
                f"the language model failed {self.failed_in_a_row} times in a row, with {self.n_answered} of "
                f"{self.n_requests or self.n_drawn} requests answered; the last failure: {error}"
            ) from error

    def finished(self) -> None:
        # A backend that has answered before may find the few texts of a later batch impossible; its user goes on.
        if self.last is None or self.n_answered or (self.answered_before and not self.backend_failed):
            return
        raise LanguageModelError(
            f"the language model answered none of {self.n_drawn} requests; the last failure: {self.last}"
        ) from self.last


class _Interrupted(Exception):
    def __init__(self, reason: BaseException):
        super().__init__(reason)
        self.reason = reason


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _neutral(request: Request) -> Request:
    messages = tuple(dataclasses.replace(message, content=neutralise(message.content)) for message in request.messages)
    return dataclasses.replace(request, messages=messages)


def _check(request: Request, completion: Completion) -> None:
    if request.state and completion.state is None:
        raise LanguageModelError("the language model gave no state: ask one that has `states`")
    if request.labels is None:
        return
    logprobs = completion.label_logprobs
    if logprobs is None or len(logprobs) != len(request.labels) or all(value == -math.inf for value in logprobs):
        raise RequestError(
            f"the language model answered {completion.text[:40]!r}; none of the labels {', '.join(request.labels)} was "
            "in it, or among the likeliest first tokens"
        )
