"""A real HTTP server that speaks the OpenAI chat API and answers by a rule, for tests of backends and of killed runs.

In a thread: `with FakeServer(status=[429]) as server: ServerModel(server.url)`. As a process of its own, which survives
the client: `python fake_server.py --log calls.txt`; it prints its address, then logs a line for each finished call.
"""

import argparse
import contextlib
import hashlib
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def default_answer(body: dict) -> str | dict[str, float]:
    """For a label read a probability of "yes" that depends on the prompt only, for generation a phrase of its words."""
    content = body["messages"][-1]["content"]
    if body.get("logprobs"):
        yes = (int(hashlib.sha256(content.encode()).hexdigest()[:4], 16) + 0.5) / 0x10000
        return {"yes": yes, "no": 1.0 - yes}
    return "is about " + " ".join(content.split()[:3])


class FakeServer:
    """**Arguments:** `answer` gives a text, label probabilities or `None` (no content) for a request body; `statuses`
    are the HTTP statuses of the first completions (then 200), with `headers`; `always` is the status of all of them;
    `delay` is the seconds a completion takes; `strict` refuses fields that OpenAI does not know (400); `logprobs=False`
    leaves them out; `key` is the API key to ask for; `log` is a file that gets a line for each finished call.

    `calls` are the request bodies received, `headers_seen` their headers, `most_at_once` the most calls under way.
    """

    def __init__(
        self,
        *,
        models: Sequence[dict | str] = ("fake-model",),
        answer: Callable[[dict], str | dict[str, float] | None] = default_answer,
        statuses: Sequence[int] = (),
        always: int = 200,
        headers: dict[str, str] | None = None,
        delay: float = 0.0,
        strict: bool = False,
        logprobs: bool = True,
        key: str | None = None,
        log: Path | None = None,
    ):
        self.models = [{"id": model} if isinstance(model, str) else model for model in models]
        self.answer, self.statuses, self.always = answer, list(statuses), always
        self.headers, self.delay, self.strict = headers or {}, delay, strict
        self.logprobs, self.key, self.log = logprobs, key, log
        self.ignores_images = False  # set, it takes images and answers as if they were not there
        self.calls: list[dict] = []
        self.times: list[float] = []
        self.headers_seen: list[dict[str, str]] = []
        self.most_at_once = self._at_once = 0
        self.lock = threading.Lock()
        self.released = threading.Event()  # set when closing, so that a long delay ends
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "FakeServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Goes away as a killed server does: connections are cut, new ones refused."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()

    def complete(self, body: dict, headers: dict[str, str]) -> tuple[int, dict]:
        with self.lock:
            self.calls.append(body)
            self.times.append(time.monotonic())
            self.headers_seen.append(headers)
            status = self.statuses.pop(0) if self.statuses else self.always
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        self.released.wait(self.delay)
        with self.lock:
            self._at_once -= 1
        if any(isinstance(message["content"], list) for message in body["messages"]) and not self.ignores_images:
            return 400, _error("this server reads text only: messages.0.content: Input should be a valid string")
        if self.strict and "chat_template_kwargs" in body:
            return 400, _error("unknown field chat_template_kwargs")
        if body["model"] not in [model["id"] for model in self.models]:
            return 404, _error(f"the model {body['model']} does not exist")
        return (200, self._completion(body)) if status == 200 else (status, _error(f"status {status} as told"))

    def finished(self, body: dict) -> None:
        if self.log is not None:
            with self.lock, self.log.open("a") as file:
                file.write(str(body["messages"][-1]["content"]).replace("\n", " ") + "\n")

    def _completion(self, body: dict) -> dict:
        answer = self.answer(body)
        choice: dict = {"index": 0, "finish_reason": "stop", "logprobs": None}
        if isinstance(answer, dict):
            top = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in answer.items() if p > 0]
            top.sort(key=lambda entry: -entry["logprob"])
            if self.logprobs:
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
            answer = top[0]["token"]
        choice["message"] = {"role": "assistant", "content": answer}
        words = sum(len(str(message["content"]).split()) for message in body["messages"])
        usage = {"prompt_tokens": words, "completion_tokens": 1, "total_tokens": words + 1}
        return {
            "id": "fake", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [choice], "usage": usage,
        }  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]):
        super().__init__(address, handler)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def cut_connections(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):  # most are closed already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:  # a client that was killed or gave up is part of the tests
        del request, client_address


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self._refused():
                return
            models = [{"object": "model", "created": 0, "owned_by": "tests", **model} for model in fake.models]
            found = self.path.rstrip("/") == "/v1/models"
            self._reply(*((200, {"object": "list", "data": models}) if found else (404, _error("no such page"))))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._refused():
                return
            if self.path != "/v1/chat/completions":
                self._reply(404, _error("no such page"))
                return
            status, answer = fake.complete(body, dict(self.headers))
            self._reply(status, answer)
            if status == 200:
                fake.finished(body)

        def _refused(self) -> bool:
            refused = fake.key is not None and self.headers.get("Authorization") != f"Bearer {fake.key}"
            if refused:
                self._reply(401, _error("wrong key"))
            return refused

        def _reply(self, status: int, content: dict) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler


def _error(message: str) -> dict:
    return {"error": {"message": message, "type": "fake", "code": None}}


def main() -> None:
    parser = argparse.ArgumentParser(description="a fake OpenAI-compatible server")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    with FakeServer(delay=options.delay, log=options.log) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
