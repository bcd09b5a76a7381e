"""Services by their names, each spoken to as its documentation says: `tests/helpers/services.py` is none of them."""

import logging
import math
import time
from typing import Any

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm import Message, Request, load_language_model
from nlparam.lm.base import Image
from nlparam.lm.engine import Engine
from nlparam.lm.server.services import SERVICES, named
from nlparam.runtime.costs import Costs
from tests.helpers.services import KEY, SpokenService

NAMES = sorted(SERVICES)
SYSTEM = Message("system", "You decide whether a property holds for a text.")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for service in SERVICES.values():
        monkeypatch.delenv(service.key, raising=False)
        monkeypatch.delenv(service.moved, raising=False)
    monkeypatch.delenv("NLPARAM_API_KEY", raising=False)


@pytest.fixture
def spoken(monkeypatch):
    """Starts a service and points the environment at it."""
    running = []

    def start(name: str, **options) -> SpokenService:
        server = SpokenService(name, **options)
        server.__enter__()
        running.append(server)
        for variable, value in server.variables.items():
            monkeypatch.setenv(variable, value)
        return server

    yield start
    for server in running:
        server.__exit__()


def judgment(text: str = "a late goal", predicate: str = "is about a goal") -> Request:
    question = f"Text: {text}\n\nProperty: {predicate}. Yes or no?"
    return Request((SYSTEM, Message("user", question)), labels=("yes", "no"))


def proposal() -> Request:
    return Request((SYSTEM, Message("user", "name a topic")), max_tokens=12, seed=5, temperature=0.5)


def ask(spec: str, *requests: Request, **options) -> tuple[Any, list[Any], Costs]:
    lm = load_language_model(spec)
    with Engine(lm, store=None, costs=Costs(), backoff=0.001, **options) as engine:
        return lm, engine.run(list(requests)), engine.costs


@pytest.mark.parametrize("name", ["openai", "openrouter", "ollama"])
def test_a_name_gets_probabilities_where_the_service_gives_them(name, spoken):
    server = spoken(name)
    lm, (yes, no, text), _ = ask(f"{name}:model-1", judgment(), judgment(predicate="is about rain"), proposal())
    assert yes.label_logprobs == pytest.approx((math.log(0.75), math.log(0.25)))
    assert no.label_logprobs == pytest.approx((math.log(0.25), math.log(0.75)))
    assert text.text == "is about name a topic"
    assert lm.identity == ("server:model-1:latest" if name == "ollama" else "server:model-1")
    assert not lm.answers_in_text
    limit = "max_completion_tokens" if name == "openai" else "max_tokens"
    assert sorted(body[limit] for body in server.calls) == [1, 1, 12]
    assert sum("seed" in body for body in server.calls) == 1
    assert "chat_template_kwargs" not in server.calls[0]
    assert len(server.calls) == 3  # nothing had to be asked twice


def test_ollama_is_told_not_to_think(spoken):
    server = spoken("ollama", thinks=True)
    _, (yes,), _ = ask("ollama:model-1", judgment())
    assert server.calls[0]["reasoning_effort"] == "none"
    assert yes.label_logprobs is not None


def test_ollama_before_it_had_log_probabilities(spoken):
    server = spoken("ollama", logprobs=False)
    lm, answers, costs = ask("ollama:model-1", judgment(), judgment(predicate="is about rain"))
    assert [answer.label_logprobs for answer in answers] == [(0.0, -math.inf), (-math.inf, 0.0)]
    assert lm.answers_in_text
    assert (len(server.calls), costs.failures) == (3, 0)  # one to find out
    assert "logprobs" not in server.calls[-1]


def test_anthropic(spoken):
    server = spoken("anthropic")
    lm, (yes, no, text), costs = ask("anthropic:model-1", judgment(), judgment(predicate="is about rain"), proposal())
    assert (yes.label_logprobs, no.label_logprobs) == ((0.0, -math.inf), (-math.inf, 0.0))
    assert text.text == "is about name a topic"
    assert lm.identity == "server:model-1-20260101"  # the full name of a short one
    assert lm.answers_in_text
    body = server.calls[0]
    assert body["system"] == SYSTEM.content
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert not any("seed" in body for body in server.calls)
    assert (costs.prompt_tokens, costs.completion_tokens) == (39, 7)
    assert server.headers_seen[0]["anthropic-version"] == "2023-06-01"
    assert "authorization" not in server.headers_seen[0]
    assert len(server.calls) == 3


def test_anthropic_sees_images_and_may_refuse_a_temperature(spoken):
    server = spoken("anthropic", thinks=True)
    image = Image("0" * 64, lambda: b"bytes", "image/png")
    _, (answer,), _ = ask("anthropic:model-1", Request((Message("user", "what is it?", (image,)),)))
    assert answer.text == "is about what is it?"
    assert ["temperature" in body for body in server.calls] == [True, False]
    picture, words = server.calls[-1]["messages"][0]["content"]
    assert picture["source"] == {"type": "base64", "media_type": "image/png", "data": "Ynl0ZXM="}
    assert words == {"type": "text", "text": "what is it?"}


def test_a_reasoning_model_of_openai(spoken):
    server = spoken("openai", thinks=True)
    lm, answers, costs = ask("openai:model-1", judgment(), judgment(predicate="is about rain"), proposal())
    assert [answer.label_logprobs for answer in answers[:2]] == [(0.0, -math.inf), (-math.inf, 0.0)]
    assert answers[2].text == "is about name a topic"
    assert lm.answers_in_text
    assert costs.failures == 0
    # No log-probabilities, no temperature, no room for thoughts, no effort of "none": each is found out once.
    assert len(server.calls) == 4 + 3
    last = server.calls[-1]
    assert last["reasoning_effort"] == "minimal"
    assert last["max_completion_tokens"] > 1000
    assert "temperature" not in last


def test_a_model_that_thinks_behind_openrouter(spoken):
    server = spoken("openrouter", thinks=True, logprobs=False)
    server.logprobs = True  # the provider takes the field and leaves its answer to the thoughts
    _, answers, costs = ask("openrouter:model-1", judgment(), proposal())
    assert answers[0].label_logprobs == (0.0, -math.inf)
    assert costs.failures == 0


def test_openrouter_without_a_provider_for_log_probabilities(spoken):
    server = spoken("openrouter", logprobs=False)
    lm, (yes,), _ = ask("openrouter:model-1", judgment())
    assert yes.label_logprobs == (0.0, -math.inf)
    assert lm.answers_in_text
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Yes.", (0.0, -math.inf)),
        ("**No**, it does not say yes", (-math.inf, 0.0)),
        ("The answer is yes", (0.0, -math.inf)),
    ],
)
def test_yes_or_no_in_text(said, expected, spoken):
    spoken("anthropic", says=lambda _: said)
    _, (answer,), _ = ask("anthropic:model-1", judgment())
    assert answer.label_logprobs == expected


def test_an_answer_that_is_neither_is_a_failure(spoken):
    spoken("anthropic", says=lambda question: "Perhaps" if "rain" in question else "no")
    _, answers, costs = ask("anthropic:model-1", judgment(predicate="is about rain"), judgment())
    assert answers[0] is None
    assert answers[1] is not None
    assert costs.failures == 1


@pytest.mark.parametrize("name", ["openai", "anthropic", "openrouter"])
def test_a_key_that_is_missing_or_wrong(name, spoken, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    variable = SERVICES[name].key
    with pytest.raises(LanguageModelError, match=rf"{name}:model-1 needs a key, and {variable} is not set.*https://"):
        load_language_model(f"{name}:model-1")
    spoken(name)
    monkeypatch.setenv(variable, KEY[:-1] + "x")
    with pytest.raises(
        LanguageModelError, match=rf"refused the API key \(401\): set {variable} to a valid one"
    ) as error:
        ask(f"{name}:model-1", judgment())
    assert KEY[:-1] not in str(error.value)
    assert KEY[:-1] not in caplog.text


def test_a_key_that_is_repeated_in_an_error_is_not_shown(spoken):
    spoken("openai", errors=((400, {"error": {"message": f"bad request with key {KEY}"}}, {}),) * 3)
    with pytest.raises(LanguageModelError) as error:
        ask("openai:model-1", judgment())
    assert "bad request with key ***" in str(error.value)
    assert KEY not in repr(load_language_model("openai:model-1"))


@pytest.mark.parametrize(
    ("name", "what_to_do"),
    [
        ("openai", "platform.openai.com/docs/models"),
        ("anthropic", "platform.claude.com"),
        ("openrouter", "openrouter.ai/models"),
        ("ollama", "ollama pull model-2"),
    ],
)
def test_an_unknown_model(name, what_to_do, spoken):
    spoken(name)
    with pytest.raises(LanguageModelError, match=rf"does not serve the model 'model-2'.*{what_to_do}"):
        ask(f"{name}:model-2", judgment())


def test_ollama_that_does_not_run(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    with pytest.raises(LanguageModelError, match=r"cannot connect to http://127\.0\.0\.1:9/v1.*`ollama serve`"):
        _ = load_language_model("ollama:model-1").identity


@pytest.mark.parametrize("name", NAMES)
def test_too_many_requests_are_repeated_after_the_time_asked_for(name, spoken):
    spoken(name, errors=((429, {"error": {"message": "slow down"}}, {"Retry-After": "0.3"}),))
    began = time.monotonic()
    _, (answer,), costs = ask(f"{name}:model-1", judgment())
    assert answer is not None
    assert costs.retries == 1
    assert time.monotonic() - began >= 0.3


def test_an_overload_of_anthropic(spoken):
    overloaded = (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, {})
    spoken("anthropic", errors=(overloaded, overloaded))
    lm, (answer,), costs = ask("anthropic:model-1", judgment())
    assert answer is not None
    assert costs.retries == 2
    assert lm.limit.limit < 16  # and it is asked less at once


def test_an_error_of_openrouter_in_an_answer_with_status_200(spoken):
    spoken("openrouter", errors=((200, {"error": {"code": 502, "message": "the provider is down"}}, {}),))
    _, (answer,), costs = ask("openrouter:model-1", judgment())
    assert answer is not None
    assert costs.retries == 1


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("openai", 429, "You exceeded your current quota, please check your plan and billing details."),
        ("openrouter", 402, "Insufficient credits. Add more using https://openrouter.ai/credits"),
        ("anthropic", 400, "Your credit balance is too low to access the Anthropic API."),
    ],
)
def test_an_account_without_credit_ends_the_run_at_once(name, status, message, spoken):
    server = spoken(name, errors=((status, {"error": {"message": message}}, {}),) * 9)
    with pytest.raises(LanguageModelError, match=r"wants to be paid first.*add credit.*what was answered is kept"):
        ask(f"{name}:model-1", judgment())
    assert len(server.calls) == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_is_cut_off_is_asked_for_again(name, spoken):
    server = spoken(name)
    lm, _, costs = ask(f"{name}:model-1", judgment(), judgment("another goal"))
    server.errors.append((200, {"id": "half"}, {}))
    with Engine(lm, store=None, costs=costs, backoff=0.001) as engine:
        (answer,) = engine.run([judgment("a third goal")])
    assert answer is not None
    assert costs.retries == 1


def test_an_address_of_a_service_is_spoken_to_like_its_name(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "mine")
    by_address: Any = load_language_model("https://api.anthropic.com/v1#claude-haiku-4-5")
    assert by_address.answers_in_text
    assert by_address._headers["x-api-key"] == "mine"
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    other: Any = load_language_model("https://openrouter.ai/api/v1#a/b")
    assert other._headers["Authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, "http://localhost:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box:8080", "http://box:8080/v1"),
        ("https://ollama.com", "https://ollama.com/v1"),
        ("http://box:80/v1/", "http://box:80/v1"),
    ],
)
def test_the_host_of_ollama_as_its_variable_has_it(given, address, monkeypatch):
    if given is not None:
        monkeypatch.setenv("OLLAMA_HOST", given)
    lm: Any = load_language_model("ollama:qwen2.5:7b")
    assert lm.base_url == address


def test_names_that_are_none():
    with pytest.raises(LanguageModelError, match=r"got the language model 'gemini:pro'.*openai:MODEL.*ollama:MODEL"):
        load_language_model("gemini:pro")
    with pytest.raises(LanguageModelError, match="expected ollama:MODEL with one model"):
        load_language_model("ollama:")
    assert named("embedded:x") is None
    assert (named("OLLAMA:Qwen") or ())[1:] == ("Qwen",)
