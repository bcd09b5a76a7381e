"""The adaptive limit: it settles near what a server can do, gives way to overload, and keeps the order."""

import asyncio
import selectors
import time

import pytest

from nlparam.lm import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.server import AdaptiveLimit, ServerModel
from nlparam.runtime.costs import Costs
from tests.helpers.faulty_server import FaultyServer


def reads(n: int) -> list[Request]:
    return [Request((Message("user", f"text {number}"),), labels=("yes", "no")) for number in range(n)]


def run(lm: ServerModel, n: int) -> Costs:
    costs = Costs()
    with Engine(lm, store=None, costs=costs, backoff=0.01, max_retries=20) as engine:
        assert all(engine.run(reads(n)))
    return costs


class _SimulatedTime(asyncio.SelectorEventLoop):
    """An event loop in which every wait is over at once: the same on an idle and on a busy machine."""

    def __init__(self):
        super().__init__(_NoWaiting())
        self._selector: _NoWaiting

    def time(self) -> float:
        return self._selector.now


class _NoWaiting(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        self.now += max(timeout or 0.0, 0.0)
        return super().select(0)


@pytest.mark.parametrize("capacity", [4, 24])
def test_it_settles_near_what_a_server_can_work_on(capacity):
    """More in flight than the server works on at once adds nothing, and fewer would leave it idle."""

    async def scenario() -> tuple[int, int]:
        limit = AdaptiveLimit(64, clock=asyncio.get_running_loop().time)
        assert limit.limit == 16
        places, most = asyncio.Semaphore(capacity), 0

        async def work() -> None:
            nonlocal most
            await limit.acquire()
            most = max(most, limit.in_flight)
            async with places:
                await asyncio.sleep(0.04)
            limit.release(answered=True)

        await asyncio.gather(*[work() for _ in range(60 * capacity + 900)])
        return limit.limit, most

    with asyncio.Runner(loop_factory=_SimulatedTime) as runner:
        settled, most = runner.run(scenario())
    assert 0.7 * capacity <= settled <= 2 * capacity
    assert most <= 64


@pytest.mark.slow
def test_a_real_server_that_works_on_few_at_once_is_never_overrun():
    with FaultyServer("--delay", "0.04", "--capacity", "24") as server:
        lm = ServerModel(server.url, max_in_flight=64)
        assert run(lm, 1200).retries == 0
        assert 8 <= server.state()["most_at_once"] <= 64


@pytest.mark.slow
def test_it_never_goes_above_the_most():
    with FaultyServer("--delay", "0.01") as server:
        lm = ServerModel(server.url, max_in_flight=6)
        run(lm, 400)
        assert lm.limit.limit <= 6
        assert server.state()["most_at_once"] == 6


@pytest.mark.slow
def test_it_gives_way_to_a_server_that_turns_requests_away():
    """At most 5 at once, the others get 429: few are turned away, because the limit stays below."""
    with FaultyServer("--delay", "0.01", "--queue", "5") as server:
        lm = ServerModel(server.url, max_in_flight=64)
        costs = run(lm, 1000)
        assert lm.limit.limit <= 6
        assert costs.failures == 0
        assert costs.calls == 1000 + server.state()["seen"]["turned away"]
        assert server.state()["seen"]["turned away"] < 100


@pytest.mark.slow
def test_retry_after_closes_the_gate_for_all():
    with FaultyServer("--delay", "0.01") as server:
        lm = ServerModel(server.url, max_in_flight=4)
        run(lm, 4)
        server.tell(("429:1", 1))
        start = time.monotonic()
        run(lm, 40)
        # Those under way at the moment of the 429 are served; all others wait for the second it asked for.
        assert time.monotonic() - start >= 1.0
        assert lm.limit.limit == 2


def test_a_pause_ends_in_another_event_loop_than_it_began_in():
    limit = AdaptiveLimit(4)

    async def is_turned_away():
        await limit.acquire()
        limit.overloaded(0.3)
        limit.release(answered=False)

    async def comes_later():
        await asyncio.wait_for(limit.acquire(), timeout=20)
        limit.release(answered=True)

    asyncio.run(is_turned_away())
    asyncio.run(comes_later())
    assert limit.in_flight == 0


def test_those_who_wait_pass_in_order_and_one_that_gives_up_leaves_no_gap():
    async def scenario() -> list[int]:
        limit, passed = AdaptiveLimit(2), []

        async def work(number: int) -> None:
            await limit.acquire()
            try:
                passed.append(number)
                await asyncio.sleep(0.01)
            finally:
                limit.release(answered=True)

        tasks = [asyncio.create_task(work(number)) for number in range(8)]
        await asyncio.sleep(0)
        assert (limit.in_flight, limit.waiting) == (2, 6)
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (limit.in_flight, limit.waiting) == (0, 0)
        return passed

    assert asyncio.run(scenario()) == [0, 1, 2, 4, 5, 6, 7]


def test_requests_turned_away_together_halve_it_once():
    async def scenario() -> list[int]:
        limit, limits = AdaptiveLimit(64), []
        for _ in range(16):
            await limit.acquire()
        for _ in range(16):
            limit.overloaded()
            limit.release(answered=False)
            limits.append(limit.limit)
        await limit.acquire()
        limit.overloaded()
        limit.release(answered=False)
        return [*limits, limit.limit]

    assert asyncio.run(scenario()) == [8] * 16 + [4]


def test_the_most_may_be_changed():
    limit = AdaptiveLimit(64)
    limit.most = 3
    assert (limit.most, limit.limit) == (3, 3)
