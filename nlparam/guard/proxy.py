"""`nlparam guard serve`: an OpenAI-compatible proxy that screens requests, and stops a stream in its middle."""

import asyncio
import contextlib
import ipaddress
import json
import logging
import re
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from aiohttp import web

from nlparam.guard.errors import GuardError
from nlparam.guard.folder import Guard
from nlparam.guard.messages import MOST_BODY, BadRequestError, read_request, texts_of
from nlparam.guard.scoring import OverloadedError, Scorer, TooLongError
from nlparam.guard.screen import Verdict
from nlparam.guard.streams import HeldStream, UpstreamError, events_of, final_chunk, strings_in
from nlparam.guard.windows import Look, looks_of
from nlparam.lm.server.address import complete_url, without_password

logger = logging.getLogger("nlparam.guard")
logger.addHandler(logging.NullHandler())

REFUSAL = "I cannot help with that."
_MOST_ANSWER = 16 * 2**20  # bytes
_LINE_END = re.compile(r"\r\n?|\n")
_CONNECT_SECONDS, _SILENT_SECONDS, _SHUTDOWN_SECONDS = 10.0, 600.0, 5.0
_PASSED_ON = ("Authorization", "OpenAI-Organization", "OpenAI-Project", "X-Request-Id")
# Of the upstream's answers: when to ask again, and how much is left to ask for.
_PASSED_BACK = ("retry-after", "x-ratelimit-")


class Proxy:
    """The handlers of one proxy. `counts` says how many requests, refusals, cuts and failures there were."""

    def __init__(self, guard: Guard, upstream: str, *, refusal: str = REFUSAL):
        self._upstream, self._headers = without_password(complete_url(upstream))
        self._refusal = refusal
        self._scorer = Scorer(guard.screen)
        self._session: aiohttp.ClientSession | None = None
        names = ("requests", "refused_inputs", "refused_outputs", "upstream_failures", "screen_failures")
        self.counts = dict.fromkeys(names, 0)

    def app(self) -> web.Application:
        """The application, to be run or tested."""
        app = web.Application(client_max_size=MOST_BODY)
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
        name = request.match_info.get("name", "")
        # Whoever reads the path may unquote it once more, and must find no way up to what is not guarded.
        if {".", ".."} & set(urllib.parse.unquote(name).split("/")):
            return await self._unknown(request)
        path = urllib.parse.quote(f"/models/{name}" if name else "/models", errors="replace")
        try:
            async with self._ask("GET", path, request) as answer:
                return await _passed_on(answer)
        except (UpstreamError, aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._failed(error)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.counts["requests"] += 1
        try:
            body = await read_request(request)
            verdict = await self._screen_messages(body["messages"])
            if verdict is None or not verdict.refused:
                return await self._answer(request, body)
        except BadRequestError as error:
            response = _error(error.status, str(error), error.kind)
            if not request.content.is_eof():  # a body that is damaged or too long: no request can come after it
                response.force_close()
            return response
        except ConnectionError:
            raise  # the client has gone
        except Exception:
            return web.json_response(self._screen_failed(), status=500)
        self.counts["refused_inputs"] += 1
        _log("input refused", verdict)
        return await self._refuse(request, body)

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """The upstream's answer, as far as it may pass."""
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
        for role, text in reversed(texts_of(messages)):
            try:
                verdict = await self._scorer.message(text, role)
            except TooLongError:
                raise BadRequestError("a message is too long to be screened: shorten it", 413) from None
            except OverloadedError:
                raise BadRequestError("too many requests wait to be screened: try again", 503, "overloaded") from None
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
        streamed = bool(body.get("stream"))
        said = {"delta" if streamed else "message": {"role": "assistant", "content": self._refusal}, "logprobs": None}
        choices = [
            {"index": index} | said | {"finish_reason": None if streamed else "content_filter"} for index in indices
        ]
        if not streamed:
            usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
            return web.json_response(head | {"object": "chat.completion", "choices": choices, "usage": usage})
        response = _event_stream()
        await response.prepare(request)
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
            # Beside the event loop: of the longest answers it takes seconds.
            windows = [look.window for look in await asyncio.to_thread(looks_of, text)]
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
        return web.json_response(completion, headers=_passed_back(answer))

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Passes chunks on once they were looked at; after a refusal comes a last chunk that says so, and nothing more.

        An upstream that dies is reported in the stream, after what it had said (as far as that may pass).
        """
        response = _event_stream(_passed_back(answer))
        held = HeldStream()
        failure: dict[str, Any] | None = None
        try:
            await response.prepare(request)
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
                self.counts["upstream_failures"] += 1
                failure = _error_body(str(error), "upstream_error")
            if await self._pass_on(response, held, held.rest()):
                return response
        except ConnectionError:
            return response  # the client has gone
        except Exception:
            failure = self._screen_failed()
        with contextlib.suppress(ConnectionError):
            await _send(response, "[DONE]" if failure is None else json.dumps(failure))
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

    def _screen_failed(self) -> dict[str, Any]:
        """What the client is told. Whatever keeps the screen from looking, nothing passes without a look."""
        self.counts["screen_failures"] += 1
        logger.exception("the screen failed")
        return _error_body("the screen failed", "server_error")

    def _failed(self, error: Exception) -> web.Response:
        self.counts["upstream_failures"] += 1
        logger.warning("%s failed: %r", self._upstream, error)
        return _error(502, _in_words(error), "upstream_error")


def serve(guard: Guard, upstream: str, *, host: str = "127.0.0.1", port: int = 8001, refusal: str = REFUSAL) -> None:
    """Serves until it is interrupted. Raises `GuardError` if the port is taken, `LanguageModelError` for an address
    that is none."""
    guard.screen.check_embedder()
    guard.screen.window_scores(["a first text"], "input")  # an embedder that fails to load is not a port that is taken
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


def _event_stream(passed_back: Mapping[str, str] | None = None) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    return web.StreamResponse(headers=headers | dict(passed_back or {}))


async def _send(response: web.StreamResponse, *data: str) -> None:
    # Line ends in the data would end the event; the strings of JSON have none. U+2028 and its like are text.
    await response.write("".join(f"data: {_LINE_END.sub(' ', item)}\n\n" for item in data).encode())


async def _from_upstream(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The bytes of an answer. What goes wrong with the upstream is not taken for a client that has gone."""
    try:
        async for part in answer.content.iter_any():
            yield part
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UpstreamError(_in_words(error)) from error


async def _passed_on(answer: aiohttp.ClientResponse) -> web.Response:
    content = await _limited(answer, _MOST_ANSWER)
    headers = _passed_back(answer)
    return web.Response(status=answer.status, body=content, content_type=answer.content_type, headers=headers)


def _passed_back(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower().startswith(_PASSED_BACK)}


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
    return "the connection to the upstream was lost before its answer was complete"


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _log(what: str, verdict: Verdict) -> None:
    logger.info("%s: rule %s, score %.2f", what, verdict.rule, verdict.score)
