"""The native backend: what of a batch is computed, on a fake llama.cpp that keeps what it is told, and the real one."""

import ctypes
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlparam.errors import LanguageModelError, MissingExtraError
from nlparam.lm import load_language_model
from nlparam.lm.base import STATE_DIM, Completion, Message, Request, listed_state
from nlparam.lm.batching import Pulse
from nlparam.lm.cores import FreeCores
from nlparam.lm.engine import Engine
from nlparam.lm.native import _TOKENS_PER_CALL, _address_of, _common, _Loaded, _state
from nlparam.runtime.costs import Costs

_N_TOKENS = 64


class FakeLlama:
    """Its cache holds a token for each sequence and position; the logits name the prompt that a token could see."""

    def __init__(self):
        self.cells: dict[tuple[int, int], int] = {}
        self.rows: dict[int, np.ndarray] = {}
        self.computed = 0

    def llama_memory_seq_cp(self, _, source, target, start, end):
        self.cells |= {(target, p): t for (s, p), t in self.cells.items() if s == source and start <= p < end}

    def llama_memory_seq_rm(self, _, sequence, _start, _end):
        self.cells = {(s, p): t for (s, p), t in self.cells.items() if s != sequence}

    def llama_memory_clear(self, *_):
        self.cells = {}

    def llama_decode(self, _, batch):
        n = batch.n_tokens
        self.computed += n
        for place in range(n):
            for number in range(batch.n_seq_id[place]):
                cell = batch.seq_id[place][number], batch.pos[place]
                assert cell not in self.cells, "a position was computed twice"
                self.cells[cell] = batch.token[place]
        self.rows = {}
        for place in range(n):
            if batch.logits[place]:
                sequence, last = batch.seq_id[place][0], batch.pos[place]
                seen = [self.cells[sequence, position] for position in range(last + 1)]
                self.rows[place] = _logits(seen)
        return 0

    def llama_vocab_is_eog(self, *_):
        return False

    def llama_get_logits_ith(self, _, place):
        return (ctypes.c_float * _N_TOKENS)(*self.rows[place])


class _Batch:
    def __init__(self):
        self.n_tokens = 0
        self.token, self.pos, self.n_seq_id, self.logits = ([0] * _TOKENS_PER_CALL for _ in range(4))
        self.seq_id = [[0] * 64 for _ in range(_TOKENS_PER_CALL)]


def _logits(prompt: list[int]) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(repr(prompt).encode())).random(_N_TOKENS).astype(np.float32)


def _loaded() -> _Loaded:
    loaded = object.__new__(_Loaded)
    loaded._llama, loaded._batch, loaded._kept = FakeLlama(), _Batch(), []
    loaded._memory = loaded._context = None
    loaded._n_tokens = _N_TOKENS
    loaded._pulse, loaded._cores = Pulse(), None
    return loaded


_prompts = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=6)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(_prompts, min_size=1, max_size=4))
def test_every_prompt_sees_itself_whatever_was_shared_or_kept(batches):
    loaded = _loaded()
    for prompts in batches:
        logits = loaded._read_prompts(prompts)
        for sequence, prompt in enumerate(prompts, 1):
            assert logits[sequence] == pytest.approx(_logits(prompt))
        loaded._keep(len(prompts), prompts[-1])
        assert loaded._llama.cells == {(0, position): token for position, token in enumerate(prompts[-1])}


def test_what_prompts_share_is_computed_once():
    loaded = _loaded()
    system, text = list(range(30)), list(range(30, 60))
    loaded._read_prompts([[*system, *text, 1, 2], [*system, *text, 3, 4], [*system, *text, 5, 6]])
    assert loaded._llama.computed == 60 + 3 * 2
    loaded._keep(3, [*system, *text, 5, 6])
    loaded._read_prompts([[*system, *text, 7, 8], [*system, 9, 9, 9]])
    assert loaded._llama.computed == 66 + 2 + 3


@pytest.fixture
def digits(monkeypatch):
    """A loaded model for which every digit is a token."""
    loaded = _loaded()
    loaded._context_size, loaded._vocabulary = 100, None
    monkeypatch.setattr(
        loaded, "_format", lambda messages: SimpleNamespace(prompt=messages[-1]["content"]), raising=False
    )
    monkeypatch.setattr(loaded, "_tokenise", lambda text, **_: [int(one) for one in text])
    monkeypatch.setattr(loaded, "_text", lambda tokens: " ".join(map(str, tokens)))
    return loaded


def test_a_state_is_some_of_the_logits_and_generates_nothing(digits):
    loaded, prompt = digits, [1, 2, 3]
    (answer,) = loaded.answer([Request((Message("user", "123"),), state=True)])
    assert isinstance(answer, Completion)
    assert answer.state is not None
    logits = _logits(prompt)
    np.testing.assert_allclose(answer.state, logits - logits.mean(), atol=1e-6)
    assert (answer.text, answer.label_logprobs, answer.completion_tokens) == ("", None, 0)
    assert loaded._llama.computed == 3
    big = np.arange(5000.0)
    assert len(_state(big)) == STATE_DIM
    np.testing.assert_allclose(_state(big)[[0, -1]], [-2499.5, 2499.5])


def test_text_comes_with_the_state_before_its_first_word_if_that_is_wanted(digits):
    prompt = (Message("user", "123"),)
    plain, beside = digits.answer([Request(prompt, max_tokens=3), Request(prompt, max_tokens=3, with_state=True)])
    assert plain == beside  # but for the state
    assert len(beside.text.split()) == 3
    assert plain.state is None
    np.testing.assert_array_equal(beside.state, _state(_logits([1, 2, 3])))


def test_states_of_likely_tokens_are_near_if_the_same_ones_are_likely():
    top = [(" praise", -0.1), ("Com", -2.0), ("x", -9.0)]
    one, reordered = listed_state(top), listed_state(top[::-1])
    np.testing.assert_allclose(one, reordered)
    assert np.count_nonzero(one) == 2  # the least likely one says nothing
    other = listed_state([("Com", -0.1), (" praise", -4.0), ("y", -9.0)])
    unlike = listed_state([("Norway", -0.1), ("the", -4.0), ("y", -9.0)])
    assert one @ one > one @ other > abs(one @ unlike)
    assert not listed_state([]).any()


def test_every_part_of_a_long_prompt_is_a_step():
    loaded = _loaded()
    loaded._read_prompts([[1] * (3 * _TOKENS_PER_CALL + 1)])
    assert loaded._pulse.steps == 4


def test_a_computation_that_was_stopped_says_so_and_leaves_nothing_behind(monkeypatch):
    loaded = _loaded()
    loaded._read_prompts([[1, 2, 3]])
    loaded._keep(1, [1, 2, 3])

    def aborted(*_):
        loaded._pulse.stop()
        return 2

    monkeypatch.setattr(loaded._llama, "llama_decode", aborted, raising=False)
    with pytest.raises(LanguageModelError, match="was closed before it had answered"):
        loaded._read_prompts([[1, 2, 4]])
    assert loaded._llama.cells == {}
    assert loaded._kept == []


def test_llama_cpp_can_ask_whether_to_stop_without_python():
    pulse = Pulse()
    is_to_stop = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(_address_of("strlen"))
    assert not is_to_stop(pulse.address)
    pulse.stop()
    assert is_to_stop(pulse.address)
    ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_address_of("abs"))(3, b"said", None)


def test_threads_follow_the_cores_that_are_free(monkeypatch):
    free, told = [2, 2, 1, 1, 2], []
    monkeypatch.setattr(FreeCores, "count", lambda _: free.pop(0))
    loaded = _loaded()
    loaded._cores, loaded._n_threads = FreeCores(), 2
    loaded._llama.llama_set_n_threads = lambda _, one, many: told.append((one, many))
    loaded._read_prompts([[1] * (4 * _TOKENS_PER_CALL + 1)])
    assert told == [(1, 1), (2, 2)]


@given(st.lists(st.integers(0, 1)), st.lists(st.integers(0, 1)))
def test_common_beginnings(first, second):
    expected = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    assert _common(first, second) == expected


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"nlparam\[native\]"):
        load_language_model("native")


@pytest.mark.lm
def test_the_real_one_says_what_the_embedded_says():
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    texts = ["The striker scored twice in the second half.", "Shares fell by ten per cent in early trading."]
    reads = [
        Request((Message("user", f"Text: {text}\n\nProperty: is about {topic}. Yes or no?"),), labels=("yes", "no"))
        for text in texts
        for topic in ("sports", "the stock market", "cooking")
    ]
    long = Request((Message("user", "word " * 5000),), labels=("yes", "no"))
    write = Request((Message("user", "Name the capital of France in one word."),), max_tokens=5)
    answers = []
    for backend in ("native", "embedded"):
        with Engine(load_language_model(f"{backend}:qwen2.5-coder-0.5b"), store=None, costs=Costs()) as engine:
            answers.append(engine.run([*reads, long, write]))
            assert engine.costs.failures == 1
    for native, embedded in zip(*answers, strict=True):
        if native is None or embedded is None:
            assert native is embedded
        elif native.label_logprobs is not None and embedded.label_logprobs is not None:
            yes = [np.exp(found[0]) / np.exp(found).sum() for found in (native.label_logprobs, embedded.label_logprobs)]
            assert yes[0] == pytest.approx(yes[1], abs=0.1)
        else:
            assert "Paris" in native.text
            assert "Paris" in embedded.text
