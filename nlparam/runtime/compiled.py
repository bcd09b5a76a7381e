"""Compiled functions are kept, so that nothing compiles twice: between commands, and between programs."""

import contextlib
import functools
import hashlib
import os
import platform
import sys
import warnings
from pathlib import Path

# Bytes of compiled functions that are kept.
_MOST = 512 << 20
# Our functions are small and many: most compile in less than JAX's least second.
_SETTINGS = {"jax_persistent_cache_min_compile_time_secs": 0, "jax_persistent_cache_min_entry_size_bytes": -1}


def keep_compiled() -> None:
    """Has JAX keep what it compiles in the cache directory. To be called before JAX is imported, by a command.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `JAX_ENABLE_COMPILATION_CACHE=0` switches it off. A folder
    that cannot be written to is no error: functions are then compiled in every command.
    """
    if (folder := _folder()) is None:
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", folder)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name.upper(), str(value))
    # What a killed command left half-written is compiled again; the user can do nothing about it.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def keep_compiled_here() -> None:
    """The same in a program that has imported JAX: from now on, unless it has a folder of its own or keeps nothing."""
    if (jax := sys.modules.get("jax")) is None:
        return
    config = jax.config
    if config.jax_compilation_cache_dir or not config.jax_enable_compilation_cache or (folder := _folder()) is None:
        return
    from jax.experimental.compilation_cache import compilation_cache

    for name, value in _SETTINGS.items():
        config.update(name, value)
    compilation_cache.set_cache_dir(folder)
    compilation_cache.reset_cache()  # JAX looks for a folder once, when it first compiles


@functools.cache
def _folder() -> str | None:
    """Where this machine's functions are kept, with room for more; `None` if nothing can be written there."""
    from nlparam.runtime.cache_dir import cache_dir

    folder = cache_dir() / "compiled" / machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    keep_within(folder, _MOST)
    return str(folder)


def keep_within(folder: Path, n_bytes: int) -> None:
    """Once a folder holds more than `n_bytes`, removes half of that, what was not read for longest first.

    JAX has a limit of its own (`JAX_COMPILATION_CACHE_MAX_SIZE`), but reads a file for every entry each time that it
    adds one: with a thousand entries 0.1 s, so that what many commands compile takes a time that grows with its square.
    """
    try:
        files = [(entry.stat(), entry.path) for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        return
    left = sum(stat.st_size for stat, _ in files)
    if left <= n_bytes:
        return
    for stat, path in sorted(files, key=lambda file: file[0].st_atime):
        if left <= n_bytes // 2:
            return
        with contextlib.suppress(OSError):  # another command may be removing it, too
            os.unlink(path)
        left -= stat.st_size


def machine() -> str:
    """What compiled code depends on beyond what JAX compares: the processor. A home folder may be many machines'."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    described = "\n".join([platform.machine(), platform.processor(), *sorted(told)])
    return hashlib.sha256(described.encode()).hexdigest()[:16]
