"""A language model in this process: GGUF weights through llama.cpp (`xllamacpp`), no server and no GPU needed."""

import asyncio
import functools
import importlib
import importlib.util
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from nlparam.errors import LanguageModelError, MissingExtraError
from nlparam.language.lm.base import (
    AbstractLanguageModel,
    Completion,
    Request,
    RequestError,
    label_logprobs,
    reads_no_images,
)
from nlparam.language.lm.weights import digest_of, resolve

TOP_LOGPROBS = 20  # how many of the likeliest first tokens a label is looked for in, as with a server
_MOST_THREADS = 16  # beyond this, memory is the limit


class EmbeddedModel(AbstractLanguageModel):
    """Runs a GGUF file on the CPU. It is loaded by the first `complete`: a run served from the store never loads it.

    **Arguments:**

    - `path` of the GGUF file, or a name of the catalogue that has been pulled.
    - `identity`: by default the SHA-256 of the file.
    - `n_threads`: by default one per available core, at most 16.
    - `context`: the tokens that a prompt and its answer may have together.
    - `gpu_layers`: how many layers to put on a GPU, if xllamacpp was built for one.

    Raises `MissingExtraError` if xllamacpp is not installed and `WeightsError` if there is no GGUF file.
    """

    max_in_flight = 1
    strong = False

    def __init__(
        self,
        path: str | Path,
        *,
        identity: str | None = None,
        n_threads: int | None = None,
        context: int = 4096,
        gpu_layers: int = 0,
    ):
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError("xllamacpp", "embedded", "the embedded language model")
        self.path = resolve(path)
        self._given_identity = identity
        self._n_threads = n_threads or default_threads()
        self._context = context
        self._gpu_layers = gpu_layers
        self._server: Any = None
        self._one_call = threading.Lock()  # a call that was given up goes on until it is through

    @functools.cached_property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed when first needed
        return self._given_identity or f"gguf:{digest_of(self.path)}"

    @property
    def where(self) -> str:
        return f"the language model {self.path.name}"

    async def complete(self, request: Request) -> Completion:
        if request.has_images:
            raise reads_no_images(self.where)
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(self._complete, request, given_up)
        finally:
            given_up.set()

    async def aclose(self) -> None:
        self._server = None

    def _complete(self, request: Request, given_up: threading.Event) -> Completion:
        body: dict[str, Any] = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "cache_prompt": True,
        }
        if request.labels is not None:
            body |= {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        with self._one_call:
            if given_up.is_set():  # while it waited: nobody wants the answer, and the model may have been freed
                raise RequestError(f"a call of {self.path.name} was given up before it began")
            server = self._server = self._server or self._load()
            try:
                answer = server.handle_chat_completions(body)
            except ValueError as error:  # the chat template of the file refuses the messages
                raise RequestError(f"{self.path.name} cannot take these messages: {error}") from error
        return self._parse(request, answer)

    def _parse(self, request: Request, answer: dict[str, Any]) -> Completion:
        if "error" in answer:
            error = answer["error"]
            if error.get("type") == "exceed_context_size_error":
                raise RequestError(
                    f"a prompt of {error.get('n_prompt_tokens')} tokens does not fit the context of {self._context} "
                    f"tokens of {self.path.name}: shorten the texts"
                )
            raise RequestError(f"{self.path.name} refused a request: {error.get('message')}")
        choice, usage = answer["choices"][0], answer.get("usage", {})
        logprobs = None
        if request.labels is not None:
            read = (choice.get("logprobs") or {}).get("content") or []
            top = [(entry["token"], entry["logprob"]) for entry in read[0]["top_logprobs"]] if read else []
            logprobs = label_logprobs(request.labels, top)
        text = choice["message"].get("content") or ""
        if request.labels is None and not text.strip():
            raise RequestError(f"{self.path.name} gave an empty answer")
        return Completion(text, logprobs, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))

    def _load(self) -> Any:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # its names are unknown to type checkers
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_ctx = self._context
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._n_threads
        params.n_gpu_layers = self._gpu_layers
        params.verbosity = -1  # llama.cpp would write to standard error
        params.warmup = False
        # Requests come ordered by text and share its prefix in the one slot; saved prompts would take up to 8 GiB.
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
        # xllamacpp also listens on a local port; without a key nobody else on this machine can use it.
        params.api_keys = [secrets.token_hex(32)]
        params.ui = params.endpoint_slots = params.endpoint_metrics = False
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise LanguageModelError(
                f"llama.cpp cannot load {self.path} ({error}): the file may be damaged, too large for the memory, or "
                "of a kind that the installed xllamacpp does not know"
            ) from error


def default_threads() -> int:
    """One thread for each core that this process may use, up to where memory is the limit."""
    return min(_available_cores(), _MOST_THREADS)


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
