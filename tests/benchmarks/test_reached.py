"""The figures of the last line that compare with the paper and with the peers, from small runs."""

import json

import pytest

from benchmarks import table
from benchmarks.experiments.runs import read_runs
from benchmarks.experiments.tables.cells import tabulate
from benchmarks.experiments.tables.page import markdown
from tests.benchmarks.test_table import PLAIN, make


def last_line(runs, capsys):
    table.main([str(runs), "--json"])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_no_row_says_nothing_and_a_scripted_model_is_no_row(tmp_path, capsys):
    make(tmp_path, lm="scripted")
    make(tmp_path, lm="scripted", arm="no_refinement", f1=0.1)
    printed = last_line(tmp_path, capsys)
    names = "relations_held series_f1_of_ceiling classification_beats_probe refinement_gain peers_beaten cells_run"
    assert [printed[name] for name in names.split()] == [None] * 6
    assert set(names.split()) <= set(printed["missing"])
    assert printed["peers"] == []


def test_relations_that_hold_and_the_gain_of_refinement(tmp_path, capsys):
    for number, dataset in enumerate(("agnews", "bbc")):
        for seed in range(3):
            make(tmp_path, dataset, seed=seed, f1=0.8)
            make(tmp_path, dataset, "no_relaxation", seed, f1=0.7 + 0.01 * seed)
            make(tmp_path, dataset, "goalex", seed, f1=0.9 - 0.3 * number + 0.1 * seed)
            make(tmp_path, dataset, "no_refinement", seed, f1=0.75 - 0.02 * number)
    # A setting with fewer runs does not count.
    make(tmp_path, f1=0.1, config={"budget": {"max_judgments": 300}})
    make(tmp_path, arm="no_refinement", f1=0.9, config={"budget": {"max_judgments": 300}})
    printed = last_line(tmp_path, capsys)
    assert printed["relations_held"] == 2
    assert printed["refinement_gain"] == pytest.approx(0.06)
    assert printed["cells_run"] == 26
    assert len(printed["runs"]["relations_held"]) == 24
    goalex = next(one for one in printed["relations"] if one["full_better_than"] == "goalex")
    assert goalex["p_over_seeds"] > 0.05


def test_relations_of_the_arms_as_published_are_their_own(tmp_path, capsys):
    for dataset in ("agnews", "bbc"):
        make(tmp_path, dataset, "published", f1=0.7)
        make(tmp_path, dataset, "published_no_relaxation", f1=0.6)
        make(tmp_path, dataset, "goalex_published", f1=0.75)
    printed = last_line(tmp_path, capsys)
    assert printed["relations"] == []
    found = {one["published_better_than"]: one["difference"] for one in printed["published_relations"]}
    assert found == pytest.approx({"published_no_relaxation": 0.1, "goalex_published": -0.05})
    page = markdown(read_runs([tmp_path]), tabulate(read_runs([tmp_path])))
    assert "| published_no_relaxation | better in all cells, p = 5e-4 | yes | +0.100 |" in page


def test_series_are_measured_by_what_they_could_reach(tmp_path, capsys):
    for dataset, f1, ceiling in (("topics", 0.6, 0.8), ("language", 0.8, 0.8)):
        metrics = {"f1_best": f1, "f1_hungarian": 0.1, "f1_ceiling": ceiling}
        make(tmp_path, dataset, task="time_series", model="TimeSeries", metrics=metrics)
    make(tmp_path, "topics", "prompting", task="time_series", model="TimeSeries", metrics=metrics)
    printed = last_line(tmp_path, capsys)
    assert printed["series_f1_of_ceiling"] == pytest.approx((0.75 + 1.0) / 2)
    assert len(printed["runs"]["series_f1_of_ceiling"]) == 2


def test_classifications_are_measured_by_a_probe_and_by_the_larger_class(tmp_path, capsys):
    measured = {"agnews": (0.80, 0.88, 0.3), "sotu": (0.70, 0.90, 0.3), "demo_mem": (0.55, 0.60, 0.56), "bbc": None}
    names = ("accuracy", "accuracy_probe", "accuracy_larger")
    for dataset, values in measured.items():
        metrics = PLAIN | (dict(zip(names, values, strict=True)) if values else {})
        make(tmp_path, dataset, task="classification", model="Classification", metrics=metrics)
    printed = last_line(tmp_path, capsys)
    assert printed["classification_beats_probe"] == pytest.approx(1 / 3)
    page = markdown(read_runs([tmp_path]), tabulate(read_runs([tmp_path])))
    assert "| of a linear probe | of the most frequent class |" in page


def test_peers_are_beaten_by_f1_or_accuracy(tmp_path, capsys):
    costs = {"judgments_asked": 3000, "proposals_served": 20}
    for dataset in ("agnews", "bbc"):
        make(tmp_path, dataset, f1=0.8)
        make(tmp_path, dataset, "lloom", f1=0.7 if dataset == "agnews" else 0.85, costs=costs)
        make(tmp_path, dataset, "kmeans", f1=0.9)
    for arm, accuracy in (("full", 0.6), ("hypothesaes", 0.5)):
        # The F1 of a classification does not count.
        metrics = {"f1_best": 1 - accuracy, "accuracy": accuracy}
        make(tmp_path, "sotu", arm, task="classification", model="Classification", metrics=metrics)
    printed = last_line(tmp_path, capsys)
    assert printed["peers_beaten"] == 2
    peers = {peer["peer"]: peer for peer in printed["peers"]}
    assert peers["lloom"] | {"difference": 0} == {
        "peer": "lloom",
        "difference": 0,
        "ahead": True,
        "not_on": ["bbc"],
        "answers": 3020,
        "answers_of_full": 1000,
    }
    assert peers["hypothesaes"]["difference"] == pytest.approx(0.1)
    assert not peers["kmeans"]["ahead"]
    assert "bertopic" not in peers
