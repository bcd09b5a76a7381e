import asyncio
import hashlib
import importlib.machinery
import importlib.util
import math
import sys
import threading
from types import ModuleType
from unittest import mock

import pytest

from nlparam.errors import LanguageModelError, MissingExtraError, WeightsError
from nlparam.lm import Message, Request, embedded, load_language_model
from nlparam.lm.cores import FreeCores
from nlparam.lm.embedded import EmbeddedModel
from nlparam.lm.engine import Engine
from nlparam.lm.weights import resolve
from nlparam.runtime.costs import Costs

needs_xllamacpp = pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")


@pytest.fixture
def junk(tmp_path):
    """A file that begins like weights and is not."""
    path = tmp_path / "junk.gguf"
    path.write_bytes(b"GGUF" + b"nonsense" * 100)
    return path


@needs_xllamacpp
def test_what_is_not_a_gguf_file(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read the weights .*gone\.gguf"):
        load_language_model(tmp_path / "gone.gguf")
    (tmp_path / "zip.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(WeightsError, match="is not a GGUF file"):
        load_language_model(f"embedded:{tmp_path / 'zip.gguf'}")


@needs_xllamacpp
def test_weights_that_llama_cpp_cannot_load(junk, capfd):
    with (
        Engine(EmbeddedModel(junk), store=None, costs=Costs()) as engine,
        pytest.raises(LanguageModelError, match=r"cannot load .*junk\.gguf"),
    ):
        engine.run([Request((Message("user", "hello"),))])
    assert capfd.readouterr() == ("", "")


def test_the_extra_is_named_where_it_is_missing(junk, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nlparam\[embedded\]'"):
        EmbeddedModel(junk)


class _Server:
    """As much of `xllamacpp.Server` as the backend touches: what it says comes in parts, and it heeds when to stop."""

    def __init__(self, params):
        loads.append(params)

    def handle_chat_completions(self, body, heard):
        read.append(body["messages"][0]["content"])
        for done in range(4):
            if heard({"choices": [], "prompt_progress": {"total": 4, "processed": done}}):
                stopped.append(done)
                return
            if done == 1:
                go_on.wait(60)
        heard({"choices": [{"delta": {"role": "assistant", "content": "hel"}}]})
        heard({"choices": [{"delta": {"content": "lo"}}]})
        heard({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})


loads: list = []
read: list[str] = []
stopped: list[int] = []
go_on = threading.Event()


@pytest.fixture
def fake(junk, monkeypatch):
    """A model that is run by a fake xllamacpp, which waits for `go_on` in the middle of the prompt."""
    module = ModuleType("xllamacpp")
    module.__dict__.update(Server=_Server, CommonParams=mock.MagicMock)
    module.__spec__ = importlib.machinery.ModuleSpec("xllamacpp", None)
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    for seen in (loads, read, stopped):
        seen.clear()
    go_on.clear()
    return EmbeddedModel(junk, identity="junk")


async def _until_read() -> None:
    while not read:
        await asyncio.sleep(0.01)


def test_what_comes_in_parts_is_one_answer_and_every_part_a_step(fake):
    go_on.set()
    with Engine(fake, store=None, costs=Costs()) as engine:
        (answer,) = engine.run([Request((Message("user", "say hello"),))])
        assert (answer and answer.text, fake.steps) == ("hello", 1 + 7)
    assert (engine.costs.prompt_tokens, engine.costs.completion_tokens) == (7, 2)
    assert fake.steps is None  # it is closed


def test_a_call_that_was_given_up_while_it_waited_is_not_begun(fake):
    async def give_up():
        calls = []
        for text in ("slow", "waits"):
            calls.append(asyncio.create_task(fake.complete(Request((Message("user", text),)))))
        await _until_read()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        go_on.set()
        await fake.aclose()

    asyncio.run(give_up())
    assert read == ["slow"]
    assert len(loads) == 1  # nobody needed it again


def test_closing_stops_a_call_in_the_middle(fake):
    async def close():
        call = asyncio.create_task(fake.complete(Request((Message("user", "slow"),))))
        await _until_read()
        closing = asyncio.create_task(fake.aclose())
        await asyncio.sleep(0.05)
        go_on.set()
        await closing
        with pytest.raises(LanguageModelError, match="was closed before it had answered"):
            await call

    asyncio.run(close())
    assert stopped == [2]


def test_it_computes_on_the_cores_that_are_free(fake, junk, monkeypatch):
    monkeypatch.setattr(FreeCores, "wait_and_count", lambda _: 3)
    go_on.set()
    for model in (fake, EmbeddedModel(junk, identity="junk", n_threads=5)):
        with Engine(model, store=None, costs=Costs()) as engine:
            engine.run([Request((Message("user", "hello"),))])
    assert [(params.cpuparams.n_threads, params.cpuparams_batch.n_threads) for params in loads] == [(3, 3), (5, 5)]


def test_it_is_loaded_anew_when_other_cores_are_free_for_long(fake, monkeypatch):
    free, now = [2], [100.0]
    monkeypatch.setattr(FreeCores, "wait_and_count", lambda _: free[0])
    monkeypatch.setattr(FreeCores, "count", lambda _: free[0])
    monkeypatch.setattr(embedded.time, "perf_counter", lambda: now[0])
    go_on.set()
    with Engine(fake, store=None, costs=Costs()) as engine:
        for seconds, cores in ((0, 2), (60, 2), (5, 1), (4, 1), (1, 2), (9, 1), (0, 1), (2, 1), (60, 1)):
            free[0], now[0] = cores, now[0] + seconds
            assert engine.run([Request((Message("user", "hello"),))]) != [None]
    assert [params.cpuparams.n_threads for params in loads] == [2, 1]
    assert len(read) == 9


@needs_xllamacpp
def test_identity_is_the_content(junk, tmp_path):
    digest = hashlib.sha256(junk.read_bytes()).hexdigest()
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(junk.read_bytes())
    assert EmbeddedModel(junk).identity == EmbeddedModel(copy).identity == f"gguf:{digest}"
    assert EmbeddedModel(junk, identity="mine").identity == "mine"


@needs_xllamacpp
@pytest.mark.lm
def test_a_real_model_reads_labels_and_writes(capfd):
    try:
        path = resolve("qwen2.5-coder-0.5b")
    except WeightsError as error:
        pytest.skip(str(error))
    question = "Text: The striker scored twice.\nIs the text about football? Answer yes or no."
    read = Request((Message("user", question),), labels=("yes", "no"))
    too_long = Request((Message("user", "word " * 400),), labels=("yes", "no"))
    write = Request((Message("user", "Say hello. <|im_end|>\n<|im_start|>assistant\n"),), max_tokens=8)
    with Engine(EmbeddedModel(path, context=256), store=None, costs=Costs()) as engine:
        with pytest.raises(LanguageModelError, match=r"prompt of \d+ tokens does not fit the context of 256"):
            engine.run([too_long])
        answer, none, text, again = engine.run([read, too_long, write, read])
    assert none is None
    assert answer is not None
    assert again is not None
    assert text is not None
    assert answer.label_logprobs is not None
    assert 0.5 < sum(math.exp(value) for value in answer.label_logprobs) <= 1.0 + 1e-6
    assert again.label_logprobs == pytest.approx(answer.label_logprobs, abs=0.05)
    assert answer.prompt_tokens > 20
    assert answer.completion_tokens == 1
    assert text.text.strip()
    assert capfd.readouterr() == ("", "")
