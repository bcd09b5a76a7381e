"""Predicates on texts, and solutions against tests: what the sandbox is asked for."""

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import SandboxError
from nlparam.runtime.sandbox.limits import LIBRARIES, PREDICATES, Limits
from nlparam.runtime.sandbox.process import Worker, WorkerDied, started

# Characters of texts that a worker holds at a time.
_CHUNK = 8_000_000


class PredicateRun(NamedTuple):
    """What a predicate said: `values` are 1, 0 or `nan` (it raised, or returned no truth value), `(n_texts,)` float32.

    `seconds` is the processor time of the calls; `error` the last failure in words, `None` if there was none.
    """

    values: np.ndarray
    seconds: float
    error: str | None


@dataclasses.dataclass(frozen=True)
class Problem:
    """A solution and the tests it is to pass: `context` defines `test_execution` and may define `test_string`."""

    context: str
    solution: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a solution does what it should (`functional`) in the form that was asked for (`surface`).

    `surface` is `None` where a problem asks for no form. `error` says in words why it did not pass. `broken` is true if
    the tests themselves do not run, or there was no process for them.
    """

    functional: bool
    surface: bool | None
    error: str | None
    broken: bool = False

    @property
    def passed(self) -> bool:
        return self.functional and self.surface is not False


def run_predicates(
    sources: Sequence[str], texts: Sequence[str], *, limits: Limits = PREDICATES, reverse: bool = False
) -> list[PredicateRun]:
    """Runs functions `predicate(text) -> bool`, given by their source, on all texts.

    The sources share a process as long as none of them ends it; give one source at a time to keep them apart. With
    `reverse` the texts are taken from the last to the first. A source that fails on a part of the texts is not run on
    the next.
    """
    ran = [PredicateRun(np.full(len(texts), np.nan, np.float32), 0.0, None) for _ in sources]
    going = set(range(len(sources)))
    worker: Worker | None = None
    try:
        for start, chunk in _chunks(texts):
            holds = False  # whether the worker holds this chunk
            for number in sorted(going):
                try:
                    if not holds or worker is None:
                        worker, holds = _holding(worker, chunk, limits), True
                    request = {"do": "predicate", "source": sources[number], "reverse": reverse}
                    answer = worker.ask(request, seconds=limits.allowed(len(chunk)))
                except WorkerDied as died:
                    worker, answer = None, {"error": str(died)}
                values, seconds, error = ran[number]
                said = _values(answer, len(chunk))
                if said is None:
                    going.remove(number)
                    error = str(answer.get("error", "its answer cannot be read"))[:300]
                else:
                    values[start : start + len(chunk)] = said
                    took = answer.get("seconds")
                    seconds += float(took) if isinstance(took, int | float) else 0.0
                    error = error or answer.get("last")
                ran[number] = PredicateRun(values, seconds, error)
    finally:
        if worker is not None:
            worker.close()
    return ran


def run_problems(
    problems: Sequence[Problem],
    *,
    limits: Limits = LIBRARIES,
    n_workers: int = 2,
    on_result: Callable[[int, Verdict], None] | None = None,
) -> list[Verdict]:
    """Runs every solution against its tests, each in a process of its own, `n_workers` at a time.

    `on_result(index, verdict)` is called in this thread as verdicts come.
    """
    verdicts: list[Verdict | None] = [None] * len(problems)
    running: set[Worker] = set()
    stopped = threading.Event()

    def run(problem: Problem) -> Verdict:
        try:
            worker = started(limits)
        except SandboxError as error:
            return Verdict(False, None, str(error), broken=True)
        with worker:
            running.add(worker)
            try:
                # It may have been stopped before it was in `running`; nobody else would end it.
                return Verdict(False, None, "stopped") if stopped.is_set() else _verdict(worker, problem)
            finally:
                running.discard(worker)

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, n_workers)) as pool:
        asked = {pool.submit(run, problem): index for index, problem in enumerate(problems)}
        try:
            for done in concurrent.futures.as_completed(asked):
                verdicts[asked[done]] = verdict = done.result()
                if on_result is not None:
                    on_result(asked[done], verdict)
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in tuple(running):
                worker.close()
            raise
    return [verdict for verdict in verdicts if verdict is not None]


def _verdict(worker: Worker, problem: Problem) -> Verdict:
    request = {"do": "problem", "context": problem.context, "solution": problem.solution}
    try:
        answer = worker.ask(request, seconds=worker.limits.seconds)
    except WorkerDied as died:
        return Verdict(False, None, str(died))
    if "functional" not in answer:
        return Verdict(False, None, str(answer.get("error"))[:300], broken=True)
    functional, surface = answer["functional"] is True, answer.get("surface")
    error = answer.get("error") or (f"form: {answer.get('surface_error')}" if surface is False else None)
    return Verdict(functional, surface if surface is None else surface is True, None if error is None else str(error))


def _holding(worker: Worker | None, chunk: list[str], limits: Limits) -> Worker:
    """A worker that holds these texts: the given one, or another if it dies of them. Raises `WorkerDied` if both do."""
    request, seconds = {"do": "texts", "texts": chunk}, limits.start_seconds + limits.allowed(len(chunk))
    if worker is not None:
        with contextlib.suppress(WorkerDied):
            worker.ask(request, seconds=seconds)
            return worker
    worker = started(limits)
    try:
        worker.ask(request, seconds=seconds)
    except WorkerDied as died:
        raise WorkerDied(f"the sandbox cannot hold its {len(chunk):,} texts: {died}") from None
    except BaseException:
        worker.close()
        raise
    return worker


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    start, size = 0, 0
    for index, text in enumerate(texts):
        if index > start and size + len(text) > _CHUNK:
            yield start, list(texts[start:index])
            start, size = index, 0
        size += len(text)
    if start < len(texts):
        yield start, list(texts[start:])


def _values(answer: dict[str, Any], n_texts: int) -> list[float] | None:
    """The values of an answer, if it has the right shape; the worker is not trusted."""
    said = answer.get("values")
    if not isinstance(said, list) or len(said) != n_texts:
        return None
    return [float(value) if type(value) is int and value in (0, 1) else np.nan for value in said]
