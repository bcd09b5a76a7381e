"""What is done while a server is away: nothing is sent but the question whether it is back."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from nlparam.errors import LanguageModelError

_FIRST_WAIT = 0.1  # seconds between two checks, growing to the last
_LAST_WAIT = 5.0
_BATCH_ENDS = 1.0  # seconds within which the other requests of a batch have failed for the same reason
_TRIAL_AFTER = 5.0  # seconds between two requests to a server that fails, where others can have them


class Outage:
    """Notices that a server is back, and holds requests until then.

    **Arguments:** `is_back`, asks the server; it raises `LanguageModelError` if what came back is another model. With
    `patience`, the seconds an outage may last before `wait` raises, 0, nobody waits at all.
    """

    def __init__(self, is_back: Callable[[], Awaitable[bool]], *, patience: float):
        self.patience = patience
        self.reason = ""
        self.fatal: LanguageModelError | None = None
        self._is_back = is_back
        self.since: float | None = None  # time.monotonic()
        self.failing_since: float | None = None  # when it last answered, if all that it was asked since has failed
        self._last_failure = self._gave_up = self._tried = self._was_stuck = 0.0
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
        """Whether all it was asked for `limit` seconds has failed. Said to all of one batch; a later one tries anew."""
        now = time.monotonic()
        idle = now - self._last_failure > limit  # nothing was asked, so nothing is known
        if idle or (self._was_stuck and now - self._was_stuck > _BATCH_ENDS):
            self.failing_since, self._was_stuck = None, 0.0
        if self.failing_since is None or now - self.failing_since <= limit:
            return False
        self._was_stuck = now
        return True

    def begin(self, reason: str) -> None:
        """The server was there, and is not now."""
        if self.since is None:
            self.since = time.monotonic()
        self.reason = reason
        self.watch()

    def watch(self) -> "asyncio.Task[None]":
        """The task that asks until the server is back, begun if there is none.

        Another model in its place is not asked for all the time.
        """
        loop = asyncio.get_running_loop()
        recent = self.fatal is not None and time.monotonic() - self._gave_up < _LAST_WAIT
        if self._watch is None or (self._watch.done() and not recent) or self._watch.get_loop() is not loop:
            self._looked = asyncio.Event()
            self._watch = loop.create_task(self._keep_asking(self._looked), name="waiting for a server")
        return self._watch

    async def wait(self, explain: Callable[[], LanguageModelError]) -> None:
        """Until the server is back; raises `explain()` once the outage has lasted for `patience`."""
        if self.since is None or self.patience <= 0:
            return
        watch, until = self.watch(), self.since + self.patience
        await self.look()
        await asyncio.wait([watch], timeout=max(0.0, until - time.monotonic()))
        if self.fatal is not None:
            raise self.fatal
        if self.since is not None:
            raise explain()

    async def look(self) -> None:
        """Until the server was asked once, however long ago it went: a later batch may find it back."""
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
