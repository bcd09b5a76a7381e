import asyncio
import importlib
import importlib.util
import math
import sys
import textwrap
import threading
import warnings
from typing import Any

import numpy as np
import pytest

from nlparam.errors import LanguageModelError, MissingExtraError, WeightsError
from nlparam.lm import Message, Request, RequestError
from nlparam.lm.base import listed_state
from nlparam.lm.engine import Engine
from nlparam.lm.vllm import VllmModel
from nlparam.runtime.costs import Costs

LABELS = ("yes", "no")

# A package named vllm with as much of vLLM as the backend touches: a tokenizer in which a token is a word, a chat that
# refuses a batch with too long a prompt as a whole, and a record of the batches.
FAKE = """
import dataclasses
import threading

TOKENS = ["", "yes", "Yes", " yes", " Yes", "no", "No", "The"]
batches, loads, closed, stepped, gate = [], [], [], [], threading.Event()
gate.set()
behaviour = {}


@dataclasses.dataclass
class SamplingParams:
    max_tokens: int
    temperature: float = 1.0
    seed: int | None = None
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None


@dataclasses.dataclass
class Logprob:
    logprob: float
    decoded_token: str


@dataclasses.dataclass
class Output:
    text: str
    token_ids: list[int]
    logprobs: list | None


@dataclasses.dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[Output]


class Tokenizer:
    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        return [TOKENS.index(text)] if text in TOKENS else [8, 9]


class Core:
    def shutdown(self):
        closed.append(True)


class VllmEngine:
    def __init__(self):
        self.engine_core = Core()

    def step(self):
        stepped.append(True)


class LLM:
    def __init__(self, **arguments):
        loads.append(arguments)
        if behaviour.get("load"):
            raise behaviour["load"]
        self.llm_engine = VllmEngine()

    def get_tokenizer(self):
        return Tokenizer()

    def chat(self, messages, params, use_tqdm, chat_template_kwargs):
        assert not use_tqdm and chat_template_kwargs == {"enable_thinking": False}
        gate.wait(10)
        self.llm_engine.step()
        texts = [turns[-1]["content"] for turns in messages]
        batches.append(texts)
        if behaviour.get("chat"):
            raise behaviour["chat"]
        for text in texts:
            if len(text.split()) > 50:
                raise ValueError("maximum context length is 50 tokens")
        return [self.answer(text, param) for text, param in zip(texts, params, strict=True)]

    def answer(self, text, param):
        logprobs = None
        if param.logprob_token_ids is not None:
            # The sampled token comes with those asked for, as in vLLM.
            logprobs = [{i: Logprob(-float(i), TOKENS[i]) for i in [7, *param.logprob_token_ids]}]
        elif param.logprobs is not None:
            logprobs = [{2: Logprob(-0.5, "Yes"), 7: Logprob(-2.0, "The"), 6: Logprob(-3.0, "No")}]
        said = "" if text == "say nothing" else f"{text} {param.max_tokens} {param.temperature} {param.seed}"
        return RequestOutput([0] * len(text.split()), [Output(said, [0], logprobs)])
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The fake vLLM, installed for one test."""
    (tmp_path / "site" / "vllm").mkdir(parents=True)
    (tmp_path / "site" / "vllm" / "__init__.py").write_text(textwrap.dedent(FAKE))
    monkeypatch.syspath_prepend(tmp_path / "site")
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "ERROR")
    monkeypatch.setenv("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    yield importlib.import_module("vllm")
    del sys.modules["vllm"]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def ask(text, **options):
    return Request((Message("user", text),), **options)


def run(lm, requests) -> list[Any]:
    with Engine(lm, store=None, costs=Costs()) as engine:
        return engine.run(requests)


def test_steps_are_counted_and_none_is_begun_once_it_is_closed(fake, folder):
    lm = VllmModel(folder, batch_size=1)

    async def close():
        assert lm.steps is None
        await lm.complete(ask("first"))
        assert lm.steps == 2  # it is loaded, and has made one
        fake.gate.clear()
        call = asyncio.create_task(lm.complete(ask("second")))
        closing = asyncio.create_task(lm.aclose())
        await asyncio.sleep(0.05)
        fake.gate.set()
        await closing
        with pytest.raises(LanguageModelError, match="was closed before it had answered"):
            await call

    asyncio.run(close())
    assert (len(fake.stepped), fake.batches, fake.closed) == (1, [["first"]], [True])


def test_labels_are_read_exactly_and_text_is_written(fake, folder):
    lm = VllmModel(folder, context=100, options={"dtype": "bfloat16"})
    read, written = run(lm, [ask("a late goal", labels=LABELS), ask("hello", max_tokens=5, temperature=0.7, seed=3)])
    # Every spelling of a label counts; the token that vLLM chose is none of them, and does not.
    yes, no = (math.log(sum(math.exp(-i) for i in ids)) for ids in ([1, 2, 3, 4], [5, 6]))
    assert read.label_logprobs == pytest.approx((yes, no))
    assert (read.prompt_tokens, read.completion_tokens) == (3, 1)
    assert written.text == "hello 5 0.7 3"
    assert written.label_logprobs is None
    assert fake.loads == [
        {
            "model": str(folder),
            "revision": None,
            "max_model_len": 100,
            "enable_prefix_caching": True,
            "use_tqdm_on_load": False,
            "dtype": "bfloat16",
        }
    ]
    assert fake.closed == [True]


@pytest.mark.usefixtures("fake")
def test_the_state_of_a_small_model_is_made_of_its_likeliest_tokens(folder):
    small = folder.rename(folder.with_name("small-1.5b"))
    lm = VllmModel(small)
    assert lm.states == "20 likeliest tokens"
    (read,) = run(lm, [ask("a late goal", state=True)])
    np.testing.assert_array_equal(read.state, listed_state([("Yes", -0.5), ("The", -2.0), ("No", -3.0)]))


def test_a_vllm_that_cannot_read_given_tokens_is_asked_for_the_likeliest(fake, folder):
    class Old(fake.SamplingParams):
        def __init__(self, max_tokens, temperature, seed=None, logprobs=None):
            super().__init__(max_tokens, temperature, seed, logprobs)

    fake.SamplingParams = Old
    (answer,) = run(VllmModel(folder), [ask("a late goal", labels=LABELS)])
    assert answer.label_logprobs == pytest.approx((-0.5, -3.0))


def test_a_label_of_several_tokens_is_looked_for_among_the_likeliest(fake, folder):
    answer, none = run(
        VllmModel(folder), [ask("goal", labels=("yes", "perhaps")), ask("goal", labels=("A", "perhaps"))]
    )
    assert answer.label_logprobs == (pytest.approx(-0.5), -math.inf)
    assert none is None
    assert fake.batches


@pytest.mark.slow
def test_what_waits_is_answered_together_and_in_order(fake, folder):
    lm = VllmModel(folder, batch_size=8)
    assert lm.max_in_flight == 16
    fake.gate.clear()
    opened = threading.Timer(1.0, fake.gate.set)  # by then every call that may be in flight waits
    opened.start()
    texts = [f"text {number}" for number in range(30)]
    answers = run(lm, [ask(text, labels=LABELS) for text in texts])
    opened.join()
    assert None not in answers
    assert [text for batch in fake.batches for text in batch] == texts
    assert max(map(len, fake.batches)) == 8
    assert len(fake.batches) <= 6


def test_one_text_that_is_too_long_fails_alone(fake, folder):
    texts = [f"text {number}" for number in range(9)]
    texts[4] = "word " * 51

    async def together():
        lm = VllmModel(folder)
        try:
            return await asyncio.gather(*(lm.complete(ask(text)) for text in texts), return_exceptions=True)
        finally:
            await lm.aclose()

    answers: list[Any] = asyncio.run(together())
    assert [number for number, answer in enumerate(answers) if isinstance(answer, RequestError)] == [4]
    assert "maximum context length is 50" in str(answers[4])
    assert [answer.text.rsplit(" ", 3)[0] for answer in answers[:4]] == texts[:4]
    assert [answer.text.rsplit(" ", 3)[0] for answer in answers[5:]] == texts[5:]
    assert len(fake.loads) == 1


def test_an_empty_answer_is_a_failure(fake, folder):
    assert run(VllmModel(folder), [ask("say nothing"), ask("speak")])[0] is None
    assert fake.batches


def test_a_vllm_that_does_not_load_or_breaks_down_says_so(fake, folder):
    fake.behaviour["load"] = RuntimeError("out of memory")
    with pytest.raises(LanguageModelError, match=r"cannot load .*model \(RuntimeError: out of memory\).*memory"):
        run(VllmModel(folder), [ask("a"), ask("b")])
    fake.behaviour.clear()
    fake.behaviour["chat"] = RuntimeError("engine is dead")
    with pytest.raises(LanguageModelError, match=r"broke down \(RuntimeError: engine is dead\)"):
        run(VllmModel(folder), [ask("a"), ask("b")])


def test_a_call_that_was_given_up_is_not_begun(fake, folder):
    async def main():
        lm = VllmModel(folder, batch_size=1)
        fake.gate.clear()
        first, second, third = (asyncio.create_task(lm.complete(ask(text))) for text in ("one", "two", "three"))
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.wait([second])  # it is given up when this loop comes to it, and no sooner
        fake.gate.set()
        await asyncio.gather(first, third)
        await lm.aclose()

    asyncio.run(main())
    assert fake.batches == [["one"], ["three"]]


def test_after_closing_it_can_be_used_again(fake, folder):
    lm = VllmModel(folder)
    assert run(lm, [ask("one")])[0] is not None
    assert run(lm, [ask("two")])[0] is not None
    assert len(fake.loads) == len(fake.closed) == 2


def test_identity_is_the_content_of_the_folder_and_what_changes_answers(fake, folder, tmp_path):
    one = VllmModel(folder).identity
    assert one.startswith("vllm:sha256:")
    assert VllmModel(folder, options={"tensor_parallel_size": 2}, context=99).identity == one
    assert VllmModel(folder, options={"dtype": "float16"}).identity == f"{one} dtype=float16"
    assert VllmModel(folder, identity="mine").identity == "mine"
    (folder / "README.md").write_text("a note")
    assert VllmModel(folder).identity == one
    (folder / "model.safetensors").write_bytes(b"Weights")
    assert VllmModel(folder).identity != one
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match="holds no model"):
        _ = VllmModel(tmp_path / "empty").identity
    assert not fake.loads


def test_identity_of_a_model_on_the_hub_is_its_commit(fake, tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, file, revision):
        asked.append((name, file, revision))
        return str(tmp_path / "snapshots" / "c0ffee" / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    lm = VllmModel("maker/model", revision="v2")
    assert lm.identity == "vllm:maker/model@c0ffee"
    assert run(lm, [ask("hello")])[0] is not None
    # What is loaded is what the identity names, even if the branch has moved meanwhile.
    assert (fake.loads[0]["model"], fake.loads[0]["revision"]) == ("maker/model", "c0ffee")
    assert asked == [("maker/model", "config.json", "v2")]


@pytest.mark.usefixtures("fake")
def test_a_model_that_is_nowhere(monkeypatch):
    import huggingface_hub

    def download(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("cannot find the requested files in the cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(WeightsError, match=r"'no/such', expected a folder or the name of a model on the Hugging Face"):
        _ = VllmModel("no/such").identity
    with pytest.raises(LanguageModelError, match="no/such"):
        run(VllmModel("no/such"), [ask("hello")])


def test_the_extra_is_named_where_it_is_missing(folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nlparam\[vllm\]'"):
        VllmModel(folder)


@pytest.mark.lm
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_a_real_vllm_reads_labels_and_writes():
    from benchmarks.vllm_cpu import environment, model_folder

    folder = model_folder()
    if not folder.exists():
        pytest.skip("the model of the benchmarks is not there: make vllm-cpu")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("default")  # its own imports warn
        for name, value in environment().items():
            patch.setenv(name, value)
        read = ask("Text: The striker scored twice.\nIs the text about football? Answer yes or no.", labels=LABELS)
        requests = [read, ask("word " * 400, labels=LABELS), ask("What is the capital of France?", max_tokens=8), read]
        lm = VllmModel(folder, context=256, options={"dtype": "bfloat16", "enforce_eager": True})
        answer, too_long, text, again = run(lm, requests)
    assert too_long is None
    assert 0.5 < sum(map(math.exp, answer.label_logprobs)) <= 1.0 + 1e-6
    assert again.label_logprobs == pytest.approx(answer.label_logprobs, abs=0.1)
    assert "Paris" in text.text
    assert answer.prompt_tokens > 20
    assert answer.completion_tokens == 1
