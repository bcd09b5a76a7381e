"""`nlparam guard serve`: an OpenAI-compatible proxy that screens requests, and stops a stream in its middle."""

import contextlib
import ipaddress
import json
import logging
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

from nlparam.guard.errors import GuardError
from nlparam.guard.folder import Guard
from nlparam.guard.scoring import OverloadedError, Scorer, TooLongError
from nlparam.guard.screen import Verdict
from nlparam.guard.streams import HeldStream, UpstreamError, events_of, final_chunk, strings_in
from nlparam.guard.windows import Look, looks_of
from nlparam.language.lm.server.address import complete_url, without_password

logger = logging.getLogger("nlparam.guard")
logger.addHandler(logging.NullHandler())

REFUSAL = "I cannot help with that."
_MOST_BODY, _MOST_ANSWER = 4 * 2**20, 16 * 2**20  # bytes
_CONNECT_SECONDS, _SILENT_SECONDS, _SHUTDOWN_SECONDS = 10.0, 600.0, 5.0
_PASSED_ON = ("Authorization", "OpenAI-Organization", "OpenAI-Project", "X-Request-Id")
# Roles of the user's side, and of the assistant's. Messages of the application itself (system, developer) are trusted.
_INPUT_ROLES, _OUTPUT_ROLES, _TRUSTED_ROLES = {"user", "tool", "function"}, {"assistant"}, {"system", "developer"}


class _BadRequestError(Exception):
    """The request cannot be screened; the message goes to the client, with this status."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error"):
        super().__init__(message)
        self.status, self.kind = status, kind


class Proxy:
    """The handlers of one proxy. `counts` says how many requests, refusals, cuts and upstream failures there were."""

    def __init__(self, guard: Guard, upstream: str, *, refusal: str = REFUSAL):
        self._upstream, self._headers = without_password(complete_url(upstream))
        self._refusal = refusal
        self._scorer = Scorer(guard.screen)
        self._session: aiohttp.ClientSession | None = None
        self.counts = dict.fromkeys(("requests", "refused_inputs", "refused_outputs", "upstream_failures"), 0)

    def app(self) -> web.Application:
        """The application, to be run or tested."""
        app = web.Application(client_max_size=_MOST_BODY)
        app.cleanup_ctx.append(self._running)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._models)
        app.router.add_get("/health", self._health)
        # Nothing reaches the upstream past the screen.
        app.router.add_route("*", "/{other:.*}", self._unknown)
        return app

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        del app
        await self._scorer.start()
        host = urllib.parse.urlsplit(self._upstream).hostname or ""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS),
            headers={"Accept-Encoding": "identity", "User-Agent": "nlparam-guard"} | self._headers,
            trust_env=not _is_local(host),
        )
        yield
        await self._session.close()
        await self._scorer.close()

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok"} | self.counts)

    async def _unknown(self, request: web.Request) -> web.Response:
        message = f"{request.path} is not guarded: this proxy serves /v1/chat/completions and /v1/models"
        return _error(404, message, "invalid_request_error")

    async def _models(self, request: web.Request) -> web.StreamResponse:
        try:
            path = request.raw_path.split("?")[0].removeprefix("/v1")
            async with self._ask("GET", path, request) as answer:
                return await _passed_on(answer)
        except (UpstreamError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._failed(error)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.counts["requests"] += 1
        try:
            body = await _read(request)
            verdict = await self._screen_messages(body["messages"])
        except _BadRequestError as error:
            return _error(error.status, str(error), error.kind)
        if verdict is not None and verdict.refused:
            self.counts["refused_inputs"] += 1
            _log("input refused", verdict)
            return await self._refuse(request, body)
        try:
            async with self._ask("POST", "/chat/completions", request, body) as answer:
                if answer.status != 200:
                    return await _passed_on(answer)
                if answer.content_type == "text/event-stream":
                    return await self._stream(request, answer)
                return await self._whole(answer)
        except (UpstreamError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._failed(error)

    def _ask(self, method: str, path: str, request: web.Request, body: Any = None) -> Any:
        assert self._session is not None  # opened before the first request comes
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        return self._session.request(method, self._upstream + path, json=body, headers=headers)

    async def _screen_messages(self, messages: list[dict[str, Any]]) -> Verdict | None:
        """The first refusal among the verdicts on the messages, the last of them first, else the highest."""
        verdicts = []
        for role, text in reversed(_texts(messages)):
            try:
                verdict = await self._scorer.message(text, role)
            except TooLongError:
                raise _BadRequestError("a message is too long to be screened: shorten it", 413) from None
            except OverloadedError:
                raise _BadRequestError("too many requests wait to be screened: try again", 503, "overloaded") from None
            if verdict is not None:
                verdicts.append(verdict)
                if verdict.refused:
                    break
        return max(verdicts, default=None)

    async def _refuse(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """A well-formed answer that says no, as the client asked for it: whole or as a stream."""
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": str(body.get("model", ""))}
        n = body.get("n")
        indices = range(n if isinstance(n, int) and 0 < n <= 128 else 1)
        if not body.get("stream"):
            message = {"role": "assistant", "content": self._refusal}
            choices = [
                {"index": index, "message": message, "logprobs": None, "finish_reason": "content_filter"}
                for index in indices
            ]
            usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
            return web.json_response(head | {"object": "chat.completion", "choices": choices, "usage": usage})
        delta = {"role": "assistant", "content": self._refusal}
        choices = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None} for index in indices]
        response = await _open_stream(request)
        await _send(response, json.dumps(head | {"object": "chat.completion.chunk", "choices": choices}))
        await _send(response, final_chunk(head, list(indices)), "[DONE]")
        await response.write_eof()
        return response

    async def _whole(self, answer: aiohttp.ClientResponse) -> web.Response:
        content = await _limited(answer, _MOST_ANSWER)
        try:
            completion = json.loads(content)
            choices = completion["choices"]
            texts = [
                "\n".join(strings_in(choice.get("message")) + strings_in(choice.get("text"))) for choice in choices
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UpstreamError(f"the upstream's answer is no chat completion ({type(error).__name__})") from error
        refused = False
        for choice, text in zip(choices, texts, strict=True):
            windows = [look.window for look in looks_of(text)]
            if not windows:
                continue
            verdict = self._scorer.verdict((await self._scorer.windows(windows, "output")).max(axis=0))
            if verdict.refused:
                refused = True
                _log("output refused", verdict)
                choice["message"] = {"role": "assistant", "content": self._refusal}
                choice["logprobs"] = None
                choice["finish_reason"] = "content_filter"
        self.counts["refused_outputs"] += refused
        return web.json_response(completion)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Passes chunks on once they were looked at; after a refusal comes a last chunk that says so, and nothing more.

        An upstream that dies is reported in the stream, after what it had said (as far as that may pass).
        """
        response = await _open_stream(request)
        held = HeldStream()
        failure: Exception | None = None
        try:
            ended = False
            try:
                async for data in events_of(_from_upstream(answer)):
                    if data is None:
                        await response.write(b":\n\n")
                        continue
                    if data.strip() == "[DONE]":
                        ended = True
                        break
                    if await self._pass_on(response, held, held.add(data)):
                        return response
                if not (ended or held.finished):
                    raise UpstreamError("the stream of the upstream ended before its answer was complete")
            except UpstreamError as error:
                failure = error
            if await self._pass_on(response, held, held.rest()):
                return response
        except ConnectionError:
            return response  # the client has gone
        except Exception as error:
            # Whatever keeps the screen from looking, nothing passes without a look.
            logger.exception("the screen failed")
            failure = error
        with contextlib.suppress(ConnectionError):
            if failure is None:
                await _send(response, "[DONE]")
            else:
                self.counts["upstream_failures"] += 1
                await _send(response, json.dumps(_error_body(_in_words(failure), "upstream_error")))
            await response.write_eof()
        return response

    async def _pass_on(self, response: web.StreamResponse, held: HeldStream, looks: list[tuple[int, Look]]) -> bool:
        """Makes the looks and sends what may go; true if the stream was cut."""
        verdict = await self._look(held, looks)
        if ready := held.ready():
            await _send(response, *ready)
        if verdict is None or not verdict.refused:
            return False
        self.counts["refused_outputs"] += 1
        _log("output stopped", verdict)
        await _send(response, final_chunk(held.first, held.unfinished), "[DONE]")
        await response.write_eof()
        return True

    async def _look(self, held: HeldStream, looks: list[tuple[int, Look]]) -> Verdict | None:
        """The verdict on the looks; those before the first refusal are cleared."""
        worded = [look.window for _, look in looks if look.window.strip()]
        scores = iter(await self._scorer.windows(worded, "output")) if worded else iter(())
        for index, look in looks:
            if look.window.strip():
                verdict = self._scorer.verdict(next(scores))
                if verdict.refused:
                    return verdict
            held.clear(index, look)
        return None

    def _failed(self, error: Exception) -> web.Response:
        self.counts["upstream_failures"] += 1
        logger.warning("%s failed: %r", self._upstream, error)
        return _error(502, _in_words(error), "upstream_error")


def serve(guard: Guard, upstream: str, *, host: str = "127.0.0.1", port: int = 8001, refusal: str = REFUSAL) -> None:
    """Serves until it is interrupted. Raises `GuardError` if the port is taken, `LanguageModelError` for an address
    that is none."""
    guard.screen.check_embedder()
    proxy = Proxy(guard, upstream, refusal=refusal)
    try:
        web.run_app(
            proxy.app(),
            host=host,
            port=port,
            print=None,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
    except OSError as error:
        raise GuardError(
            f"cannot listen on {host}:{port} ({error.strerror or error}): choose another --port"
        ) from error


async def _read(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except web.HTTPRequestEntityTooLarge:
        raise _BadRequestError(f"the request has more than {_MOST_BODY // 2**20} MiB", 413) from None
    except (ValueError, RecursionError):
        raise _BadRequestError("the request is not JSON") from None
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise _BadRequestError("expected 'messages', a list of messages with role and content")
    return body


def _texts(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What is screened of a conversation, with the role of each text. Raises `_BadRequestError` for what cannot be."""
    texts = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role in _TRUSTED_ROLES:
            continue
        if role not in _INPUT_ROLES | _OUTPUT_ROLES:
            raise _BadRequestError(f"got a message of the role {role!r:.40}, which the guard does not know")
        for part in content if isinstance(content, list) else []:
            if not isinstance(part, dict) or part.get("type") not in ("text", "refusal"):
                raise _BadRequestError("the guard reads text only, and a message has a part of another type")
        said = strings_in({name: value for name, value in message.items() if name not in ("role", "tool_call_id")})
        texts.append(("output" if role in _OUTPUT_ROLES else "input", "\n".join(said)))
    return texts


async def _open_stream(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    return response


async def _send(response: web.StreamResponse, *data: str) -> None:
    # Line ends in the data would end the event; JSON has none.
    await response.write("".join(f"data: {' '.join(item.splitlines())}\n\n" for item in data).encode())


async def _from_upstream(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The bytes of an answer. What goes wrong with the upstream is not taken for a client that has gone."""
    try:
        async for part in answer.content.iter_any():
            yield part
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UpstreamError(_in_words(error)) from error


async def _passed_on(answer: aiohttp.ClientResponse) -> web.Response:
    content = await _limited(answer, _MOST_ANSWER)
    return web.Response(status=answer.status, body=content, content_type=answer.content_type)


async def _limited(answer: aiohttp.ClientResponse, most: int) -> bytes:
    content = bytearray()
    async for part in answer.content.iter_any():
        content += part
        if len(content) > most:
            raise UpstreamError(f"the upstream's answer has more than {most // 2**20} MiB")
    return bytes(content)


def _error(status: int, message: str, kind: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.json_response(_error_body(message, kind), status=status, headers=headers)


def _error_body(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def _in_words(error: Exception) -> str:
    if isinstance(error, UpstreamError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "the upstream did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the upstream cannot be reached"
    if isinstance(error, aiohttp.ClientError | OSError):
        return "the connection to the upstream was lost before its answer was complete"
    return "the screen failed"


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _log(what: str, verdict: Verdict) -> None:
    logger.info("%s: rule %s, score %.2f", what, verdict.rule, verdict.score)
