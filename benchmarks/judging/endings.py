"""Whether a process ends as it should, whatever the model in it is doing: many starts and ends, crashes counted."""

import random
import signal
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

from benchmarks.judging.busy import WEIGHTS

_PATIENCE = 120.0  # seconds after which an end is taken not to come
_INTERRUPTED = 130
_CUT_SHORT = ("error", "sigint")

# What a process does: it loads a model, has four judgments made, and ends in one of four ways.
_CHILD = """
import contextlib, sys, threading, time
from nlparam.runtime.costs import Costs
from nlparam.errors import LanguageModelError
from nlparam.lm import Message, Request, load_language_model
from nlparam.lm.engine import Engine

kind, lm, moment = sys.argv[1], sys.argv[2], float(sys.argv[3])
requests = [
    Request((Message("user", f"Text: number {number} of many, {'and so on ' * 10}. Is it about sports? Yes or no?"),),
            labels=("yes", "no"))
    for number in range(4)
]
engine = Engine(load_language_model(lm), store=None, costs=Costs())

def judge():
    with contextlib.suppress(LanguageModelError):
        engine.run(requests)

try:
    print("begins", flush=True)
    if kind == "error":  # beside a batch that is under way, and nobody closes
        threading.Thread(target=judge, daemon=True).start()
        time.sleep(moment)
        raise RuntimeError("an error at a random moment")
    if kind == "unclosed":
        judge()
    else:
        with engine:
            judge()
except KeyboardInterrupt:
    sys.exit(130)
"""


def measure(n: int = 50, *, lm: str = f"native:{WEIGHTS}", seed: int = 0) -> dict[str, Any]:
    """`n` processes: two in five end by an error or by SIGINT at a random moment, the others when all is judged.

    **Returns:** `starts`, `ended_by_errors`, `ended_by_sigint`, `crashes` (ends by any signal but SIGINT), `hung`,
    `wrong_codes` (ends of another kind than expected), and the `median_seconds` and `longest_seconds` from SIGINT or
    the error to the end.
    """
    rng = random.Random(seed)
    began = time.perf_counter()
    first = _run("closed", lm, 0.0)
    whole = time.perf_counter() - began
    kinds = ["error"] * (n // 5) + ["sigint"] * (n // 5)
    kinds += [("closed", "unclosed")[number % 2] for number in range(n - 1 - len(kinds))]
    rng.shuffle(kinds)
    ends = [("closed", first), *((kind, _run(kind, lm, rng.uniform(0.0, whole))) for kind in kinds)]
    waits = [end.seconds for kind, end in ends if kind in _CUT_SHORT]
    expected = {"closed": (0,), "unclosed": (0,), "error": (1,), "sigint": (0, _INTERRUPTED, -signal.SIGINT)}
    codes = [(kind, end.code) for kind, end in ends if end.code is not None]
    return {
        "starts": len(ends),
        "ended_by_errors": kinds.count("error"),
        "ended_by_sigint": kinds.count("sigint"),
        "crashes": sum(code < 0 and code != -signal.SIGINT for _, code in codes),
        "hung": len(ends) - len(codes),
        "wrong_codes": sum(code not in expected[kind] for kind, code in codes),
        "median_seconds": statistics.median(waits) if waits else None,
        "longest_seconds": max(waits, default=None),
    }


class _End(NamedTuple):
    code: int | None
    seconds: float


def _run(kind: str, lm: str, moment: float) -> _End:
    """How a process ends, `None` if it does not, and how long after it was interrupted or failed."""
    command = [sys.executable, "-c", _CHILD, kind, lm, str(moment)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        start = time.perf_counter()
        if kind == "sigint":
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return _End(None, _PATIENCE)
    finally:
        process.kill()
        process.wait()
    return _End(process.returncode, time.perf_counter() - start - (moment if kind in _CUT_SHORT else 0.0))
