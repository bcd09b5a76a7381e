"""A scripted OpenAI-compatible server as a process of its own: `python -m benchmarks.siblings._upstream`.

It prints its address. The last message says what it does: a JSON object with `say` (the text), and optionally `chunks`
(words of each chunk), `delay` (seconds before each), `die_after` (chunks after which the connection breaks),
`end_after` (chunks after which the stream just ends), `error` (a status), `raw` (events to send as they are). It counts
what it served, and how many streams were broken off by the other side, under /counts.
"""

import asyncio
import json

from aiohttp import web

COUNTS = {"requests": 0, "chunks": 0, "broken_off": 0}


async def chat(request: web.Request) -> web.StreamResponse:
    COUNTS["requests"] += 1
    body = await request.json()
    script = json.loads(body["messages"][-1]["content"])
    if "error" in script:
        return web.json_response({"error": {"message": "as told", "type": "scripted"}}, status=script["error"])
    head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        message = {"role": "assistant", "content": script["say"]}
        choices = [{"index": n, "message": message, "finish_reason": "stop"} for n in range(body.get("n", 1))]
        return web.json_response(head | {"object": "chat.completion", "choices": choices, "usage": {"total_tokens": 7}})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)

    async def send(data: str) -> None:
        await response.write(f"data: {data}\n\n".encode())

    async def chunk(delta: dict, reason: str | None = None) -> None:
        COUNTS["chunks"] += 1
        choices = [{"index": n, "delta": delta, "finish_reason": reason} for n in range(body.get("n", 1))]
        await send(json.dumps(head | {"object": "chat.completion.chunk", "choices": choices}))

    words, step = script["say"].split(" "), script.get("chunks", 1)
    parts = [" ".join(words[start : start + step]) for start in range(0, len(words), step)]
    try:
        await chunk({"role": "assistant", "content": ""})
        for number, part in enumerate(parts):
            if number == script.get("die_after"):
                assert request.transport is not None
                request.transport.abort()
                return response
            if number == script.get("end_after"):
                await response.write_eof()
                return response
            await asyncio.sleep(script.get("delay", 0))
            await chunk({"content": part if number == 0 else " " + part})
        for event in script.get("raw", ()):
            await send(event)
        await chunk({}, "stop")
        await send(json.dumps(head | {"object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 7}}))
        await send("[DONE]")
        await response.write_eof()
    except (ConnectionError, asyncio.CancelledError):
        COUNTS["broken_off"] += 1
    return response


async def models(request: web.Request) -> web.Response:
    del request
    return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})


async def counts(request: web.Request) -> web.Response:
    del request
    return web.json_response(COUNTS)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/counts", counts)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
