"""The proxy screens requests, stops streams in their middle, and survives its upstream and its clients."""

import asyncio
import contextlib
import dataclasses
import io
import json
import subprocess
import sys
import types
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from benchmarks.experiments.scripted import HashedEmbedder
from nlparam.guard.messages import BadRequestError, texts_of
from nlparam.guard.proxy import REFUSAL, Proxy, serve
from nlparam.guard.streams import events_of
from tests.guard_parts import between, sentence

_RNG = np.random.default_rng(11)
BENIGN = " ".join(sentence("benign", _RNG, 60) for _ in range(2))
SECRET = sentence("dosage", _RNG, 60)
LEAKING = f"{BENIGN} {SECRET} {BENIGN}"
# A minute of text at 0.02 s a word: to be broken off long before, however slow the test is.
ENDLESS = " ".join([BENIGN] * 25)


@pytest.fixture(scope="module")
def upstream():
    """The address of a scripted upstream in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.siblings._upstream"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


class Client:
    """A client of one proxy, which runs in the same loop."""

    def __init__(self, session: aiohttp.ClientSession, url: str, proxy: Proxy):
        self.session, self.url, self.proxy = session, url, proxy

    async def post(self, body: Any) -> tuple[int, Any]:
        data = io.BytesIO(json.dumps(body).encode())
        async with self.session.post(f"{self.url}/v1/chat/completions", data=data) as response:
            return response.status, await response.json()

    async def ask(self, *, before: str = "", n: int = 1, **script) -> tuple[int, Any]:
        return await self.post({"model": "m", "n": n, "messages": _messages(before, script)})

    async def stream(self, *, before: str = "", n: int = 1, **script) -> list[str]:
        """The data of all events of a streamed answer."""
        body = {"model": "m", "n": n, "stream": True, "messages": _messages(before, script)}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            return [data async for data in events_of(response.content.iter_any()) if data is not None]


def _messages(before: str, script: dict) -> list[dict[str, str]]:
    # The script itself is a message of the application: it would be screened as one of the user.
    said = [{"role": "user", "content": before or "a report of the match please"}]
    return [*said, {"role": "system", "content": json.dumps(script)}]


def text_of(events: list[str], index: int = 0) -> str:
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ()) if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def reasons_of(events: list[str]) -> list[str | None]:
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    return [c["finish_reason"] for chunk in chunks for c in chunk.get("choices", ()) if c["finish_reason"] is not None]


@contextlib.asynccontextmanager
async def _serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def with_proxy(upstream: Any, test) -> Any:
    """Runs a coroutine function of a `Client` against a proxy in front of `upstream`.

    That is an address, or a handler of all requests that an upstream in the same loop gets.
    """

    async def run() -> Any:
        async with contextlib.AsyncExitStack() as stack:
            address = upstream
            if not isinstance(upstream, str):
                app = web.Application()
                app.router.add_route("*", "/{path:.*}", upstream)
                address = await stack.enter_async_context(_serving(app))
            proxy = Proxy(between(), address)
            url = await stack.enter_async_context(_serving(proxy.app()))
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            return await test(Client(await stack.enter_async_context(session), url, proxy))

    return asyncio.run(run())


async def _until_broken_off(client: Client, upstream: str, before: dict[str, int]) -> None:
    """The upstream is told to stop, and soon notices."""
    for _ in range(200):
        if (await _counts(client, upstream))["broken_off"] > before["broken_off"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the upstream went on")


async def _counts(client: Client, upstream: str) -> dict[str, int]:
    async with client.session.get(f"{upstream}/counts") as response:
        return await response.json()


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
        before = await _counts(client, upstream)
        status, answer = await client.ask(before=SECRET, say=BENIGN, n=2)
        assert status == 200
        assert [choice["finish_reason"] for choice in answer["choices"]] == ["content_filter"] * 2
        assert answer["choices"][0]["message"] == {"role": "assistant", "content": REFUSAL}
        events = await client.stream(before=f"{BENIGN} {SECRET}", say=BENIGN)
        assert (text_of(events), reasons_of(events), events[-1]) == (REFUSAL, ["content_filter"], "[DONE]")
        earlier = [{"role": "user", "content": SECRET}, {"role": "assistant", "content": "no"}]
        _, answer = await client.post({"model": "m", "messages": [*earlier, *_messages("", {"say": BENIGN})]})
        assert answer["choices"][0]["finish_reason"] == "content_filter"
        parts = [{"type": "text", "text": SECRET}]
        _, answer = await client.post({"model": "m", "messages": [{"role": "user", "content": parts}]})
        assert answer["choices"][0]["finish_reason"] == "content_filter"
        assert (await _counts(client, upstream))["requests"] == before["requests"]
        assert client.proxy.counts["refused_inputs"] == 4

    with_proxy(upstream, test)


@pytest.mark.parametrize("n", [1, 3])
def test_a_stream_is_cut_in_its_middle(upstream, n):
    async def test(client: Client):
        before = await _counts(client, upstream)
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
        await _until_broken_off(client, upstream, before)

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
        before = await _counts(client, upstream)
        body = {"model": "m", "stream": True, "messages": _messages("", {"say": ENDLESS, "delay": 0.02})}
        async with client.session.post(f"{client.url}/v1/chat/completions", json=body) as response:
            async for data in events_of(response.content.iter_any()):
                if data and text_of([data]).strip():
                    break
            response.close()
        await _until_broken_off(client, upstream, before)  # which it is only if it had not ended

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
        before = await _counts(client, upstream)
        body = {"model": "m", "stream": True, "messages": _messages("", {"say": ENDLESS, "delay": 0.02})}
        async with client.session.post(f"{client.url}/v1/chat/completions", json=body) as response:
            await response.content.readany()
            response.close()
        await _until_broken_off(client, upstream, before)
        assert text_of(await client.stream(say=BENIGN)) == BENIGN
        assert client.proxy.counts["upstream_failures"] == 0

    with_proxy(upstream, test)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "expected 'messages'"),
        ({"messages": []}, 400, "expected 'messages'"),
        ({"messages": ["hello"]}, 400, "expected 'messages'"),
        ({"messages": [{"role": "wizard", "content": "hello"}]}, 400, "the role 'wizard'"),
        ({"messages": [{"role": ["user"], "content": "hello"}]}, 400, "the role ['user']"),
        ({"messages": [{"role": {}, "content": "hello"}]}, 400, "the role {}"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "reads text only"),
        ({"messages": [{"role": "user", "content": "word " * 100_000}]}, 413, "too long"),
        ({"messages": [{"role": "user", "content": "x" * (5 * 2**20)}]}, 413, "more than 4 MiB"),
    ],
)
def test_a_request_that_cannot_be_screened_is_refused(upstream, body, status, message):
    async def test(client: Client):
        got, answer = await client.post(body)
        assert (got, answer["error"]["type"]) == (status, "invalid_request_error")
        assert message in answer["error"]["message"]

    with_proxy(upstream, test)


def test_a_message_that_is_nested_too_deeply_is_refused():
    nested: list = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(BadRequestError, match="nested too deeply"):
        texts_of([{"role": "user", "content": "", "x": nested}])


def test_nothing_passes_around_the_screen(upstream):
    async def test(client: Client):
        before = await _counts(client, upstream)
        for path in ("/v1/completions", "/v1/embeddings", "/v1/responses", "/counts", "/v1/models/../completions"):
            async with client.session.post(f"{client.url}{path}", json={"prompt": "x"}) as response:
                assert response.status in (404, 405)
        async with client.session.post(f"{client.url}/v1/chat/completions", data=b"{") as response:
            assert (response.status, (await response.json())["error"]["message"]) == (400, "the request is not JSON")
        assert (await _counts(client, upstream))["requests"] == before["requests"]

    with_proxy(upstream, test)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json; charset=nonsense"},
    ],
)
def test_a_body_that_cannot_be_read_is_an_error_of_the_client(upstream, headers):
    async def test(client: Client):
        data = json.dumps({"messages": _messages("", {"say": BENIGN})}).encode()
        async with client.session.post(f"{client.url}/v1/chat/completions", data=data, headers=headers) as response:
            assert (response.status, (await response.json())["error"]["type"]) == (400, "invalid_request_error")
        assert (await client.ask(say=BENIGN))[0] == 200  # also if it takes the same connection

    with_proxy(upstream, test)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), OSError("no embedder")])
def test_a_screen_that_fails_lets_nothing_pass(upstream, error):
    async def test(client: Client):
        def broken(windows, role):
            del windows, role
            raise error

        await client.stream(say=BENIGN)  # so that the request is remembered and passes
        screen: Any = types.SimpleNamespace(window_scores=broken, verdict=between().screen.verdict)
        client.proxy._scorer._screen = screen
        events = await client.stream(before="", say=BENIGN)
        assert text_of(events) == ""
        failed = {"message": "the screen failed", "type": "server_error", "param": None, "code": "server_error"}
        assert json.loads(events[-1]) == {"error": failed}
        assert await client.ask(say=BENIGN) == (500, {"error": failed})  # at the answer
        assert await client.ask(before="another question", say=BENIGN) == (500, {"error": failed})
        assert client.proxy.counts["screen_failures"] == 3
        assert client.proxy.counts["upstream_failures"] == 0

    with_proxy(upstream, test)


def test_no_path_leads_around_the_screen():
    asked: list[str] = []

    async def upstream(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        return web.json_response({})

    async def test(client: Client):
        async def status_of(path: str) -> int:
            # Clients that are no attackers make such paths shorter before they ask.
            reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
            writer.close()
            return int(line.split()[1])

        up = ("../../slots", "%2e%2e/%2e%2e/slots", "..%2f..%2fslots", "%252e%252e/slots", "a/./b", "x/..?y=1")
        for path in up:
            assert await status_of(f"/v1/models/{path}") == 404
        assert asked == []
        for path in ("/v1/models", f"{client.url}/v1/models", "/v1/models/org/small:7b?x=1", "/v1/models/..a%20b%2Fc"):
            assert await status_of(path) == 200
        assert asked == ["/v1/models", "/v1/models", "/v1/models/org/small:7b", "/v1/models/..a%20b/c"]

    with_proxy(upstream, test)


def test_what_the_upstream_says_of_its_limits_is_passed_on():
    async def upstream(request: web.Request) -> web.StreamResponse:
        del request
        headers = {"Retry-After": "7", "x-ratelimit-remaining-requests": "0", "X-Internal": "secret"}
        return web.json_response({"error": {"message": "slow down"}}, status=429, headers=headers)

    async def test(client: Client):
        body = {"messages": _messages("", {})}
        async with client.session.post(f"{client.url}/v1/chat/completions", json=body) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "7"
            assert response.headers["x-ratelimit-remaining-requests"] == "0"
            assert "X-Internal" not in response.headers

    with_proxy(upstream, test)


def test_a_chunk_is_passed_on_as_it_came():
    delta = {"content": "market\u2028minister\u2029film\x85vote"}
    chunk = json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}, ensure_ascii=False)

    async def upstream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"data: {chunk}\n\ndata: [DONE]\n\n".encode())
        return response

    async def test(client: Client):
        assert await client.stream() == [chunk, "[DONE]"]

    with_proxy(upstream, test)


def test_an_embedder_that_fails_to_load_is_not_a_port_that_is_taken():
    class Unreadable(HashedEmbedder):
        def embed(self, texts):
            del texts
            raise OSError("the weights cannot be read")

    guard = between()
    features = dataclasses.replace(guard.screen.features, embedder=Unreadable())
    guard = dataclasses.replace(guard, screen=dataclasses.replace(guard.screen, features=features))
    with pytest.raises(OSError, match="the weights cannot be read"):
        serve(guard, "http://127.0.0.1:9", port=0)
