"""A language model through vLLM inside this process, without a server: a Hugging Face model, on a GPU or the CPU."""

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlparam.errors import LanguageModelError, MissingExtraError, WeightsError, check_at_least
from nlparam.lm.base import (
    Completion,
    Request,
    RequestError,
    label_logprobs,
    listed_state,
    listed_states,
    single_tokens,
)
from nlparam.lm.batching import AbstractBatchedModel, BatchWorker, Pulse
from nlparam.lm.digest import digest_of
from nlparam.lm.strength import is_strong

TOP_LOGPROBS = 20  # the most that vLLM gives without an option of its own
# Files of a model folder that decide what it answers: weights, configuration, tokenizer, chat template.
_CONTENT = frozenset({".safetensors", ".bin", ".pt", ".json", ".jinja", ".model", ".txt"})
# Options of vLLM that change answers, and so belong to the identity. All others change time and memory only.
_ANSWER_OPTIONS = ("dtype", "hf_overrides", "kv_cache_dtype", "quantization", "tokenizer", "tokenizer_revision")


class VllmModel(AbstractBatchedModel):
    """Runs a model through `vllm.LLM.chat`. It is loaded by the first `complete`.

    Calls that wait at the same time are answered in one batch, in the order in which they came, so that requests
    ordered by text share its prefix. While one batch is computed, the next gathers.

    **Arguments:**

    - `model`: a folder, or the name of a model on the Hugging Face hub.
    - `revision`: branch, tag or commit on the hub.
    - `identity`: by default the name and the commit, or a digest of the folder's files, and the `options` that change
      answers (such as `dtype`).
    - `context`: the tokens that a prompt and its answer may have together; by default what the model was made for.
    - `batch_size`: the most requests of one batch.
    - `options`: further arguments of `vllm.LLM`, such as `{"tensor_parallel_size": 2}`.

    vLLM starts processes that import the running script again: a script of yours needs
    `if __name__ == "__main__":` around what it does.

    Raises `MissingExtraError` if vLLM is not installed, and `ValueError` if `batch_size` is not positive. `identity`
    raises `WeightsError` for a model that is neither a folder nor on the hub.
    """

    states = listed_states(TOP_LOGPROBS)

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        identity: str | None = None,
        context: int | None = None,
        batch_size: int = 256,
        options: Mapping[str, Any] | None = None,
    ):
        if importlib.util.find_spec("vllm") is None:
            raise MissingExtraError("vllm", "vllm", "a language model in this process's own vLLM")
        check_at_least(1, batch_size=batch_size)
        self.model = str(model)
        self.strong = is_strong(self.model)
        self.max_in_flight = 2 * batch_size
        self._revision = revision
        self._given_identity = identity
        self._context = context
        self._batch_size = batch_size
        self._options = dict(options or {})

    @functools.cached_property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - computed when first needed
        if self._given_identity is not None:
            return self._given_identity
        folder, commit = self._source
        name = f"vllm:{self.model}@{commit}" if folder is None else f"vllm:sha256:{_digest_of_folder(folder)}"
        options = [f"{name}={self._options[name]}" for name in _ANSWER_OPTIONS if name in self._options]
        return " ".join([name, *options])

    @property
    def where(self) -> str:
        return f"the language model {Path(self.model).name}"

    def _start(self) -> BatchWorker:
        return BatchWorker(self._load, self._batch_size, where=self.where)

    @functools.cached_property
    def _source(self) -> tuple[Path | None, str | None]:
        folder = Path(self.model).expanduser()
        if folder.is_dir():
            return folder, None
        return None, _commit(self.model, self._revision)

    def _load(self, pulse: Pulse) -> "_Loaded":
        folder, commit = self._source
        # A process forked from one that runs JAX's threads can hang; and vLLM logs every step otherwise.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        arguments: dict[str, Any] = {"model": self.model if folder is None else str(folder), "revision": commit}
        if self._context is not None:
            arguments["max_model_len"] = self._context
        vllm: Any = importlib.import_module("vllm")  # not there where types are checked
        try:
            llm = vllm.LLM(**arguments | {"enable_prefix_caching": True, "use_tqdm_on_load": False} | self._options)
        except Exception as error:  # vLLM raises whatever the layer below it raised
            raise LanguageModelError(
                f"vLLM cannot load {self.model} ({type(error).__name__}: {error}): the memory may be too small (see "
                "`context` and vLLM's gpu_memory_utilization), or the model of a kind that the installed vLLM does "
                "not know; VLLM_LOGGING_LEVEL=INFO shows more"
            ) from error
        return _Loaded(llm, vllm, pulse)


class _Loaded:
    """A loaded vLLM: batches of requests in, completions or the reasons for their failure out."""

    def __init__(self, llm: Any, vllm: Any, pulse: Pulse):
        self._llm = llm
        self._params = vllm.SamplingParams
        self._reads_ids = "logprob_token_ids" in inspect.signature(vllm.SamplingParams).parameters
        # What vLLM says to one request. It became a class of its own late, and was a ValueError before.
        exceptions = importlib.import_module("vllm.exceptions") if importlib.util.find_spec("vllm.exceptions") else None
        client_error = getattr(exceptions, "VLLMClientError", ValueError)
        self._refusals: tuple[type[Exception], ...] = (ValueError, client_error)
        self._label_ids: dict[tuple[str, ...], dict[int, str] | None] = {}
        with contextlib.suppress(AttributeError):  # not part of vLLM's public interface
            step = llm.llm_engine.step

            def watched() -> Any:
                """A step of vLLM that is counted, and not begun once it is to stop."""
                pulse.check()
                outputs = step()
                pulse.beat()
                return outputs

            llm.llm_engine.step = watched
            pulse.beat()

    def close(self) -> None:
        """Ends vLLM's processes and frees its memory now rather than when the last reference is gone."""
        with contextlib.suppress(AttributeError):  # not part of vLLM's public interface
            self._llm.llm_engine.engine_core.shutdown()

    def answer(self, requests: Sequence[Request]) -> list[Completion | RequestError]:
        """One answer for each request; a batch that vLLM refuses is halved until the culprits stand alone."""
        try:
            outputs = self._llm.chat(
                [[{"role": m.role, "content": m.content} for m in request.messages] for request in requests],
                [self._sampling(request) for request in requests],
                use_tqdm=False,
                chat_template_kwargs={"enable_thinking": False},
            )
        except self._refusals as error:
            if len(requests) == 1:
                return [RequestError(f"vLLM refused a request (is a text too long for the context?): {error}")]
            half = len(requests) // 2
            return self.answer(requests[:half]) + self.answer(requests[half:])
        return [self._parse(request, output) for request, output in zip(requests, outputs, strict=True)]

    def _sampling(self, request: Request) -> Any:
        if request.state:
            return self._params(max_tokens=1, temperature=0.0, logprobs=TOP_LOGPROBS)
        if request.labels is None:
            # A seed of its own makes a request slow, and greedy text needs none.
            seed = request.seed if request.temperature > 0 else None
            return self._params(max_tokens=request.max_tokens, temperature=request.temperature, seed=seed)
        ids = self._ids_of(request.labels)
        asked = {"logprobs": TOP_LOGPROBS} if ids is None else {"logprob_token_ids": list(ids)}
        return self._params(max_tokens=1, temperature=0.0, **asked)

    def _ids_of(self, labels: tuple[str, ...]) -> dict[int, str] | None:
        # Which token is which label; None where this vLLM reads only the likeliest, or a label is no single token.
        if labels not in self._label_ids:
            found: dict[int, str] = {}
            if self._reads_ids:
                encode = functools.partial(self._llm.get_tokenizer().encode, add_special_tokens=False)
                found = {number: one for one, of in single_tokens(labels, encode).items() for number in of.values()}
            self._label_ids[labels] = found if set(found.values()) == set(labels) else None
        return self._label_ids[labels]

    def _parse(self, request: Request, output: Any) -> Completion | RequestError:
        answer = output.outputs[0]
        n_tokens = len(output.prompt_token_ids), len(answer.token_ids)
        ids = (self._ids_of(request.labels) or {}) if request.labels else {}
        first = answer.logprobs[0] if answer.logprobs else {}
        top = [(ids.get(token) or entry.decoded_token or "", entry.logprob) for token, entry in first.items()]
        if request.state:
            return Completion("", None, *n_tokens, state=listed_state(top))
        if request.labels is not None:
            return Completion(answer.text, label_logprobs(request.labels, top), *n_tokens)
        if not answer.text.strip():
            return RequestError("the language model gave an empty answer")
        return Completion(answer.text, None, *n_tokens)


def _digest_of_folder(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.suffix in _CONTENT and path.is_file())
    if not files:
        raise WeightsError(f"{folder} holds no model: expected a folder with config.json and .safetensors files")
    named = "\n".join(f"{path.name} {digest_of(path)}" for path in files)
    return hashlib.sha256(named.encode()).hexdigest()


def _commit(name: str, revision: str | None) -> str:
    import huggingface_hub

    try:
        path = huggingface_hub.hf_hub_download(name, "config.json", revision=revision)
    except (OSError, ValueError) as error:  # no such model, not reachable and not in the cache, no valid name
        raise WeightsError(
            f"got the model {name!r}, expected a folder or the name of a model on the Hugging Face hub that can be "
            f"reached or has been fetched before: {error}"
        ) from error
    return Path(path).parent.name  # .../snapshots/COMMIT/config.json
