"""Several servers of one model, used as one: each text keeps its server, and a server that dies is left out."""

import asyncio
import functools
import hashlib
import threading
from collections.abc import Sequence

from nlparam.errors import LanguageModelError
from nlparam.lm.base import AbstractLanguageModel, Completion, Request
from nlparam.lm.server.model import ServerModel
from nlparam.lm.server.outage import wait_for_any
from nlparam.lm.server.slot import Slot, chosen


class ServerPool(AbstractLanguageModel):
    """Routes each request to one of several servers.

    Requests of one `Request.group` go to the same server, whose prefix cache then computes their common text once
    (rendezvous hashing: when a server dies, only its own groups move). A server with a long queue gives requests to the
    next choice of their group if that one is idle. Requests without a group go where there is most room.

    **Arguments:** `servers`, which must all serve the same model; `patience`, the seconds all of them together may be
    away before requests fail.

    `identity` and `complete` raise `LanguageModelError` if a server is not there at the start, if they serve different
    models, or if all are gone.
    """

    keeps_time = True
    takes_images = True

    def __init__(self, servers: Sequence[ServerModel], *, patience: float = 60.0):
        if not servers:
            raise ValueError("got no servers, expected one at least")
        if len({server.base_url for server in servers}) < len(servers):
            raise LanguageModelError(f"got the servers {_names(servers)}: one is named twice")
        self.servers = tuple(servers)
        self.patience = patience
        self._checked = False
        self._one_check = threading.Lock()
        self._ranking = functools.lru_cache(maxsize=4096)(self._rank)

    @property
    def max_in_flight(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride] - the sum over the servers
        return sum(server.max_in_flight for server in self.servers)

    @max_in_flight.setter
    def max_in_flight(self, most: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        for number, server in enumerate(self.servers):
            server.max_in_flight = max(1, (most + number) // len(self.servers))

    @property
    def identity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the servers are asked when needed
        identities = {server.base_url: server.identity for server in self.servers}
        if len(set(identities.values())) > 1:
            listed = ", ".join(f"{url}: {identity}" for url, identity in identities.items())
            raise LanguageModelError(
                f"the servers serve different models ({listed}): start all with the same, or name one with URL#MODEL"
            )
        for server in self.servers:
            server.seen = True
        self._checked = True
        return self.servers[0].identity

    @property
    def strong(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - the servers are asked when needed
        return all(server.strong for server in self.servers)

    @property
    def answers_in_text(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride] - one server may find out
        return any(server.answers_in_text for server in self.servers)

    @property
    def states(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride] - those that all give
        kinds = {server.states for server in self.servers}
        return kinds.pop() if len(kinds) == 1 else None

    @answers_in_text.setter
    def answers_in_text(self, in_text: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        for server in self.servers:
            server.answers_in_text = in_text

    @property
    def where(self) -> str:
        return _names(self.servers)

    def slot(self, request: Request) -> Slot:
        return Slot(self.choose, request)

    async def complete(self, request: Request) -> Completion:
        return await chosen.get(self.servers[0]).complete(request)

    async def aclose(self) -> None:
        await asyncio.gather(*(server.aclose() for server in self.servers))

    async def choose(self, request: Request) -> ServerModel:
        """The server for a request; waits while all are away.

        Raises `LanguageModelError` once all have been away for `patience`, or if they serve different models.
        """
        if not self._checked:
            await asyncio.to_thread(self._check)
        while (server := self._up(request)) is None:
            await wait_for_any([server.outage for server in self.servers], self.patience, self._gone)
        return server

    def _up(self, request: Request) -> ServerModel | None:
        up, suspect = [], []
        for server in self._ranking(request.group):
            if server.outage.down:
                server.outage.watch()  # asks from time to time whether it is back
            elif server.outage.suspect:
                suspect.append(server)
            else:
                up.append(server)
        if not up and not suspect:
            return None
        up = up or suspect
        if not request.group:
            up.sort(key=lambda server: server.limit.in_flight + server.limit.waiting - server.limit.limit)
        first = up[0]
        if first.outage.failing_since is not None:
            first.outage.trial()
            return first
        if len(up) > 1 and first.limit.waiting >= 2 * first.limit.limit:
            second = up[1]
            if not second.limit.waiting and second.limit.in_flight < second.limit.limit:
                return second
        return first

    def _gone(self) -> LanguageModelError:
        reasons = ", ".join(f"{server.base_url} ({server.outage.reason})" for server in self.servers)
        return LanguageModelError(
            f"all servers have been away for more than {self.patience:g} s: {reasons}; start one of them, then run the "
            "same command again: what was answered is kept"
        )

    def _check(self) -> None:
        with self._one_check:
            if not self._checked:
                _ = self.identity

    def _rank(self, group: str) -> tuple[ServerModel, ...]:
        def score(server: ServerModel) -> bytes:
            return hashlib.blake2b(f"{server.base_url}\0{group}".encode(), digest_size=8).digest()

        return tuple(sorted(self.servers, key=score))


def _names(servers: Sequence[ServerModel]) -> str:
    return ", ".join(server.base_url for server in servers)
