"""A language model in this process: GGUF weights through llama.cpp (`xllamacpp`), no server and no GPU needed."""

import importlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import LanguageModelError
from nlparam.lm.base import Completion, Request, RequestError, label_logprobs, listed_state, listed_states
from nlparam.lm.batching import Pulse
from nlparam.lm.cores import FreeCores
from nlparam.lm.gguf import AbstractGgufModel, Options

_TOP_OF_A_STATE = 100  # the likeliest first tokens of which a state is made
TOP_LOGPROBS = 20  # how many of the likeliest first tokens a label is looked for in, as with a server
_TOKENS_PER_STEP = 256  # of a prompt; a call can be seen to go on, and be stopped, between steps
# A model is loaded anew for another number of threads after so many seconds, and so many times what loading takes.
_STEADY_SECONDS, _STEADY_LOADS = 10.0, 10.0


class EmbeddedModel(AbstractGgufModel):
    """Runs a GGUF file on the CPU. It is loaded by the first `complete`: a run served from the store never loads it.

    **Arguments:**

    - `path` of the GGUF file, or a name of the catalogue that has been pulled.
    - `identity`: by default the SHA-256 of the file.
    - `n_threads`: by default one for each core that nobody else is using, at most 16. When there have long been more or
      fewer of these, the model is loaded anew.
    - `context`: the tokens that a prompt and its answer may have together.
    - `gpu_layers`: how many layers to put on a GPU, if xllamacpp was built for one.

    Raises `MissingExtraError` if xllamacpp is not installed and `WeightsError` if there is no GGUF file.
    """

    library = ("xllamacpp", "xllamacpp", "embedded", "the embedded language model")
    states = listed_states(_TOP_OF_A_STATE)

    def _load(self, pulse: Pulse) -> "_Loaded":
        return _Loaded(self.path, self._options, pulse)


class _Loaded:
    """A loaded model: answers one request after the other."""

    def __init__(self, path: Path, options: Options, pulse: Pulse):
        self._path, self._options, self._pulse = path, options, pulse
        self._name, self._context = path.name, options.context
        self._cores = FreeCores() if options.n_threads is None else None
        self._n_threads = options.n_threads or 1 if self._cores is None else self._cores.wait_and_count()
        self._server: Any = None
        self._load()
        pulse.beat()

    def _load(self) -> None:
        """Starts llama.cpp, which keeps the number of threads that it is given now."""
        xllamacpp: Any = importlib.import_module("xllamacpp")  # its names are unknown to type checkers
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = self._options.context
        params.n_batch = params.n_ubatch = _TOKENS_PER_STEP
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._n_threads
        params.n_gpu_layers = self._options.gpu_layers
        params.verbosity = -1  # llama.cpp would write to standard error
        params.warmup = False
        # Requests come ordered by text and share its prefix in the one slot; saved prompts would take up to 8 GiB.
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
        # xllamacpp also listens on a local port; without a key nobody else on this machine can use it.
        params.api_keys = [secrets.token_hex(32)]
        params.ui = params.endpoint_slots = params.endpoint_metrics = False
        start = time.perf_counter()
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise LanguageModelError(
                f"llama.cpp cannot load {self._path} ({error}): the file may be damaged, too large for the memory, or "
                "of a kind that the installed xllamacpp does not know"
            ) from error
        self._fitted = time.perf_counter()  # when it last had as many threads as there are free cores
        self._worth_loading = max(_STEADY_SECONDS, _STEADY_LOADS * (self._fitted - start))

    def _take_free_cores(self) -> None:
        """Loads the model anew when there have long been more or fewer free cores than it has threads."""
        if self._cores is None:
            return
        n_threads, now = self._cores.count(), time.perf_counter()
        if n_threads == self._n_threads:
            self._fitted = now
        elif now - self._fitted > self._worth_loading:
            self._n_threads, self._server = n_threads, None
            self._load()

    def close(self) -> None:
        """Frees the model, after llama.cpp's own thread has ended."""
        self._server = None

    def answer(self, requests: Sequence[Request]) -> list[Completion | RequestError]:
        """One answer for each request."""
        return [self._complete(request) for request in requests]

    def _complete(self, request: Request) -> Completion | RequestError:
        self._take_free_cores()
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "cache_prompt": True,
            # So that each part of the prompt, and each token, is heard of when it is done.
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
        }
        listed = _TOP_OF_A_STATE if request.state else None if request.labels is None else TOP_LOGPROBS
        if listed is not None:
            body |= {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": listed}
        chunks: list[dict[str, Any]] = []

        def heard(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            self._pulse.beat()
            return self._pulse.stopped  # which ends the call

        try:
            self._server.handle_chat_completions(body, heard)
        except ValueError as error:  # the chat template of the file refuses the messages
            return RequestError(f"{self._name} cannot take these messages: {error}")
        self._pulse.check()
        return self._parse(request, chunks)

    def _parse(self, request: Request, chunks: list[dict[str, Any]]) -> Completion | RequestError:
        error = next((chunk["error"] for chunk in chunks if "error" in chunk), None)
        if error is not None:
            if error.get("type") == "exceed_context_size_error":
                return RequestError(
                    f"a prompt of {error.get('n_prompt_tokens')} tokens does not fit the context of {self._context} "
                    f"tokens of {self._name}: shorten the texts"
                )
            return RequestError(f"{self._name} refused a request: {error.get('message')}")
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        usage = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), {})
        tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        read = [entry for choice in choices for entry in (choice.get("logprobs") or {}).get("content") or ()]
        top = [(entry["token"], entry["logprob"]) for entry in read[0]["top_logprobs"]] if read else []
        if request.state:
            return Completion("", None, *tokens, state=listed_state(top))
        logprobs = None if request.labels is None else label_logprobs(request.labels, top)
        text = "".join(choice.get("delta", {}).get("content") or "" for choice in choices)
        if request.labels is None and not text.strip():
            return RequestError(f"{self._name} gave an empty answer")
        return Completion(text, logprobs, *tokens)
