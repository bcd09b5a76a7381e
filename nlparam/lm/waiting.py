"""Waits for work that another thread does, so that the keyboard can interrupt it and a hung one does not stay."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

_Result = TypeVar("_Result")


def in_thread(work: Callable[[], _Result], *, name: str, seconds: float | None = None) -> _Result:
    """What `work` returns or raises in a daemon thread; `TimeoutError` if that takes longer than `seconds`.

    In a thread, a caller who is in an event loop already (Jupyter) can run another, and a process can end although some
    connection hangs.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result_of(future, seconds=seconds)


def result_of(future: Future[_Result], *, seconds: float | None = None) -> _Result:
    """The result of a future; `TimeoutError` if it takes longer than `seconds`."""
    end = None if seconds is None else time.monotonic() + seconds
    # Short waits: on Windows a long one cannot be interrupted from the keyboard.
    while not future.done() and (end is None or time.monotonic() < end):
        wait([future], timeout=0.5 if end is None else min(0.5, max(0.0, end - time.monotonic())))
    return future.result(timeout=0)
