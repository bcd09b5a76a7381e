"""Models in this process: no limit to the time of a call, one to standing still, threads as cores are free."""

import asyncio
import os

import pytest

from nlparam.errors import LanguageModelError
from nlparam.lm import batching, cores
from nlparam.lm.base import AbstractLanguageModel, Completion, Message, Request
from nlparam.lm.cores import FreeCores, default_threads
from nlparam.lm.engine import Engine
from nlparam.runtime.costs import Costs


class _Slow(AbstractLanguageModel):
    """A model in this process that is seen to compute a step at every moment, or at none, before it answers."""

    identity, max_in_flight, in_process = "slow", 4, True

    def __init__(self, n_moments: int, *, computes: bool, tells: bool = True):
        self.n_moments, self.computes, self.n_steps = n_moments, computes, 0 if tells else None

    @property
    def steps(self):
        return self.n_steps

    async def complete(self, request):
        for _ in range(self.n_moments):
            await asyncio.sleep(0.002)
            if self.computes and self.n_steps is not None:
                self.n_steps += 1
        return Completion(request.messages[0].content)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """It stands still after 20 looks, each after five of its moments."""
    monkeypatch.setattr(batching, "_LOOK", 0.01)
    monkeypatch.setattr(batching, "STANDING_STILL", 0.2)


def _run(model: AbstractLanguageModel, n: int = 6) -> list[Completion | None]:
    with Engine(model, store=None, costs=Costs(), timeout=0.01) as engine:
        return engine.run([Request((Message("user", f"text {number}"),)) for number in range(n)])


@pytest.mark.slow
def test_a_call_takes_as_long_as_it_takes():
    assert None not in _run(_Slow(400, computes=True))


@pytest.mark.slow
def test_what_cannot_be_seen_is_not_taken_to_stand_still():
    assert None not in _run(_Slow(400, computes=False, tells=False))


def test_a_model_that_computes_nothing_is_given_up():
    with pytest.raises(LanguageModelError, match=r"the language model has computed nothing for .* smaller model"):
        _run(_Slow(10**6, computes=False))


def test_nothing_stands_still_where_nothing_is_asked():
    model = _Slow(0, computes=False)

    def texts():
        for number in range(3):
            yield Request((Message("user", f"text {number}"),))

    with Engine(model, store=None, costs=Costs()) as engine:
        engine.stream(texts(), on_result=lambda *_: None)
        assert engine.costs.calls == 3


def _used(monkeypatch, *others: float | None):
    """Others use so many cores between one look and the next, which come a second apart."""
    seconds = iter([0.0, *others])
    total, now = 0.0, 0.0

    def used():
        nonlocal total, now
        following = next(seconds)
        if following is None:
            return None
        total, now = total + following, now + 1.0
        return now, total

    monkeypatch.setattr(cores, "_used_by_others", used)
    monkeypatch.setattr(cores.time, "perf_counter", lambda: now + 1.0)


@pytest.mark.parametrize(
    ("n_cores", "others", "expected"),
    [
        (2, [0.0, 0.1, 0.5, 1.0, 0.9, 1.4, 2.0, 0.02], [2, 2, 1, 1, 1, 1, 1, 2]),
        (16, [0.2, 1.0, 15.5, 30.0, 0.0], [16, 15, 1, 1, 16]),
        (2, [-0.3], [2]),  # this process seems to have used more than all: clocks differ
        (2, [1.0, None, 1.0], [1, 1, 2]),  # the system tells no more
    ],
)
def test_as_many_cores_are_free_as_others_leave(monkeypatch, n_cores, others, expected):
    monkeypatch.setattr(cores, "_cores", lambda: n_cores)
    _used(monkeypatch, *others)
    free = FreeCores()
    assert [free.count() for _ in others] == expected


def test_looks_that_follow_too_soon_say_the_same(monkeypatch):
    monkeypatch.setattr(cores, "_cores", lambda: 2)
    _used(monkeypatch, 1.0, 0.0)
    free = FreeCores()
    assert free.count() == 1
    monkeypatch.setattr(cores, "_ENOUGH_SECONDS", 2.0)
    assert free.count() == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells what others use")
def test_what_others_use_is_read_from_the_kernel(tmp_path, monkeypatch):
    stat, quota = tmp_path / "stat", tmp_path / "cpu.max"
    monkeypatch.setattr(cores, "_USED", stat)
    monkeypatch.setattr(cores, "_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2})
    monkeypatch.setattr(cores.time, "process_time", lambda: 1.5)
    tick = os.sysconf("SC_CLK_TCK")
    used = f"{tick} {9 * tick} {tick} {50 * tick} 7 {tick} 0 {tick} 0 0"  # nice, idle and waiting do not count
    stat.write_text(f"cpu  1 2 3\ncpu0 {used}\ncpu1 {used}\ncpu2 {used}\nintr 5\n")
    found = cores._used_by_others()
    assert found is not None
    assert found[1] == pytest.approx(2 * 4 - 1.5)
    for nothing in ("", "cpu0 0 0 0 0 0 0 0 0\n", "cpu0 what\n"):
        stat.write_text(nothing)
        assert cores._used_by_others() is None
    assert default_threads() == 2
    for content, expected in (("100000 100000", 1), ("50000 100000", 1), ("max 100000", 2), ("900000 100000", 2)):
        quota.write_text(content)
        assert default_threads() == expected
    assert FreeCores(5).wait_and_count() == 5
