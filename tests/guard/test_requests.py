"""The proxy answers requests that it cannot screen with an error, and nothing passes around the screen."""

import asyncio
import dataclasses
import json
import types
from typing import Any

import pytest
from aiohttp import web

from nlparam.guard.messages import BadRequestError, texts_of
from nlparam.guard.proxy import serve
from nlparam.testing import ScriptedEmbedder
from tests.helpers.guard_client import BENIGN, Client, counts, messages, scripted_upstream, text_of, with_proxy
from tests.helpers.guard_parts import between


@pytest.fixture(scope="module")
def upstream():
    with scripted_upstream() as address:
        yield address


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
        before = await counts(client, upstream)
        for path in ("/v1/completions", "/v1/embeddings", "/v1/responses", "/counts", "/v1/models/../completions"):
            async with client.session.post(f"{client.url}{path}", json={"prompt": "x"}) as response:
                assert response.status in (404, 405)
        async with client.session.post(f"{client.url}/v1/chat/completions", data=b"{") as response:
            assert (response.status, (await response.json())["error"]["message"]) == (400, "the request is not JSON")
        assert (await counts(client, upstream))["requests"] == before["requests"]

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
        data = json.dumps({"messages": messages("", {"say": BENIGN})}).encode()
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
        body = {"messages": messages("", {})}
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
    class Unreadable(ScriptedEmbedder):
        def embed(self, texts):
            del texts
            raise OSError("the weights cannot be read")

    guard = between()
    features = dataclasses.replace(guard.screen.features, embedder=Unreadable())
    guard = dataclasses.replace(guard, screen=dataclasses.replace(guard.screen, features=features))
    with pytest.raises(OSError, match="the weights cannot be read"):
        serve(guard, "http://127.0.0.1:9", port=0)
