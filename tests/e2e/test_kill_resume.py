"""A run that is killed and started again repeats no finished call."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import nlparam
from nlparam.corpus.corpus import text_digest
from nlparam.lm import Message, Request, load_language_model
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends SIGKILL")


def judge_and_propose(url: str, path: str, n_texts: int, in_flight: int) -> int:
    """As the real judge and proposer do: what the store has is not asked, the rest is stored one by one.

    Returns how many calls were made.
    """
    lm, costs = load_language_model(url), Costs()
    lm.max_in_flight = in_flight  # pyright: ignore[reportAttributeAccessIssue]
    pairs = [("is about goals", text_digest(f"text {n}")) for n in range(n_texts)]
    with Store(path) as store, Engine(lm, store=store, costs=costs) as engine:
        known = store.get_judgments(lm.identity, "1", pairs)
        asked = [n for n in range(n_texts) if pairs[n] not in known]

        def keep(index, completion):
            store.put_judgments(lm.identity, "1", [(*pairs[asked[index]], math.exp(completion.label_logprobs[0]))])

        requests = [Request((Message("user", f"judge {n}"),), labels=("yes", "no")) for n in asked]
        engine.run(requests, on_result=keep)
        engine.complete_stored([Request((Message("user", f"propose {n}"),)) for n in range(n_texts)])
    return costs.calls


def fit(url: str, path: str, in_flight: int) -> "nlparam.Fit":
    """A fit of two topics."""
    # Not what the other processes of this file wait for.
    from nlparam.models import Clustering
    from tests.helpers.oracle import LexicalEmbedder, topics

    lm = load_language_model(url)
    lm.max_in_flight = in_flight  # pyright: ignore[reportAttributeAccessIssue]
    texts, _ = topics(60, 2)
    return nlparam.fit(
        Clustering(2),
        texts,
        lm=lm,
        embedder=LexicalEmbedder(texts),
        store=path,
        options={"n_screened": 5, "n_judged": 30, "n_rounds": 1},
        predicates=[f"mentions number {number}" for number in range(6)],
    )


def in_a_process(function: Callable[..., object], *arguments: str | int) -> list[str]:
    """The command that calls a function of this module in a process of its own."""
    call = f"from {__name__} import {function.__name__}; {function.__name__}(*{arguments!r})"
    return [sys.executable, "-c", call]


@contextlib.contextmanager
def server_process(log: Path, *, delay: float) -> Iterator[str]:
    """The fake server as a process of its own, which writes a line to `log` for each finished call. Yields its URL."""
    command = [
        sys.executable,
        str(Path(__file__).parents[1] / "helpers" / "fake_server.py"),
        "--log",
        str(log),
        "--delay",
        str(delay),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def finished_calls(log: Path) -> list[str]:
    """The prompts of the finished calls, in order."""
    return log.read_text().splitlines() if log.exists() else []


def run_and_kill(command: Sequence[str], log: Path, *, after: int, env: dict[str, str] | None = None) -> None:
    """Starts a command and kills it with SIGKILL as soon as `after` calls are in the server's log.

    The command must still be running by then; otherwise the test would not test anything.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) as process:
        deadline = time.monotonic() + 120
        while len(finished_calls(log)) < after:
            assert process.poll() is None, f"ended with {process.returncode} after {len(finished_calls(log))} calls"
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def repetitions(calls: Counter[str]) -> int:
    """How many calls were repetitions of a finished one."""
    return calls.total() - len(calls)


def settle(log: Path, *, quiet: float = 0.2) -> list[str]:
    """The log once nothing has come to it for `quiet` seconds: what was in flight at the kill has ended."""
    before, since = finished_calls(log), time.monotonic()
    while time.monotonic() - since < quiet:
        time.sleep(0.05)
        if (now := finished_calls(log)) != before:
            before, since = now, time.monotonic()
    return before


@pytest.mark.parametrize("in_flight", [1, 8])
def test_no_stored_call_is_repeated(tmp_path, in_flight):
    n_texts, log, path = 60, tmp_path / "calls.txt", tmp_path / "store.sqlite"
    with server_process(log, delay=0.01 * in_flight) as url:
        given = (url, str(path), n_texts, in_flight)
        command = in_a_process(judge_and_propose, *given)
        for kill_after in (25, 80):  # among the judgments, then among the proposals
            run_and_kill(command, log, after=kill_after)
            finished = Counter(settle(log))
            with Store(path) as store:
                stored = sum(store.counts())
            # All that is missing from the store was in flight, as far as the client knew.
            assert finished.total() - repetitions(finished) - in_flight <= stored <= finished.total()
        judge_and_propose(*given)
        calls = Counter(settle(log))
        assert set(calls) == {f"{what} {n}" for what in ("judge", "propose") for n in range(n_texts)}
        assert repetitions(calls) <= 2 * in_flight  # at most those in flight at each kill
        assert judge_and_propose(*given) == 0
        assert Counter(settle(log)) == calls


@pytest.mark.filterwarnings("ignore:the head can hardly tell")
def test_a_killed_fit_goes_on_where_it_was(tmp_path):
    """The whole chain at two moments of the judging: what the client has seen answered is never asked again."""
    in_flight, log, path = 4, tmp_path / "calls.txt", tmp_path / "store.sqlite"
    with server_process(log, delay=0.02) as url:
        given = (url, str(path), in_flight)
        command = in_a_process(fit, *given)
        for kill_after in (15, 50):
            run_and_kill(command, log, after=kill_after)
            settle(log)
        finished = fit(*given)
        calls = Counter(finished_calls(log))
        assert calls.total() > 70
        assert repetitions(calls) <= 2 * in_flight  # at most those in flight at each kill
        again = fit(*given)
        assert (again.costs.calls, again.costs.embeddings_computed) == (0, 0)
        assert again.predicates == finished.predicates
        assert Counter(finished_calls(log)) == calls
