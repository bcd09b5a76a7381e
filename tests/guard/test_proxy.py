"""The proxy screens requests, stops streams in their middle, and survives its upstream and its clients."""

import asyncio
import json

import pytest

from nlparam.guard.proxy import REFUSAL
from nlparam.guard.streams import events_of
from tests.helpers.guard_client import (
    BENIGN,
    LEAKING,
    SECRET,
    Client,
    counts,
    messages,
    reasons_of,
    scripted_upstream,
    text_of,
    until_broken_off,
    with_proxy,
)

# A minute of text at 0.02 s a word: to be broken off long before, however slow the test is.
ENDLESS = " ".join([BENIGN] * 25)


@pytest.fixture(scope="module")
def upstream():
    with scripted_upstream() as address:
        yield address


def test_what_is_benign_passes_as_it_is(upstream):
    async def test(client: Client):
        status, answer = await client.ask(say=BENIGN)
        assert (status, answer["choices"][0]["message"]["content"]) == (200, BENIGN)
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["usage"] == {"total_tokens": 7}
        events = await client.stream(say=BENIGN, chunks=3)
        assert text_of(events) == BENIGN
        assert (reasons_of(events), events[-1]) == (["stop"], "[DONE]")
        assert json.loads(events[-2])["usage"] == {"total_tokens": 7}
        assert json.loads(events[0])["choices"][0]["delta"]["role"] == "assistant"
        async with client.session.get(f"{client.url}/v1/models") as response:
            assert (await response.json())["data"][0]["id"] == "scripted"

    with_proxy(upstream, test)


def test_a_restricted_request_never_reaches_the_upstream(upstream):
    async def test(client: Client):
        before = await counts(client, upstream)
        status, answer = await client.ask(before=SECRET, say=BENIGN, n=2)
        assert status == 200
        assert [choice["finish_reason"] for choice in answer["choices"]] == ["content_filter"] * 2
        assert answer["choices"][0]["message"] == {"role": "assistant", "content": REFUSAL}
        events = await client.stream(before=f"{BENIGN} {SECRET}", say=BENIGN)
        assert (text_of(events), reasons_of(events), events[-1]) == (REFUSAL, ["content_filter"], "[DONE]")
        earlier = [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "no"}]
        _, answer = await client.post({"model": "m", "messages": [*earlier, *messages("", {"say": BENIGN})]})
        assert answer["choices"][0]["finish_reason"] == "content_filter"
        parts = [{"type": "text", "text": SECRET}]
        _, answer = await client.post({"model": "m", "messages": [{"role": "user", "content": parts}]})
        assert answer["choices"][0]["finish_reason"] == "content_filter"
        assert (await counts(client, upstream))["requests"] == before["requests"]
        assert client.proxy.counts["refused_inputs"] == 4

    with_proxy(upstream, test)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_a_stream_is_cut_in_its_middle(upstream, n):
    async def test(client: Client):
        before = await counts(client, upstream)
        said = f"{LEAKING} {ENDLESS}"
        events = await client.stream(say=said, chunks=2, delay=0.02, n=n)
        for index in range(n):
            text = text_of(events, index)
            assert said.startswith(text)
            assert len(text) >= 0.5 * len(BENIGN)  # what is benign had passed
            # Of what is restricted, less than the pieces between two looks.
            assert len(text) < len(BENIGN) + 0.6 * len(SECRET)
        assert reasons_of(events) == ["content_filter"] * n
        final = json.loads(events[-2])
        assert events[-1] == "[DONE]"
        assert (final["object"], final["id"], final["model"]) == ("chat.completion.chunk", "chatcmpl-1", "m")
        assert [choice["delta"] for choice in final["choices"]] == [{}] * n
        await until_broken_off(client, upstream, before)

    with_proxy(upstream, test)


@pytest.mark.parametrize("n", [1, 2])
def test_a_stream_that_is_refused_at_its_end_has_an_end(upstream, n):
    async def test(client: Client):
        short = " ".join(SECRET.split()[:7])  # fewer words than the first look needs: it comes with the last chunk
        events = await client.stream(say=short, n=n)
        assert (text_of(events), reasons_of(events), events[-1]) == ("", ["content_filter"] * n, "[DONE]")

    with_proxy(upstream, test)


def test_a_whole_answer_is_replaced(upstream):
    async def test(client: Client):
        status, answer = await client.ask(say=LEAKING)
        assert (status, answer["choices"][0]["finish_reason"]) == (200, "content_filter")
        assert answer["choices"][0]["message"] == {"role": "assistant", "content": REFUSAL}

    with_proxy(upstream, test)


def test_text_arrives_while_the_upstream_still_speaks(upstream):
    async def test(client: Client):
        before = await counts(client, upstream)
        body = {"model": "m", "stream": True, "messages": messages("", {"say": ENDLESS, "delay": 0.02})}
        async with client.session.post(f"{client.url}/v1/chat/completions", json=body) as response:
            async for data in events_of(response.content.iter_any()):
                if data and text_of([data]).strip():
                    break
            response.close()
        await until_broken_off(client, upstream, before)  # which it is only if it had not ended

    with_proxy(upstream, test)


@pytest.mark.parametrize("way", [{"die_after": 70}, {"end_after": 70}, {"raw": ["not json"]}, {"raw": ['{"a": 1}']}])
def test_an_upstream_that_dies_in_mid_stream_is_reported(upstream, way):
    async def test(client: Client):
        events = await client.stream(say=BENIGN, **way)
        text = text_of(events)
        assert BENIGN.startswith(text)
        if "die_after" not in way:  # a broken connection may lose what was under way
            assert len(text.split()) >= 48  # what it had said, as far as it was looked at
        error = json.loads(events[-1])["error"]
        assert error["type"] == "upstream_error"
        assert "upstream" in error["message"] or "stream" in error["message"]
        assert client.proxy.counts["upstream_failures"] == 1
        # And the next client is served.
        assert text_of(await client.stream(say=BENIGN)) == BENIGN

    with_proxy(upstream, test)


def test_what_is_restricted_is_not_let_out_by_an_upstream_that_dies(upstream):
    async def test(client: Client):
        events = await client.stream(say=SECRET, end_after=16)  # of the look after 8 words, more came
        assert len(text_of(events).split()) <= 8
        assert reasons_of(events) == ["content_filter"]

    with_proxy(upstream, test)


def test_an_upstream_that_is_not_there_or_refuses_is_reported(upstream):
    async def refuses(client: Client):
        assert await client.ask(error=429) == (429, {"error": {"message": "as told", "type": "scripted"}})

    async def absent(client: Client):
        status, answer = await client.ask(say=BENIGN)
        assert (status, answer["error"]["type"]) == (502, "upstream_error")
        assert "cannot be reached" in answer["error"]["message"]
        assert "127.0.0.1" not in answer["error"]["message"]  # where the upstream is, is no client's business
        async with client.session.get(f"{client.url}/v1/models") as response:
            assert response.status == 502

    with_proxy(upstream, refuses)
    with_proxy("http://user:secret@127.0.0.1:9", absent)


def test_fifty_clients_at_once_each_get_their_own(upstream):
    async def test(client: Client):
        async def one(number: int) -> None:
            own = f"client {number} {BENIGN}"
            if number % 5 == 0:
                events = await client.stream(before=f"{SECRET} {number}", say=own)
                assert text_of(events) == REFUSAL
            elif number % 5 == 1:
                events = await client.stream(say=f"{own} {SECRET} {own}", delay=0.001)
                assert text_of(events).startswith(f"client {number} ")
                assert reasons_of(events) == ["content_filter"]
            elif number % 5 == 2:
                status, answer = await client.ask(say=own)
                assert (status, answer["choices"][0]["message"]["content"]) == (200, own)
            elif number % 5 == 3:
                events = await client.stream(say=own, die_after=60)
                assert own.startswith(text_of(events))
                assert "error" in json.loads(events[-1])
            else:
                events = await client.stream(say=own, delay=0.001)
                assert (text_of(events), reasons_of(events), events[-1]) == (own, ["stop"], "[DONE]")

        await asyncio.gather(*(one(number) for number in range(50)))
        assert client.proxy.counts == {
            "requests": 50, "refused_inputs": 10, "refused_outputs": 10, "upstream_failures": 10, "screen_failures": 0,
        }  # fmt: skip

    with_proxy(upstream, test)


def test_a_client_that_goes_away_ends_the_answer(upstream):
    async def test(client: Client):
        before = await counts(client, upstream)
        body = {"model": "m", "stream": True, "messages": messages("", {"say": ENDLESS, "delay": 0.02})}
        async with client.session.post(f"{client.url}/v1/chat/completions", json=body) as response:
            await response.content.readany()
            response.close()
        await until_broken_off(client, upstream, before)
        assert text_of(await client.stream(say=BENIGN)) == BENIGN
        assert client.proxy.counts["upstream_failures"] == 0

    with_proxy(upstream, test)
