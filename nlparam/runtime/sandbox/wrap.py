"""Bubblewrap, where it works: a worker in it sees no files, processes and networks but its own."""

import contextlib
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from nlparam.runtime.sandbox.limits import readable

_TRIAL = 10.0  # seconds


def wrapped(command: list[str], folder: str) -> list[str]:
    """The command as Bubblewrap runs it, with what libraries need to read and `folder` to write to."""
    options = ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    for path in [*readable(), str(Path(__file__).parent)]:
        options += ["--dev-bind-try" if path.startswith("/dev/") else "--ro-bind-try", path, path]
    options += ["--bind", folder, folder, "--remount-ro", "/", "--chdir", folder]
    return [str(shutil.which("bwrap")), *options, "--", *command]


@functools.cache
def wraps() -> bool:
    """Whether Bubblewrap is installed and works: many containers forbid what it does."""
    if shutil.which("bwrap") is None:
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired), tempfile.TemporaryDirectory() as folder:
        command = wrapped([sys.executable, "-I", "-S", "-c", "open('a', 'w').close()"], folder)
        return subprocess.run(command, capture_output=True, env={}, timeout=_TRIAL).returncode == 0
    return False
