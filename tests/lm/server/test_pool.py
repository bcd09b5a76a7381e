"""Several servers used as one: texts keep their server, and a server that dies is left out until it is back."""

import threading
import time
from collections import defaultdict

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.server import ServerModel, ServerPool
from nlparam.runtime.costs import Costs
from tests.helpers.faulty_server import FaultyServer


def reads(n_groups: int, each: int = 4) -> list[Request]:
    return [
        Request((Message("user", f"group {group} question {number}"),), labels=("yes", "no"), group=f"text {group}")
        for group in range(n_groups)
        for number in range(each)
    ]


def pool_of(*servers: FaultyServer, **options) -> ServerPool:
    return ServerPool([ServerModel(server.url, max_in_flight=4) for server in servers], **options)


def engine_of(lm: ServerPool, costs: Costs | None = None) -> Engine:
    return Engine(lm, store=None, costs=costs or Costs(), backoff=0.02)


def groups_of(server: FaultyServer) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for prompt in server.state()["prompts"]:
        found[" ".join(prompt.split()[:2])] += 1
    return dict(found)


@pytest.mark.slow
def test_each_text_has_one_server_and_all_have_work():
    with FaultyServer() as a, FaultyServer() as b, FaultyServer() as c:
        lm = pool_of(a, b, c)
        assert lm.identity == "server:faulty-model"
        assert lm.max_in_flight == 12
        with engine_of(lm) as engine:
            assert all(engine.run(reads(60)))
        seen = [groups_of(server) for server in (a, b, c)]
    assert sorted(group for groups in seen for group in groups) == sorted(f"group {number}" for number in range(60))
    assert {count for groups in seen for count in groups.values()} == {4}
    assert all(8 <= len(groups) <= 32 for groups in seen)


def test_requests_without_a_group_are_spread():
    with FaultyServer("--delay", "0.01") as a, FaultyServer("--delay", "0.01") as b:
        with engine_of(pool_of(a, b)) as engine:
            assert all(engine.run([Request((Message("user", f"text {number}"),)) for number in range(100)]))
        assert min(len(server.state()["prompts"]) for server in (a, b)) >= 30


@pytest.mark.slow
def test_a_server_that_dies_is_left_out_and_tried_again():
    with FaultyServer("--delay", "0.01") as a, FaultyServer("--delay", "0.01") as b:
        lm, costs = pool_of(a, b), Costs()
        with engine_of(lm, costs) as engine:
            before = engine.run(reads(40))
            of_a = set(groups_of(a))
            seen = []
            thread = threading.Thread(target=lambda: seen.append(engine.run(reads(150))))
            thread.start()
            time.sleep(0.3)
            a.kill()
            thread.join(timeout=60)
            assert before + seen[0][160:] == engine.run(reads(40)) + seen[0][160:]
            assert all(seen[0])
            assert of_a & set(groups_of(b))  # its groups have moved
            assert lm.servers[0].outage.down
            a.start()
            deadline = time.monotonic() + 20
            while lm.servers[0].outage.down:
                assert time.monotonic() < deadline
                engine.run(reads(1))
                time.sleep(0.05)
            engine.run(reads(40))
            assert set(groups_of(a)) == of_a  # and have come back
        assert costs.failures == 0


@pytest.mark.slow
def test_it_fails_only_when_all_are_gone():
    gone = r"all servers have been away for more than 0\.5 s: .*same command"
    with FaultyServer("--delay", "0.01") as a, FaultyServer("--delay", "0.01") as b:
        engine = engine_of(pool_of(a, b, patience=0.5))
        with engine:
            assert all(engine.run(reads(10)))
            a.kill()
            assert all(engine.run(reads(10)))
            b.kill()
            with pytest.raises(LanguageModelError, match=gone):
                engine.run(reads(10))
            b.start()
            deadline = time.monotonic() + 20
            while True:  # the same engine goes on as soon as one is back
                try:
                    assert all(engine.run(reads(10)))
                    break
                except LanguageModelError:
                    assert time.monotonic() < deadline


def test_servers_of_different_models():
    with FaultyServer() as a, FaultyServer("--model", "another") as b:
        with pytest.raises(LanguageModelError, match=r"different models \(.*faulty-model.*another"):
            _ = pool_of(a, b).identity
        with engine_of(pool_of(a, b)) as engine, pytest.raises(LanguageModelError, match="different models"):
            engine.run(reads(2))
        assert a.state()["prompts"] == b.state()["prompts"] == []


@pytest.mark.slow
def test_a_server_that_comes_back_with_another_model_stays_out():
    with FaultyServer() as a, FaultyServer() as b, engine_of(pool_of(a, b)) as engine:
        assert all(engine.run(reads(20)))
        a.kill()
        assert all(engine.run(reads(20)))
        a.start("--model", "another")
        for _ in range(20):
            assert all(engine.run(reads(20)))
            time.sleep(0.02)
        assert a.state()["prompts"] == []


def test_a_server_that_is_not_there_at_the_start():
    with FaultyServer() as a, FaultyServer() as b:
        b.kill()
        with pytest.raises(LanguageModelError, match=f"cannot connect to {b.url}"):
            _ = pool_of(a, b).identity


@pytest.mark.slow
def test_a_server_with_a_long_queue_is_helped():
    """One of two servers is a hundred times slower; the quick one takes what waits too long."""
    with FaultyServer("--delay", "0.15") as slow, FaultyServer("--delay", "0.0015") as quick:
        with engine_of(pool_of(slow, quick)) as engine:
            lm = engine.lm
            assert isinstance(lm, ServerPool)
            lm.servers[0].max_in_flight, lm.servers[1].max_in_flight = 1, 15
            start = time.monotonic()
            assert all(engine.run(reads(40, 1)))
        assert time.monotonic() - start < 0.15 * len(slow.state()["prompts"]) + 1.5
        assert len(slow.state()["prompts"]) < len(quick.state()["prompts"])


@pytest.mark.slow
def test_a_server_that_hangs_does_not_keep_its_texts():
    with FaultyServer() as a, FaultyServer() as b:
        lm = ServerPool([ServerModel(server.url, max_in_flight=4, timeout=1.5) for server in (a, b)])
        costs = Costs()
        with engine_of(lm, costs) as engine:
            assert all(engine.run(reads(10)))
            a.tell(("hang", 100_000))
            assert all(engine.run(reads(40)))
        assert costs.failures == 0
        assert len(a.state()["prompts"]) < len(b.state()["prompts"])


def test_the_same_server_twice():
    with pytest.raises(LanguageModelError, match="named twice"):
        ServerPool([ServerModel("http://localhost:1"), ServerModel("http://localhost:1/v1")])
