import email.utils
import json
import math
import socket
import threading
import time

import numpy as np
import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm import Message, Request, load_language_model
from nlparam.lm.base import listed_state
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel, ServerPool
from nlparam.lm.server.errors import seconds as _seconds
from nlparam.runtime.costs import Costs
from tests.helpers.fake_server import FakeServer


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    monkeypatch.delenv("NLPARAM_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _read(n: int = 1) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), labels=("yes", "no")) for number in range(n)]


def _write(n: int = 1) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), max_tokens=12, seed=5) for number in range(n)]


def _engine(lm: ServerModel, **options) -> Engine:
    return Engine(lm, store=None, costs=Costs(), backoff=0.001, **options)


def _run(lm: ServerModel) -> None:
    with _engine(lm) as engine:
        engine.run(_read())


def test_label_reads_and_texts():
    with FakeServer(answer=lambda _: {"Yes": 0.5, " yes": 0.25, "no": 0.125, "maybe": 0.125}) as server:
        with _engine(ServerModel(server.url)) as engine:
            (completion,) = engine.run(_read())
        assert completion is not None
        assert completion.label_logprobs == pytest.approx((math.log(0.75), math.log(0.125)))
        sent = server.calls[0]
        assert (sent["max_completion_tokens"], sent["logprobs"], sent["top_logprobs"]) == (1, True, 20)
        assert (sent["temperature"], sent["chat_template_kwargs"]) == (0, {"enable_thinking": False})
        assert (engine.costs.prompt_tokens, engine.costs.completion_tokens) == (2, 1)
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        (completion,) = engine.run(_write())
        assert completion is not None
        assert completion.text == "is about text 0"
        assert (server.calls[0]["max_completion_tokens"], server.calls[0]["seed"]) == (12, 5)


def _states(n: int = 1) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), state=True) for number in range(n)]


def test_the_state_of_a_small_model_is_made_of_its_likeliest_tokens():
    with FakeServer(models=["small-1.5b"], answer=lambda _: {"Sports": 0.5, "News": 0.25, "A": 0.25}) as server:
        lm = ServerModel(server.url)
        with _engine(lm) as engine:
            one, other = engine.read_states(_states(2))
            engine.run(_read())
        assert one is not None
        np.testing.assert_allclose(one, listed_state([("Sports", math.log(0.5)), ("News", math.log(0.25))]))
        np.testing.assert_array_equal(one, other)
        sent = server.calls[0]
        assert (sent["max_completion_tokens"], sent["top_logprobs"], sent["temperature"]) == (1, 20, 0)
        assert "seed" not in sent
        pool = ServerPool([lm])
        assert lm.states == pool.states == "20 likeliest tokens"


def test_a_server_without_log_probabilities_gives_no_states():
    with FakeServer(models=["small-1.5b"], answer=lambda _: "yes", logprobs=False) as server:
        lm = ServerModel(server.url)
        with _engine(lm) as engine:
            assert engine.run(_read())[0] is not None
            assert engine.read_states(_states()) == [None]
        assert lm.states is None
        assert engine.costs.failures == 1


def test_many_calls_at_once_but_no_more_than_allowed():
    with FakeServer(delay=0.02) as server, _engine(ServerModel(server.url, max_in_flight=16)) as engine:
        assert all(engine.run(_read(100)))
        assert 2 <= server.most_at_once <= 16
        assert len(server.calls) == engine.costs.calls == 100


@pytest.mark.parametrize(
    ("listed", "strong"),
    [
        ({"id": "news", "root": "org/model-7b"}, True),
        ({"id": "Qwen/Qwen3-30B-A3B"}, True),
        ({"id": "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"}, False),
        ({"id": "gemma3:270m"}, False),
        ({"id": "news", "meta": {"n_params": 1_543_714_304}}, False),
        ({"id": "tiny-0.5b", "meta": {"n_params": 8_000_000_000}}, True),
        ({"id": "gpt-of-a-service-4bit"}, True),
    ],
)
def test_a_server_counts_as_strong_by_the_size_of_its_model(listed, strong):
    with FakeServer(models=[listed]) as server:
        assert ServerModel(server.url).strong is strong
        assert ServerPool([ServerModel(server.url)]).strong is strong
    assert ServerModel("http://localhost:1/v1", strong=not strong).strong is not strong, "nobody is asked"


def test_identity_names_the_model_and_what_is_behind_the_name():
    with FakeServer(models=[{"id": "news", "root": "org/model-7b", "revision": "abc"}]) as server:
        assert ServerModel(server.url).identity == "server:news@org/model-7b@abc"
    with FakeServer(models=[{"id": "a"}, {"id": "b", "root": "b"}]) as server:
        assert load_language_model(server.url + "#b").identity == "server:b"
        assert load_language_model(server.url, model="a").identity == "server:a"
        assert ServerModel(server.url.removesuffix("/v1"), model="a").identity == "server:a"
        assert not server.calls


def test_which_model():
    with FakeServer(models=["a", "b"]) as server:
        for call in (lambda lm: lm.identity, _run):
            with pytest.raises(LanguageModelError, match=r"several models \(a, b\): choose one with URL#MODEL"):
                call(ServerModel(server.url))
            with pytest.raises(LanguageModelError, match=r"does not serve the model 'c' but a, b.*vllm serve c"):
                call(ServerModel(server.url, model="c"))
    with FakeServer(models=[]) as server, pytest.raises(LanguageModelError, match="serves no model"):
        _ = ServerModel(server.url).identity


def test_a_server_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    expected = rf"cannot connect to http://127\.0\.0\.1:{port}/v1 \(model m\).*vllm serve m --port {port}"
    with pytest.raises(LanguageModelError, match=expected):
        _ = ServerModel(f"http://127.0.0.1:{port}/v1", model="m").identity
    with _engine(ServerModel(f"http://127.0.0.1:{port}/v1", model="m")) as engine:
        with pytest.raises(LanguageModelError, match=expected):
            engine.run(_read(50))
        assert engine.costs.retries == 0


@pytest.mark.slow
def test_a_server_that_hangs():
    with FakeServer(delay=3600) as server, _engine(ServerModel(server.url, timeout=1.0)) as engine:
        expected = rf"no answer from {server.url} \(model fake-model\) within 1 s"
        with pytest.raises(LanguageModelError, match=expected):
            engine.run(_read(5))
        assert engine.costs.retries == 0
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(LanguageModelError, match=rf"no answer from {url} within 0\.2 s"):
            _ = ServerModel(url, timeout=0.2).identity


def test_a_server_that_goes_away_midway_gets_its_retries():
    with FakeServer() as server, _engine(ServerModel(server.url, max_in_flight=1, patience=0), max_retries=2) as engine:
        assert all(engine.run(_read(3)))
        server.stop()
        with pytest.raises(LanguageModelError, match=r"answered none of 2 requests.*(connect|connection)"):
            engine.run(_read(2))
        assert (engine.costs.retries, engine.costs.failures) == (4, 2)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_server_is_asked_again_within_the_bound(status):
    with FakeServer(statuses=[status] * 3) as server, _engine(ServerModel(server.url), max_retries=3) as engine:
        assert all(engine.run(_read()))
        assert (engine.costs.calls, engine.costs.retries, len(server.calls)) == (4, 3, 4)
    with FakeServer(always=status) as server, _engine(ServerModel(server.url), max_retries=2) as engine:
        with pytest.raises(LanguageModelError, match=rf"answered none of 2 requests.*{server.url}.*answered {status}"):
            engine.run(_read(2))
        assert len(server.calls) == 6


def test_retry_after_is_waited_for():
    with (
        FakeServer(statuses=[429], headers={"Retry-After": "0.4"}) as server,
        _engine(ServerModel(server.url)) as engine,
    ):
        assert all(engine.run(_read()))
        assert server.times[1] - server.times[0] >= 0.4


def test_retry_after_is_seconds_or_a_date():
    assert _seconds("1.5") == 1.5
    in_a_minute = email.utils.format_datetime(email.utils.localtime(), usegmt=False)
    assert _seconds(in_a_minute) == 0.0
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 57 <= (_seconds(later) or 0) <= 60
    assert _seconds("soon") is None
    assert _seconds(None) is None


def test_fields_a_server_does_not_know_are_left_out_from_then_on():
    with FakeServer(strict=True) as server, _engine(ServerModel(server.url, max_in_flight=1)) as engine:
        assert all(engine.run(_read(4)))
        assert ["chat_template_kwargs" in body for body in server.calls] == [True, False, False, False, False]


def test_a_request_the_server_refuses_fails_alone():
    with FakeServer(statuses=[400, 400]) as server, _engine(ServerModel(server.url, max_in_flight=1)) as engine:
        assert [completion is None for completion in engine.run(_read(3))] == [True, False, False]
        assert (engine.costs.failures, engine.costs.retries) == (1, 0)


def test_no_log_probabilities():
    answers = {"yes": 0.9, "no": 0.1}
    with FakeServer(logprobs=False, answer=lambda body: answers if body.get("logprobs") else "Yes.") as server:
        lm = ServerModel(server.url)
        with _engine(lm) as engine:
            completions = engine.run(_read(3))
    assert [completion and completion.label_logprobs for completion in completions] == [(0.0, -math.inf)] * 3
    assert lm.answers_in_text
    assert ["logprobs" in body for body in server.calls] == [True, False, False, False]


def test_a_model_that_only_thinks_is_a_counted_failure():
    answers = {"text 0": None, "text 1": "<think>hm", "text 2": "<think>hm</think>\nis about sports", "text 3": " "}
    with (
        FakeServer(answer=lambda body: answers[body["messages"][0]["content"]]) as server,
        _engine(ServerModel(server.url)) as engine,
    ):
        completions = engine.run(_write(4))
    assert [completion and completion.text for completion in completions] == [None, None, "is about sports", None]
    assert engine.costs.failures == 3


def test_keys_are_sent_and_never_shown(monkeypatch):
    with FakeServer(key="secret-1") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "secret-2")
        for call in (lambda lm: lm.identity, _run):
            with pytest.raises(LanguageModelError, match=r"refused the API key \(401\): set NLPARAM_API_KEY") as caught:
                call(ServerModel(server.url))
            assert "secret" not in str(caught.value)
        monkeypatch.setenv("NLPARAM_API_KEY", "secret-1")
        lm = ServerModel(server.url)
        assert lm.identity == "server:fake-model"
        with _engine(lm) as engine:
            assert all(engine.run(_read()))
        assert "secret" not in repr(lm)
    monkeypatch.delenv("NLPARAM_API_KEY")
    address = "http://me:secret-3@127.0.0.1:9/v1"
    with pytest.raises(LanguageModelError, match=r"http://127\.0\.0\.1:9/v1") as caught:
        _ = ServerModel(address).identity
    assert "secret" not in str(caught.value)


def test_the_wrong_page_or_another_kind_of_server(monkeypatch):
    with FakeServer() as server, pytest.raises(LanguageModelError, match=r"answered 404.*usually ends in /v1"):
        _ = ServerModel(server.url + "/chat").identity
    with FakeServer(answer=lambda _: {"yes": 1.0}) as server, _engine(ServerModel(server.url)) as engine:
        monkeypatch.setattr(server, "_completion", lambda _: {"hello": "world"})
        with pytest.raises(LanguageModelError, match="not of the OpenAI chat API"):
            engine.run(_read())


def _message(content: object) -> dict:
    return {"model": "m", "choices": [{"message": {"content": content}}], "usage": {"prompt_tokens": 1}}


def _logprobs(token: object, logprob: object) -> dict:
    first = {"token": token, "top_logprobs": [{"token": token, "logprob": logprob}, {"token": "no", "logprob": -3.0}]}
    return {"choices": [{"message": {"content": "yes"}, "logprobs": {"content": [first]}}]}


def test_text_in_parts_and_halves_of_characters(monkeypatch):
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        parts = [{"type": "text", "text": "is \ud83d"}, {"type": "audio"}, {"type": "text", "text": "\ude00 or \ud83d"}]
        monkeypatch.setattr(server, "_completion", lambda _: _message(parts))
        (completion,) = engine.run(_write())
        assert completion is not None
        assert completion.text == "is \U0001f600 or \ufffd"


@pytest.mark.parametrize(
    ("requests", "answer"),
    [
        (_write(), _message(7)),
        (_write(), _message([{"text": 7}])),
        (_write(), _message("is short") | {"usage": {"prompt_tokens": "many"}}),
        (_read(), _logprobs("yes", None)),
    ],
)
def test_an_answer_of_another_form(requests, answer, monkeypatch):
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        monkeypatch.setattr(server, "_completion", lambda _: answer)
        with pytest.raises(LanguageModelError, match="not of the OpenAI chat API"):
            engine.run(requests)


def test_a_token_that_is_impossible_may_have_no_logprob(monkeypatch):
    answer = _logprobs("yes", -0.5)
    answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"][1]["logprob"] = None
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        monkeypatch.setattr(server, "_completion", lambda _: answer)
        (completion,) = engine.run(_read())
        assert completion is not None
        assert completion.label_logprobs == (-0.5, -math.inf)


def test_a_token_without_a_name_is_none_of_the_labels(monkeypatch):
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        monkeypatch.setattr(server, "_completion", lambda _: _logprobs(None, -0.5))
        (completion,) = engine.run(_read())
        assert completion is not None
        assert completion.label_logprobs == (-math.inf, -3.0)


@pytest.mark.parametrize("url", ["http://", "localhost:8000", "http://host:port/v1", "file:///etc", "http://[::1/v1"])
def test_an_address_that_is_none(url):
    with pytest.raises(LanguageModelError, match="expected one like http://localhost:8000/v1"):
        ServerModel(url)


def test_texts_with_quotes_newlines_and_other_scripts_arrive_as_they_are():
    text = 'a "quoted"\nline\u2028 with </script>, \x1b[31m red, 日本語 and 🙂'
    with FakeServer() as server, _engine(ServerModel(server.url)) as engine:
        engine.run([Request((Message("user", text),))])
        assert server.calls[0]["messages"] == json.loads(json.dumps([{"role": "user", "content": text}]))


def test_the_same_backend_serves_one_engine_after_another():
    before = set(threading.enumerate())  # other tests leave threads behind
    with FakeServer() as server:
        lm = ServerModel(server.url)
        for _ in range(2):
            with _engine(lm) as engine:
                assert all(engine.run(_read(2)))
        started = set(threading.enumerate()) - before
        assert not [thread for thread in started if thread.name == "nlparam-engine"]
