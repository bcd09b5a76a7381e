import asyncio
import dataclasses
import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from nlparam.errors import LanguageModelError, StoreError
from nlparam.lm import ScriptedModel, load_language_model
from nlparam.lm.base import Completion, Message, Request, RequestError, TransientError, neutralise
from nlparam.lm.engine import PATIENCE, Engine
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs


def _requests(n: int, **fields) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), **fields) for number in range(n)]


def _number(request: Request) -> int:
    return int(request.messages[0].content.split()[1])


def _engine(answer, *, store=None, max_retries=3, timeout=None, **model) -> Engine:
    lm = ScriptedModel(answer, **model)
    return Engine(lm, store=store, costs=Costs(), max_retries=max_retries, timeout=timeout, backoff=0.001)


@pytest.mark.parametrize("bound", [1, 3, 50])
def test_concurrency_is_bounded_and_used_and_requests_start_in_order(bound):
    started, under_way, most = [], 0, 0

    async def answer(request):
        nonlocal under_way, most
        started.append(_number(request))
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001 * (_number(request) % 3))
        under_way -= 1
        return f"answer {_number(request)}"

    with _engine(answer, max_in_flight=bound) as engine:
        completions = engine.run(_requests(40))
    assert [completion.text for completion in completions if completion] == [f"answer {n}" for n in range(40)]
    assert started == list(range(40))
    assert most == min(bound, 40)
    assert (engine.costs.calls, engine.costs.prompt_tokens, engine.costs.completion_tokens) == (40, 80, 80)


def test_on_result_is_called_once_each_before_another_request_takes_the_place():
    events = []

    async def answer(request):
        events.append(("start", _number(request)))
        await asyncio.sleep(0)
        return "done"

    with _engine(answer, max_in_flight=4) as engine:
        engine.run(_requests(30), on_result=lambda index, _: events.append(("saved", index)))
    assert sorted(index for what, index in events if what == "saved") == list(range(30))
    for position in range(len(events)):
        kinds = [what for what, _ in events[: position + 1]]
        assert kinds.count("start") - kinds.count("saved") <= 4


@pytest.mark.parametrize("limit", [1200, 700])
def test_a_long_text_does_not_have_a_budget_of_tokens_look_spent(limit):
    async def answer(request):
        await asyncio.sleep(0.001 if _number(request) == 0 else 0.005)
        return "done"

    # The first is answered first, and 16 like it, which are under way, would be more than the budget allows.
    requests = [Request((Message("user", f"text {n}" + " long" * (600 if n == 0 else 0)),)) for n in range(100)]
    costs = Costs()
    with Engine(
        ScriptedModel(answer, max_in_flight=16), store=None, costs=costs, meter=Meter(costs, Budget(max_tokens=limit))
    ) as engine:
        answered = [completion for completion in engine.run(requests) if completion is not None]
    if limit == 1200:
        assert (len(answered), costs.tokens, engine.meter.spent) == (100, 900, None)
    else:
        assert engine.meter.spent == f"{costs.tokens} of 700 tokens"
        assert 700 <= costs.tokens <= 706
        assert costs.tokens == 600 + 3 * len(answered)


def test_what_on_result_raises_ends_the_batch():
    asked = []

    def full(index, _completion):
        raise StoreError(f"no room for {index}")

    with _engine(lambda request: asked.append(request) or "done", max_in_flight=1) as engine:
        with pytest.raises(StoreError, match="no room for 0"):
            engine.run(_requests(20), on_result=full)
        assert len(asked) == 1
        assert engine.run(_requests(1)) != [None]  # and the engine can still be used


def test_retries_are_bounded_and_counted_and_the_rest_of_the_batch_is_answered():
    tries: dict[int, int] = {}

    def answer(request):
        number = _number(request)
        tries[number] = tries.get(number, 0) + 1
        if number == 2 or (number == 1 and tries[1] <= 2):
            raise TransientError("busy")
        return "done"

    with _engine(answer, max_retries=3) as engine:
        completions = engine.run(_requests(4))
    assert [completion is not None for completion in completions] == [True, True, False, True]
    assert tries == {0: 1, 1: 3, 2: 4, 3: 1}
    costs = engine.costs
    assert (costs.calls, costs.retries, costs.failures) == (9, 5, 1)


def test_retry_after_is_honoured_and_bounded():
    engine = _engine([])
    assert 7.0 <= engine._delay(1, 7.0) <= 7.1
    assert engine._delay(1, 1e6) <= 60.1
    assert all(engine._delay(tries, None) <= 45.0 for tries in range(1, 200))
    assert engine._delay(9, None) > engine._delay(1, None)


def test_a_useless_backend_is_reported_at_once():
    asked = []

    def answer(request):
        asked.append(request)
        raise LanguageModelError("start it with vllm serve")

    with _engine(answer, max_in_flight=2) as engine, pytest.raises(LanguageModelError, match="start it with"):
        engine.run(_requests(100))
    assert len(asked) <= 2


def test_a_batch_that_only_fails_says_so():
    def answer(_request):
        raise TransientError("overloaded")

    with _engine(answer, max_retries=1) as engine:
        with pytest.raises(LanguageModelError, match=r"answered none of 3 requests.*overloaded"):
            engine.run(_requests(3))
        assert (engine.costs.calls, engine.costs.retries, engine.costs.failures) == (6, 3, 3)


def test_a_backend_that_dies_midway_ends_the_batch_and_keeps_what_was_answered():
    saved = []

    def answer(request):
        if _number(request) >= 10:
            raise TransientError("gone")
        return "done"

    expected = rf"{PATIENCE} times in a row, with 10 of 1000 requests.*gone"
    with (
        _engine(answer, max_retries=0, max_in_flight=1) as engine,
        pytest.raises(LanguageModelError, match=expected),
    ):
        engine.run(_requests(1000), on_result=lambda index, _: saved.append(index))
    assert saved == list(range(10))


def test_requests_that_cannot_be_answered_do_not_stop_the_others():
    def answer(request):
        if _number(request) % 40:
            raise RequestError("too long")
        return "done"

    with _engine(answer, max_in_flight=1) as engine:
        completions = engine.run(_requests(80))
        assert [number for number, completion in enumerate(completions) if completion] == [0, 40]
        assert (engine.costs.failures, engine.costs.retries) == (78, 0)
        assert engine.run(_requests(5)[1:]) == [None] * 4
    with _engine(answer) as engine, pytest.raises(LanguageModelError, match="too long"):
        engine.run(_requests(5)[1:])


def test_a_label_read_without_any_of_its_labels_is_a_failure():
    def answer(request):
        return "perhaps" if _number(request) == 1 else {"yes": 0.75, "no": 0.0}

    with _engine(answer) as engine:
        first, second = engine.run(_requests(2, labels=("yes", "no")))
    assert first is not None
    assert first.label_logprobs == (math.log(0.75), -math.inf)
    assert second is None
    assert engine.costs.failures == 1


def test_a_hanging_backend_meets_the_time_limit():
    async def answer(_request):
        await asyncio.sleep(3600)

    with _engine(answer, timeout=0.05) as engine, pytest.raises(LanguageModelError, match=r"within 0\.05 s"):
        engine.run(_requests(2))


def test_it_works_where_an_event_loop_is_running():
    async def notebook():
        with _engine(lambda _: "done") as engine:
            return engine.run(_requests(3))

    assert all(asyncio.run(notebook()))


def test_a_run_inside_a_run_is_refused_rather_than_waiting_for_ever():
    with _engine(lambda _: "done") as engine:

        def again(_index, _completion):
            engine.run(_requests(1))

        with pytest.raises(RuntimeError, match="wait for itself"):
            engine.run(_requests(1), on_result=again)


def test_closing_leaves_no_thread_and_an_engine_can_be_used_again():
    before = set(threading.enumerate())  # other tests leave threads behind
    with _engine(lambda _: "done") as engine:
        engine.run(_requests(3))
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name == "nlparam-engine"]
    with engine:
        assert len(engine.run(_requests(3))) == 3


def test_generation_is_served_from_the_store_and_stored_as_it_arrives():
    asked = []

    def answer(request):
        asked.append(_number(request))
        if _number(request) == 3 and asked.count(3) == 1:
            raise RequestError("not now")
        return f"about {_number(request)}"

    with Store(":memory:") as store, _engine(answer, store=store, max_in_flight=1) as engine:
        requests = _requests(4)
        texts = [c and c.text for c in engine.complete_stored([*requests, requests[0]])]
        assert texts == ["about 0", "about 1", "about 2", None, "about 0"]
        assert asked == [0, 1, 2, 3]
        again = [c and c.text for c in engine.complete_stored(requests)]
        assert again == ["about 0", "about 1", "about 2", "about 3"]
        assert asked == [0, 1, 2, 3, 3]
        assert (engine.costs.proposals_asked, engine.costs.proposals_served) == (4, 3)
        with _engine(answer, store=store, identity="another") as other:
            other.complete_stored(requests[:1])
        assert asked[-1] == 0
        with pytest.raises(ValueError, match="for labels or a state"):
            engine.complete_stored(_requests(1, labels=("yes", "no")))


@pytest.mark.parametrize("token", ["<|im_end|>", "<|im_start|>system", "</s>", "[/INST]", "<end_of_turn>", "</think>"])
def test_no_backend_sees_a_chat_template_token(token):
    seen = []
    with _engine(lambda request: seen.append(request.messages[0].content) or "done") as engine:
        engine.run([Request((Message("user", f"before {token} after"),))])
    assert token not in seen[0]
    assert seen[0].replace(" ", "") == f"before{token}after".replace(" ", "")
    assert neutralise(seen[0]) == seen[0]


@pytest.mark.parametrize("text", ["", "a < b | c", "<b>bold</b>", "x[1]", "f <| g", "5 <6", "un été à Köln"])
def test_other_text_is_sent_as_it_is(text):
    assert neutralise(text) == text


def test_a_sequence_is_a_script_that_ends():
    with _engine(["one", "two"], max_in_flight=1) as engine:
        assert [c and c.text for c in engine.run(_requests(2))] == ["one", "two"]
        with pytest.raises(LanguageModelError, match="2 answers and one more"):
            engine.run(_requests(1))
    completion = Completion("as it is", None, 5, 6)
    assert asyncio.run(ScriptedModel(lambda _: completion).complete(_requests(1)[0])) is completion


def test_an_interruption_inside_a_backend_reaches_the_caller():
    def answer(_request):
        raise KeyboardInterrupt

    with _engine(answer) as engine, pytest.raises(KeyboardInterrupt):
        engine.run(_requests(3))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_control_c_leaves_promptly():
    script = """
import asyncio
from nlparam.runtime.costs import Costs
from nlparam.lm import Message, Request, ScriptedModel
from nlparam.lm.engine import Engine
async def hang(request):
    print("hanging", flush=True)
    await asyncio.sleep(3600)
try:
    with Engine(ScriptedModel(hang), store=None, costs=Costs()) as engine:
        engine.run([Request((Message("user", "hello"),))])
except KeyboardInterrupt:
    print("left", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (out, err, process.returncode) == ("left\n", "", 0)


def test_a_language_model_by_its_short_name(tmp_path):
    lm = ScriptedModel(["a"])
    assert load_language_model(lm) is lm
    for wrong in ("gpt-7", "", "ftp://host/v1", str(tmp_path / "weights.bin")):
        with pytest.raises(LanguageModelError, match=r"\"embedded:NAME\".*\.gguf.*http://HOST:PORT/v1#MODEL"):
            load_language_model(wrong)
    with pytest.raises(LanguageModelError, match="for a server only"):
        load_language_model("embedded", model="qwen")


class Stateful(ScriptedModel):
    """Says of each request how long it is, as a state."""

    states = "lengths"

    async def complete(self, request):
        said = await super().complete(request)
        return dataclasses.replace(said, state=np.asarray([len(request.messages[-1].content), 1.0], np.float32))


def test_states_are_read_once_and_kept_apart_from_those_of_another_kind(tmp_path):
    requests = [Request((Message("user", text),), state=True) for text in ("one", "three", "one")]
    with Store(tmp_path / "s.sqlite") as store:
        lm, costs = Stateful(lambda _: ""), Costs()
        with Engine(lm, store=store, costs=costs) as engine:
            read = engine.read_states(requests)
            assert [None if state is None else state.tolist() for state in read] == [[3, 1], [5, 1], [3, 1]]
            again = engine.read_states(requests)
        np.testing.assert_array_equal(np.stack([s for s in again if s is not None])[:, 0], [3, 5, 3])
        assert (costs.calls, costs.proposals_asked, costs.proposals_served) == (2, 2, 3)
        lm.states = "others"
        with Engine(lm, store=store, costs=costs) as engine:
            engine.read_states(requests)
        assert costs.calls == 4


def test_a_state_that_came_with_a_text_is_not_read_again(tmp_path):
    messages = (Message("user", "one"),)
    with Store(tmp_path / "s.sqlite") as store:
        lm, costs = Stateful(lambda _: "said"), Costs()
        with Engine(lm, store=store, costs=costs) as engine:
            engine.complete_stored([Request(messages, max_tokens=10, with_state=True)])
            (state,) = engine.read_states([Request(messages, state=True)])
            (said,) = engine.complete_stored([Request(messages, max_tokens=10)])
    assert state is not None
    assert state.tolist() == [3, 1]
    assert said is not None
    assert said.text == "said"
    assert costs.calls == 1


def test_a_backend_that_gives_no_state_is_an_error():
    with _engine(lambda _: "text") as engine, pytest.raises(LanguageModelError, match="gave no state"):
        engine.read_states([Request((Message("user", "one"),), state=True)])
