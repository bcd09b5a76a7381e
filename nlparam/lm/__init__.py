"""Language models: backends behind one contract, and `load_language_model` to name one."""

from pathlib import Path

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel as AbstractLanguageModel
from nlparam.lm.base import Completion as Completion
from nlparam.lm.base import Image as Image
from nlparam.lm.base import Message as Message
from nlparam.lm.base import NoImagesError as NoImagesError
from nlparam.lm.base import Request as Request
from nlparam.lm.base import RequestError as RequestError
from nlparam.lm.base import TransientError as TransientError
from nlparam.lm.scripted import ScriptedModel as ScriptedModel

DEFAULT_WEIGHTS = "qwen2.5-coder-1.5b"

_FORMS = (
    f'"embedded" (the weights {DEFAULT_WEIGHTS}), "embedded:NAME" (see `nlparam lm list`), the path of a .gguf file, '
    '"openai:MODEL", "anthropic:MODEL", "openrouter:MODEL" or "ollama:MODEL" (a service), '
    '"http://HOST:PORT/v1" or "http://HOST:PORT/v1#MODEL" (a server that speaks the OpenAI API), several of them '
    'with commas between, "native:NAME" (the embedded weights by llama-cpp-python), or "vllm:MODEL" (vLLM in this '
    "process; a vLLM server is an address)"
)


def load_language_model(
    spec: "str | Path | AbstractLanguageModel", *, model: str | None = None, timeout: float = 60.0
) -> AbstractLanguageModel:
    """A backend from its short name. Nothing is loaded or asked yet.

    **Arguments:** `spec`, one of

    - `"embedded"`, `"embedded:NAME"`, or the path of a `.gguf` file (also as `"embedded:PATH"`);
    - `"native"` or `"native:NAME"`: the same weights through llama-cpp-python, compiled for this machine;
    - `"openai:MODEL"`, `"anthropic:MODEL"`, `"openrouter:MODEL"` or `"ollama:MODEL"`: a service, with the key in its
      usual variable (`nlparam.lm.server.services` has the table);
    - the address of an OpenAI-compatible server (`"http://localhost:8000/v1"`, with `#MODEL` behind it if the server
      has several), or several addresses of the same model with commas between them;
    - `"vllm:MODEL"`: vLLM in this process;
    - a backend, which is returned as it is;

    `model`, the same as `#MODEL`; `timeout`, the seconds one call to a server may take.

    Raises `LanguageModelError` for anything else or if a key is missing, `WeightsError` if the weights are not there,
    `MissingExtraError` if the embedded backend is not installed.
    """
    if isinstance(spec, AbstractLanguageModel):
        return spec
    name = str(spec)
    if not isinstance(spec, Path) and name.lower().startswith(("http://", "https://")):
        from nlparam.lm.server import ServerModel, ServerPool

        addresses = [address.strip().partition("#") for address in name.split(",") if address.strip()]
        # A model named behind one address is meant for those without.
        named = model or next((in_url for _, _, in_url in addresses if in_url), None)
        servers = [ServerModel(url, model=in_url or named, timeout=timeout) for url, _, in_url in addresses]
        return servers[0] if len(servers) == 1 else ServerPool(servers)
    if not isinstance(spec, Path) and ":" in name:
        from nlparam.lm.server.services import named

        if (found := named(name)) is not None:
            from nlparam.lm.server import ServerModel

            service, of_service = found
            return ServerModel(service.address, model=of_service, timeout=timeout, service=service)
    if model is not None:
        raise LanguageModelError(f"got the model {model!r} with {name!r}; a model is named for a server only: {_FORMS}")
    kind, colon, weights = ("", "", "") if isinstance(spec, Path) else name.partition(":")
    if kind == "vllm" and colon:
        from nlparam.lm.vllm import VllmModel

        return VllmModel(weights)
    if kind == "native":
        from nlparam.lm.native import NativeModel

        return NativeModel(weights or DEFAULT_WEIGHTS)
    from nlparam.lm.embedded import EmbeddedModel

    if kind == "embedded":
        return EmbeddedModel(weights or DEFAULT_WEIGHTS)
    if isinstance(spec, Path) or name.endswith(".gguf"):
        return EmbeddedModel(spec)
    raise LanguageModelError(f"got the language model {name!r}, expected {_FORMS}")
