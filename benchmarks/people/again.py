"""How long the same command takes again, when everything that it asked for is stored.

The command clusters the 2,225 articles of the packaged data set `bbc` (`nlparam[demo]`), with the packaged MiniLM, in a
cache of its own. A server of this process answers by the words of the texts. The command runs three times: the second
time tells what is stored after the first, and the third what is stored for good.
"""

import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nlparam import testing
from nlparam.lm.base import Message, Request
from tests.helpers.fake_server import FakeServer

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
    with tempfile.TemporaryDirectory() as folder, FakeServer(models=["words"], answer=_answer) as server:
        environment = os.environ | {"NLPARAM_CACHE": folder, "NLPARAM_STORE": f"{folder}/store.sqlite"}
        command = [str(Path(sys.executable).with_name("nlparam")), *_COMMAND, "--lm", server.url]
        command += ["--out", f"{folder}/fit", "--overwrite"]
        for number in range(_TIMES):
            before, start, computed = len(server.calls), time.perf_counter(), _cpu_seconds()
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            seconds.append(time.perf_counter() - start)
            costs = json.loads(done.stdout)["costs"]
            told = {"run": number + 1, "seconds": round(seconds[-1], 2), "cpu_seconds": _cpu_seconds() - computed}
            print(json.dumps(told | {"asked": len(server.calls) - before, "stages": costs["seconds"]}), flush=True)
    return round(max(seconds[1:]), 2)


def _cpu_seconds() -> float:
    """Of processes that have ended: what another program on the machine takes is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(used.ru_utime + used.ru_stime, 2)


def _answer(body: dict[str, Any]) -> str | dict[str, float]:
    """By the words of the texts."""
    labels = ("yes", "no") if body.get("logprobs") else None
    messages = tuple(Message(said["role"], said["content"]) for said in body["messages"])
    said = testing.by_rules(_MENTIONED)(Request(messages, labels=labels))
    return {said: 1.0} if labels and isinstance(said, str) else said


def _mentions(words: tuple[str, ...], text: str) -> bool:
    return any(word in text.casefold() for word in words)


_MENTIONED = {name: functools.partial(_mentions, words) for name, words in _RULES.items()}
