"""The Hugging Face hub, asked with a bound on the time it may take to find out that it cannot be reached."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from nlparam.lm.waiting import in_thread

T = TypeVar("T")

SECONDS = 10.0


class HubUnreachable(Exception):
    """The hub is switched off, cannot be reached, or refuses; the message says which."""


def ask(question: Callable[[], T], *, seconds: float | None = None) -> T:
    """The answer to one short question to the hub (does this file exist, which files are there).

    Socket time-outs hold per address and do not cover the name server, so behind a firewall that drops packets they add
    up to minutes; here the whole question gets `seconds`. Raises `HubUnreachable` for every failure.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise HubUnreachable("HF_HUB_OFFLINE is set")
    seconds = SECONDS if seconds is None else seconds
    try:
        return in_thread(question, name="nlparam-hub", seconds=seconds)
    except TimeoutError as error:
        raise HubUnreachable(f"{constants.ENDPOINT} did not answer within {seconds:g} seconds") from error
    except Exception as error:  # the classes of the hub's HTTP client change from version to version
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise HubUnreachable(f"{constants.ENDPOINT}: {reason[0]}") from error


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
