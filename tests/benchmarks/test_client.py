"""The benchmark of the client runs, and its server speaks HTTP and the OpenAI API as the others do."""

import math

from benchmarks.commands import serving
from benchmarks.judging.client import INSTANT, measure
from nlparam.lm import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel
from nlparam.runtime.costs import Costs


def test_measure():
    found = measure(600, batch=200)
    assert found["judgments"] == 600
    assert found["client_judgments_per_second"] > 0
    # Linux adds up what each thread has counted, and may forget a little of it later.
    assert 0 < found["peak_mib_early"] < found["peak_mib"] + 1
    assert found["cpu_split"]["client"] > 0


def test_the_instant_server():
    with serving(INSTANT) as (_, url), Engine(ServerModel(url), store=None, costs=Costs()) as engine:
        completions = engine.run([Request((Message("user", "x" * n),), labels=("yes", "no")) for n in (1, 200_000)])
        assert engine.lm.identity == "server:instant"
    for completion in completions:
        assert completion is not None
        assert completion.label_logprobs is not None
        yes, no = map(math.exp, completion.label_logprobs)
        assert 0.6 < yes / (yes + no) < 0.9
        assert yes + no <= 1.0
