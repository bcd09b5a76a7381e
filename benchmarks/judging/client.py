"""What the client costs: judgments a second through judge, engine and store, against a server that answers at once.

Server and client share the machine; `cpu_split` says who used it. The memory that grows is the store's cache of pages,
about 70 bytes a judgment up to its 64 MiB; everything else is flat.
"""

import contextlib
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.commands import command, in_process, serving, status_mib

INSTANT = "benchmarks.judging.instant_server"
_TEXT_WORDS = 100
_PREDICATES = 20
_EARLY = 100_000  # judgments after which memory should no longer grow


def measure(n: int = 1_000_000, *, batch: int = 20_000) -> dict:
    """Judges `n` pairs in a process of its own and reports speed, memory and processor time.

    **Arguments:** `batch`, the pairs in one call of the judge.

    **Returns:** `client_judgments_per_second`; `peak_mib_early`, after the first 10^5 judgments (or half of fewer),
    and `peak_mib`, at the end; `cpu_split`, the seconds of processor time of the client and of the server, and
    `cpu_microseconds_per_judgment` of the client alone.
    """
    return in_process("benchmarks.judging.client", "--n", n, "--batch", batch)


def _run(n: int = 1_000_000, batch: int = 20_000) -> dict:
    # No session: what it imports beside these would be counted as memory of the client.
    from nlparam.denotation.judge import LabelJudge
    from nlparam.lm.engine import Engine
    from nlparam.lm.server import ServerModel
    from nlparam.lm.store import Store
    from nlparam.runtime.costs import Costs
    from nlparam.runtime.progress import Progress

    early = _EARLY if n > _EARLY else n // 2
    peak_early, costs = 0.0, Costs()
    with contextlib.ExitStack() as stack:
        process, url = stack.enter_context(serving(INSTANT))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        lm, store = ServerModel(url), stack.enter_context(Store(Path(folder) / "store.sqlite"))
        engine = stack.enter_context(Engine(lm, store=store, costs=costs))
        judge = LabelJudge(engine, store, costs, progress=Progress(enabled=False))
        predicates = [f"mentions number {number}" for number in range(_PREDICATES)]
        start, cpu = time.perf_counter(), time.process_time()
        for begin in range(0, n, batch):
            size = min(batch, n - begin)
            texts = _texts(begin // _PREDICATES, -(-size // _PREDICATES))
            numbers = np.arange(size)
            probabilities = judge.judge(texts, predicates, np.stack([numbers // _PREDICATES, numbers % _PREDICATES], 1))
            assert np.isfinite(probabilities).all()
            if begin + size >= early and not peak_early:
                peak_early = status_mib("VmHWM")
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        served = _cpu_seconds(process.pid)
    assert costs.calls == costs.judgments_asked == n
    return {
        "judgments": n,
        "client_judgments_per_second": round(n / seconds, 1),
        "seconds": round(seconds, 2),
        "peak_mib_early": round(peak_early, 1),
        "peak_mib": round(status_mib("VmHWM"), 1),
        "cpu_split": {"client": round(cpu, 2), "servers": round(served, 2)},
        "cpu_microseconds_per_judgment": round(1e6 * cpu / n, 1),
        "limit": lm.limit.limit,
    }


def _texts(begin: int, n: int) -> list[str]:
    """`n` different texts of 100 words, the same in every run."""
    words = [f"w{number:03d}" for number in range(1000)]
    return [
        f"{number} " + " ".join(random.Random(number).choices(words, k=_TEXT_WORDS))
        for number in range(begin, begin + n)
    ]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    command(_run, __doc__)
