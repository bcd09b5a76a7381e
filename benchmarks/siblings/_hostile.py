"""Runs the functions of `hostile.txt` in the sandbox and looks whether any of them had an effect.

They are run as they are, past the whitelist, with a way out of the restricted builtins put before them, so that what
holds them is the kernel and the hook. Each does something that would be seen: it returns True, changes a folder,
reaches a socket, signals this process, or takes time or memory without end.
"""

import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import timed
from nlparam.denotation.computed import RejectedSource, checked_source
from nlparam.runtime.sandbox import Limits, run_predicates

_FILE = Path(__file__).with_name("hostile.txt")
# From any object to the globals of `os`, and from there to every module and builtin.
_WAY_OUT = """
def module(name):
    for kind in ().__class__.__base__.__subclasses__():
        if kind.__name__ == '_wrap_close':
            inside = kind.__init__.__globals__
            if name in inside['sys'].modules:
                return inside['sys'].modules[name]
            return inside['__builtins__']['__import__'](name, None, None, ['x'])

def builtin(name):
    return module('os').__builtins__[name]

__builtins__.update(module('os').__builtins__)

"""
_LIMITS = Limits(seconds=0.3, memory=256 << 20, answer=1 << 20)
_SECRET, _CANARY = "token", "NLPARAM_CANARY"


class Hostile(NamedTuple):
    """One function: its number and kind, and the body of `predicate(text)`."""

    number: int
    kind: str
    body: str

    @property
    def source(self) -> str:
        return "def predicate(text):\n" + textwrap.indent(self.body, "    ")


class Outcome(NamedTuple):
    """What came of one function: what was `seen` of it outside (nothing, if it was contained), and how it `ended`."""

    hostile: Hostile
    seen: list[str]
    ended: str | None
    rejected: bool


def hostile_functions() -> list[Hostile]:
    """All functions of the file."""
    parts = re.split(r"^### (\w+)\n", _FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [Hostile(number, kind, body.strip("\n")) for number, (kind, body) in enumerate(pairs)]


def run_all(*, n_workers: int = 4) -> list[Outcome]:
    """Runs them, a few at a time. Call it in the main thread: it catches the signal that some of them send."""
    with _watched() as watched, concurrent.futures.ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(watched.run, hostile_functions()))


def contained() -> dict:
    """The figures of all functions, and of the whitelist that would have stopped them before."""
    outcomes, seconds = timed(run_all)
    return {
        "hostile": len(outcomes),
        "contained": sum(not outcome.seen for outcome in outcomes),
        "rejected_by_the_whitelist": sum(outcome.rejected for outcome in outcomes),
        "hostile_seconds": round(seconds, 1),
    }


class _Watched:
    """A folder, a socket, a signal and an environment that code in the sandbox must leave alone."""

    def __init__(self, folder: Path, listening: socket.socket):
        self.folder, self.listening = folder, listening
        self.signals: list[int] = []
        self.before = self.state()

    def state(self) -> list[tuple]:
        paths = sorted(self.folder.rglob("*"))
        return [(path.name, path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns) for path in paths]

    def run(self, hostile: Hostile) -> Outcome:
        values = {"FOLDER": str(self.folder), "PORT": str(self.listening.getsockname()[1]), "PID": str(os.getpid())}
        source = _WAY_OUT + hostile.source
        for name, value in values.items():
            source = re.sub(rf"\b{name}\b", value, source)
        (ran, *_), seconds = timed(run_predicates, [source], ["a text"], limits=_LIMITS)
        seen = []
        if ran.values[0] == 1 and hostile.kind not in ("loop", "memory"):  # slow work may be over in time
            seen.append("it returned True")
        if seconds > _LIMITS.seconds + 10:
            seen.append(f"it took {seconds:.1f} s")
        if self.signals:
            seen.append("a signal came")
        with contextlib.suppress(BlockingIOError):
            self.listening.accept()
            seen.append("a connection came")
        if self.state() != self.before:
            seen.append("the folder has changed")
        rejected = False
        try:
            checked_source(hostile.source)
        except RejectedSource:
            rejected = True
        return Outcome(hostile, seen, ran.error, rejected)


@contextlib.contextmanager
def _watched() -> Iterator[_Watched]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        (Path(folder) / "secret.txt").write_text(_SECRET)
        (Path(folder) / "planted.py").write_text("open('written', 'w')")
        listening.setblocking(False)
        watched = _Watched(Path(folder), listening)
        os.environ[_CANARY] = _SECRET
        here = threading.current_thread() is threading.main_thread()
        previous = signal.signal(signal.SIGUSR1, lambda number, _: watched.signals.append(number)) if here else None
        try:
            yield watched
        finally:
            del os.environ[_CANARY]
            if here:
                signal.signal(signal.SIGUSR1, previous)
