"""The Hugging Face hub, asked with a bound on the time it may take to find out that it cannot be reached."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS = 10.0


class HubUnreachable(Exception):
    """The hub is switched off, cannot be reached, or refuses; the message says which."""


def ask(question: Callable[[], T], *, seconds: float | None = None) -> T:
    """The answer to one short question to the hub (does this file exist, which files are there).

    Socket time-outs hold per address and do not cover the name server, so behind a firewall that drops packets they add
    up to minutes; here the whole question gets `seconds`. It runs in a daemon thread, which a hung connection cannot
    use to keep the process alive. Raises `HubUnreachable` for every failure.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise HubUnreachable("HF_HUB_OFFLINE is set")
    seconds = SECONDS if seconds is None else seconds
    answers: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(question())
        # The exception classes are those of the hub's HTTP client, which has changed from version to version.
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name="nlparam-hub")
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    if failures:
        reason = str(failures[0]).strip().splitlines() or [type(failures[0]).__name__]
        raise HubUnreachable(f"{constants.ENDPOINT}: {reason[0]}") from failures[0]
    raise HubUnreachable(f"{constants.ENDPOINT} did not answer within {seconds:g} seconds")


@contextlib.contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Switches the hub's own progress bars off for the `with` block unless `shown`."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
