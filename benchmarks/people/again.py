"""How long the same command takes again, when everything that it asked for is stored.

The command clusters the 2,225 articles of the packaged data set `bbc` (`nlparam[demo]`), with the packaged MiniLM, in a
cache of its own. A server of this process answers by the words of the texts. The command runs three times: the second
time tells what is stored after the first, and the third what is stored for good.
"""

import asyncio
import contextlib
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nlparam import testing
from nlparam.lm.base import Completion, Message, Request

_COMMAND = ("fit", "clustering", "--dataset", "bbc", "--k", "5", "--goal", "what the story is about", "--json")
# As with a model in the process: statements of single texts are generalised, and a few hundred answers suffice.
_COMMAND += ("--proposer", "state", "--max-judgments", "900", "--n-judged", "60")
_RULES = {
    "is about sports": ("match", "cup", "coach", "olympic"),
    "is about the economy": ("economy", "shares", "growth", "sales"),
    "is about political leadership": ("labour", "tory", "election", "minister"),
    "is about technology": ("software", "users", "computer", "online"),
    "is about entertainment": ("film", "album", "actor", "music"),
}
_TIMES = 3


def again_seconds() -> float:
    """The longest of the repeated commands, from its start to its end."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder, answering() as (address, asked):
        environment = os.environ | {"NLPARAM_CACHE": folder, "NLPARAM_STORE": f"{folder}/store.sqlite"}
        command = [sys.executable, "-m", "nlparam", *_COMMAND, "--lm", address, "--out", f"{folder}/fit", "--overwrite"]
        for number in range(_TIMES):
            before, start, computed = len(asked), time.perf_counter(), _cpu_seconds()
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            seconds.append(time.perf_counter() - start)
            costs = json.loads(done.stdout)["costs"]
            told = {"run": number + 1, "seconds": round(seconds[-1], 2), "cpu_seconds": _cpu_seconds() - computed}
            print(json.dumps(told | {"asked": len(asked) - before, "stages": costs["seconds"]}), flush=True)
    return round(max(seconds[1:]), 2)


def _cpu_seconds() -> float:
    """Of processes that have ended: what another program on the machine takes is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(used.ru_utime + used.ru_stime, 2)


@contextlib.contextmanager
def answering() -> Iterator[tuple[str, list[int]]]:
    """The address of a server that answers by the words of the texts, and a list that grows with each call."""
    asked: list[int] = []
    rules = {name: functools.partial(_mentions, words) for name, words in _RULES.items()}
    model = testing.ScriptedModel(testing.by_rules(rules))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": "words", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "messages" not in body:  # what only some servers have
                self.send_error(404)
                return
            labels = ("yes", "no") if body.get("logprobs") else None
            messages = tuple(Message(said["role"], said["content"]) for said in body["messages"])
            asked.append(len(asked))
            self._send(_sent(asyncio.run(model.complete(Request(messages, labels=labels))), labels or ()))

        def log_message(self, format: str, *args: object) -> None:
            del format, args

        def _send(self, content: dict[str, Any]) -> None:
            sent = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def _mentions(words: tuple[str, ...], text: str) -> bool:
    return any(word in text.casefold() for word in words)


def _sent(completion: Completion, labels: tuple[str, ...]) -> dict[str, Any]:
    """A completion as the OpenAI API has it."""
    chances = zip(labels, completion.label_logprobs or (), strict=True)
    top = [{"token": label, "logprob": chance} for label, chance in sorted(chances, key=lambda one: -one[1])]
    read = {"content": [{**top[0], "top_logprobs": top}]} if top else None
    choice = {"message": {"role": "assistant", "content": completion.text}, "logprobs": read, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": completion.prompt_tokens, "completion_tokens": 1}}
