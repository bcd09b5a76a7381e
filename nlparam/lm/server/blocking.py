"""Asynchronous work for a caller who waits for it."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_in_a_loop_of_its_own(make: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Runs a coroutine for a caller who may be in an event loop already (Jupyter): in a thread."""
    future: concurrent.futures.Future[_Result] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(asyncio.run(make()))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="nlparam-server", daemon=True).start()
    # Short waits: on Windows a long one cannot be interrupted from the keyboard.
    while not future.done():
        concurrent.futures.wait([future], timeout=0.5)
    return future.result()
