"""What is done while a server is away: nothing is sent but the question whether it is back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from nlparam.errors import LanguageModelError

_FIRST_WAIT = 0.1  # seconds between two checks, growing to the last
_LAST_WAIT = 5.0
_TRIAL_AFTER = 5.0  # seconds between two requests to a server that fails, where others can have them


class Outage:
    """Knows whether a server is away, and asks until it is back; and since when all it was asked has failed.

    **Arguments:** `is_back`, asks the server; it raises `LanguageModelError` if what came back is another model.
    `patience`, the seconds an outage may last; with 0, nobody waits at all.
    """

    def __init__(self, is_back: Callable[[], Awaitable[bool]], *, patience: float):
        self.patience = patience
        self.reason = ""
        self.fatal: LanguageModelError | None = None
        self.since: float | None = None  # time.monotonic()
        self.failing_since: float | None = None
        self._is_back = is_back
        self._last_failure = self._gave_up = self._tried = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()  # whether the watch has asked once

    @property
    def down(self) -> bool:
        return self.since is not None

    @property
    def suspect(self) -> bool:
        """Whether requests had better go elsewhere: nothing was answered lately, and it is too early for a trial."""
        return self.failing_since is not None and time.monotonic() - self._tried < _TRIAL_AFTER

    def trial(self) -> None:
        """A request is sent to see whether the server works again."""
        self._tried = time.monotonic()

    def succeeded(self) -> None:
        self.failing_since = None

    def failed(self, reason: str) -> None:
        """A request has failed, which says nothing yet about others."""
        self.reason, self._last_failure = reason, time.monotonic()
        if self.failing_since is None:
            self.failing_since = self._tried = self._last_failure

    def stuck(self, limit: float) -> bool:
        """Whether all it was asked for `limit` seconds has failed. Said once: a later batch tries anew."""
        now = time.monotonic()
        idle = now - self._last_failure > limit  # nothing was asked, so nothing is known
        found = not idle and self.failing_since is not None and now - self.failing_since > limit
        if idle or found:
            self.failing_since = None
        return found

    def begin(self, reason: str) -> None:
        """The server was there, and is not now."""
        if self.since is None:
            self.since = time.monotonic()
        self.reason = reason
        self.watch()

    def watch(self) -> "asyncio.Task[None]":
        """The task that asks until the server is back, begun if there is none.

        If another model came back in its place, the server is asked again only after a while.
        """
        loop = asyncio.get_running_loop()
        recent = self.fatal is not None and time.monotonic() - self._gave_up < _LAST_WAIT
        if self._watch is None or (self._watch.done() and not recent) or self._watch.get_loop() is not loop:
            self._looked = asyncio.Event()
            self._watch = loop.create_task(self._keep_asking(self._looked), name="waiting for a server")
        return self._watch

    async def look(self) -> None:
        """Returns when the server was asked once, however long ago it went: a later batch may find it back."""
        self.watch()
        await self._looked.wait()

    async def _keep_asking(self, looked: asyncio.Event) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                if await self._is_back():
                    self.fatal, self.since = None, None
                    if wait > _FIRST_WAIT:  # it was away, and that was why requests failed
                        self.failing_since = None
                    return
            except LanguageModelError as error:
                self.fatal, self._gave_up = error, time.monotonic()
                return
            finally:
                looked.set()
            await asyncio.sleep(wait)
            wait = min(1.5 * wait, _LAST_WAIT)


async def wait_for_any(outages: Sequence[Outage], patience: float, explain: Callable[[], LanguageModelError]) -> None:
    """Returns when one of the servers may be back.

    Raises `explain()` once all have been away for `patience` seconds, and what a server said of itself if other models
    have come back in the place of all.
    """
    until = max(outage.since or 0.0 for outage in outages) + patience
    asking = [watch for watch in (outage.watch() for outage in outages) if not watch.done()]
    if asking and (left := until - time.monotonic()) > 0:
        await asyncio.wait(asking, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    if all(outage.down for outage in outages):
        await asyncio.gather(*(outage.look() for outage in outages))
    if all(outage.down for outage in outages):
        fatal = [outage.fatal for outage in outages if outage.fatal is not None]
        if len(fatal) == len(outages):
            raise fatal[0]
        if time.monotonic() > until:
            raise explain()
