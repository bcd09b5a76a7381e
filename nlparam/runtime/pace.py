"""How fast answers come, and so how long it will take until all are there."""

import time
from collections.abc import Callable

LONG = 15 * 60  # seconds of remaining time from which the user is told at once
_ENOUGH = 1.0  # fewest seconds to measure: answers of one batch come at once


class Pace:
    """Measures the time between answers, from the first on: what comes before it (a model that loads) is no part of it.

    Several may come at the same moment, as one batch. `seconds_each` is what one takes; `None` until that can be said.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._first = self._last = 0.0
        self._n = 0.0
        self.seconds_each: float | None = None

    def answered(self, n: float = 1.0) -> None:
        """So many answers came just now."""
        if n <= 0:
            return
        now = self._clock()
        if self._n == 0:
            self._first = now
        # The first answer of a batch tells how long the batch before took; the others come at once and tell nothing.
        elif now - self._first >= _ENOUGH and now - self._last >= (each := (now - self._first) / self._n) / 2:
            self.seconds_each = each
        self._last, self._n = now, self._n + n


def in_words(seconds: float) -> str:
    """A time as people say it.

    ```pycon
    >>> [in_words(seconds) for seconds in (20, 100, 2000, 9000, 200_000)]
    ['20 s', '2 min', '33 min', '2 h 30 min', '56 h']

    ```
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 and minutes else f"{hours + (minutes >= 30)} h"
