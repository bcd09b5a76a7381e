"""Clients of the guard's proxy, and a scripted upstream behind it."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web

from nlparam.guard.proxy import Proxy
from nlparam.guard.streams import events_of
from tests.helpers.guard_parts import between, sentence

_RNG = np.random.default_rng(11)
BENIGN = " ".join(sentence("benign", _RNG, 60) for _ in range(2))
SECRET = sentence("dosage", _RNG, 60)
LEAKING = f"{BENIGN} {SECRET} {BENIGN}"


@contextlib.contextmanager
def scripted_upstream() -> Iterator[str]:
    """The address of a scripted upstream in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.siblings._upstream"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
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
        return await self.post({"model": "m", "n": n, "messages": messages(before, script)})

    async def stream(self, *, before: str = "", n: int = 1, **script) -> list[str]:
        """The data of all events of a streamed answer."""
        body = {"model": "m", "n": n, "stream": True, "messages": messages(before, script)}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            return [data async for data in events_of(response.content.iter_any()) if data is not None]


def messages(before: str, script: dict) -> list[dict[str, str]]:
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


async def until_broken_off(client: Client, upstream: str, before: dict[str, int]) -> None:
    """The upstream is told to stop, and soon notices."""
    for _ in range(200):
        if (await counts(client, upstream))["broken_off"] > before["broken_off"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the upstream went on")


async def counts(client: Client, upstream: str) -> dict[str, int]:
    async with client.session.get(f"{upstream}/counts") as response:
        return await response.json()
