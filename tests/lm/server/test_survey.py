"""What servers can do, found out from real ones of four kinds; and that it costs no completion of its own."""

import asyncio
import math

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel
from nlparam.runtime.costs import Costs
from tests.helpers.faulty_rules import VOCABULARY, likely
from tests.helpers.faulty_server import FaultyServer


def reads(n: int, labels: tuple[str, ...] = ("yes", "no")) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), labels=labels) for number in range(n)]


def texts(n: int) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), max_tokens=8) for number in range(n)]


def run(lm: ServerModel, requests: list[Request]) -> tuple[list, Costs]:
    costs = Costs()
    with Engine(lm, store=None, costs=costs, backoff=0.01) as engine:
        return engine.run(requests), costs


def test_capabilities_of_a_current_vllm():
    with FaultyServer("--style", "vllm") as server:
        found = ServerModel(server.url).capabilities()
        assert len(server.state()["prompts"]) == found.calls == 5
    assert found.label_tokens == {"yes": ("yes", " yes", "Yes"), "no": ("no", " no", "No")}
    assert (found.model, found.context, found.top_logprobs) == ("faulty-model", 64, 20)
    assert found.logprob_token_ids
    assert found.structured_outputs
    assert found.response_format
    assert found.chat_template_kwargs
    assert not found.thinks
    assert not found.images
    assert found.label_probability == pytest.approx(0.96)
    assert found.reads_labels == "exact log-probabilities of the label tokens"


@pytest.mark.parametrize(
    ("style", "template", "structured", "schema", "calls", "tokens"),
    [
        ("old", True, True, False, 4, True),
        ("llama", True, False, True, 4, True),
        ("openai", False, False, True, 5, False),
    ],
)
def test_capabilities_of_others(style, template, structured, schema, calls, tokens):
    with FaultyServer("--style", style, "--max-logprobs", "20") as server:
        found = ServerModel(server.url).capabilities()
        assert len(server.state()["prompts"]) == found.calls == calls
    assert (found.chat_template_kwargs, found.structured_outputs, found.response_format) == (
        template,
        structured,
        schema,
    )
    assert (found.label_tokens is not None) == tokens
    assert not found.logprob_token_ids
    assert not found.images
    assert found.reads_labels == "the 20 likeliest tokens"


def test_capabilities_of_one_that_lists_few_tokens():
    with FaultyServer("--max-logprobs", "5") as server:
        found = ServerModel(server.url).capabilities()
    assert (found.top_logprobs, found.reads_labels) == (5, "the 5 likeliest tokens")


@pytest.mark.parametrize("thinks", ["aloud", "parsed"])
def test_capabilities_of_one_that_thinks(thinks):
    with FaultyServer("--thinks", thinks) as server:
        found = ServerModel(server.url).capabilities()
    assert found.thinks
    assert found.reads_labels == "not at all"
    assert found.label_probability < 0.01


def test_capabilities_need_a_server():
    with FaultyServer() as server:
        server.kill()
        with pytest.raises(LanguageModelError, match="cannot connect"):
            ServerModel(server.url).capabilities()


def test_capabilities_may_be_asked_inside_a_loop():
    async def ask(url: str) -> int:
        return ServerModel(url).capabilities().calls

    with FaultyServer() as server:
        assert asyncio.run(ask(server.url)) == 4


def test_labels_are_read_by_number_where_the_server_can():
    with FaultyServer("--style", "vllm") as server:
        completions, costs = run(ServerModel(server.url), reads(5))
        sent = server.bodies_sent()
    assert len(sent) == costs.calls == 5
    ids = {VOCABULARY[token] for token in ("Yes", "yes", " yes", "No", "no", " no")}
    assert all(set(body["logprob_token_ids"]) == ids for body in sent)
    # The first asks for the likeliest tokens too, for the case that the server does not know the other field.
    assert ["top_logprobs" in body for body in sent] == [True, False, False, False, False]
    for body in sent:
        completion = completions[int(body["messages"][0]["content"].split()[1])]
        found = likely(body)
        expected = [sum(found[token] for token in tokens) for tokens in (("Yes", "yes", " yes"), ("No", "no", " no"))]
        assert [math.exp(value) for value in completion.label_logprobs] == pytest.approx(expected)


@pytest.mark.parametrize("style", ["old", "llama"])
def test_a_field_that_is_ignored_is_not_sent_again(style):
    with FaultyServer("--style", style) as server:
        _, costs = run(ServerModel(server.url), reads(5))
        sent = server.bodies_sent()
    assert len(sent) == costs.calls == 5
    assert ["logprob_token_ids" in body for body in sent] == [True, False, False, False, False]
    assert [body["top_logprobs"] for body in sent] == [20] * 5


def test_labels_without_tokens_of_their_own_are_read_from_the_likeliest():
    with FaultyServer("--style", "vllm") as server:
        lm = ServerModel(server.url)
        run(lm, reads(3, labels=("It", "perhaps")))
        assert [body.get("logprob_token_ids") for body in server.bodies_sent()] == [None] * 3
        run(lm, reads(3))  # other labels are looked at anew
        assert all("logprob_token_ids" in body for body in server.bodies_sent()[3:])


def test_fewer_tokens_are_asked_for_where_the_server_allows_only_so_many():
    with FaultyServer("--max-logprobs", "7") as server:
        _, costs = run(ServerModel(server.url), reads(4))
        assert [body["top_logprobs"] for body in server.bodies_sent()] == [20, 7, 7, 7, 7]
    assert (costs.failures, costs.calls) == (0, 4)


def test_a_server_without_log_probabilities():
    """It is asked in text; this one writes something else there, which is no judgment."""
    with FaultyServer("--max-logprobs", "0") as server:
        lm = ServerModel(server.url)
        with pytest.raises(LanguageModelError, match="none of the labels yes, no was"):
            run(lm, reads(4))
    assert lm.answers_in_text


def test_a_first_request_that_is_refused_anyway_teaches_nothing():
    """A text that is refused whatever the fields does not make the next one go without them."""
    with FaultyServer("--style", "vllm") as server:
        server.tell(("400", 2))
        completions, costs = run(ServerModel(server.url, max_in_flight=1), reads(4))
        sent = server.bodies_sent()
    assert [completion is None for completion in completions] == [True, False, False, False]
    assert costs.failures == 1
    assert ["logprob_token_ids" in body for body in sent] == [True, False, True, True, True]
    assert ["chat_template_kwargs" in body for body in sent] == [True, False, True, True, True]


def test_texts_and_labels_share_what_is_known():
    with FaultyServer("--style", "openai") as server:
        lm = ServerModel(server.url, max_in_flight=1)
        run(lm, texts(3))
        run(lm, reads(3))
        assert ["chat_template_kwargs" in body for body in server.bodies_sent()] == [True] + [False] * 6
