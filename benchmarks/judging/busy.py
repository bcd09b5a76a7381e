"""What other processes cost: the same judgments on an idle machine, beside one busy process, and beside two."""

import contextlib
import importlib.util
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import timed
from nlparam.denotation.session import Session
from nlparam.lm.cores import FreeCores

WEIGHTS = "qwen2.5-coder-0.5b"
PREDICATES = tuple(f"is about {topic}" for topic in ("business", "entertainment", "politics", "sports", "technology"))
TEXTS = tuple(
    f"{who} said on {day} that {what}, after a long week in which little else had been spoken of in the city."
    for who, day, what in (
        ("The minister", "Monday", "taxes on small firms would fall next year"),
        ("The striker", "Tuesday", "his second goal in the final was the best of his career"),
        ("The maker of the phone", "Wednesday", "its new chip would halve the time to load a page"),
        ("The director", "Thursday", "her film would open in forty countries on the same night"),
        ("The bank", "Friday", "shares had fallen by ten per cent in early trading"),
        ("The leader of the party", "Saturday", "he would not stand again at the election in May"),
        ("The coach", "Sunday", "three of her runners had beaten the record of the club"),
        ("The band", "Monday", "its last album had been written in a single month"),
    )
)


def measure(*, weights: str = WEIGHTS, command: str | None = None) -> dict[str, Any]:
    """Forty judgments by each way to run a model in this process, its loading aside.

    A model is loaded anew beside 0, 1 and 2 busy processes, and once more before a busy process starts ("later").

    **Arguments:** `command` is timed instead, if it is given: `nlparam fit ...`, with a store and a folder of its own.

    **Returns:** for each way `WAY_seconds`, `WAY_busy_slowdown` (beside one busy process, against none) and
    `WAY_largest_difference` of a probability; `busy_slowdown`, the largest of the slowdowns. `free_cores` is how many
    others left before all began: if these are not all, nothing was measured on an idle machine.
    """
    if command is not None:
        seconds = {name: _seconds(command, n) for name, n in (("idle", 0), ("one", 1), ("two", 2))}
        return {"command_seconds": seconds, "busy_slowdown": seconds["one"] / seconds["idle"]}
    found: dict[str, Any] = {"free_cores": FreeCores().wait_and_count()}
    slowdowns = []
    for way, package in (("embedded", "xllamacpp"), ("native", "llama_cpp")):
        if importlib.util.find_spec(package) is None:
            continue
        seconds, said = {}, {}
        for name, before, after in (("idle", 0, 0), ("one", 1, 0), ("two", 2, 0), ("one_later", 0, 1)):
            said[name], seconds[name] = _judge(f"{way}:{weights}", before, after)
        slowdowns.append(seconds["one"] / seconds["idle"])
        found[f"{way}_seconds"] = seconds
        found[f"{way}_busy_slowdown"] = slowdowns[-1]
        found[f"{way}_largest_difference"] = max(float(np.abs(s - said["idle"]).max()) for s in said.values())
    return found | {"busy_slowdown": max(slowdowns, default=None)}


def _judge(lm: str, n_busy_before: int, n_busy_after: int) -> tuple[np.ndarray, float]:
    """The judgments and their seconds; busy processes start before the model loads, or after."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_busy(n_busy_before))
        judge = stack.enter_context(Session(lm=lm, store=":memory:")).judge(n_words=60)
        judge.judge_all(["A text that loads the model."], PREDICATES[:1])
        stack.enter_context(_busy(n_busy_after))
        return timed(judge.judge_all, TEXTS, PREDICATES)


def _seconds(command: str, n_busy: int) -> float:
    with tempfile.TemporaryDirectory() as folder, _busy(n_busy):
        own = ["--store", str(Path(folder) / "store.sqlite"), "--out", str(Path(folder) / "out")]
        return timed(subprocess.run, [*shlex.split(command), *own], check=True, stdout=subprocess.DEVNULL)[1]


@contextlib.contextmanager
def _busy(n: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        if processes:
            time.sleep(1.0)  # they have started, and can be seen to compute
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
