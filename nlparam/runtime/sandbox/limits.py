"""What code in the sandbox may use."""

import dataclasses
import functools
import math
import os
import sys
from typing import Any, Literal

_MIB, _DAY = 1 << 20, 86_400


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a worker process may use.

    **Arguments:**

    - `profile`: `"predicates"` for small functions of a text: no files, no threads, no imports, a few builtins.
      `"libraries"` for code that uses NumPy, pandas and the like: it may read the Python installation and the system's
      libraries, and write to a temporary folder that is deleted with the worker.
    - `seconds`: wall-clock time of one request; the worker is killed at its end.
    - `seconds_per_text`: what a request about texts may take beside, for each of them.
    - `start_seconds`: wall-clock time until the worker is ready.
    - `memory`: bytes of address space.
    - `answer`: bytes of one answer.
    - `file`: bytes of one file in the temporary folder.
    - `disk`: bytes of all files in it; the parent looks while it waits for an answer.
    """

    profile: Literal["predicates", "libraries"] = "predicates"
    seconds: float = 2.0
    seconds_per_text: float = 0.002
    start_seconds: float = 20.0
    memory: int = 512 * _MIB
    answer: int = 16 * _MIB
    file: int = 64 * _MIB
    disk: int = 512 * _MIB

    def __post_init__(self):
        for name in ("seconds", "start_seconds", "memory", "answer", "file", "disk"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"got {name}={getattr(self, name)}, expected a number above 0")
        if self.profile not in ("predicates", "libraries"):
            raise ValueError(f"got profile={self.profile!r}, expected 'predicates' or 'libraries'")

    def allowed(self, n_texts: int) -> float:
        """Wall-clock seconds of a request about so many texts."""
        return self.seconds + self.seconds_per_text * n_texts

    def settings(self, folder: str | None) -> dict[str, Any]:
        """What the worker is told about itself; `folder` is the temporary one, if it has one."""
        libraries = self.profile == "libraries"
        # Processor time after which a worker that outlives its parent ends. A worker for texts gets many requests.
        longest = math.ceil((self.start_seconds + self.seconds) * (os.cpu_count() or 1)) if libraries else _DAY
        return {
            "profile": self.profile,
            "memory": self.memory,
            "cpu": longest,
            "file": self.file if libraries else 0,
            "folder": folder,
            "path": _installed() if libraries else [],
            "readable": readable() if libraries else [],
        }


PREDICATES = Limits()
LIBRARIES = Limits(profile="libraries", seconds=60.0, memory=4096 * _MIB)


@functools.cache
def _installed() -> list[str]:
    """The folders of installed packages; not the current folder, nor a project that is installed from its sources."""
    return [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]


def readable() -> list[str]:
    """The files and folders that libraries need to read, as far as they are there."""
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *_installed()]
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/dev/null", "/dev/urandom"]
    return [*dict.fromkeys(own), *system, "/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"]
