"""One server that speaks the OpenAI chat API, or Anthropic's, as a language model."""

import asyncio
import dataclasses
import json
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel, Completion, Request, RequestError, TransientError, listed_states
from nlparam.lm.server import address, answers, errors, messages_api
from nlparam.lm.server.address import Served, choose
from nlparam.lm.server.answers import AnswerReader
from nlparam.lm.server.dialect import Dialect, first_answer, label_tokens, numbers
from nlparam.lm.server.limit import AdaptiveLimit
from nlparam.lm.server.outage import Outage, wait_for_any
from nlparam.lm.server.services import Service, key_of, service_at
from nlparam.lm.server.slot import Slot
from nlparam.lm.server.survey import Capabilities, survey
from nlparam.lm.server.transport import ConnectionFailedError, Reply, Transport
from nlparam.lm.waiting import in_thread

_CHECK_TIMEOUT = 5.0  # seconds for the question whether a server is back
_Result = TypeVar("_Result")


class ServerModel(AbstractLanguageModel):
    """Asks a server; nothing is sent before the first `identity`, `capabilities` or `complete`.

    `identity` is the name of the model as the server lists it, with the root and revision where the server reports
    them. The address is not part of it, so a server may move.

    The first request of each kind is sent alone and shows what the server takes. Label reads ask for the exact
    log-probabilities of the label tokens (vLLM's `logprob_token_ids`) where the server tells their numbers
    (`/tokenize`), else for the likeliest tokens. A server that gives none answers in text (`answers_in_text`). One that
    refuses a field is asked again without it, a few times in its life, which `Costs.calls` does not show.

    **Arguments:**

    - `base_url`, such as `http://localhost:8000/v1`; without a path, `/v1` is added. A user and a password in it
      (`http://me:secret@host/v1`) are sent in place of the key, and shown nowhere.
    - `model`: needed only where the server lists several.
    - `api_key`: by default the one in `NLPARAM_API_KEY`, else in the variable of the service at this address, else in
      `OPENAI_API_KEY`, else none.
    - `timeout`: the seconds one call may take.
    - `max_in_flight`: the most requests the server gets at once; how many it does get adapts (`AdaptiveLimit`).
    - `patience`: the seconds a server that has answered before may be away. Until then requests wait in their `slot`;
      0 leaves an outage to the engine's retries.
    - `strong`: whether it counts as a strong model; by default by its size (`is_strong`), which asks the server.
    - `service`: the service that it belongs to or speaks like; by default the one at this address, if any.

    `complete` and `identity` raise `LanguageModelError` for a server that is not there, hangs, refuses the key, does
    not have the model, wants to be paid, or thinks aloud. Until the server has answered once, a refused connection or
    a time-out is final; afterwards it may pass.
    """

    keeps_time = True
    takes_images = True

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        max_in_flight: int = 128,
        patience: float = 60.0,
        strong: bool | None = None,
        service: Service | None = None,
    ):
        self.base_url, headers = address.without_password(address.complete_url(base_url))
        self._service = service or service_at(self.base_url)
        self._variable = self._service.key if self._service else "OPENAI_API_KEY"
        if service is None:
            self._variable = f"NLPARAM_API_KEY (or {self._variable})"
        self._key = api_key or key_of(self._service, by_address=service is None)
        self._first_dialect = Dialect() if self._service is None else self._service.dialect
        self._dialect = self._first_dialect.copy()
        by_key = {"Authorization": f"Bearer {self._key or 'none'}"}
        if self._dialect.messages_api:
            by_key = messages_api.headers(self._key)
        self._headers = by_key | headers
        self._model, self._strong = model, strong
        self._timeout = timeout
        self.limit = AdaptiveLimit(max_in_flight)
        self.outage = Outage(self._is_back, patience=patience)
        self.seen = False  # whether it is known to be up, as if it had answered
        self._served: Served | None = None
        api = "Anthropic's Messages API" if self._dialect.messages_api else "the OpenAI chat API"
        self._answers = AnswerReader(lambda: self.where, api=api)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: Transport | None = None
        self._one_at_first = asyncio.Lock()
        self._first: Request | None = None  # the request that holds it

    @property
    def max_in_flight(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride] - the limit's upper end
        return self.limit.most

    @max_in_flight.setter
    def max_in_flight(self, most: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.limit.most = most

    @property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the server is asked when needed
        return self._known().identity

    @property
    def strong(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - the server is asked when needed
        return self._known().strong if self._strong is None else self._strong

    def _known(self) -> Served:
        if self._served is None:
            self._served = self._blocking(self._look_up)
        return self._served

    @property
    def answers_in_text(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - it may be found out
        return self._dialect.in_text

    @answers_in_text.setter
    def answers_in_text(self, in_text: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._dialect.in_text = in_text

    @property
    def states(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride] - as it gives log-probabilities
        return None if self.answers_in_text else listed_states(self._dialect.top_logprobs)

    @property
    def _is_known(self) -> bool:
        return self._answers.answered or self.seen

    @property
    def where(self) -> str:
        name = self._served.name if self._served else self._model
        return self.base_url + (f" (model {name})" if name else "")

    def capabilities(self, labels: tuple[str, ...] = ("yes", "no")) -> Capabilities:
        """What the server can do, found by trying: about five completions of a few tokens (`Capabilities.calls`).

        Raises `LanguageModelError` if the server is not there or does not answer at all.
        """
        return self._blocking(lambda transport: self._survey(transport, labels))

    def slot(self, request: Request) -> Slot:
        return Slot(self._when_back, request)

    async def complete(self, request: Request) -> Completion:
        transport = self._open()
        if self._served is None:
            self._served = await self._look_up(transport)
        dialect = self._dialect
        if not dialect.knows(request):
            return await self._introduce(transport, self._served.name, request)
        answer = await self._ask(transport, "chat", await dialect.write(self._served.name, request))
        return self._answers.read(request, answer, dialect, exact=dialect.reads_exactly(request))[0]

    async def aclose(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def enter(self, request: Request) -> bool:
        """Takes a place for a request; whether the server is still there then, otherwise there is no place.

        Raises `LanguageModelError` if it has answered nothing for long.
        """
        self._check_progress()
        if not self._dialect.knows(request):
            self._open()
            await self._one_at_first.acquire()  # the first of many requests finds out, the others wait
            if self._dialect.knows(request):
                self._one_at_first.release()
            else:
                self._first = request
        try:
            await self.limit.acquire()
        except BaseException:
            self._let_others_in(request)
            raise
        if not self.outage.down or self.outage.patience <= 0:
            return True
        self.limit.release(answered=False)
        self._let_others_in(request)
        return False

    def leave(self, request: Request, error: BaseException | None) -> None:
        """Gives a place back after a request that was answered (`None`) or failed."""
        if isinstance(error, (errors.OverloadError, TimeoutError)):
            self.limit.overloaded(getattr(error, "retry_after", None))
        if error is None or isinstance(error, RequestError):
            self.outage.succeeded()
        elif isinstance(error, (TransientError, TimeoutError)):
            self.outage.failed(str(error) or "no answer in time")
        self.limit.release(answered=error is None)
        self._let_others_in(request)

    def _let_others_in(self, request: Request) -> None:
        if self._first is request:
            self._first = None
            self._one_at_first.release()

    async def _when_back(self, request: Request) -> "ServerModel":
        del request
        while self.outage.down and self.outage.patience > 0:
            await wait_for_any([self.outage], self.outage.patience, self._gone)
        return self

    def _gone(self) -> LanguageModelError:
        return LanguageModelError(
            f"{self.where} has been away for more than {self.outage.patience:g} s ({self.outage.reason}): "
            f"{self._how_to_start()}, then run the same command again: what was answered is kept"
        )

    def _check_progress(self) -> None:
        """Raises `LanguageModelError` if the server is there and has failed at all it was asked for a long time."""
        limit = self.outage.patience + 2.0 * self._timeout
        if self.outage.patience > 0 and self._is_known and self.outage.stuck(limit):
            raise LanguageModelError(
                f"{self.where} has answered nothing for {limit:g} s (the last failure: {self.outage.reason}): see what "
                "it does, then run the same command again: what was answered is kept"
            )

    def _open(self) -> Transport:
        # Made inside the event loop that will use it, and again after `aclose` or in another loop.
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            self._transport = self._new_transport()
            self._loop = loop
            self._one_at_first, self._first = asyncio.Lock(), None
        return self._transport

    def _new_transport(self) -> Transport:
        if not self._dialect.messages_api:
            return Transport(self.base_url, self._headers)
        # Of a single model, as its short name ("claude-sonnet-4-5") is not listed.
        models = f"models/{urllib.parse.quote(self._model, safe='')}" if self._model else "models?limit=1000"
        return Transport(self.base_url, self._headers, chat="messages", models=models)

    def _blocking(self, work: Callable[[Transport], Awaitable[_Result]]) -> _Result:
        """Work for a caller who waits for it, in an event loop and with a connection of its own."""

        async def alone() -> _Result:
            transport = self._new_transport()
            try:
                return await work(transport)
            finally:
                await transport.aclose()

        return in_thread(lambda: asyncio.run(alone()), name="nlparam-server")

    async def _survey(self, transport: Transport, labels: tuple[str, ...]) -> Capabilities:
        try:
            served = self._served = await self._look_up(transport)
            ask, tokenize = partial(self._ask, transport, "chat"), partial(self._tokenize, transport)
            return await survey(served.name, labels, served.context, self._first_dialect, ask, tokenize)
        except TransientError as error:
            raise LanguageModelError(str(error)) from error

    async def _introduce(self, transport: Transport, model: str, request: Request) -> Completion:
        """The first request of its kind: what the server refuses is left out from then on."""
        dialect = self._dialect.copy()
        if dialect.tokenizes and request.labels is not None and request.labels not in dialect.token_ids:
            found = await label_tokens(request.labels, partial(self._tokenize, transport))
            for knowing in (dialect, self._dialect):
                knowing.token_ids[request.labels] = numbers(found)
        while True:
            answer = await first_answer(model, request, dialect, partial(self._ask, transport, "chat"))
            try:
                completion, top = self._answers.read(request, answer, dialect)
                break
            except LanguageModelError as error:
                if dialect.unreadable(error):
                    continue
                if request.labels is not None and dialect.in_text and not self._answers.answered:
                    # Neither way to read a label works, and there is no third.
                    raise LanguageModelError(f"{error}. It reports no log-probabilities either") from error
                raise
        dialect.accepted(model, request, top)
        self._dialect = dialect
        return completion

    async def _look_up(self, transport: Transport) -> Served:
        answer = await self._ask(transport, "models")
        content = answers.parsed(answer)
        if not isinstance(content, dict) or not isinstance(_listed(content), list):
            raise self._answers.not_the_api(answer)
        return self._choose(_listed(content))

    async def _tokenize(self, transport: Transport, text: str) -> list[int] | None:
        assert self._served is not None
        # vLLM reads the first three fields, llama-server the last two.
        asked = {"model": self._served.name, "prompt": text, "add_special_tokens": False}
        asked |= {"content": text, "add_special": False}
        try:
            reply = await self._send(transport, "tokenize", json.dumps(asked).encode())
        except ConnectionFailedError:
            return None
        content = answers.parsed(reply.body) if reply.status == 200 else None
        tokens = content.get("tokens") if isinstance(content, dict) else None
        usable = isinstance(tokens, list) and all(isinstance(token, int) for token in tokens)
        return tokens if usable else None

    async def _ask(self, transport: Transport, what: str, body: bytes | None = None) -> bytes:
        """What the server answers, if the status is 200; raises what another status or a lost connection means."""
        try:
            reply = await self._send(transport, what, body)
        except ConnectionFailedError as error:
            if self._is_known:
                self.outage.begin(str(error))
            elif self._served is None:
                raise LanguageModelError(f"cannot connect to {self.where} ({error}): {self._how_to_start()}") from error
            raise TransientError(f"lost the connection to {self.where}: {error}") from error
        # OpenRouter begins to answer before it knows whether it can.
        status = answers.status_within(reply.body) if reply.status == 200 else reply.status
        if status == 200:
            return reply.body
        if status == 404 and what == "models" and self._model and self._dialect.messages_api:
            raise LanguageModelError(f"{self.where} does not serve the model {self._model!r}: {self._how_to_start()}")
        if self._is_known and status in errors.AWAY and what == "chat":
            self.outage.begin(f"it answers {reply.status}")
        raise errors.status_error(
            status,
            reply.body,
            reply.retry_after,
            where=self.where,
            how_to_start=self._how_to_start(),
            variable=self._variable,
            secret=self._key,
        )

    async def _send(self, transport: Transport, what: str, body: bytes | None = None) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                return await transport.send(what, body)
        except TimeoutError as error:
            message = f"no answer from {self.where} within {self._timeout:g} s"
            if not self._is_known:
                raise LanguageModelError(f"{message}: restart the server, or allow a call more time") from error
            self.outage.begin(message)
            raise errors.OverloadError(message) from error

    async def _is_back(self) -> bool:
        """Whether the server can be asked again; raises `LanguageModelError` if it now serves another model."""
        transport = self._open()
        try:
            async with asyncio.timeout(min(_CHECK_TIMEOUT, self._timeout)):
                for what in ("health", "models"):  # "health" of vLLM and llama-server; others do not have the page
                    reply = await transport.send(what)
                    if reply.status >= 500:
                        return False
        except (TimeoutError, ConnectionFailedError):
            return False
        content = answers.parsed(reply.body) if reply.status == 200 else None
        if isinstance(content, dict):
            listed = _listed(content)
            if not listed and self._served is not None:  # a router whose model is still loading
                return False
            served = self._choose(listed)
            if self._served is not None and served.identity != self._served.identity:
                raise LanguageModelError(
                    f"{self.base_url} went away with the model {self._served.identity} and came back with "
                    f"{served.identity}: start it with the first again, or a new run with the second"
                )
        # It may be another version, started with other options; how answers are read stays as it was.
        self._dialect = dataclasses.replace(self._first_dialect.copy(), in_text=self._dialect.in_text)
        return True

    def _choose(self, listed: Iterable[Any]) -> Served:
        # What Anthropic says of one model bears its full name.
        name = None if self._dialect.messages_api and self._model else self._model
        suffix = self._service.suffix if self._service else ""
        return choose(listed, name, where=self.where, how_to_start=self._how_to_start(), suffix=suffix)

    def _how_to_start(self) -> str:
        if self._service is not None:
            return self._service.how_to_start(self._model)
        return address.how_to_start(self.base_url, self._model)


def _listed(content: dict[str, Any]) -> Any:
    """The models in an answer; what is said of a single model stands for a list of it."""
    return [content] if "id" in content else content.get("data") or []
