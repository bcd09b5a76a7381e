"""How long it will take, at the rate of the answers so far: measured, shown, and told at once where it is long."""

import asyncio
import itertools
import time

import numpy as np
import pytest

import nlparam
from nlparam.denotation.judge import LabelJudge
from nlparam.lm import ScriptedModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.models import Clustering
from nlparam.runtime import pace
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs
from nlparam.runtime.pace import Pace
from nlparam.runtime.progress import Progress
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


def _paced(moments: list[float]) -> Pace:
    times = iter(moments)
    found = Pace(lambda: next(times))
    for _ in moments:
        found.answered()
    return found


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([100.0], None),  # a model was loaded until then, perhaps
        ([100.0, 103.0, 106.0], 3.0),
        ([100.0] * 16, None),  # one batch
        ([100.0] * 16 + [132.0], 2.0),
        ([100.0] * 16 + [132.0] * 16, 2.0),
        ([100.0] * 16 + [132.0] * 16 + [164.0], 2.0),
        ([100.0 + 0.001 * n for n in range(16)] + [132.0 + 0.001 * n for n in range(16)], 2.0),
    ],
)
def test_what_one_answer_takes(moments, expected):
    assert _paced(moments).seconds_each == (None if expected is None else pytest.approx(expected))


@pytest.fixture
def slow(monkeypatch):
    """Every answer seems to take a minute."""
    minutes = itertools.count()
    monkeypatch.setattr(pace.Pace.__init__, "__defaults__", (lambda: 60.0 * next(minutes),))


def _advance(progress: Progress, total: int, *, served: int = 0) -> None:
    costs = Costs()
    with progress.task("judging", total, costs=costs, unit="judgments") as task:
        task.advance(served)
        for _ in range(4):
            costs.judgments_asked += 1
            task.advance()


@pytest.mark.usefixtures("slow")
def test_a_long_way_ahead_is_told_once_and_how_to_shorten_it(capsys):
    progress = Progress()
    _advance(progress, 14)
    assert capsys.readouterr().err == ""
    _advance(progress, 1000, served=990)  # served at no time: ten minutes are left
    assert capsys.readouterr().err == ""
    _advance(progress, 64)
    _advance(progress, 1000)
    out, err = capsys.readouterr()
    assert err.startswith(
        "at the rate of the answers so far, about 62 min lie ahead: with --max-seconds S (max_seconds "
    )
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.usefixtures("slow")
def test_who_wants_silence_or_has_a_limit_is_told_nothing(capsys):
    _advance(Progress(enabled=False), 1000)
    limited, costs = Progress(), Costs()
    with Engine(
        ScriptedModel(["a"]), store=None, costs=costs, progress=limited, meter=Meter(costs, Budget(max_seconds=60.0))
    ):
        _advance(limited, 1000)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("slow")
def test_the_display_says_how_much_is_left(capsys):
    _advance(Progress(enabled=True), 9)
    assert "about 5 min left" in capsys.readouterr().err
    _advance(Progress(enabled=True), 1000)
    assert "at the rate of the answers so far" in capsys.readouterr().err


@pytest.mark.usefixtures("slow")
def test_judgments_that_a_fit_still_expects_count(capsys):
    costs = Costs()
    meter = Meter(costs)
    lm = ScriptedModel(lambda _: {"yes": 0.5, "no": 0.5}, max_in_flight=1)
    pairs = np.asarray([[0, 0], [1, 0], [2, 0]])
    with Store(":memory:") as store:
        progress = Progress()
        engine = Engine(lm, store=store, costs=costs, progress=progress, meter=meter)
        with engine:
            judge = LabelJudge(engine, store, costs, progress=progress)
            judge.judge(["a", "b", "c"], ["is short"], pairs)
            assert capsys.readouterr().err == ""
            meter.expected = 100
            judge.judge(["d", "e", "f"], ["is short"], pairs)
    err = capsys.readouterr().err
    assert err.startswith("at the rate of the answers so far, about 3 h")  # two that measure share the clock
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_fit_says_that_it_will_take_long(tmp_path, monkeypatch, capsys):
    texts, labels = topics(60, 3)
    oracle = Oracle(texts, labels, distractors=2)
    monkeypatch.setattr(pace.Pace.__init__, "__defaults__", (lambda: 1000.0 * time.perf_counter(),))
    lm = oracle.model(strong=False)

    async def slowly(request):
        await asyncio.sleep(0.01)
        return await lm.complete(request)

    fit = nlparam.fit(
        Clustering(3),
        texts,
        lm=ScriptedModel(slowly, max_in_flight=1, strong=False),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        store=tmp_path / "store.sqlite",
        options={"n_rounds": 0, "n_restarts": 2},
    )
    assert fit.costs.judgments_asked > 100
    assert capsys.readouterr().err.count("at the rate of the answers so far") == 1
