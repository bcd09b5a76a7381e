"""Which server and which of its models is meant: addresses as a user may write them, and the model that is asked."""

import base64
import difflib
import urllib.parse
from collections.abc import Iterable
from typing import Any, NamedTuple

from nlparam.errors import LanguageModelError
from nlparam.lm.strength import is_strong


def complete_url(url: str) -> str:
    """The address with `/v1` where it has no path; raises `LanguageModelError` for one that cannot be used."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        parts, usable = None, False
    if parts is None or not usable:
        raise LanguageModelError(f"got the server address {url!r}, expected one like http://localhost:8000/v1")
    return urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address as messages may show it, and the header that carries the user and password it held."""
    parts = urllib.parse.urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    if not credentials:
        return url, {}
    encoded = base64.b64encode(urllib.parse.unquote_to_bytes(credentials)).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {encoded}"}


def how_to_start(base_url: str, model: str | None) -> str:
    """Two commands that would start a server at this address."""
    port = urllib.parse.urlsplit(base_url).port or 8000
    return (
        f"start a server with `vllm serve {model or 'MODEL'} --port {port}` or "
        f"`llama-server -m MODEL.gguf --port {port}`"
    )


class Served(NamedTuple):
    """A model of a server: its `name` there, its `identity`, the tokens of its `context` if the server says, and
    whether it is `strong`."""

    name: str
    identity: str
    context: int | None
    strong: bool


def choose(listed: Iterable[Any], model: str | None, *, where: str, how_to_start: str, suffix: str = "") -> Served:
    """The model that is asked for among those that a server lists at `/models`, or the only one.

    A name may lack the `suffix` with which it is listed.

    Raises `LanguageModelError` if it is not there, or none was asked for and there are several.
    """
    models = {entry["id"]: entry for entry in listed if isinstance(entry, dict) and "id" in entry}
    near = difflib.get_close_matches(model or "", list(models), n=10, cutoff=0.5) if len(models) > 10 else []
    names = ", ".join(near or list(models)[:10]) + (", ..." if len(models) > 10 else "")
    if model is None and len(models) != 1:
        if not models:
            raise LanguageModelError(f"{where} serves no model; {how_to_start}")
        raise LanguageModelError(f"{where} serves several models ({names}): choose one with URL#MODEL")
    name = model or next(iter(models))
    if suffix and name not in models and f"{name}{suffix}" in models:
        name = f"{name}{suffix}"
    if name not in models:
        raise LanguageModelError(
            f"{where} does not serve the model {name!r} but {names or 'none'}: choose one of these, or {how_to_start}"
        )
    extra = models[name]
    behind = [str(extra[field]) for field in ("root", "revision") if extra.get(field) and extra[field] != name]
    # vLLM, and llama-server under "meta".
    meta = extra.get("meta") or {}
    context = extra.get("max_model_len") or meta.get("n_ctx")
    identity = "@".join([f"server:{name}", *behind])
    return Served(name, identity, context, is_strong(identity, meta.get("n_params")))
