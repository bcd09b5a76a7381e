"""How many threads a model may compute with: as many as there are cores that nobody else is using.

The threads of llama.cpp wait for one another after every operation. One that has to share its core with another process
keeps all of them waiting, hundreds of times for a single token: two threads on two cores, one of which is busy, are
several times slower than one thread alone (`python -m benchmarks.judging --only busy` measures it).
"""

import contextlib
import math
import os
import time
from pathlib import Path

_MOST_THREADS = 16  # beyond this, memory is the limit
_ENOUGH_SECONDS = 0.3  # the kernel counts in hundredths of a second: over less, it cannot be said who used how much
_OVERLOOKED = 0.25  # how much of a core others may use before it counts as theirs
_USED = Path("/proc/stat")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class FreeCores:
    """Says how many cores others leave to this process, by what they have used since it was asked last.

    Where the system does not tell (everywhere but on Linux), all cores count as free. `most` is the most it says, by
    default `default_threads()`.
    """

    def __init__(self, most: int | None = None):
        self._most = default_threads() if most is None else most
        self._before = _used_by_others()
        self._free = self._most

    def count(self) -> int:
        """At least 1. Cheap enough to be asked before every step of a computation."""
        if self._before is None:
            return self._most
        then, used = self._before
        if time.perf_counter() - then < _ENOUGH_SECONDS:
            return self._free
        now = self._before = _used_by_others()
        if now is not None:
            others = max(now[1] - used, 0.0) / (now[0] - then)
            self._free = max(1, min(self._most, math.floor(_cores() - others + _OVERLOOKED)))
        return self._free

    def wait_and_count(self) -> int:
        """The same, after the moment that it takes to find out."""
        if self._before is not None:
            time.sleep(max(0.0, self._before[0] + _ENOUGH_SECONDS - time.perf_counter()))
        return self.count()


def default_threads() -> int:
    """One thread for each core that this process may use, up to where memory is the limit."""
    return min(_cores(), _MOST_THREADS)


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file, "max", or something else
        quota, period = (int(field) for field in _QUOTA.read_text().split())
        cores = min(cores, max(1, quota // period))
    return cores


def _used_by_others() -> tuple[float, float] | None:
    """The time, and the seconds that others had used until then of the cores that this process may use.

    What runs only while nobody else wants the core (`nice`) does not count.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    try:
        for line in _USED.read_text().splitlines():
            name, *fields = line.split()
            if name in names:
                user, _nice, system, _idle, _waiting, *interrupts = (int(field) for field in fields[:8])
                ticks += user + system + sum(interrupts)
    except (OSError, ValueError):
        return None
    if ticks == 0:  # some sandboxes have nothing but zeros there
        return None
    return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK") - time.process_time()
