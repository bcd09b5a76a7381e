import json
import logging
from pathlib import Path

import pytest

import nlparam
from nlparam.errors import BudgetError, LanguageModelError, NlparamError
from nlparam.models import Clustering
from nlparam.runtime.budget import Budget, Meter, Price, load_price
from nlparam.runtime.costs import Costs
from nlparam.runtime.telemetry import emit, write_events
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


def _fit(tmp_path, budget=None, seed=0, **options):
    texts, labels = topics(120, 3)
    oracle = Oracle(texts, labels, distractors=2)
    fit = nlparam.fit(
        Clustering(3),
        texts,
        lm=oracle.model(strong=False),
        predicates=oracle.predicates,
        embedder=LexicalEmbedder(texts),
        store=tmp_path / "store.sqlite",
        budget=budget,
        seed=seed,
        **options,
    )
    return fit, oracle


def test_limits_and_what_is_spent():
    costs = Costs()
    meter = Meter(costs, Budget(max_calls=3, max_tokens=100, max_cost=1.0, price=Price(prompt=1e4)))
    assert meter.spent is None
    costs.calls, costs.prompt_tokens = 2, 60
    assert meter.spent is None
    assert meter.cost == pytest.approx(0.6)
    assert not meter.must_wait
    meter.under_way = 1  # like the other it may use 60 tokens, which is too much
    assert meter.must_wait
    assert meter.spent is None  # it may use none
    costs.calls = 3
    assert meter.spent == "3 of 3 calls"
    assert Meter(Costs(), Budget(max_seconds=1e-9)).spent is not None
    priced = Meter(Costs(calls=5, completion_tokens=10**6), Budget(max_cost=2.0, price=Price(completion=2.0)))
    assert priced.spent == "2 of 2 in cost"
    priced.costs.completion_tokens -= 1
    priced.under_way = 1
    assert priced.spent is None
    assert priced.must_wait


def test_what_is_left_of_a_budget():
    costs = Costs(calls=2, prompt_tokens=60)
    budget = Budget(max_calls=3, max_tokens=100, max_cost=1.0, price=Price(prompt=1e4))
    left = Meter(costs, budget).left
    assert (left.max_calls, left.max_tokens, left.max_seconds, left.price) == (1, 40, None, budget.price)
    assert left.max_cost == pytest.approx(0.4)
    costs.calls = 3
    with pytest.raises(BudgetError, match=r"the budget is spent \(3 of 3 calls\): allow more"):
        _ = Meter(costs, budget).left


@pytest.mark.parametrize("limit", [{"max_calls": 0}, {"max_seconds": float("nan")}, {"max_tokens": -5}])
def test_limits_that_are_none(limit):
    with pytest.raises(BudgetError, match="expected a number above 0"):
        Budget(**limit)


def test_a_limit_on_the_cost_needs_a_price():
    with pytest.raises(BudgetError, match="without a price"):
        Budget(max_cost=1.0)
    with pytest.raises(BudgetError, match="at least 0"):
        Price(hour=-1)


def test_prices_come_from_a_table(tmp_path):
    assert load_price("gguf:0123") == Price()
    with pytest.raises(BudgetError, match=r"no price for 'server:gpt-x'.*--prices"):
        load_price("server:gpt-x")
    table = tmp_path / "prices.toml"
    table.write_text('[models."big-*"]\nprompt = 1.5\ncompletion = 6\n[models."*"]\nhour = 2.0\n')
    assert load_price("server:big-7b@org/big-7b", table) == Price(prompt=1.5, completion=6)
    assert load_price("server:other", table) == Price(hour=2.0)
    assert load_price("server:big-7b", table).of(2e6, 1e6, 3600) == pytest.approx(9.0)
    for content in ('[models."x"]\ncheap = 1', "models = 3", "[[", '[models."x"]\nprompt = "1"'):
        table.write_text(content)
        with pytest.raises(BudgetError, match="no table of prices"):
            load_price("server:x", table)
    with pytest.raises(BudgetError, match="cannot read the prices"):
        load_price("server:x", tmp_path / "none.toml")


@pytest.mark.slow
def test_a_fit_that_meets_its_budget_ends_with_the_best_so_far(tmp_path):
    whole, oracle = _fit(tmp_path / "a")
    n_calls = len(oracle.asked)
    with pytest.warns(nlparam.errors.FitWarning, match=r"the budget is spent \(\d+ of \d+ calls\).*best fit so far"):
        fit, oracle = _fit(tmp_path / "b", Budget(max_calls=n_calls * 2 // 3))
    assert fit.result is nlparam.RESULTS.budget_spent
    assert len(oracle.asked) == n_calls * 2 // 3 == fit.costs.calls
    assert len(fit.predicates) >= 1
    # The same command with more goes on: nothing is asked twice, and it ends as if it had never stopped.
    again, rest = _fit(tmp_path / "b")
    assert again.predicates == whole.predicates
    assert not set(rest.asked) & set(oracle.asked)
    assert again.loss == pytest.approx(whole.loss)


@pytest.mark.slow
def test_a_budget_too_small_for_anything_says_so(tmp_path):
    with pytest.raises(LanguageModelError, match=r"the budget is spent: 5 of 5 calls"):
        _fit(tmp_path, Budget(max_calls=5))


@pytest.mark.slow
def test_costs_of_a_fit_have_stages_and_money(tmp_path):
    fit, _ = _fit(tmp_path, Budget(price=Price(prompt=1000.0)))
    assert fit.costs.money == pytest.approx(fit.costs.prompt_tokens / 1000)
    assert fit.costs.stages["judging"]["calls"] == fit.costs.calls
    assert sum(stage.get("judgments_asked", 0) for stage in fit.costs.stages.values()) == fit.costs.judgments_asked
    fit.save(tmp_path / "fit")
    kept = json.loads((tmp_path / "fit" / "fit.json").read_text())["costs"]
    assert kept["stages"] == fit.costs.stages
    assert kept["money"] == fit.costs.money


@pytest.mark.slow
def test_events_are_lines_of_json_and_nobody_hears_them_unasked(tmp_path, caplog):
    path = tmp_path / "events.jsonl"
    with write_events(path):
        fit, _ = _fit(tmp_path)
        emit("something", number=3, text="\x1b[31m\n")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    stages = [line["stage"] for line in lines if line["event"] == "stage"]
    assert {"embedding", "relaxation", "proposing", "judging", "selection"} <= set(stages)
    assert sum(line.get("calls", 0) for line in lines) == fit.costs.calls
    assert lines[-1]["text"] == "\x1b[31m\n"
    before = path.read_text()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        emit("unheard")
    assert path.read_text() == before
    assert caplog.records == []


def test_events_of_blocks_that_overlap_are_written_to_the_end_of_each(tmp_path):
    level = logging.getLogger("nlparam.events").level
    first, second = tmp_path / "new" / "first.jsonl", tmp_path / "second.jsonl"
    later = write_events(second)
    with write_events(first):
        later.__enter__()
        emit("while both are open")
    emit("while one is open")
    later.__exit__(None, None, None)
    emit("while none is open")
    assert len(first.read_text().splitlines()) == 1
    assert len(second.read_text().splitlines()) == 2
    assert logging.getLogger("nlparam.events").level == level


def test_events_that_cannot_be_written_are_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"events cannot be written to .* \(.+\): give another file \(--events\)"
    for path in (tmp_path, tmp_path / "file" / "events.jsonl"):
        with pytest.raises(NlparamError, match=message), write_events(path):
            pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_full_disk_ends_no_run():
    with write_events("/dev/full"):
        emit("lost", number=1)


def test_stages_are_spans_of_opentelemetry():
    trace = pytest.importorskip("opentelemetry.trace")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    costs = Costs()
    with costs.stage("judging"):
        costs.calls += 2
    with pytest.raises(ZeroDivisionError), costs.stage("selection"):
        _ = 1 / 0
    judging, selection = exporter.get_finished_spans()
    assert judging.name == "nlparam.judging"
    assert dict(judging.attributes or {})["nlparam.calls"] == 2
    assert not selection.status.is_ok
