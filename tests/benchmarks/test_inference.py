"""The benchmark of intervals and claims: its scenarios, its runs and its figures."""

import json
import re

import numpy as np
import pytest

from benchmarks.inference import __main__ as command
from benchmarks.inference import real
from benchmarks.inference.scenarios import SCENARIOS, Found, Scenario, run, scenario, scenarios
from benchmarks.inference.shares import as_people_see_it, as_they_are
from benchmarks.inference.summary import BEGIN, END, missed, summary, table, written
from benchmarks.simulated import answered, correlated, some
from nlparam.lm.scripted import ScriptedModel


def coin(rng, *, planted=False, naive=False):
    """Claims one in two where something is planted, and never else; its interval holds unless naive."""
    return Found([not naive], 0.5, claimed=planted and bool(rng.random() < 0.5), figures={"width_ratio": 0.8})


COIN = Scenario("coin", "made up", "a coin", coin)


def test_every_row_of_the_table_has_a_scenario():
    rows = {one.row for one in scenarios()}
    assert rows >= {"audit", "cascade", "chance", "coefficient", "compare", "curve", "fit", "ridge", "share"}
    assert "update" in rows
    assert len({one.name for one in SCENARIOS.values()}) == len(SCENARIOS)
    with pytest.raises(ValueError, match="got 'nothing', expected the beginning"):
        scenarios(["nothing"])
    with pytest.raises(ValueError, match="two scenarios with the name 'compare-speeches'"):
        scenario("compare", "again", name="compare-speeches")(coin)


def test_a_run_can_be_split_and_resumed(tmp_path):
    out = tmp_path / "runs.jsonl"
    first = list(run([COIN], range(3), out))
    assert len(first) == 9
    assert len(out.read_text(encoding="utf-8").splitlines()) == 9
    again = list(run([COIN], range(4), out))
    assert again[:3] == first[:3]
    assert len(out.read_text(encoding="utf-8").splitlines()) == 12
    # Lines that were made elsewhere count as well, and are not written again.
    elsewhere = list(run([COIN], range(4), tmp_path / "other.jsonl", known=again, parts=["main"]))
    assert elsewhere == again[:4]
    assert not (tmp_path / "other.jsonl").exists()


def test_all_parts_of_a_scenario_draw_the_same_random_numbers():
    def draw(rng, *, planted=False):
        return Found(figures={"drawn": float(rng.random())}, claimed=planted)

    one = Scenario("draw", "made up", "a draw", draw)
    assert one.parts == ("main", "planted")
    assert one.found("main", 3).figures == one.found("planted", 3).figures
    assert one.found("main", 3).figures != one.found("main", 4).figures


def test_what_the_library_refuses_is_counted(tmp_path):
    def refused(rng):
        del rng
        raise ValueError("got too little")

    lines = list(run([Scenario("refused", "made up", "", refused)], range(2), tmp_path / "runs.jsonl"))
    assert summary(lines)["errors"] == {"refused": {"n": 2, "first": "ValueError: got too little"}}


def test_the_figures_are_shares_of_runs_with_standard_errors():
    figures = summary(run([COIN], range(100), None))
    assert figures["coverage"]["coin"]["value"] == 1.0
    assert figures["null_claims"]["coin"] == {"value": 0.0, "n": 100, "se": pytest.approx(0.0099, abs=1e-3)}
    assert figures["power"]["coin"]["value"] == pytest.approx(0.5, abs=0.15)
    assert figures["power"]["coin"]["se"] == pytest.approx(0.05, abs=0.01)
    assert figures["naive"]["coverage"]["coin"]["value"] == 0.0
    assert figures["width_ratios"] == {"coin": 0.8}
    assert missed(figures) == ["coin: coverage 1.000"]
    figures["coverage"]["coin"] = {"value": 0.9, "n": 300, "se": 0.01}
    figures["null_claims"]["coin"] = {"value": 0.08, "n": 300, "se": 0.02}
    assert not missed(figures)
    figures["null_claims"]["coin"]["value"] = 0.1
    assert missed(figures) == ["coin: false claims 0.100"]


def test_worlds_are_what_they_say():
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.3
    said = answered(rng, truth, 0.8, 0.95)
    assert said[truth].mean() == pytest.approx(0.8, abs=0.02)
    assert said[~truth].mean() == pytest.approx(0.05, abs=0.01)
    known = some(rng, truth[:, None], 150)
    assert np.isfinite(known).sum() == 150
    clusters = np.repeat(np.arange(2000), 10)
    means = correlated(rng, clusters, 0.3, 0.2).reshape(2000, 10).mean(axis=1)
    # The variance of a mean of ten is (1 + 9 * .2) times that of ten that are independent.
    assert means.var() == pytest.approx(0.3 * 0.7 / 10 * 2.8, rel=0.1)


def test_corrected_shares_hold_the_truth_and_those_of_the_judge_do_not():
    world = {"n_texts": 600, "n_labels": 150, "prevalence": 0.2, "right": (0.85, 0.9)}
    corrected = [as_people_see_it(np.random.default_rng(seed), **world) for seed in range(60)]
    naive = [as_people_see_it(np.random.default_rng(seed), **world, naive=True) for seed in range(60)]
    # 240 intervals, four of a run: within three standard errors of .9.
    assert 0.84 < np.mean([one.covered for one in corrected]) < 0.96
    assert np.mean([one.covered for one in naive]) < 0.4
    assert not np.mean(as_they_are(np.ones((50, 1), dtype=bool), np.zeros(1)).covered)


def test_real_texts_have_a_row_for_each_figure():
    found = {"value": 0.9, "n": 200, "se": 0.01}
    news = {
        "n_texts": 600,
        "right": {"is about sports": 0.98},
        "shares": found,
        "uncorrected_shares": found | {"value": 0.6},
    }
    figures: dict = {"coverage": {}, "null_claims": {}, "power": {}, "naive": {}}
    rows = table(figures | {"real": {"lm": "native", "agnews": news}}).splitlines()[2:]
    assert rows == ["| real: agnews, 600 texts judged by the 1.5B, shares | 90.0% |  |  | 60.0% hold | 200 |"]
    assert table(figures | {"real": None}).splitlines()[2:] == []


def test_the_command_prints_one_object_last_and_fills_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["inference", "--only", "share-judge-p0.1", "--runs", "2", "--out",
                                     str(tmp_path / "runs.jsonl")])  # fmt: skip
    command.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures["coverage"]) == {"share-judge-p0.1-n100", "share-judge-p0.1-n400"}
    assert set(figures) >= {"coverage", "null_claims", "agrees_with_ppi_py", "width_ratio", "real"}
    assert figures["coverage"]["share-judge-p0.1-n100"]["n"] == 2
    (tmp_path / "measured.json").write_text(json.dumps(figures), encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nformer table\n{END}\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["inference", "table", "--recorded", str(tmp_path / "measured.json"), "--page",
                                     str(page)])  # fmt: skip
    command.main()
    text = page.read_text(encoding="utf-8")
    assert table(figures) in text
    assert "former table" not in text
    assert text.endswith("After.\n")
    assert re.search(
        r"^\| share: a head wrong for 20%, 100 to 400 judged, prevalence 0.1 \| [\d.]+( to [\d.]+)?% ",
        text,
        re.MULTILINE,
    )
    (tmp_path / "other.md").write_text("no place", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a page with the lines"):
        written(tmp_path / "other.md", figures)


@pytest.mark.slow
def test_real_texts_are_judged_once(tmp_path):
    asked = []

    def answer(request):
        content = request.messages[-1].content
        asked.append(content)
        text, _, question = content.rpartition("Property: ")
        subject = question.removesuffix(". Yes or no?").removeprefix("is about ")
        yes = 0.9 if len(text) % 5 == ("business", "entertainment", "politics", "sports").count(subject) else 0.1
        return {"yes": yes, "no": 1 - yes}

    model = ScriptedModel(answer)
    options = {"store": tmp_path / "store.sqlite", "n_texts": 200, "n_draws": 5, "only": ["bbc"]}
    figures = real.measure(lm=model, **options)
    n_asked = len(asked)
    assert 5 * 190 < n_asked <= 5 * 200  # a text that occurs twice is asked about once
    assert figures["bbc"]["n_texts"] == 200
    assert figures["bbc"]["shares"]["n"] == 5
    assert {"shares", "uncorrected_shares", "curve", "coefficients"} <= set(figures["bbc"])
    assert real.measure(lm=model, **options)["bbc"] == figures["bbc"]
    assert len(asked) == n_asked
