"""Servers that misbehave, each a real process: no answer is lost, no failure is stored, and the counts add up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nlparam.denotation.judge import LabelJudge
from nlparam.errors import LanguageModelError
from nlparam.lm import load_language_model
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress
from tests.helpers.faulty_rules import likely
from tests.helpers.faulty_server import FaultyServer

IN_FLIGHT = 4
PREDICATES = ("is about goals", "is polite", "mentions rain")


def questions(n_texts: int) -> tuple[list[str], np.ndarray]:
    texts = [f"text number {number} of the corpus" for number in range(n_texts)]
    return texts, np.asarray([(text, predicate) for text in range(n_texts) for predicate in range(len(PREDICATES))])


def judge(lm, path: Path | str, n_texts: int, **options) -> tuple[np.ndarray, Costs]:
    costs = Costs()
    options = {"backoff": 0.02, "max_retries": 4} | options
    with Store(path) as store, Engine(lm, store=store, costs=costs, **options) as engine:
        texts, pairs = questions(n_texts)
        judged = LabelJudge(engine, store, costs, progress=Progress(enabled=False)).judge(texts, PREDICATES, pairs)
    return judged, costs


def stored(path: Path | str) -> int:
    with Store(path) as store:
        return store.counts().judgments


def undisturbed(n_texts: int) -> np.ndarray:
    """What the server's rule says, read as the judge reads it."""
    texts, pairs = questions(n_texts)
    expected = []
    for text, predicate in pairs:
        prompt = f"Text: {texts[text]}\n\nProperty: {PREDICATES[predicate]}. Yes or no?"
        found = likely({"messages": [{"role": "user", "content": prompt}]})
        yes = sum(p for token, p in found.items() if token.strip().lower() == "yes")
        no = sum(p for token, p in found.items() if token.strip().lower() == "no")
        expected.append(yes / (yes + no))
    return np.asarray(expected)


def server_model(server: FaultyServer, **options) -> ServerModel:
    return ServerModel(server.url, max_in_flight=IN_FLIGHT, **options)


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "calls.txt"


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.mark.parametrize("style", ["old", "vllm", "llama", "openai"])
def test_undisturbed(style, log, store):
    with FaultyServer("--style", style, log=log) as server:
        judged, costs = judge(server_model(server), store, 10)
        refused = 1 if style == "openai" else 0  # asked again without the field that OpenAI does not know
        assert len(server.calls()) == costs.calls + refused == 30 + refused
        assert server.state()["most_at_once"] <= IN_FLIGHT
    assert judged == pytest.approx(undisturbed(10), abs=1e-12)
    assert (costs.judgments_asked, costs.failures, stored(store)) == (30, 0, 30)


PASSING = ("500", "502", "503", "429", "429:0.3", "503:0.3", "drop", "cut", "truncated")


# From a server that has never answered, a page of HTML or an answer without log-probabilities is final: below.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "good_before"),
    [*((fault, 5) for fault in (*PASSING, "html", "empty")), *((fault, 0) for fault in PASSING)],
)
def test_a_fault_that_passes(fault, good_before, log, store):
    with FaultyServer(log=log) as server:
        server.tell(*[("none", good_before)] * bool(good_before), (fault, 4))
        judged, costs = judge(server_model(server), store, 12)
        assert len(server.calls()) == costs.calls == 36 + costs.retries
        assert costs.retries == 4
    assert judged == pytest.approx(undisturbed(12), abs=1e-12)
    assert (costs.judgments_asked, costs.failures, stored(store)) == (36, 0, 36)


@pytest.mark.parametrize(("fault", "message"), [("html", "not of the OpenAI chat API"), ("empty", "no log-prob")])
def test_a_server_that_never_answers_is_given_up_at_once(fault, message, log, store):
    with FaultyServer(log=log) as server:
        server.tell((fault, 1000))
        with pytest.raises(LanguageModelError, match=message):
            judge(server_model(server), store, 12)
        assert len(server.calls()) <= IN_FLIGHT
    assert stored(store) == 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "429", "empty", "truncated", "html", "missing"])
def test_a_fault_that_stays_ends_the_run_and_is_never_stored(fault, log, store):
    with FaultyServer("--style", "vllm", log=log) as server:
        server.tell(("none", 10), (fault, 100_000))
        with pytest.raises(LanguageModelError, match="in a row"):
            judge(server_model(server), store, 100, max_retries=1, backoff=0.001)
        finished = len(server.finished())
        assert finished == stored(store) == 10
        server.tell(faults=[])
    with FaultyServer(log=log) as server:
        judged, costs = judge(server_model(server), store, 100)
    assert (costs.judgments_served, costs.judgments_asked) == (10, 290)
    assert judged == pytest.approx(undisturbed(100), abs=1e-12)


def test_a_fault_that_stays_for_some_is_counted(log, store):
    """Retries are bounded: what fails each time is a failure, and the rest is answered."""
    with FaultyServer(log=log) as server:
        server.tell(("none", 5), ("500", 6))
        judged, costs = judge(server_model(server, patience=0), store, 12, max_retries=0)
        assert len(server.calls()) == costs.calls == 36
    assert costs.failures == np.isnan(judged).sum() == 6
    assert costs.judgments_asked == stored(store) == 30


@pytest.mark.slow
def test_an_answer_that_hangs(log, store):
    with FaultyServer(log=log) as server:
        server.tell(("none", 6), ("hang", 3))
        judged, costs = judge(server_model(server, timeout=0.5), store, 12)
        assert len(server.calls()) == costs.calls == 36 + costs.retries
        assert costs.retries == 3
    assert judged == pytest.approx(undisturbed(12), abs=1e-12)
    assert (costs.failures, stored(store)) == (0, 36)


@pytest.mark.parametrize("style", ["old", "vllm"])
def test_a_label_that_is_missing_from_the_log_probabilities(style, log, store):
    with FaultyServer("--style", style, log=log) as server:
        server.tell(("none", 5), ("missing", 4))
        judged, costs = judge(server_model(server), store, 12)
        assert len(server.calls()) == costs.calls
    # Among the likeliest tokens, one that is left out and would hardly have counted is no fault.
    assert judged == pytest.approx(undisturbed(12), abs=1e-12 if style == "vllm" else 0.05)
    assert costs.retries == 4 if style == "vllm" else 1 <= costs.retries <= 4
    assert (costs.failures, stored(store)) == (0, 36)


@pytest.mark.parametrize("style", ["vllm", "llama"])
def test_a_text_longer_than_the_context(style, log, store):
    long = "word " * 200
    texts, pairs = questions(8)
    texts[0] = texts[5] = long
    costs = Costs()
    with FaultyServer("--style", style, "--max-words", "60", log=log) as server, Store(store) as opened:
        with Engine(server_model(server), store=opened, costs=costs) as engine:
            judged = LabelJudge(engine, opened, costs, progress=Progress(enabled=False)).judge(texts, PREDICATES, pairs)
        # Both texts are the same, so each predicate is asked once of it; the first such request is how the server is
        # met, and it is asked once more without the fields that not every server knows.
        assert costs.calls == 18 + 3
        assert len(server.calls()) == costs.calls
    assert np.isnan(judged.reshape(8, 3)).all(axis=1).tolist() == [number in (0, 5) for number in range(8)]
    assert costs.failures == 3
    assert (costs.judgments_asked, costs.retries, stored(store)) == (18, 0, 18)


def test_a_text_longer_than_the_context_says_what_to_do(store):
    expected = r"longer than .* can read.*fewer words.*--max-model-len"
    with FaultyServer("--max-words", "5") as server, pytest.raises(LanguageModelError, match=expected):
        judge(server_model(server), store, 1)


def test_the_wrong_model(log, store):
    with FaultyServer(log=log) as server:
        with pytest.raises(LanguageModelError, match="does not serve the model 'other' but faulty-model"):
            judge(load_language_model(server.url, model="other"), store, 2)
        assert server.calls() == []


@pytest.mark.parametrize("thinks", ["aloud", "parsed"])
def test_a_model_that_thinks_although_it_was_asked_not_to(thinks, log, store):
    with FaultyServer("--thinks", thinks, log=log) as server:
        with pytest.raises(LanguageModelError, match=r"thinks aloud.*instruct model"):
            judge(server_model(server), store, 10)
        assert len(server.calls()) <= IN_FLIGHT
        assert server.bodies_sent()[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert stored(store) == 0


def run_and(server: FaultyServer, store: Path, n_texts: int, at: int, act, **options) -> tuple[np.ndarray, Costs]:
    """Judges while `act` is called in another thread as soon as `at` questions were answered."""
    result: list = []

    def work() -> None:
        try:
            result.append(judge(server_model(server, **options), store, n_texts))
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    server.wait_for(at)
    act()
    thread.join(timeout=120)
    assert not thread.is_alive()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def check_after_outage(server: FaultyServer, store: Path, judged: np.ndarray, costs: Costs, n_texts: int) -> None:
    n = n_texts * len(PREDICATES)
    assert judged == pytest.approx(undisturbed(n_texts), abs=1e-12)
    assert (costs.judgments_asked, costs.failures, stored(store)) == (n, 0, n)
    # Each call more than the questions is a retry, and no more were sent than could be under way at the moment.
    assert costs.calls == n + costs.retries
    assert 1 <= costs.retries <= 3 * IN_FLIGHT
    assert len(server.calls()) <= costs.calls <= len(server.calls()) + 2 * IN_FLIGHT
    assert max(Counter(server.finished()).values()) <= 2


@pytest.mark.slow
def test_a_server_that_is_killed_and_restarted(log, store):
    with FaultyServer("--delay", "0.01", log=log) as server:

        def restart() -> None:
            server.kill()
            time.sleep(0.5)
            server.start()

        judged, costs = run_and(server, store, 60, 50, restart)
        check_after_outage(server, store, judged, costs, 60)


@pytest.mark.slow
def test_a_server_that_refuses_connections_for_a_while(log, store):
    with FaultyServer("--delay", "0.01", log=log) as server:
        judged, costs = run_and(server, store, 60, 50, lambda: server.tell(refuse=0.7))
        check_after_outage(server, store, judged, costs, 60)


@pytest.mark.slow
def test_a_server_that_is_unhealthy_for_a_while(log, store):
    """A proxy whose server is gone, or llama-server loading its model: 503 for everything."""
    with FaultyServer("--delay", "0.01", log=log) as server:

        def ail() -> None:
            server.tell(("503", 100_000), healthy=False)
            time.sleep(0.5)
            server.process.kill()
            server.kill()
            server.start()

        judged, costs = run_and(server, store, 60, 50, ail)
        check_after_outage(server, store, judged, costs, 60)


@pytest.mark.slow
def test_a_server_that_hangs_as_a_whole(log, store):
    with FaultyServer("--delay", "0.01", log=log) as server:

        def freeze() -> None:
            with server.stopped():
                time.sleep(1.2)

        judged, costs = run_and(server, store, 60, 50, freeze, timeout=0.5)
        assert judged == pytest.approx(undisturbed(60), abs=1e-12)
        assert (costs.judgments_asked, costs.failures, stored(store)) == (180, 0, 180)
        assert costs.calls == 180 + costs.retries


@pytest.mark.slow
def test_a_server_that_does_not_come_back(log, store):
    with FaultyServer("--delay", "0.01", log=log) as server:
        with pytest.raises(LanguageModelError, match=r"away for more than 0\.5 s .*run the same command again"):
            run_and(server, store, 60, 50, server.kill, patience=0.5)
        # A killed server may have sent an answer and not yet logged it.
        assert 50 - IN_FLIGHT <= stored(store) <= len(server.finished()) + IN_FLIGHT
        server.start()
        judged, costs = judge(server_model(server), store, 60)
        assert costs.judgments_asked + costs.judgments_served == 180
        assert costs.judgments_served >= 50 - IN_FLIGHT
    assert judged == pytest.approx(undisturbed(60), abs=1e-12)


@pytest.mark.slow
def test_a_server_that_is_there_and_answers_nothing(log, store):
    """Its health is good and every completion hangs: after a while the run ends, however many tries are left."""
    with FaultyServer(log=log) as server:
        server.tell(("none", 20), ("hang", 100_000))
        with pytest.raises(LanguageModelError, match=r"has answered nothing for 1\.5 s .*no answer from"):
            judge(server_model(server, timeout=0.5, patience=0.5), store, 60, max_retries=1000)
        assert stored(store) == len(server.finished()) == 20


@pytest.mark.slow
@pytest.mark.parametrize("style", ["old", "llama"])
def test_another_model_in_its_place(style, log, store):
    with FaultyServer("--delay", "0.01", "--style", style, log=log) as server:

        def replace() -> None:
            server.kill()
            server.start("--model", "another")

        with pytest.raises(LanguageModelError, match="server:faulty-model and came back with server:another"):
            run_and(server, store, 60, 50, replace)
        # A killed server may have sent an answer and not yet logged it.
        assert stored(store) <= len(server.finished()) + IN_FLIGHT
        assert len(server.finished()) < 150  # of 180, and 50 had been answered
    with FaultyServer() as server:
        judged, _ = judge(server_model(server), store, 60)
    assert judged == pytest.approx(undisturbed(60), abs=1e-12)


JUDGE = """
import json, sys
from pathlib import Path
from tests.lm.server.test_faults import judge, IN_FLIGHT
from nlparam.lm import load_language_model

url, path, n_texts = sys.argv[1:]
lm = load_language_model(url)
lm.max_in_flight = IN_FLIGHT
judged, costs = judge(lm, path, int(n_texts))
print(json.dumps({"judged": judged.tolist(), "calls": costs.calls, "served": costs.judgments_served}))
"""


def judging(server: FaultyServer, store: Path, n_texts: int) -> subprocess.Popen:
    command = [sys.executable, "-c", JUDGE, server.url, str(store), str(n_texts)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def finish(process: subprocess.Popen) -> dict:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.mark.slow
def test_two_runs_share_one_store(log, store):
    with FaultyServer("--delay", "0.01", log=log) as server:
        both = [judging(server, store, 40) for _ in range(2)]
        results = [finish(process) for process in both]
        calls = len(server.calls())
        assert sum(result["calls"] for result in results) == calls == len(server.finished())
        assert 120 <= calls <= 240
        for result in results:
            assert result["judged"] == pytest.approx(undisturbed(40), abs=1e-12)
        assert stored(store) == 120
        assert finish(judging(server, store, 40))["calls"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_run_that_is_ended_goes_on_where_it_was(how, log, store):
    if not hasattr(signal, how):
        pytest.skip(f"sends {how}")
    # Slow enough that a machine which is busy with other things does not miss the middle of the run.
    with FaultyServer("--delay", "0.1", log=log) as server:
        process = judging(server, store, 60)
        server.wait_for(50)
        os.kill(process.pid, getattr(signal, how))
        _, err = process.communicate(timeout=30)
        assert process.returncode != 0
        assert ("KeyboardInterrupt" in err) == (how == "SIGINT")
        time.sleep(0.3)
        finished = len(server.finished())
        assert finished - IN_FLIGHT <= stored(store) <= finished < 180
        server.tell(delay=0.0)
        result = finish(judging(server, store, 60))
        assert result["judged"] == pytest.approx(undisturbed(60), abs=1e-12)
        assert result["served"] + result["calls"] == 180
        repeated = Counter(server.finished()).total() - len(set(server.finished()))
        assert repeated <= IN_FLIGHT
        assert stored(store) == 180
