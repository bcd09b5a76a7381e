"""The sandbox: what code in it can and cannot do. The hostile functions are those of the benchmark."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.siblings._hostile import hostile_functions, run_all
from nlparam.errors import SandboxError
from nlparam.runtime.sandbox import (
    LIBRARIES,
    PREDICATES,
    Limits,
    Problem,
    Worker,
    WorkerDied,
    enforced,
    run_predicates,
    run_problems,
)
from nlparam.runtime.sandbox.wrap import wraps

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces, Landlock and seccomp are of Linux")


@pytest.fixture(params=["kernel", "bubblewrap"])
def confined(request, monkeypatch):
    """Code that uses libraries, once confined by the kernel alone and once within Bubblewrap too."""
    if request.param == "bubblewrap":
        if not wraps():
            pytest.skip("Bubblewrap is not installed or does not work here")
    else:
        monkeypatch.setattr("nlparam.runtime.sandbox.process.wraps", lambda: False)
    enforced.cache_clear()
    yield request.param
    enforced.cache_clear()


def source(expression):
    return f"def predicate(text):\n    return {expression}"


def test_a_predicate_runs_on_all_texts():
    ran = run_predicates([source("'b' in text"), source("len(text) > 1")], ["abc", "b", "", "ä\u2028\n"])
    np.testing.assert_array_equal(ran[0].values, [1, 1, 0, 0])
    np.testing.assert_array_equal(ran[1].values, [1, 0, 0, 1])
    assert ran[0].error is None
    assert 0 <= ran[0].seconds < 1


def test_what_fails_on_a_text_leaves_the_others():
    ran = run_predicates([source("text[2] == 'c'"), source("1")], ["abc", "a"])
    np.testing.assert_array_equal(ran[0].values, [1, np.nan])
    assert ran[0].error == "IndexError: string index out of range"
    assert np.isnan(ran[1].values).all()
    assert "expected True or False" in str(ran[1].error)


@pytest.mark.slow
def test_a_function_that_does_not_end_takes_only_itself_along():
    endless = "def predicate(text):\n    while True:\n        pass"
    started = time.perf_counter()
    ran = run_predicates([source("True"), endless, source("False")], ["a", "b"], limits=Limits(seconds=2))
    assert time.perf_counter() - started < 30
    np.testing.assert_array_equal(ran[0].values, [1, 1])
    assert "more than 2" in str(ran[1].error)
    np.testing.assert_array_equal(ran[2].values, [0, 0])


def test_many_texts_are_held_in_parts(monkeypatch):
    monkeypatch.setattr("nlparam.runtime.sandbox.runs._CHUNK", 50)
    texts = [f"text {number}" for number in range(40)]
    for reverse in (False, True):
        ran = run_predicates([source("text.endswith('7')")], texts, reverse=reverse)[0]
        np.testing.assert_array_equal(ran.values, [text.endswith("7") for text in texts])


def test_a_function_is_not_blamed_for_a_worker_that_dies_of_the_next_texts(monkeypatch):
    monkeypatch.setattr("nlparam.runtime.sandbox.runs._CHUNK", 4)
    asked, n_held = Worker.ask, 0

    def ask(self, request, *, seconds):
        nonlocal n_held
        n_held += request.get("do") == "texts"
        if request.get("do") == "texts" and n_held == 2:
            os.kill(self.pid, signal.SIGKILL)
        return asked(self, request, seconds=seconds)

    monkeypatch.setattr(Worker, "ask", ask)
    ran = run_predicates([source("'a' in text"), source("'b' in text")], ["aaaa", "bbbb"])
    assert [one.error for one in ran] == [None, None]
    np.testing.assert_array_equal([one.values for one in ran], [[1, 0], [0, 1]])


def test_texts_that_cannot_be_held_are_said_to_be_the_reason():
    ran = run_predicates([source("True")], ["x" * 30_000_000], limits=Limits(memory=64 << 20))[0]
    assert np.isnan(ran.values).all()
    assert "cannot hold its 1 texts" in str(ran.error)


def test_what_else_the_machine_does_makes_no_function_slow():
    from nlparam.runtime.sandbox import worker

    waits = "def predicate(text):\n    sleep(0.5)\n    return True"
    assert worker._predicate(waits, ["a"], {"sleep": time.sleep}, reverse=False)["seconds"] < 0.5


def test_functions_of_one_process_see_nothing_of_each_other():
    spoil = "kept = []\ndef predicate(text):\n    len_ = len\n    kept.append(text)\n    return True"
    ran = run_predicates([spoil, source("'kept' in dir()")], ["a"])
    assert "NameError" in str(ran[1].error)


@pytest.mark.slow
def test_all_hostile_functions_are_contained():
    started = time.perf_counter()
    outcomes = run_all()
    assert len(outcomes) == len(hostile_functions()) >= 100
    assert {outcome.hostile.kind for outcome in outcomes} >= {
        "loop", "memory", "file", "network", "process", "signal", "thread", "attribute", "import", "format", "output",
    }  # fmt: skip
    assert [(o.hostile.number, o.hostile.kind, o.seen) for o in outcomes if o.seen] == []
    # Past the whitelist only what does nothing but take time or memory.
    assert {outcome.hostile.kind for outcome in outcomes if not outcome.rejected} <= {"loop", "memory"}
    assert time.perf_counter() - started < 60


# What native code could do once it runs: the hook of Python does not see it, the kernel does.
_NATIVE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def test_execution(solution):
    result = eval(solution)
    assert result >= 0, os.strerror(ctypes.get_errno())
"""


REFUSED = "Permission denied|No such file"  # the second where it cannot even be seen


@linux
@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        ("libc.open(b'/etc/passwd', 0)", REFUSED),
        ("libc.open(b'FOLDER/secret', 0)", REFUSED),
        ("libc.open(b'FOLDER/new', 65, 0o600)", REFUSED),
        ("libc.unlink(b'FOLDER/secret')", REFUSED),
        ("libc.chmod(b'FOLDER/secret', 0)", "Operation not permitted"),
        ("libc.truncate(b'FOLDER/secret', 0)", "Operation not permitted"),
        ("libc.socket(2, 1, 0)", "Operation not permitted"),
        ("libc.socket(1, 1, 0)", "Operation not permitted"),
        ("libc.fork()", "Operation not permitted"),
        ("libc.execve(b'/bin/true', None, None)", "Operation not permitted"),
        ("libc.kill(PID, 10)", "Operation not permitted"),
        ("libc.ptrace(16, PID, 0, 0)", "Operation not permitted"),
        ("libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)", "Operation not permitted"),
        ("libc.unshare(0x10000000)", "Operation not permitted"),
        ("libc.memfd_create(b'x', 0)", "Operation not permitted"),
    ],
)
def test_the_kernel_refuses_native_code(call, refusal, tmp_path):
    (tmp_path / "secret").write_text("token")
    signals = []
    previous = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    try:
        solution = call.replace("FOLDER", str(tmp_path)).replace("PID", str(os.getpid()))
        verdict = run_problems([Problem(_NATIVE, solution)])[0]
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert not verdict.functional
    assert re.search(refusal, str(verdict.error))
    assert not signals
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "token"
    assert (tmp_path / "secret").stat().st_mode & 0o777


@linux
def test_the_kernel_has_a_part_in_it(confined):
    assert enforced(PREDICATES) >= {"limits", "seccomp", "audit"}
    assert enforced(LIBRARIES) >= {"seccomp"}
    assert ("bubblewrap" in enforced(LIBRARIES)) == (confined == "bubblewrap")
    assert "bubblewrap" not in enforced(PREDICATES)


@linux
def test_bubblewrap_is_used_only_where_a_trial_works(monkeypatch, tmp_path):
    for content in (None, "exit 1", "while :; do :; done"):
        if content is not None:
            (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{content}\n")
            (tmp_path / "bwrap").chmod(0o755)
        monkeypatch.setattr("nlparam.runtime.sandbox.wrap._TRIAL", 0.5)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not wraps.__wrapped__()


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("confined", ["bubblewrap"], indirect=True)
def test_bubblewrap_shows_no_files_and_processes_but_its_own(tmp_path):
    (tmp_path / "secret").write_text("token")
    seen = f"""
import os
assert os.getpid() < 10
for path in ({str(tmp_path)!r}, os.path.join({str(tmp_path)!r}, "secret"), "/etc/passwd", "/home", "/proc/1", "/var"):
    assert not os.path.exists(path), path
"""
    assert executed(seen)[0].error is None
    assert "SIGSEGV" in str(executed("import ctypes\nctypes.string_at(0)")[0].error)


@linux
def test_a_limit_that_the_parent_has_is_kept_to():
    script = (
        "import resource\nfrom nlparam.runtime.sandbox import PREDICATES, enforced\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (600, 600))\nassert 'limits' in enforced(PREDICATES)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.usefixtures("confined")
def test_libraries_and_a_folder_of_its_own(monkeypatch):
    monkeypatch.setenv("NLPARAM_CANARY", "secret")
    context = "def test_execution(solution):\n    exec(solution, {})"
    solutions = [
        "import numpy as np\nassert np.linalg.svd(np.eye(3))[1].sum() == 3",
        "open('a.txt', 'w').write('x')\nassert open('a.txt').read() == 'x'",
        "import os\nassert os.listdir('.') == [] and 'NLPARAM_CANARY' not in os.environ",
        "import threading\nthread = threading.Thread(target=print)\nthread.start()\nthread.join()",
        "import resource\nassert resource.getrlimit(resource.RLIMIT_CPU)[0] != resource.RLIM_INFINITY",
        "import nlparam",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
    ]
    verdicts = run_problems([Problem(context, solution) for solution in solutions])
    assert [verdict.functional for verdict in verdicts] == [True] * 5 + [False] * 3
    assert "nlparam" in str(verdicts[5].error)


EXECUTED = "def test_execution(solution):\n    exec(solution, {})"
ENDLESS = "while True: pass"


def executed(*solutions, **limits):
    limits = Limits(profile="libraries", seconds=60, memory=2 << 30, **limits)
    return run_problems([Problem(EXECUTED, solution) for solution in solutions], limits=limits, n_workers=1)


@pytest.mark.parametrize(
    "raised", ["KeyboardInterrupt", "SystemExit(0)", "BaseException('no')", "__import__('asyncio').CancelledError"]
)
def test_a_solution_that_raises_anything_has_failed(raised):
    assert not (verdict := executed(f"raise {raised}")[0]).passed
    assert not verdict.broken
    form = "def test_execution(solution): pass\ndef test_string(solution): exec(solution)"
    verdict = run_problems([Problem(form, f"raise {raised}")])[0]
    assert (verdict.functional, verdict.surface, verdict.broken) == (True, False, False)


@pytest.mark.slow
def test_no_solution_takes_the_verdicts_of_others_along(monkeypatch):
    # One that cannot be counted is ended if it is looked at before it has ended.
    monkeypatch.setattr("nlparam.runtime.sandbox.process._LOOK", LIBRARIES.seconds)
    # Bubblewrap holds the output too, so that one that has closed it is waited for until its time is over.
    monkeypatch.setattr("nlparam.runtime.sandbox.process.wraps", lambda: False)
    silent = "import os, time\nos.closerange(0, 64)\ntime.sleep(60)"
    hidden = "import os\nos.mkdir('d', 0o300)\nos.mkdir('d/d', 0)"
    long = "import os\nfor _ in range(40):\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)\nopen('x', 'w').close()"
    verdicts = executed("x = 1", silent, hidden, long, "x = 2")
    assert [verdict.passed for verdict in verdicts] == [True, False, True, True, True]
    assert "output is closed" in str(verdicts[1].error)


def test_nothing_is_left_of_a_folder_however_deep(monkeypatch):
    # Not `tmp_path`: of what is left there pytest could not dispose either.
    folder = tempfile.mkdtemp()
    monkeypatch.setattr("tempfile.tempdir", folder)
    deep = "import os\nfor _ in range(1100):\n    os.mkdir('d')\n    os.chdir('d')\nopen('x', 'w').close()"
    assert executed(deep)[0].passed
    os.rmdir(folder)


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    "fills",
    [
        "for n in range(5): open(f'f{n}', 'wb').write(bytes(1 << 20))",
        "import os\nos.mkdir('d')\nfor n in range(10_001): open(f'd/{n}', 'w').close()",
        "import os\nfor _ in range(40):\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)",
    ],
    ids=["bytes", "files", "too deep to be counted"],
)
def test_a_solution_that_fills_its_folder_is_stopped(fills):
    assert "folder holds more than 4 MiB or 10,000 files" in str(executed(f"{fills}\n{ENDLESS}", disk=4 << 20)[0].error)


def test_a_process_that_does_not_start_is_tried_again_and_costs_one_verdict(monkeypatch):
    opened, tries = subprocess.Popen, []

    def start(*args, **kwargs):
        tries.append(None)
        if len(tries) in fails:
            raise OSError("too many processes")
        return opened(*args, **kwargs)

    wraps()  # which starts a process of its own
    monkeypatch.setattr(subprocess, "Popen", start)
    fails = {1}
    assert [verdict.passed for verdict in executed("x = 1", "x = 2")] == [True, True]
    tries.clear()
    fails = {2, 3}
    verdicts = executed("x = 1", "x = 2", "x = 3")
    assert [verdict.passed for verdict in verdicts] == [True, False, True]
    assert verdicts[1].broken
    assert "too many processes" in str(verdicts[1].error)


def test_an_interrupt_ends_what_runs():
    def interrupt(_, __):
        raise KeyboardInterrupt

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run_problems([Problem(EXECUTED, "x = 1"), Problem(EXECUTED, ENDLESS)], on_result=interrupt)
    assert time.perf_counter() - started < LIBRARIES.seconds / 2


@pytest.mark.slow
@linux
def test_a_worker_ends_with_its_parent(tmp_path):
    script = (
        "import threading, time\nfrom nlparam.runtime.sandbox import PREDICATES, Worker\nworker = Worker(PREDICATES)\n"
        "request = {'do': 'predicate', 'source': 'while True: pass', 'reverse': False}\n"
        "threading.Thread(target=worker.ask, args=(request,), kwargs={'seconds': 600}, daemon=True).start()\n"
        "time.sleep(1)\nprint(worker.pid, flush=True)\ntime.sleep(600)"
    )
    command, environment = [sys.executable, "-c", script], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    end = time.monotonic() + 30
    while (still := runs(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    if still:
        os.kill(pid, signal.SIGKILL)
    assert not still


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_form_and_function_are_told_apart():
    context = (
        "def test_execution(solution):\n    scope = {}\n    exec(solution, scope)\n    assert scope['x'] == 3\n"
        "def test_string(solution):\n    assert 'for' not in solution.split()"
    )
    verdicts = run_problems(
        [Problem(context, "x = 3"), Problem(context, "for x in [3]: pass"), Problem(context, "x = 4"), Problem("(", "")]
    )
    assert [verdict.passed for verdict in verdicts] == [True, False, False, False]
    assert [(v.functional, v.surface) for v in verdicts[:3]] == [(True, True), (True, False), (False, True)]
    assert [verdict.broken for verdict in verdicts] == [False, False, False, True]


def test_a_worker_that_is_gone_says_why():
    with Worker(PREDICATES) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.ask({"do": "texts", "texts": []}, seconds=5)


def test_bad_limits_and_a_python_that_does_not_start(monkeypatch):
    with pytest.raises(ValueError, match="seconds=0"):
        Limits(seconds=0)
    with pytest.raises(ValueError, match="seconds=inf"):
        Limits(seconds=float("inf"))
    with pytest.raises(ValueError, match="profile"):
        Limits(profile="anything")  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="no process"):
        Worker(PREDICATES)
