"""A local server that speaks as much of the OpenAI API as the peers use, and answers by the session of an experiment.

So every peer asks the same language model and the same embedder as the other arms, its calls are counted and limited
like theirs, and what was answered once is in the store.
"""

import concurrent.futures
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

from nlparam.denotation.session import Session
from nlparam.errors import NlparamError
from nlparam.lm.base import Completion, Message, Request
from nlparam.runtime.progress import Task

# What a call may generate that does not say it.
_MAX_TOKENS = 1500


@contextlib.contextmanager
def serving(session: Session, *, max_calls: int | None, seed: int, task: Task) -> Iterator[str]:
    """The address of the server, which runs for the `with` block. Calls beyond `max_calls` are refused."""
    answering = _Answering(session, max_calls, seed, task)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, answering.answer(self.path, body)
            # A refusal that a client does not try again.
            except (_RefusedError, NlparamError) as error:
                status, answer = 400, {"error": {"message": str(error), "type": "invalid_request_error"}}
            written = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _RefusedError(Exception):
    pass


class _Answering:
    def __init__(self, session: Session, max_calls: int | None, seed: int, task: Task):
        self.session, self.max_calls, self.seed, self.task = session, max_calls, seed, task
        self.n_calls, self.lock, self.turn = 0, threading.Lock(), threading.Lock()
        self.waiting: list[tuple[Request, concurrent.futures.Future[Completion | None]]] = []

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/v1/embeddings":
            given = [body["input"]] if isinstance(body["input"], str) else body["input"]
            with self.turn:
                vectors = self.session.stored_embedder.embed(given).astype(float).tolist()
            data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
            return {"object": "list", "model": body["model"], "data": data, "usage": _usage(0, 0)}
        if path == "/v1/chat/completions":
            done = self._complete(body["messages"], body)
            choice = {"index": 0, "message": {"role": "assistant", "content": done.text}, "finish_reason": "stop"}
            common = {"id": "call", "object": "chat.completion", "created": 0, "choices": [choice]}
            return common | {"model": body["model"], "usage": _usage(done.prompt_tokens, done.completion_tokens)}
        if path == "/v1/responses":
            given = body["input"]
            done = self._complete([{"role": "user", "content": given}] if isinstance(given, str) else given, body)
            content = [{"type": "output_text", "text": done.text, "annotations": []}]
            message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
            common = {"id": "call", "object": "response", "created_at": 0, "status": "completed"}
            rest = {"parallel_tool_calls": False, "tool_choice": "none", "tools": []}
            return common | rest | {"model": body["model"], "output": [message]}
        raise _RefusedError(f"there is no {path} here")

    def _complete(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> Completion:
        limits = [body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
        request = Request(
            tuple(Message(message["role"], _text(message["content"])) for message in messages),
            max_tokens=next((limit for limit in limits if limit), _MAX_TOKENS),
            temperature=float(body.get("temperature") or 0.0),
            seed=self.seed,
        )
        completion = self._in_turn(request)
        self.task.advance()
        if completion is None:
            raise _RefusedError("the language model gave no answer")
        stops = body.get("stop") or []
        text = completion.text.lstrip()
        for stop in [stops] if isinstance(stops, str) else stops:
            text = text.partition(stop)[0]
        return Completion(text, None, completion.prompt_tokens, completion.completion_tokens)

    def _in_turn(self, request: Request) -> Completion | None:
        """The answer to a request. Whoever has the turn asks for all that came while it waited, in one batch."""
        future: concurrent.futures.Future[Completion | None] = concurrent.futures.Future()
        with self.lock:
            if self.max_calls is not None and self.n_calls >= self.max_calls:
                raise _RefusedError(f"the {self.max_calls} calls of this experiment are used up")
            self.n_calls += 1
            self.waiting.append((request, future))
        with self.turn:
            if not future.done():
                with self.lock:
                    batch, self.waiting = self.waiting, []
                try:
                    answers = self.session.engine.complete_stored([asked for asked, _ in batch])
                except BaseException as error:
                    for _, each in batch:
                        each.set_exception(error)
                else:
                    for (_, each), answer in zip(batch, answers, strict=True):
                        each.set_result(answer)
        return future.result()


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _usage(n_prompt: int, n_completion: int) -> dict[str, int]:
    return {"prompt_tokens": n_prompt, "completion_tokens": n_completion, "total_tokens": n_prompt + n_completion}
