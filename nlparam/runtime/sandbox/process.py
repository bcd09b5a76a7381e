"""The parent's side of a worker: starts it, asks it with a time limit, and makes sure that it ends."""

import contextlib
import functools
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlparam.errors import SandboxError
from nlparam.runtime.sandbox.limits import Limits
from nlparam.runtime.sandbox.wrap import wrapped, wraps

_WORKER = Path(__file__).with_name("worker.py")
# The worker inherits no environment, except that Windows starts no process without SYSTEMROOT.
_ENVIRONMENT = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}

# How often the parent looks at the folder of a worker, in seconds, and how many files it may hold.
_LOOK, _MOST_FILES = 0.25, 10_000


class WorkerDied(Exception):
    """The worker has ended. The message says why: it took too long, or its answer was too long or unreadable, ..."""


class Worker:
    """One worker process; use it in a `with` block. After `WorkerDied` it is gone, and another has to be made.

    On Linux it ends with the thread that started it.

    `enforced` names what confines it: some of "limits", "namespaces", "landlock", "seccomp", "audit", and "bubblewrap",
    which only code that uses libraries gets.

    Raises `SandboxError` if no worker can be started.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="nlparam-", ignore_cleanup_errors=True)
        except OSError as error:
            raise SandboxError(f"the sandbox has no temporary folder ({error}): make room, or set TMPDIR") from error
        self._private = self._folder.name if limits.profile == "libraries" else None
        command, outer = [sys.executable, "-I", "-S", "-B", str(_WORKER)], frozenset()
        if self._private is not None and wraps():
            command, outer = wrapped(command, self._private), frozenset({"bubblewrap"})
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(_ENVIRONMENT),
                cwd=self._folder.name,
                close_fds=True,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            self._folder.cleanup()
            raise SandboxError(f"no process can be started for the sandbox ({error})") from error
        threading.Thread(target=self._read, name="nlparam-sandbox", daemon=True).start()
        try:
            ready = self.ask(limits.settings(self._private), seconds=limits.start_seconds)["ready"]
            self.enforced = outer | frozenset(ready)
        except (WorkerDied, KeyError, TypeError) as error:
            self.close()
            raise SandboxError(f"the sandbox does not start ({error}): is {sys.executable} a usable Python?") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """The answer to one request. Raises `WorkerDied` if there is none within its time."""
        # Code in the worker cannot guess this number, so it cannot forge an answer.
        to = secrets.token_hex(8)
        # Written from a thread: a worker that does not read must not block the parent.
        line = json.dumps({**request, "to": to}).encode() + b"\n"
        threading.Thread(target=self._write, args=(line,), daemon=True).start()
        said = self._next(seconds)
        if said is None:
            try:
                raise self._died(f"its process ended ({_said(self._process.wait(timeout=2))})")
            except subprocess.TimeoutExpired:
                raise self._died("it can answer no more: its output is closed") from None
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(said) if len(said) <= self.limits.answer else None
            if isinstance(answer, dict) and answer.get("to") == to:
                return answer
        raise self._died("its answer is too long or cannot be read")

    def close(self) -> None:
        """Kills the worker, whatever it is doing, with all that it started, and deletes its folder."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                if os.name == "posix":
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()
        # A file that cannot be deleted stays; that must not cost a verdict.
        for delete in (functools.partial(_flatten, self._folder.name), self._folder.cleanup):
            with contextlib.suppress(OSError, RecursionError):
                delete()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _next(self, seconds: float) -> bytes | None:
        """What the worker says next; `None` if it can say nothing more."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=min(_LOOK, max(0.0, end - time.monotonic())))
            if time.monotonic() >= end:
                raise self._died(f"it took more than {seconds:.3g} s")
            if self._private is not None and _overfull(self._private, self.limits.disk):
                raise self._died(f"its folder holds more than {self.limits.disk >> 20:,} MiB or {_MOST_FILES:,} files")

    def _died(self, why: str) -> WorkerDied:
        self.close()
        return WorkerDied(why)

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # the worker has ended; the reader notices
            assert self._process.stdin is not None
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._process.stdout.readline(self.limits.answer + 1):
                self._answers.put(line)
                if len(line) > self.limits.answer:
                    return
        self._answers.put(None)


def started(limits: Limits) -> Worker:
    """A worker. It is tried twice: the first may fail because the machine is busy."""
    with contextlib.suppress(SandboxError):
        return Worker(limits)
    return Worker(limits)


@functools.cache
def enforced(limits: Limits) -> frozenset[str]:
    """What would confine a worker on this machine, by starting one."""
    with started(limits) as worker:
        return worker.enforced


def _overfull(folder: str, most: int) -> bool:
    """Whether a folder holds more than it may, or folders that cannot be read, or are nested too deeply."""
    waiting, n_files, size = [folder], 0, 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    n_files += 1
                    with contextlib.suppress(FileNotFoundError):  # it may be gone by now
                        size += entry.stat(follow_symlinks=False).st_size
                    if size > most or n_files > _MOST_FILES:
                        return True
        except FileNotFoundError:
            continue
        except OSError:
            return True
    return False


def _flatten(folder: str) -> None:
    """Moves nested folders up to the top: deletion recurses, and the length of a path is limited."""
    waiting = [folder]
    while waiting:
        inner = waiting.pop()
        for name in os.listdir(inner):
            path, up = os.path.join(inner, name), os.path.join(folder, secrets.token_hex(8))
            if os.path.isdir(path) and not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
                    os.rename(path, up)
                    waiting.append(up)


def _said(code: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(-code if code < 0 else code - 128).name  # Bubblewrap reports a signal as 128 + its number
    return f"exit status {code}"
