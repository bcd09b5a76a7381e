"""A server that speaks the OpenAI chat API and answers at once, as cheaply as Python can: what is left is the client.

`python -m benchmarks.judging.instant_server` prints its address and serves until it is ended. Every completion is the
same prepared reply, with the 20 likeliest tokens as vLLM lists them; it has read the whole request by then.
"""

import asyncio
import json
import math

MODEL = "instant"
_LIKELY = ("Yes", "yes", "No", "no", "YES", " Yes", "NO", " no", "It", "The", "True", "I", "This", "Based", "Not", "In",
           "Answer", "False", "A", "**")  # fmt: skip


class InstantServer(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, one request after another."""

    def __init__(self):
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            del self._received[: end + 4 + length]
            assert self._transport is not None
            self._transport.write(_REPLIES.get(head[: head.find(b" http/")], _NOT_FOUND))


def _completion() -> dict:
    # Probabilities 1/2, 1/4, ...: they add up to one, and "yes" holds about two thirds of what both labels have.
    top = [
        {"token": token, "logprob": -(rank + 1) * math.log(2.0), "bytes": list(token.encode())}
        for rank, token in enumerate(_LIKELY)
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Yes"},
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
        "finish_reason": "length",
    }
    usage = {"prompt_tokens": 200, "completion_tokens": 1, "total_tokens": 201}
    return {
        "id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice],
        "usage": usage,
    }  # fmt: skip


def _reply(status: str, content: dict) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_REPLIES = {
    b"post /v1/chat/completions": _reply("200 OK", _completion()),
    b"get /v1/models": _reply("200 OK", {"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
    b"get /health": _reply("200 OK", {}),
}
_NOT_FOUND = _reply("404 Not Found", {"error": {"message": "no such page", "type": "NotFoundError", "code": 404}})


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(InstantServer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
