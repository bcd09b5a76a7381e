"""A language model in this process through llama-cpp-python, which is compiled for the processor it is installed on.

The wheel of `xllamacpp` is built for every x86 processor since 2013. Where AVX-512 is there, a build for the machine
reads half as many tokens again a second; and here several prompts are one batch, their common beginning is computed
once, and a label is read from the logits without sorting the vocabulary. The figures are in
`docs/how-to/language-models.md`.
"""

import ctypes
import functools
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nlparam.errors import LanguageModelError
from nlparam.lm.base import STATE_DIM, Completion, Request, RequestError, single_tokens
from nlparam.lm.batching import Pulse
from nlparam.lm.cores import FreeCores
from nlparam.lm.gguf import AbstractGgufModel, Options

_BATCH_SIZE = 16  # more wait longer for an answer on a slow processor, and are not faster
_TOKENS_PER_CALL = 256  # of llama.cpp; more are several calls, so that a slow machine is seen to go on


class NativeModel(AbstractGgufModel):
    """Runs a GGUF file on the processor through llama-cpp-python; loaded by the first `complete`.

    The same weights have the same identity as with the embedded backend: what one has answered serves the other, whose
    probabilities differ by about 0.01 (other kernels, other rounding).

    **Arguments:** as of `EmbeddedModel`; `context` is the tokens that the prompts of a batch may have together, and
    `n_threads` changes with the cores that are free at the moment.

    Raises `MissingExtraError` if llama-cpp-python is not installed and `WeightsError` if there is no GGUF file.
    """

    library = ("llama_cpp", "llama-cpp-python", "native", "the language model compiled for this machine")
    batch_size = _BATCH_SIZE
    states = "logits"

    def _load(self, pulse: Pulse) -> "_Loaded":
        return _Loaded(self.path, self._options, pulse)


class _Token(NamedTuple):
    """A token to be computed: where it stands, for which sequences, and whether its logits are read."""

    token: int
    position: int
    sequences: list[int]
    read: bool


class _Loaded:
    """A loaded model. Sequence 0 of its cache keeps the last prompt, the others belong to the batch under way."""

    def __init__(self, path: Path, options: Options, pulse: Pulse):
        self._llama: Any = importlib.import_module("llama_cpp")  # not there where types are checked
        llama = self._llama
        llama.llama_backend_init()
        # What it has to say goes to a function of C, which does nothing with it and is there as long as llama.cpp.
        llama.llama_log_set(llama.llama_log_callback(_address_of("abs")), None)
        self._name, self._context_size, self._pulse = path.name, options.context, pulse
        self._cores = FreeCores() if options.n_threads is None else None
        self._model: Any = None
        self._context: Any = None
        self._batch: Any = None
        try:
            self._model = self._load(path, options)
            self._context = self._new_context(options)
            self._memory = llama.llama_get_memory(self._context)
            self._vocabulary = llama.llama_model_get_vocab(self._model)
            self._n_tokens = llama.llama_vocab_n_tokens(self._vocabulary)
            self._batch = llama.llama_batch_init(_TOKENS_PER_CALL, 0, _BATCH_SIZE + 1)
            self._format = self._chat_format()
        except BaseException:
            self.close()
            raise
        self._kept: list[int] = []
        pulse.beat()

    def _load(self, path: Path, options: Options) -> Any:
        llama, pulse = self._llama, self._pulse
        params = llama.llama_model_default_params()
        params.n_gpu_layers = options.gpu_layers
        self._go_on = llama.llama_progress_callback(lambda *_: not pulse.stopped)
        params.progress_callback = self._go_on
        model = llama.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            pulse.check()
            raise LanguageModelError(
                f"llama.cpp cannot load {path}: the file may be damaged, too large for the memory, or of a kind that "
                "the installed llama-cpp-python does not know"
            )
        return model

    def _new_context(self, options: Options) -> Any:
        llama = self._llama
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = options.context, _TOKENS_PER_CALL, _TOKENS_PER_CALL
        self._n_threads = options.n_threads or 1 if self._cores is None else self._cores.wait_and_count()
        params.n_threads = params.n_threads_batch = self._n_threads
        params.n_seq_max, params.kv_unified = _BATCH_SIZE + 1, True
        params.flash_attn_type = 1
        # Asked after every operation: by a function of C, which cannot be kept waiting by Python's other threads.
        self._is_to_stop = llama.ggml_abort_callback(_address_of("strlen"))
        params.abort_callback, params.abort_callback_data = self._is_to_stop, self._pulse.address
        context = llama.llama_init_from_model(self._model, params)
        if not context:
            raise LanguageModelError(
                f"llama.cpp has no memory for a context of {options.context} tokens of {self._name}: allow fewer"
            )
        return context

    def close(self) -> None:
        """Frees the model. Called when nothing is computed any more."""
        if self._batch is not None:
            self._llama.llama_batch_free(self._batch)
        if self._context:
            self._llama.llama_free(self._context)
        if self._model:
            self._llama.llama_model_free(self._model)
        self._model = self._context = self._batch = None

    def answer(self, requests: Sequence[Request]) -> list[Completion | RequestError]:
        """Answers all requests, as many at once as the context holds."""
        answers: dict[int, Completion | RequestError] = {}
        waiting: dict[int, list[int]] = {}
        room = self._context_size - len(self._kept)
        for number, request in enumerate(requests):
            messages = [{"role": message.role, "content": message.content} for message in request.messages]
            prompt = self._tokenise(self._format(messages=messages).prompt, special=True)
            longest = len(prompt) + (request.max_tokens if _writes(request) else 0)
            if longest > self._context_size:
                answers[number] = RequestError(
                    f"a prompt of {len(prompt)} tokens does not fit the context of {self._context_size} tokens of "
                    f"{self._name}: shorten the texts"
                )
                continue
            if longest > room:
                answers |= self._answer(requests, waiting)
                waiting = {}
                self._forget()
                room = self._context_size
            waiting[number] = prompt
            room -= longest  # as if nothing were shared: simple, and never too much
        answers |= self._answer(requests, waiting)
        return [answers[number] for number in range(len(requests))]

    def _answer(
        self, requests: Sequence[Request], waiting: dict[int, list[int]]
    ) -> dict[int, Completion | RequestError]:
        """The answers to the prompts that wait, by the number of the request."""
        answers: dict[int, Completion | RequestError] = {}
        if not waiting:
            return answers
        prompts = list(waiting.values())
        logits = self._read_prompts(prompts)
        asked = {sequence: requests[number] for sequence, number in enumerate(waiting, 1)}
        states = {sequence: _state(logits[sequence]) for sequence, one in asked.items() if one.state or one.with_state}
        texts = self._write(asked, logits, prompts)
        for sequence, (number, prompt) in enumerate(waiting.items(), 1):
            labels, state = requests[number].labels, states.get(sequence)
            text, n_tokens = texts.get(sequence, ("", 1))
            if labels is not None:
                answers[number] = Completion("", self._labels(labels, logits[sequence]), len(prompt), n_tokens)
            elif requests[number].state:
                answers[number] = Completion("", None, len(prompt), state=state)
            elif text.strip():
                answers[number] = Completion(text, None, len(prompt), n_tokens, state=state)
            else:
                answers[number] = RequestError(f"{self._name} gave an empty answer")
        self._keep(len(prompts), prompts[-1])
        return answers

    def _read_prompts(self, prompts: list[list[int]]) -> dict[int, np.ndarray]:
        """The logits after each prompt, by sequence (from 1). What prompts share is computed once."""
        tokens: list[_Token] = []
        for sequence, prompt in enumerate(prompts, 1):
            shared = min(_common(self._kept, prompt), len(prompt) - 1)
            if shared:
                self._llama.llama_memory_seq_cp(self._memory, 0, sequence, 0, shared)
        path: list[_Token] = []  # the tokens of the prompt before, for those that this one shares with it
        for sequence, prompt in enumerate(prompts, 1):
            kept = min(_common(self._kept, prompt), len(prompt) - 1)
            previous = prompts[sequence - 2] if sequence > 1 else []
            shared = max(0, min(_common(previous, prompt), len(prompt) - 1, len(previous) - 1))
            for entry in path[kept:shared]:
                entry.sequences.append(sequence)
            start = max(shared, kept)
            fresh = [
                _Token(token, position, [sequence], position == len(prompt) - 1)
                for position, token in enumerate(prompt[start:], start)
            ]
            tokens += fresh
            # What is kept stands in no batch: its places in the path stay empty.
            path = [*path[:shared], *[_Token(0, 0, [], False)] * (start - shared), *fresh]
        return self._compute(tokens)

    def _write(
        self, requests: dict[int, Request], logits: dict[int, np.ndarray], prompts: list[list[int]]
    ) -> dict[int, tuple[str, int]]:
        """Text, and its number of tokens, for the sequences that are to have one; a token of each at a time."""
        active = {sequence: request for sequence, request in requests.items() if _writes(request)}
        written: dict[int, list[int]] = {sequence: [] for sequence in active}
        draws = {sequence: np.random.default_rng(request.seed) for sequence, request in active.items()}
        while active:
            tokens = []
            for sequence, request in list(active.items()):
                token = _draw(logits[sequence], request.temperature, draws[sequence])
                ended = self._llama.llama_vocab_is_eog(self._vocabulary, token)
                if not ended:
                    written[sequence].append(token)
                if ended or len(written[sequence]) >= request.max_tokens:
                    del active[sequence]
                    continue
                position = len(prompts[sequence - 1]) + len(written[sequence]) - 1
                tokens.append(_Token(token, position, [sequence], True))
            logits |= self._compute(tokens)
        return {sequence: (self._text(tokens), len(tokens)) for sequence, tokens in written.items()}

    def _compute(self, tokens: list[_Token]) -> dict[int, np.ndarray]:
        llama, batch = self._llama, self._batch
        logits = {}
        for start in range(0, len(tokens), _TOKENS_PER_CALL):
            part = tokens[start : start + _TOKENS_PER_CALL]
            batch.n_tokens = len(part)
            for place, entry in enumerate(part):
                batch.token[place], batch.pos[place] = entry.token, entry.position
                batch.n_seq_id[place] = len(entry.sequences)
                for number, sequence in enumerate(entry.sequences):
                    batch.seq_id[place][number] = sequence
                batch.logits[place] = entry.read
            self._take_free_cores()
            failed = llama.llama_decode(self._context, batch)
            self._pulse.beat()
            if failed:
                self._forget()
                self._pulse.check()
                raise LanguageModelError(f"llama.cpp could not compute a batch of {len(part)} tokens (code {failed})")
            for place, entry in enumerate(part):
                if entry.read:
                    row = np.ctypeslib.as_array(
                        llama.llama_get_logits_ith(self._context, place), shape=(self._n_tokens,)
                    )
                    logits[entry.sequences[0]] = row.copy()  # the next call overwrites them
        return logits

    def _take_free_cores(self) -> None:
        if self._cores is not None and (n_threads := self._cores.count()) != self._n_threads:
            self._n_threads = n_threads
            self._llama.llama_set_n_threads(self._context, n_threads, n_threads)

    def _keep(self, n_prompts: int, last: list[int]) -> None:
        """The last prompt stays as sequence 0: the next batch often begins with the same text."""
        llama = self._llama
        llama.llama_memory_seq_rm(self._memory, 0, -1, -1)
        llama.llama_memory_seq_cp(self._memory, n_prompts, 0, 0, len(last))
        for sequence in range(1, n_prompts + 1):
            llama.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        self._kept = last

    def _forget(self) -> None:
        self._llama.llama_memory_clear(self._memory, False)
        self._kept = []

    def _labels(self, labels: tuple[str, ...], logits: np.ndarray) -> tuple[float, ...]:
        total = np.logaddexp.reduce(logits.astype(np.float64))
        return tuple(
            float(np.logaddexp.reduce(logits[own].astype(np.float64)) - total) if own else float("-inf")
            for own in self._label_ids(labels)
        )

    @functools.lru_cache(maxsize=32)  # noqa: B019 - a model lives as long as its process
    def _label_ids(self, labels: tuple[str, ...]) -> list[list[int]]:
        found = single_tokens(labels, functools.partial(self._tokenise, special=False))
        return [list(dict.fromkeys(of.values())) for of in found.values()]

    def _tokenise(self, text: str, *, special: bool) -> list[int]:
        encoded = text.encode("utf-8", errors="replace")
        room = len(encoded) + 8
        buffer = (self._llama.llama_token * room)()
        n = self._llama.llama_tokenize(self._vocabulary, encoded, len(encoded), buffer, room, False, special)
        return list(buffer[:n])

    def _text(self, tokens: list[int]) -> str:
        buffer, text = ctypes.create_string_buffer(256), b""
        for token in tokens:
            n = self._llama.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
            text += buffer.raw[: max(n, 0)]
        return text.decode("utf-8", errors="replace")

    def _chat_format(self) -> Any:
        template = self._llama.llama_model_chat_template(self._model, None)
        if not template:
            raise LanguageModelError(f"{self._name} has no chat template: use the weights of an instruct model")
        formats = importlib.import_module("llama_cpp.llama_chat_format")
        return formats.Jinja2ChatFormatter(
            template.decode(),
            eos_token=self._special("eos"),
            bos_token=self._special("bos"),
            add_generation_prompt=True,
        )

    def _special(self, name: str) -> str:
        token = getattr(self._llama, f"llama_vocab_{name}")(self._vocabulary)
        found = self._llama.llama_vocab_get_text(self._vocabulary, token) if token >= 0 else None
        return found.decode("utf-8", errors="replace") if found else ""


def _address_of(name: str) -> int:
    """A function of the C library: `strlen` says of a string whether it is not empty, `abs` heeds only a number."""
    library = ctypes.CDLL("msvcrt" if os.name == "nt" else None)
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    if address is None:
        raise LanguageModelError(f"the C library of this system has no function {name}")
    return address


def _writes(request: Request) -> bool:
    """Whether text is to be generated."""
    return request.labels is None and not request.state


def _state(logits: np.ndarray) -> np.ndarray:
    """The logits of some tokens, always the same, less the mean of all."""
    some = np.linspace(0, len(logits) - 1, min(STATE_DIM, len(logits))).astype(int)
    return (logits[some] - logits.mean()).astype(np.float32)


def _common(first: list[int], second: list[int]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))


def _draw(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(np.argmax(logits))
    scaled = logits.astype(np.float64) / temperature
    return int(np.argmax(scaled + rng.gumbel(size=len(scaled))))
