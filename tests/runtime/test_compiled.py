"""What a command has compiled, the next one need not compile."""

import os
import stat
import subprocess
import sys

import pytest

from nlparam.runtime.compiled import keep_within

COMMAND = "from nlparam.runtime.compiled import keep_compiled; keep_compiled()\n"
# A program has compiled something of its own before.
PROGRAM = (
    "import jax; jax.jit(lambda x: x + 1)(1.0)\n"
    "from nlparam.runtime.compiled import keep_compiled_here; keep_compiled_here()\n"
)


def compiled(cache, begin=COMMAND, **environment) -> tuple[int, str]:
    """How many functions a process compiled itself, and what it wrote to standard error."""
    code = begin + (
        "import jax, jax.numpy as jnp\n"
        "hits = []\n"
        "jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))\n"
        "jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((3, 3)))\n"
        "print(sum(event == '/jax/compilation_cache/cache_misses' for event in hits))"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | {"NLPARAM_CACHE": str(cache)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout), done.stderr


@pytest.mark.slow
def test_the_second_command_compiles_nothing_and_passes_over_what_is_half_written(tmp_path):
    first, _ = compiled(tmp_path)
    assert first > 0
    assert compiled(tmp_path) == (0, "")
    files = list((tmp_path / "compiled").rglob("*-cache"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:10])
    assert compiled(tmp_path)[1] == ""


@pytest.mark.slow
def test_a_program_keeps_what_it_compiles_unless_it_is_told_not_to(tmp_path):
    assert compiled(tmp_path, PROGRAM)[0] > 0
    assert compiled(tmp_path, PROGRAM) == (0, "")
    elsewhere = tmp_path / "elsewhere"
    compiled(elsewhere, PROGRAM, JAX_ENABLE_COMPILATION_CACHE="0")
    compiled(elsewhere, PROGRAM, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"))
    assert not elsewhere.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="permissions of folders are those of POSIX")
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "compiled").write_text("a file where the folder would be")
    (tmp_path / "compiled").chmod(stat.S_IRUSR)
    assert compiled(tmp_path)[1] == ""


def test_beyond_the_limit_what_was_not_read_for_longest_goes(tmp_path):
    for age in range(10):
        (tmp_path / f"{age}-cache").write_bytes(bytes(100))
        os.utime(tmp_path / f"{age}-cache", (1_000_000 - age, 1_000_000))
    keep_within(tmp_path, 1000)
    assert len(list(tmp_path.iterdir())) == 10
    keep_within(tmp_path, 800)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0-cache", "1-cache", "2-cache", "3-cache"]
    keep_within(tmp_path / "missing", 0)
