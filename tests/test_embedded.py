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

from nlparam.costs import Costs
from nlparam.errors import LanguageModelError, MissingExtraError, WeightsError
from nlparam.language.lm import Message, Request, load_language_model
from nlparam.language.lm.embedded import EmbeddedModel
from nlparam.language.lm.engine import Engine
from nlparam.language.lm.weights import resolve

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


def test_a_call_that_was_given_up_while_it_waited_is_not_begun(junk, monkeypatch):
    go_on, came, read, loaded = threading.Event(), threading.Semaphore(0), [], []

    class Server:
        def __init__(self, _params):
            loaded.append(self)

        def handle_chat_completions(self, body):
            read.append(body["messages"][0]["content"])
            go_on.wait(60)
            return {"choices": [{"message": {"content": "hello"}}]}

    module = ModuleType("xllamacpp")
    module.__dict__.update(Server=Server, CommonParams=mock.MagicMock)
    module.__spec__ = importlib.machinery.ModuleSpec("xllamacpp", None)
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    model = EmbeddedModel(junk, identity="junk")
    complete = model._complete

    def come(*arguments):
        came.release()
        return complete(*arguments)

    monkeypatch.setattr(model, "_complete", come)

    async def give_up():
        calls = []
        for text in ("slow", "waits"):
            calls.append(asyncio.create_task(model.complete(Request((Message("user", text),)))))
            await asyncio.to_thread(came.acquire)
        while not read:
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await model.aclose()
        go_on.set()

    asyncio.run(give_up())  # waits for the threads
    assert read in (["slow"], ["waits"])  # whichever had the model first
    assert len(loaded) == 1  # nobody needed it again


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
