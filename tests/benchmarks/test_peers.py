"""Peers: a process of their own, the same language model behind a local server."""

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.experiments.arms import ARMS
from benchmarks.experiments.arms.peers import AbstractPeer
from nlparam.errors import LanguageModelError
from nlparam.lm.scripted import ScriptedModel
from tests.helpers.planted_problem import f1, planted_topics, problem

planted = pytest.fixture(planted_topics, scope="module")


@dataclasses.dataclass(frozen=True)
class Stranger(AbstractPeer):
    """A system that is `SCRIPT`."""

    package: ClassVar[str] = "json"

    @property
    def script(self):
        return Path(os.environ["STRANGER"])


SCRIPT = """
import json, os, sys, urllib.request, urllib.error
job = json.load(open("job.json"))

def post(path, **body):
    body = json.dumps({"model": "local", **body}).encode()
    return json.load(urllib.request.urlopen(os.environ["OPENAI_BASE_URL"] + path, body))

def chat(text):
    answer = post("/chat/completions", messages=[{"role": "user", "content": text}], stop=".")
    return answer["choices"][0]["message"]["content"]

said = [chat(text) for text in job["texts"][:2]]
said.append(post("/responses", input=job["texts"][2], max_output_tokens=4)["output"][0]["content"][0]["text"])
vectors = [one["embedding"] for one in post("/embeddings", input=job["texts"][:2])["data"]]
try:
    chat("one too many")
except urllib.error.HTTPError as error:
    said[2] += f" {len(vectors)} {error.code}"
columns = [[float("topic%d" % topic in text) for topic in range(3)] for text in job["texts"]]
json.dump({"predicates": said, "denotations": columns}, open("result.json", "w"))
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    path = tmp_path / "stranger.py"
    path.write_text(SCRIPT)
    monkeypatch.setenv("STRANGER", str(path))
    monkeypatch.setenv("NLPARAM_PEERS", sys.executable)
    return Stranger()


def test_a_peer_asks_the_same_language_model_and_no_more_than_it_may(planted, stranger):
    lm = ScriptedModel(lambda request: f"about {request.messages[-1].content.split()[0]}. And more.")
    of = dataclasses.replace(problem(planted, lm=lm, options={"max_judgments": 3}), left_out=planted[0][:5])
    assert stranger.unfit(of.dataset) is None
    outcome = stranger.run(of)
    first = [text.split()[0] for text in planted[0][:3]]
    assert outcome.predicates == [f"about {first[0]}", f"about {first[1]}", f"about {first[2]}. And more. 2 400"]
    assert outcome.costs.calls == 3
    assert f1(outcome, planted[3]) == 1.0
    np.testing.assert_array_equal(outcome.left_out, outcome.denotations[:5])
    again = stranger.run(of)
    assert (again.costs.calls, again.costs.proposals_served) == (0, 3)


AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    said = list(pool.map(chat, [f"number {n}" for n in range(8)]))
"""


def test_what_a_peer_asks_at_once_is_asked_at_once(planted, stranger):
    def answer(request):
        time.sleep(0.3)  # while the first is answered, the others come
        return request.messages[-1].content

    before, after = SCRIPT.partition("said = ")[0], "columns" + SCRIPT.partition("columns")[2]
    stranger.script.write_text(before + AT_ONCE + after)
    outcome = stranger.run(problem(planted, lm=ScriptedModel(answer), options={"max_judgments": 8}))
    assert outcome.predicates == [f"number {n}" for n in range(8)]
    assert outcome.costs.calls == 8
    assert outcome.costs.rounds < 8


def test_a_peer_that_is_not_there_or_fails_says_so(planted, stranger, monkeypatch):
    of = problem(planted)
    stranger.script.write_text("raise SystemExit('no luck today')")
    with pytest.raises(LanguageModelError, match=r"json failed .*no luck today"):
        stranger.run(of)
    stranger.script.write_text("open('result.json', 'w').write('{\"predicates\": [], \"denotations\": []}')")
    with pytest.raises(LanguageModelError, match="json found nothing"):
        stranger.run(of)
    for name in ("bertopic", "hypothesaes", "lloom"):
        assert "make peers" in (ARMS[name]().unfit(of.dataset) or "")
    monkeypatch.setenv("NLPARAM_PEERS", "/no/such/python")
    assert "cannot be run" in (stranger.unfit(of.dataset) or "")
