"""A place at a server, which a request holds while it is under way."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Protocol

from nlparam.lm.base import Completion, Request


class WithPlaces(Protocol):
    """A server that says when a request may be sent."""

    async def enter(self, request: Request) -> bool: ...

    def leave(self, request: Request, error: BaseException | None) -> None: ...

    async def complete(self, request: Request) -> Completion: ...


chosen: contextvars.ContextVar[WithPlaces] = contextvars.ContextVar("the server that a slot belongs to")


class Slot:
    """A place at a server: waits while that is away or has enough to do.

    **Arguments:** `choose`, the server that a request is to go to, once that is back.
    """

    __slots__ = ("_choose", "_request", "_server", "_token")

    def __init__(self, choose: Callable[[Request], Awaitable[WithPlaces]], request: Request):
        self._choose, self._request = choose, request

    async def __aenter__(self) -> None:
        while True:
            self._server = await self._choose(self._request)
            if await self._server.enter(self._request):
                break
        self._token = chosen.set(self._server)

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        chosen.reset(self._token)
        self._server.leave(self._request, error)
