"""What the store costs as it grows: storing in bulk and one by one, looking up, and the size of the file.

`python -m benchmarks.judging.store [--n 10000000]`. One file grows to `n` judgments by way of the public API, so every
key is hashed, and lands at random as in real use. At each size, by a new connection: 10^5 look-ups, half of them of
judgments that are there, with the file thrown out of the system's memory before (cold) and once more (warm); and
judgments stored one by one, as an engine does.
"""

import contextlib
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.commands import command
from nlparam.lm.store import Store
from nlparam.lm.store.database import beside

_MODEL, _PROMPT, _PREDICATES = "benchmark", "1-w400", 100
_BATCH = 500_000


def measure(n: int = 10_000_000, *, n_lookups: int = 100_000, n_puts: int = 10_000, seed: int = 0) -> dict:
    """Grows a store to `n` judgments in a temporary folder and measures it at each power of ten from 10^5 on.

    **Returns:** under `sizes` for each size: `n`, `bytes`, `bulk_puts_per_second` since the size before,
    `lookups_cold_seconds` and `lookups_warm_seconds` for `n_lookups` keys, `single_put_microseconds`, `open_seconds`;
    and the last of them again as `store_...`.
    """
    generator = random.Random(seed)
    measured, stored = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        for size in [*(10**power for power in range(5, 20) if 10**power < n), n]:
            start = time.perf_counter()
            with Store(path) as store:
                for first in range(stored, size, _BATCH):
                    items = [(*_pair(number), 0.125) for number in range(first, min(first + _BATCH, size))]
                    store.put_judgments(_MODEL, _PROMPT, items)
            bulk = (size - stored) / (time.perf_counter() - start)
            found = {"n": size, "bytes": path.stat().st_size, "bulk_puts_per_second": round(bulk)}
            measured.append(found | _measure_one(path, size, n_lookups, n_puts, generator))
            print(json.dumps(measured[-1]), flush=True)
            stored = size
    last = measured[-1]
    return {"sizes": measured} | {f"store_{name}": value for name, value in last.items()}


def _measure_one(path: Path, size: int, n_lookups: int, n_puts: int, generator: random.Random) -> dict:
    numbers = generator.sample(range(size), min(n_lookups // 2, size))
    pairs = [_pair(number) for number in numbers]
    absent = [(predicate, "absent " + digest) for predicate, digest in pairs]
    pairs = [pair for both in zip(pairs, absent, strict=True) for pair in both]
    seconds = []
    _forget(path)
    for _ in ("cold", "warm"):
        with _timed(seconds), Store(path) as store:
            found = store.get_judgments(_MODEL, _PROMPT, pairs)
        if len(found) != len(numbers):
            raise AssertionError(f"found {len(found)} of {len(numbers)} judgments")
    with _timed(seconds):
        Store(path).close()
    log = 0
    with Store(path) as store:
        with _timed(seconds):
            for number in range(n_puts):
                store.put_judgments(_MODEL, _PROMPT, [("one by one", f"{size} {number}", 0.5)])
        log = beside(path, "-wal").stat().st_size
    return {
        "lookups_cold_seconds": round(seconds[0], 3),
        "lookups_warm_seconds": round(seconds[1], 3),
        "open_seconds": round(seconds[2], 4),
        "single_put_microseconds": round(seconds[3] / n_puts * 1e6, 1),
        "log_bytes": log,
    }


def _pair(number: int) -> tuple[str, str]:
    # As long as the names of a real predicate and the digest of a real text.
    return f"is about topic number {number % _PREDICATES}", f"{number // _PREDICATES:064x}"


def _forget(path: Path) -> None:
    """Throws a file out of the memory of the system, where the system can be asked to."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - start)


if __name__ == "__main__":
    command(measure, "What the store costs as it grows")
