"""Services that have a name: where each is, which variables hold its key, and which dialect it speaks.

A service is a line of the table. What its dialect leaves open is learnt from its answers, as with any other server.
"""

import dataclasses
import os
import urllib.parse
from collections.abc import Mapping

from nlparam.errors import LanguageModelError
from nlparam.lm.server.dialect import Dialect


@dataclasses.dataclass(frozen=True)
class Service:
    """One service.

    **Attributes:**

    - `url`: its address; the variable `moved` may hold another.
    - `key`: the variable that holds the key; `needs_key`: whether it answers nobody without one.
    - `page`: where keys come from; `models`: where its models are listed. Both are for messages.
    - `dialect`: what is sent to it at first.
    - `suffix`: what the name of a model may lack.
    """

    url: str
    key: str
    moved: str
    models: str
    page: str = ""
    needs_key: bool = True
    dialect: Dialect = dataclasses.field(default_factory=Dialect)
    suffix: str = ""

    @property
    def address(self) -> str:
        """Its address here, with `/v1` where the variable has none."""
        given = os.environ.get(self.moved, "").strip()
        return _with_path(given, self) if given else self.url

    def how_to_start(self, model: str | None) -> str:
        """What to do if it cannot be reached, or does not have a model."""
        if not self.needs_key:
            return f"start it with `ollama serve`, and fetch the model with `ollama pull {model or 'MODEL'}`"
        return f"its models are listed at {self.models}; see that {self.host} can be reached (HTTPS_PROXY)"

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.url).hostname or ""


_HOSTED = Dialect(template_kwargs=False, tokenizes=False, may_think=True)

SERVICES: dict[str, Service] = {
    "openai": Service(
        url="https://api.openai.com/v1",
        key="OPENAI_API_KEY",
        moved="OPENAI_BASE_URL",
        page="https://platform.openai.com/api-keys",
        models="https://platform.openai.com/docs/models",
        dialect=_HOSTED,
    ),
    "anthropic": Service(
        url="https://api.anthropic.com/v1",
        key="ANTHROPIC_API_KEY",
        moved="ANTHROPIC_BASE_URL",
        page="https://platform.claude.com/settings/keys",
        models="https://platform.claude.com/docs/en/about-claude/models",
        # The Messages API requires `max_tokens`, and has neither a seed nor log-probabilities.
        dialect=dataclasses.replace(_HOSTED, messages_api=True, limit="max_tokens", seed=False, in_text=True),
    ),
    "openrouter": Service(
        url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        moved="OPENROUTER_BASE_URL",
        page="https://openrouter.ai/settings/keys",
        models="https://openrouter.ai/models",
        # It passes a request on to whoever serves the model, and some of these leave log-probabilities out.
        dialect=dataclasses.replace(_HOSTED, limit="max_tokens", for_labels={"provider": {"require_parameters": True}}),
    ),
    "ollama": Service(
        url="http://localhost:11434/v1",
        key="OLLAMA_API_KEY",
        moved="OLLAMA_HOST",
        models="https://ollama.com/library",
        needs_key=False,
        # It passes over `max_completion_tokens` in silence, and would write without an end.
        dialect=dataclasses.replace(_HOSTED, limit="max_tokens", effort="none"),
        suffix=":latest",
    ),
}


def service_at(url: str) -> Service | None:
    """The hosted service that an address belongs to, if it is one of those with a name."""
    host = urllib.parse.urlsplit(url).hostname
    return next((service for service in SERVICES.values() if service.needs_key and service.host == host), None)


def named(name: str) -> tuple[Service, str] | None:
    """The service and the model that `SERVICE:MODEL` names; `None` if it begins with no service.

    Raises `LanguageModelError` if no model is named, or the service needs a key that no variable holds.
    """
    prefix, colon, model = name.partition(":")
    service = SERVICES.get(prefix.lower()) if colon else None
    if service is None:
        return None
    model = model.strip()
    if not model or "," in model:
        raise LanguageModelError(
            f"got the language model {name!r}, expected {prefix.lower()}:MODEL with one model: {service.models}"
        )
    if service.needs_key and service.address == service.url and not os.environ.get(service.key):
        raise LanguageModelError(
            f"{prefix.lower()}:{model} needs a key, and {service.key} is not set: get one at {service.page}, then "
            f"`export {service.key}=...`"
        )
    return service, model


def key_of(service: Service | None, *, by_address: bool, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key of a server from the usual variables: the service's own, and for an address first `NLPARAM_API_KEY`.

    A named service is never sent the key of another.
    """
    variables = (["NLPARAM_API_KEY"] if by_address else []) + [service.key if service else "OPENAI_API_KEY"]
    return next((environ[name] for name in variables if environ.get(name)), None)


def _with_path(given: str, service: Service) -> str:
    """An address as its variable holds it: `OLLAMA_HOST` may be a bare host, and may stand for all of them."""
    default = urllib.parse.urlsplit(service.url)
    parts = urllib.parse.urlsplit(given if "://" in given else f"{default.scheme}://{given}")
    host = parts.hostname or "localhost"
    # An address to listen on, which nobody can connect to everywhere.
    netloc = parts.netloc if host not in ("0.0.0.0", "::") else parts.netloc.replace(host, "127.0.0.1").strip("[]")
    if "://" not in given and parts.port is None and default.port is not None:
        netloc = f"{netloc}:{default.port}"
    path = parts.path.rstrip("/")
    # Anthropic's variable has no /v1; that of OpenAI has whatever path there is.
    complete = path.endswith("/v1") or (path and not service.dialect.messages_api)
    return urllib.parse.urlunsplit(parts._replace(netloc=netloc, path=path if complete else f"{path}/v1"))
