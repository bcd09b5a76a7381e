import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm.base import Completion, Message, Request
from nlparam.lm.batching import BatchWorker, Pulse


def _request(text: str) -> Request:
    return Request((Message("user", text),))


class _Forgetful:
    """Answers the first request of a batch only."""

    def answer(self, requests):
        return [Completion(request.messages[0].content) for request in requests[:1]]

    def close(self):
        pass


def test_a_model_that_forgets_an_answer_keeps_nobody_waiting():
    all_wait = threading.Event()

    def load(_pulse):
        all_wait.wait(30)
        return _Forgetful()

    worker = BatchWorker(load, 8, where="the model")
    calls = [worker.submit(_request(f"text {number}")) for number in range(20)]
    all_wait.set()
    errors = [error for call in calls if (error := call.exception(timeout=30)) is not None]
    assert errors
    assert all(isinstance(error, LanguageModelError) and "gave 1 answers to" in str(error) for error in errors)
    again = worker.submit(_request("one alone"))
    assert again.result(timeout=30) == Completion("one alone")
    worker.close()


class _Computing:
    """Computes until it is told to stop; `events` is what it did."""

    def __init__(self, pulse: Pulse, events: list[str]):
        self.pulse, self.events, self.began = pulse, events, threading.Event()

    def answer(self, requests):
        self.began.set()
        while not self.pulse.stopped:
            self.pulse.beat()
        self.events.append(f"stopped with {len(requests)}")
        self.pulse.check()
        return []

    def close(self):
        self.events.append("freed")


def test_closing_stops_the_batch_under_way_and_only_then_frees_the_model():
    events: list[str] = []
    models: list[_Computing] = []
    loaded = threading.Event()

    def load(pulse):
        models.append(_Computing(pulse, events))
        loaded.set()
        return models[0]

    worker = BatchWorker(load, 8, where="the model")
    first = worker.submit(_request("computes"))
    assert loaded.wait(30)
    assert models[0].began.wait(30)
    second = worker.submit(_request("waits"))
    worker.close()
    assert not worker._thread.is_alive()
    assert events == ["stopped with 1", "freed"]
    for call in (first, second):
        with pytest.raises(LanguageModelError, match="was closed before it had answered"):
            call.result(timeout=0)
    worker.close()  # once more is no harm


_ENDING = """
import asyncio, contextlib, sys, threading
from nlparam.runtime.costs import Costs
from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel, Message, Request
from nlparam.lm.batching import BatchWorker
from nlparam.lm.engine import Engine

class Computing:
    def __init__(self, pulse):
        self.pulse = pulse
    def answer(self, requests):
        print("computing", flush=True)
        while not self.pulse.stopped:
            self.pulse.beat()
        print("stopped", flush=True)
        self.pulse.check()
    def close(self):
        print("freed", flush=True)

class Model(AbstractLanguageModel):
    identity, in_process, worker = "model", True, None
    async def complete(self, request):
        self.worker = self.worker or BatchWorker(Computing, 4, where="the model")
        return await asyncio.wrap_future(self.worker.submit(request))
    async def aclose(self):
        worker, self.worker = self.worker, None
        await asyncio.to_thread(worker.close)

requests = [Request((Message("user", "hello"),))]
"""
_ENDINGS = {
    "nobody closes": """
        call = BatchWorker(Computing, 4, where="the model").submit(requests[0])
        while not call.running():
            pass
        sys.exit(3)
        """,
    "an error": """
        engine = Engine(Model(), store=None, costs=Costs())
        def run():
            with contextlib.suppress(LanguageModelError):
                engine.run(requests)
        threading.Thread(target=run, daemon=True).start()
        while engine.lm.worker is None or engine.lm.worker.pulse.steps is None:
            pass
        raise SystemExit(3)
        """,
    "the keyboard": """
        try:
            with Engine(Model(), store=None, costs=Costs()) as engine:
                engine.run(requests)
        except KeyboardInterrupt:
            sys.exit(3)
        """,
}


@pytest.mark.parametrize("ending", _ENDINGS)
def test_a_computation_is_stopped_and_its_model_freed_before_the_process_ends(ending):
    if ending == "the keyboard" and os.name != "posix":
        pytest.skip("sends SIGINT")
    script = _ENDING + textwrap.dedent(_ENDINGS[ending])
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "computing\n"
            if ending == "the keyboard":
                process.send_signal(signal.SIGINT)
            process.wait(60)
            # Not by `communicate`, which loses what came together with the first line.
            out, err = process.stdout.read(), process.stderr.read()
        finally:
            process.kill()
    assert (out, err, process.returncode) == ("stopped\nfreed\n", "", 3)
