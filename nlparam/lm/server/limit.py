"""How many requests a server gets at once: as many as still raise its throughput, and fewer when it says so."""

import asyncio
import collections
import contextlib
import math
import time
from collections.abc import Callable

_GROWTH = 1.10  # a doubled limit must raise the throughput by this much to be kept
_GAIN = 1.05  # a limit a quarter larger must raise it by this much
_LOSS = 0.95  # a smaller limit must keep this much of the highest throughput held
_FADING = 0.99  # of the highest throughput, each epoch: the texts get longer, the server other guests
_FLOOR = 4  # the smallest limit that is tried for the sake of latency alone
_SHORTEST = 0.05  # seconds an epoch lasts at least
_LONGEST_HOLD = 32  # epochs between two trials
_LONGEST_PAUSE = 60.0  # seconds; a server that asks for more is asked again earlier


class AdaptiveLimit:
    """A gate that learns from the throughput behind it how many may pass at once.

    The limit doubles while throughput grows. From then on it tries a quarter less and a quarter more in turn, at ever
    longer intervals. (Throughput rather than latency: a server that batches gets slower for each request long before it
    is full.) Overload halves it, at most once for requests that were under way together; `Retry-After` closes the gate
    for as long. Those who wait pass in order of arrival.

    For use in one event loop at a time.

    **Arguments:** `most`, the upper end, which may be changed at any time; `start`, the first limit; `clock`, the time
    in seconds.
    """

    def __init__(self, most: int, *, start: int = 16, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._most = max(1, most)
        self.limit = min(start, self._most)
        self.in_flight = 0
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()
        self._closed_until = 0.0
        self._alarm: tuple[asyncio.AbstractEventLoop, float] | None = None  # what opens the gate again, and when
        self._growing = True
        self._usual: float | None = None  # throughput at the limit held
        self._highest = 0.0  # the highest of these, so that many small losses do not add up
        self._back_to: int | None = None  # during a trial: the limit before
        self._down_next = False
        self._hold, self._hold_length = 0, 1
        self._forgiven = 0  # overloads of requests that left before the last halving
        self._begin_epoch()
        self._to_skip = 2 * self.limit  # a first epoch that opens connections would make every other look quick

    @property
    def most(self) -> int:
        return self._most

    @most.setter
    def most(self, most: int) -> None:
        self._most = max(1, most)
        self.limit = min(self.limit, self._most)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def acquire(self) -> None:
        """Waits for a place and takes it."""
        if self.in_flight < self.limit and not self._waiting and not self._closed_until:
            self.in_flight += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit()
        self._set_alarm()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # it was given a place at the same moment
                self.in_flight -= 1
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(place)
            self._admit()
            raise

    def release(self, *, answered: bool) -> None:
        """Gives the place back; `answered` says whether a request was served in it."""
        if answered:
            self._count()
        self.in_flight -= 1
        self._admit()

    def overloaded(self, retry_after: float | None = None) -> None:
        """The server has turned a request away. To be called before the place is given back."""
        if retry_after:
            self._closed_until = max(self._closed_until, self._clock() + min(retry_after, _LONGEST_PAUSE))
            self._set_alarm()
        if self._forgiven > 0:
            self._forgiven -= 1
            return
        self._forgiven = self.in_flight - 1
        before, self._back_to = self._back_to, None
        # In a trial of more, what was there before the trial is known to be good.
        reduced = before if before is not None and before < self.limit else self.limit // 2
        self._growing, self._usual, self._highest, self._down_next = False, None, 0.0, False
        self._hold = self._hold_length = 8
        self._set(reduced)

    def _set_alarm(self) -> None:
        # In this loop: the one in which the pause began may have ended, and its alarm with it.
        loop = asyncio.get_running_loop()
        if self._closed_until and self._alarm != (loop, self._closed_until):
            self._alarm = (loop, self._closed_until)
            loop.call_later(self._closed_until - self._clock(), self._admit)

    def _admit(self) -> None:
        if self._closed_until:
            if self._clock() < self._closed_until - 0.001:
                return
            self._closed_until = 0.0
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def _set(self, limit: int) -> None:
        self.limit = max(1, min(limit, self._most))
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._to_skip = self.in_flight  # these still tell of the limit before
        self._n = 0
        self._full = True
        self._began = self._clock()

    def _count(self) -> None:
        self._forgiven = max(0, self._forgiven - 1)
        if self._to_skip > 0:
            self._to_skip -= 1
            if self._to_skip == 0:
                self._began = self._clock()
            return
        self._n += 1
        # Where nobody waits, it is not the limit that decides the throughput, and nothing is learnt about it.
        self._full = self._full and (bool(self._waiting) or self.limit == self._most)
        if self._n < max(4 * self.limit, 64):
            return
        elapsed = self._clock() - self._began
        if elapsed < _SHORTEST:
            return
        if self._full:
            self._decide(self._n / elapsed)
        self._n, self._full, self._began = 0, True, self._clock()

    def _decide(self, rate: float) -> None:
        if self._back_to is not None:
            self._judge_trial(rate, self._back_to)
        else:
            self._usual = rate if self._usual is None else 0.7 * self._usual + 0.3 * rate
            self._highest = max(self._usual, _FADING * self._highest)
            self._hold -= 1
        if self._hold <= 0:
            self._try_another()

    def _try_another(self) -> None:
        factor = 2.0 if self._growing else 0.75 if self._down_next else 1.25
        step = int(self.limit * factor) if self._down_next else min(math.ceil(self.limit * factor), self._most)
        if step == self.limit or (self._down_next and step < _FLOOR):
            self._growing, self._down_next = False, not self._down_next
            self._hold = self._hold_length
            return
        self._back_to = self.limit
        self._set(step)

    def _judge_trial(self, rate: float, before: int) -> None:
        assert self._usual is not None
        self._back_to, down = None, self.limit < before
        wanted = _LOSS * self._highest if down else (_GROWTH if self._growing else _GAIN) * self._usual
        if rate >= wanted:
            self._usual, self._highest = rate, max(rate, self._highest)
            self._hold_length = 1 if down or self._growing else 2
            self._hold = 0 if self._growing else self._hold_length
            return
        self._growing, self._down_next = False, not down
        self._hold = self._hold_length = min(2 * self._hold_length, _LONGEST_HOLD)
        self._set(before)
