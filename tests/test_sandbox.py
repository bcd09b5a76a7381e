"""The sandbox: what code in it can and cannot do. The hostile functions are those of the benchmark."""

import os
import signal
import sys
import time

import numpy as np
import pytest

from benchmarks.siblings._hostile import hostile_functions, run_all
from nlparam.errors import SandboxError
from nlparam.sandbox import LIBRARIES, PREDICATES, Died, Limits, Problem, Worker, enforced, run_predicates, run_problems

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces, Landlock and seccomp are of Linux")


def source(expression):
    return f"def predicate(text):\n    return {expression}"


def test_a_predicate_runs_on_all_texts():
    ran = run_predicates([source("'b' in text"), source("len(text) > 1")], ["abc", "b", "", "ä\u2028\n"])
    np.testing.assert_array_equal(ran[0].values, [1, 1, 0, 0])
    np.testing.assert_array_equal(ran[1].values, [1, 0, 0, 1])
    assert ran[0].error is None
    assert 0 < ran[0].seconds < 1


def test_what_fails_on_a_text_leaves_the_others():
    ran = run_predicates([source("text[2] == 'c'"), source("1")], ["abc", "a"])
    np.testing.assert_array_equal(ran[0].values, [1, np.nan])
    assert ran[0].error == "IndexError: string index out of range"
    assert np.isnan(ran[1].values).all()
    assert "expected True or False" in str(ran[1].error)


def test_a_function_that_does_not_end_takes_only_itself_along():
    endless = "def predicate(text):\n    while True:\n        pass"
    started = time.perf_counter()
    ran = run_predicates([source("True"), endless, source("False")], ["a", "b"], limits=Limits(seconds=0.3))
    assert time.perf_counter() - started < 10
    np.testing.assert_array_equal(ran[0].values, [1, 1])
    assert "more than 0.3" in str(ran[1].error)
    np.testing.assert_array_equal(ran[2].values, [0, 0])


def test_many_texts_are_held_in_parts(monkeypatch):
    monkeypatch.setattr("nlparam.sandbox.runs._CHUNK", 50)
    texts = [f"text {number}" for number in range(40)]
    for reverse in (False, True):
        ran = run_predicates([source("text.endswith('7')")], texts, reverse=reverse)[0]
        np.testing.assert_array_equal(ran.values, [text.endswith("7") for text in texts])


def test_functions_of_one_process_see_nothing_of_each_other():
    spoil = "kept = []\ndef predicate(text):\n    len_ = len\n    kept.append(text)\n    return True"
    ran = run_predicates([spoil, source("'kept' in dir()")], ["a"])
    assert "NameError" in str(ran[1].error)


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


@linux
@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        ("libc.open(b'/etc/passwd', 0)", "Permission denied"),
        ("libc.open(b'FOLDER/secret', 0)", "Permission denied"),
        ("libc.open(b'FOLDER/new', 65, 0o600)", "Permission denied"),
        ("libc.unlink(b'FOLDER/secret')", "Permission denied"),
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
    assert refusal in str(verdict.error)
    assert not signals
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "token"
    assert (tmp_path / "secret").stat().st_mode & 0o777


@linux
def test_the_kernel_has_a_part_in_it():
    assert enforced(PREDICATES) >= {"limits", "seccomp", "audit"}
    assert enforced(LIBRARIES) >= {"seccomp"}


def test_libraries_and_a_folder_of_its_own(monkeypatch):
    monkeypatch.setenv("NLPARAM_CANARY", "secret")
    context = "def test_execution(solution):\n    exec(solution, {})"
    solutions = [
        "import numpy as np\nassert np.linalg.svd(np.eye(3))[1].sum() == 3",
        "open('a.txt', 'w').write('x')\nassert open('a.txt').read() == 'x'",
        "import os\nassert os.listdir('.') == [] and 'NLPARAM_CANARY' not in os.environ",
        "import threading\nthread = threading.Thread(target=print)\nthread.start()\nthread.join()",
        "import nlparam",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
    ]
    verdicts = run_problems([Problem(context, solution) for solution in solutions])
    assert [verdict.functional for verdict in verdicts] == [True, True, True, True, False, False, False]
    assert "nlparam" in str(verdicts[4].error)


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
        with pytest.raises(Died, match="SIGKILL"):
            worker.ask({"do": "texts", "texts": []}, seconds=5)


def test_bad_limits_and_a_python_that_does_not_start(monkeypatch):
    with pytest.raises(ValueError, match="seconds=0"):
        Limits(seconds=0)
    with pytest.raises(ValueError, match="profile"):
        Limits(profile="anything")  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="no process"):
        Worker(PREDICATES)
