"""A run that is killed and started again repeats no finished call."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from nlparam.lm.store import Store

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends SIGKILL")

# Judges and proposes as the real judge and proposer do: what the store has is not asked, the rest is stored one by one.
RUN = """
import math, sys
from nlparam.corpus.corpus import text_digest
from nlparam.runtime.costs import Costs
from nlparam.lm import Message, Request, load_language_model
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store

url, path, n_texts, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lm, costs = load_language_model(url), Costs()
lm.max_in_flight = in_flight
pairs = [("is about goals", text_digest(f"text {n}")) for n in range(n_texts)]
with Store(path) as store, Engine(lm, store=store, costs=costs) as engine:
    known = store.get_judgments(lm.identity, "1", pairs)
    asked = [n for n in range(n_texts) if pairs[n] not in known]
    def keep(index, completion):
        store.put_judgments(lm.identity, "1", [(*pairs[asked[index]], math.exp(completion.label_logprobs[0]))])
    engine.run(
        [Request((Message("user", f"judge {n}"),), labels=("yes", "no")) for n in asked], on_result=keep
    )
    engine.complete_stored([Request((Message("user", f"propose {n}"),)) for n in range(n_texts)])
print(costs.calls)
"""


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
        command = [sys.executable, "-c", RUN, url, str(path), str(n_texts), str(in_flight)]
        for kill_after in (25, 80):  # among the judgments, then among the proposals
            run_and_kill(command, log, after=kill_after)
            finished = Counter(settle(log))
            with Store(path) as store:
                stored = sum(store.counts())
            # All that is missing from the store was in flight, as far as the client knew.
            assert finished.total() - repetitions(finished) - in_flight <= stored <= finished.total()
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
        calls = Counter(settle(log))
        assert set(calls) == {f"{what} {n}" for what in ("judge", "propose") for n in range(n_texts)}
        assert repetitions(calls) <= 2 * in_flight  # at most those in flight at each kill
        again = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
        assert again.stdout == "0\n"
        assert Counter(settle(log)) == calls


FIT = """
import sys
import nlparam
from nlparam.lm import load_language_model
from nlparam.models import Clustering
from tests.helpers.oracle import LexicalEmbedder, topics

url, path, in_flight = sys.argv[1], sys.argv[2], int(sys.argv[3])
lm = load_language_model(url)
lm.max_in_flight = in_flight
texts, _ = topics(60, 2)
options = {"n_screened": 5, "n_judged": 30, "n_rounds": 1}
predicates = [f"mentions number {number}" for number in range(6)]
fit = nlparam.fit(
    Clustering(2),
    texts,
    lm=lm,
    embedder=LexicalEmbedder(texts),
    store=path,
    options=options,
    predicates=predicates,
)
print(fit.costs.calls, fit.costs.embeddings_computed, "; ".join(fit.predicates))
"""


def test_a_killed_fit_goes_on_where_it_was(tmp_path):
    """The whole chain at two moments of the judging: what the client has seen answered is never asked again."""
    in_flight, log, path = 4, tmp_path / "calls.txt", tmp_path / "store.sqlite"
    with server_process(log, delay=0.02) as url:
        command = [sys.executable, "-c", FIT, url, str(path), str(in_flight)]
        for kill_after in (15, 50):
            run_and_kill(command, log, after=kill_after)
            settle(log)
        finished = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
        calls = Counter(finished_calls(log))
        assert calls.total() > 70
        assert repetitions(calls) <= 2 * in_flight  # at most those in flight at each kill
        again = subprocess.run(command, check=True, timeout=300, capture_output=True, text=True)
        assert again.stdout.split()[:2] == ["0", "0"]
        assert again.stdout.split()[2:] == finished.stdout.split()[2:]
        assert Counter(finished_calls(log)) == calls
