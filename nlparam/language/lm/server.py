"""A language model behind any server that speaks the OpenAI chat API: vLLM, llama-server, a hosted one."""

import asyncio
import base64
import email.utils
import os
import re
import time
import urllib.parse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from nlparam.errors import LanguageModelError
from nlparam.language.lm.base import (
    AbstractLanguageModel,
    Completion,
    Request,
    RequestError,
    TransientError,
    label_logprobs,
)

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

TOP_LOGPROBS = 20  # the most that OpenAI and vLLM give by default
_TRANSIENT = frozenset({408, 409, 425, 429})  # and everything from 500
_EXTRAS = {"chat_template_kwargs": {"enable_thinking": False}}  # vLLM and llama-server; others may refuse the field


class _Served(NamedTuple):
    name: str
    identity: str


class ServerModel(AbstractLanguageModel):
    """Asks a server; nothing is sent before the first `identity` or `complete`.

    `identity` is the name of the model as the server lists it, with the root and revision behind the name where the
    server reports them; the address is not part of it, so a server may move.

    **Arguments:**

    - `base_url`, such as `http://localhost:8000/v1`; without a path, `/v1` is added. A user and a password in it
      (`http://me:secret@host/v1`) are sent in place of the key, and shown nowhere.
    - `model`: needed only where the server lists several.
    - `api_key`: by default `NLPARAM_API_KEY`, else `OPENAI_API_KEY`, else none.
    - `timeout`: the seconds one call may take.
    - `max_in_flight`: how many requests the server gets at once.

    `complete` and `identity` raise `LanguageModelError` for a server that is not there, hangs, refuses the key, has
    not the model asked for, or reports no log-probabilities. Until the server has answered once, a refused connection
    or a time-out is final; afterwards it may pass.
    """

    strong = True

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        max_in_flight: int = 64,
    ):
        self.base_url, self._headers = _without_password(_complete_url(base_url))
        self.max_in_flight = max_in_flight
        self._model = model
        self._api_key = api_key or os.environ.get("NLPARAM_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
        self._timeout = timeout
        self._served: _Served | None = None
        self._client: openai.AsyncOpenAI | None = None
        self._one_look_up: asyncio.Lock | None = None
        self._extras = True
        self._answered = False

    @property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the server is asked when needed
        if self._served is None:
            import openai

            with openai.OpenAI(
                base_url=self.base_url,
                api_key=self._api_key,
                default_headers=self._headers,
                timeout=self._timeout,
                max_retries=0,
            ) as client:
                try:
                    self._served = self._choose(client.models.list().data)
                except openai.APITimeoutError as error:
                    raise self._hangs() from error
                except openai.APIError as error:
                    raise self._explain(error) from error
        return self._served.identity

    @property
    def where(self) -> str:
        name = self._served.name if self._served else self._model
        return self.base_url + (f" (model {name})" if name else "")

    async def complete(self, request: Request) -> Completion:
        import openai

        client, one_look_up = self._open()
        try:
            async with asyncio.timeout(self._timeout):
                async with one_look_up:  # the first of many requests asks, the others wait
                    if self._served is None:
                        self._served = self._choose((await client.models.list()).data)
                answer = await self._ask(client, self._served.name, request)
        except TimeoutError as error:
            raise self._hangs() from error
        except openai.APIError as error:
            raise self._explain(error) from error
        self._answered = True
        return self._parse(request, answer)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open(self) -> "tuple[openai.AsyncOpenAI, asyncio.Lock]":
        # Made inside the event loop that will use them, and again after `aclose`.
        if self._client is None or self._one_look_up is None:
            import openai

            # Limits are set with asyncio.timeout instead: it bounds the whole call, and openai's aiohttp transport
            # reports a refused connection as a time-out.
            self._client = openai.AsyncOpenAI(
                base_url=self.base_url,
                api_key=self._api_key,
                default_headers=self._headers,
                timeout=None,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(timeout=None),
            )
            self._one_look_up = asyncio.Lock()
        return self._client, self._one_look_up

    async def _ask(self, client: "openai.AsyncOpenAI", model: str, request: Request) -> "ChatCompletion":
        import openai

        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        }
        if request.labels is not None:
            body |= {"max_completion_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        else:
            body |= {"max_completion_tokens": request.max_tokens, "temperature": request.temperature}
            body |= {"seed": request.seed}
        if not self._extras:
            return await client.chat.completions.create(**body)
        try:
            return await client.chat.completions.create(**body, extra_body=_EXTRAS)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            answer = await client.chat.completions.create(**body)
            self._extras = False  # so it was the extra field that the server refused
            return answer

    def _choose(self, listed: Iterable[Any]) -> _Served:
        models = {model.id: model for model in listed or ()}
        names = ", ".join(list(models)[:10]) + (", ..." if len(models) > 10 else "")
        if self._model is None and len(models) != 1:
            if not models:
                raise LanguageModelError(f"{self.where} serves no model; {self._how_to_start()}")
            raise LanguageModelError(f"{self.where} serves several models ({names}): choose one with URL#MODEL")
        name = self._model or next(iter(models))
        if name not in models:
            raise LanguageModelError(
                f"{self.where} does not serve the model {name!r} but {names or 'none'}: choose one of these, or "
                f"{self._how_to_start()}"
            )
        extra = models[name].model_extra or {}
        behind = [str(extra[field]) for field in ("root", "revision") if extra.get(field) and extra[field] != name]
        return _Served(name, "@".join([f"server:{name}", *behind]))

    def _parse(self, request: Request, answer: Any) -> Completion:
        if not getattr(answer, "choices", None):
            raise LanguageModelError(
                f"{self.where} gave an answer that is not of the OpenAI chat API: check the address"
            )
        choice, usage = answer.choices[0], answer.usage
        text = choice.message.content or ""
        logprobs = None
        if request.labels is not None:
            if choice.logprobs is None or not choice.logprobs.content:
                raise LanguageModelError(
                    f"{self.where} reports no log-probabilities, which judgments are read from: use a server "
                    "that does (vLLM, llama-server), with thinking switched off"
                )
            top = [(entry.token, entry.logprob) for entry in choice.logprobs.content[0].top_logprobs]
            logprobs = label_logprobs(request.labels, top)
        else:
            text = _without_thoughts(text)
            if not text.strip():
                raise RequestError(
                    f"{self.where} gave no text (it ended with {choice.finish_reason!r}): does the model think "
                    "aloud? Switch that off, or use an instruct model"
                )
        return Completion(text, logprobs, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)

    def _explain(self, error: "openai.APIError") -> Exception:
        import openai

        if isinstance(error, openai.APIConnectionError):
            reason = _deepest_cause(error)
            if self._answered:
                return TransientError(f"lost the connection to {self.where}: {reason}")
            return LanguageModelError(f"cannot connect to {self.where} ({reason}): {self._how_to_start()}")
        if not isinstance(error, openai.APIStatusError):
            return LanguageModelError(f"{self.where} gave an answer that is not of the OpenAI chat API: {error}")
        status, said = error.status_code, error.message[:300]
        if status in _TRANSIENT or status >= 500:
            retry_after = _seconds(error.response.headers.get("retry-after"))
            return TransientError(f"{self.where} answered {status}: {said}", retry_after=retry_after)
        if status in (401, 403):
            return LanguageModelError(
                f"{self.where} refused the API key ({status}): set NLPARAM_API_KEY (or OPENAI_API_KEY) to a valid one"
            )
        if status in (404, 405):
            return LanguageModelError(
                f"{self.where} answered {status} ({said}): the address usually ends in /v1; {self._how_to_start()}"
            )
        return RequestError(f"{self.where} refused a request ({status}): {said}")

    def _hangs(self) -> Exception:
        message = f"no answer from {self.where} within {self._timeout:g} s"
        if self._answered:
            return TransientError(message)
        return LanguageModelError(f"{message}: restart the server, or allow a call more time")

    def _how_to_start(self) -> str:
        port = urllib.parse.urlsplit(self.base_url).port or 8000
        return (
            f"start a server with `vllm serve {self._model or 'MODEL'} --port {port}` or "
            f"`llama-server -m MODEL.gguf --port {port}`"
        )


def _complete_url(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise LanguageModelError(f"got the server address {url!r}, expected one like http://localhost:8000/v1")
    return urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address as messages may show it, and the header that carries the user and password it held."""
    parts = urllib.parse.urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    if not credentials:
        return url, {}
    encoded = base64.b64encode(urllib.parse.unquote_to_bytes(credentials)).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {encoded}"}


def _seconds(retry_after: str | None) -> float | None:
    """The header Retry-After: a number of seconds or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _without_thoughts(text: str) -> str:
    # A model that thinks although it was asked not to: what it says afterwards counts, unfinished thoughts do not.
    return re.sub(r"\A\s*<think>.*?(</think>\s*|\Z)", "", text, flags=re.DOTALL)


def _deepest_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
