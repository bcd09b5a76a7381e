"""Tables from run folders: the cells, the tests, the page, the headline figures, bad input."""

import csv
import dataclasses
import json
import math

import pytest
import yaml

from benchmarks import table
from benchmarks.experiments.runs import Run, RunFolderError, config_of, read_runs, write_archive, write_run
from benchmarks.experiments.schema import defaults
from benchmarks.experiments.tables import headline
from benchmarks.experiments.tables.cells import tabulate
from benchmarks.experiments.tables.comparisons import compare
from benchmarks.experiments.tables.figures import draw
from benchmarks.experiments.tables.page import BEGIN, END, PageError, markdown, write_page

PLAIN = {"f1_hungarian": 0.5, "f1_best": 0.6, "f1_ceiling": 1.0, "f1_ceiling_hungarian": 1.0, "nmi": 0.4}


def make(root, dataset="agnews", arm="full", seed=0, *, f1=None, config=None, metrics=None, **changes):
    """Writes the folder of one run."""
    metrics = dict(PLAIN if metrics is None else metrics)
    if f1 is not None:
        metrics |= {"f1_hungarian": f1, "f1_best": f1}
    experiment = changes.get("experiment", "paper/clustering")
    folder = root / experiment / dataset / arm / (changes.get("lm") or "none") / f"{seed}-{len(list(root.rglob('*')))}"
    folder.mkdir(parents=True)
    run = Run(
        folder=folder,
        **{
            "experiment": experiment,
            "task": "clustering",
            "dataset": dataset,
            "arm": arm,
            "seed": seed,
            "model": "Clustering",
            "lm": "embedded",
            "embedder": "minilm",
            "commit": "0123456789abcdef",
            "dirty": False,
            "identities": {"dataset": dataset},
            "config_digest": "",
            "date": f"2026-01-01T00:00:0{seed}+00:00",
            "seconds": 10.0 + seed,
            "metrics": metrics,
            "costs": {"calls": 100, "judgments_asked": 900, "judgments_served": 100, "prompt_tokens": 5000},
            "notes": {},
            "predicates": [],
            "reference_predicates": [],
            "versions": {},
        }
        | changes,
    )
    write_run(run)
    if config is not None:
        whole = defaults()
        whole["dataset"]["name"] = dataset
        for section, values in config.items():
            whole[section] = {**whole[section], **values} if isinstance(values, dict) else values
        (folder / "config.yaml").write_text(yaml.safe_dump(whole))
    return run


@pytest.fixture
def sweep(tmp_path):
    """Three sets, three arms that judge and one that does not, three seeds."""
    root = tmp_path / "outputs"
    for number, dataset in enumerate(("agnews", "bbc", "syngoalex_topic")):
        for seed in range(3):
            for arm, less in (("full", 0.0), ("prompting", 0.1), ("one_hot", 0.15 - 0.1 * number)):
                make(root, dataset, arm, seed, f1=0.8 - less + 0.01 * seed - 0.02 * number * (arm != "full"))
            make(root, dataset, "topic_model", seed, f1=0.5, lm=None, costs={})
    return root


def test_cells_are_means_over_seeds(sweep):
    (only,) = tabulate(read_runs([sweep]))
    assert only.arms == ["full", "one_hot", "prompting", "topic_model"]
    assert only.datasets == ["agnews", "bbc", "syngoalex_topic"]
    cell = only.cells["full", "agnews"]
    assert cell.mean("f1_hungarian") == pytest.approx(0.81)
    assert cell.standard_error("f1_hungarian") == pytest.approx(0.01 / math.sqrt(3))
    assert math.isnan(cell.mean("similarity"))
    assert cell.cost("judgments_asked", "judgments_served") == 1000
    assert [run.seed for run in cell.runs] == [0, 1, 2]


def test_a_metric_that_is_no_number_is_left_out(tmp_path):
    make(tmp_path, seed=0, f1=math.nan)
    make(tmp_path, seed=1, f1=0.7)
    (only,) = tabulate(read_runs([tmp_path]))
    assert only.cells["full", "agnews"].mean("f1_best") == pytest.approx(0.7)
    assert math.isnan(only.cells["full", "agnews"].standard_error("f1_best"))


def test_settings_have_tables_of_their_own(tmp_path):
    make(tmp_path, config={})
    make(tmp_path, lm="http://host/v1", config={})
    make(tmp_path, seed=1, config={"budget": {"max_judgments": 300}})
    # What is measured beside a run, and a model that is named where it would be found, make no other setting.
    make(tmp_path, seed=2, config={"metrics": {"similarity": True}, "model": {"name": "clustering"}})
    make(tmp_path, task="time_series", model="TimeSeries", dataset="topics", config={})
    make(tmp_path, arm="tfidf_kmeans", lm=None, config={"budget": {"max_judgments": 300}})
    tables = tabulate(read_runs([tmp_path]))
    assert [made.setting.changes for made in tables] == ["", "budget.max_judgments=300", "", ""]
    assert [made.setting.lm for made in tables] == ["embedded", "embedded", "http://host/v1", "embedded"]
    assert [("tfidf_kmeans", "agnews") in made.cells for made in tables] == [True, True, True, False]
    assert [run.seed for run in tables[0].cells["full", "agnews"].runs] == [0, 2]


def test_equal_names_of_different_things_are_told_apart(tmp_path):
    make(tmp_path, arm="goalex", config={"arm": {"name": "goalex", "n_proposals": 8}})
    make(tmp_path, arm="goalex", config={"arm": {"name": "goalex", "n_proposals": None}})
    make(tmp_path, config={"dataset": {"n_texts": 200}}, identities={"dataset": "other"})
    (only,) = tabulate(read_runs([tmp_path]))
    assert only.arms == ["full", "goalex", "goalex (n_proposals=8)"]
    assert only.datasets == ["agnews", "agnews (n_texts=200)"]


def test_arms_that_ask_no_language_model_stand_beside_those_that_had_the_same_texts(tmp_path):
    make(tmp_path, config={"dataset": {"n_texts": None}})
    few = {"dataset": {"n_texts": 60}, "budget": {"max_judgments": 80}}
    make(tmp_path, config=few, identities={"dataset": "a part"})
    make(tmp_path, arm="tfidf_kmeans", lm=None, config={"dataset": {"n_texts": None}})
    whole, part = tabulate(read_runs([tmp_path]))
    assert (whole.datasets, whole.arms) == (["agnews"], ["full", "tfidf_kmeans"])
    assert (part.datasets, part.arms) == (["agnews (n_texts=60)"], ["full"])


def test_the_newest_of_equal_runs_counts(tmp_path):
    make(tmp_path, f1=0.1, date="2026-01-02T00:00:00+00:00")
    make(tmp_path, f1=0.9, date="2026-01-03T00:00:00+00:00", experiment="paper/ablations")
    make(tmp_path, f1=0.2, date="2026-01-01T00:00:00+00:00", experiment="siblings/goalex")
    (only,) = tabulate(read_runs([tmp_path]))
    assert only.cells["full", "agnews"].mean("f1_best") == 0.9
    assert len(only.passed_over) == 2
    assert "2 of them are passed over" in markdown(read_runs([tmp_path]), [only])


def test_paired_tests_over_data_sets(sweep):
    comparisons = {comparison.other: comparison for comparison in compare(tabulate(read_runs([sweep])))}
    prompting = comparisons["prompting"]
    assert prompting.difference == pytest.approx(0.12)
    # differences 0.10, 0.12, 0.14: t = mean / (sd / sqrt(3))
    assert prompting.t == pytest.approx(0.12 / (0.02 / math.sqrt(3)))
    assert 0 < prompting.p < 0.01
    assert prompting.exceptions == []
    one_hot = comparisons["one_hot"]  # differences 0.15, 0.07, -0.01
    assert one_hot.exceptions == ["syngoalex_topic"]
    assert one_hot.holds
    assert one_hot.p > 0.05


def test_pairs_have_the_seeds_that_both_arms_have(tmp_path):
    for seed, f1 in enumerate((0.9, 0.5)):
        make(tmp_path, seed=seed, f1=f1)
    make(tmp_path, arm="prompting", seed=1, f1=0.6)
    make(tmp_path, arm="named", seed=1, f1=0.95)  # a bound, with which nothing is compared
    (comparison,) = compare(tabulate(read_runs([tmp_path])))
    assert comparison.difference == pytest.approx(-0.1)
    assert not comparison.holds
    assert math.isnan(comparison.p)  # one set allows no test


def test_the_page(sweep, monkeypatch):
    make(
        sweep,
        "topics",
        seed=0,
        task="time_series",
        model="TimeSeries",
        metrics={"f1_hungarian": 0.6, "f1_best": 0.7, "f1_ceiling": 0.83, "f1_ceiling_hungarian": 0.75},
    )
    monkeypatch.chdir(sweep.parent)
    runs = read_runs([sweep])
    page = markdown(runs, tabulate(runs), figures=["clustering-1"])
    assert "| full | 0.810 ± 0.006 (3) | 0.810 ± 0.006 (3) | 0.810 ± 0.006 (3) |" in page
    assert "| full | 0.700 (1) |" in page
    assert "| *the greatest possible* | 0.830 |" in page
    assert "| *the greatest possible* | 0.750 |" in page
    assert page.count("the greatest possible") == 2
    assert "| prompting | better in all cells | yes | +0.120 |" in page
    assert "| no_relaxation | better in all cells, p = 5e-4 | not measured |" in page
    assert "| 100.0 | 1000.0 | 5000.0 | 0.0 | 11.0 |" in page
    assert "images/benchmarks/clustering-1.svg" in page
    assert "time_series-1.svg" not in page
    assert f"The {len(runs)} runs below `outputs/paper/clustering`." in page
    assert str(sweep) not in page
    # Every row of a table has as many cells as its header.
    for block in page.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_only_the_part_between_the_markers_is_replaced(tmp_path):
    path = tmp_path / "docs" / "page.md"
    write_page(path, "one")
    assert path.read_text() == f"# Experiments\n\n{BEGIN}\n\none\n\n{END}\n"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(path, "two\n")
    write_page(path, "three\n")
    assert path.read_text() == f"before\n\n{BEGIN}\n\nthree\n\n{END}\nafter\n"
    for wrong in ("nothing", f"{END}\n{BEGIN}", BEGIN, f"{BEGIN}\n{BEGIN}\n{END}"):
        path.write_text(wrong)
        with pytest.raises(PageError, match="does not say where the tables belong"):
            write_page(path, "four")
        assert path.read_text() == wrong


def oracle(root, dataset, arm, seed, recovered, judgments, rounds):
    metrics = {"recovered": recovered, "judgments": judgments, "rounds": rounds}
    make(root, dataset, arm, seed, metrics=metrics, experiment="oracle", lm="oracle")


def test_headline_figures(sweep, capsys):
    for seed in range(2):
        oracle(sweep, "agnews", "full", seed, 1.0, 100, 10)
        oracle(sweep, "agnews", "coordinate", seed, 0.5, 1000, 40)
        oracle(sweep, "bbc", "full", seed, 0.5 + 0.5 * seed, 300 - 200 * seed, 5)
        oracle(sweep, "bbc", "coordinate", seed, 1.0, 1000, 100)
    table.main([str(sweep), "--json"])
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])  # as of every benchmark, the last line
    assert printed["agnews_f1"] == pytest.approx(0.81)
    assert printed["syngoalex_topic_f1"] == pytest.approx(0.81)
    assert printed["oracle_recovered"] == pytest.approx(0.875)
    assert printed["oracle_recovered_least"] == 0.5
    assert printed["oracle_judgment_ratio"] == pytest.approx(600 / 4000)
    assert printed["oracle_judgment_ratio_greatest"] == pytest.approx(0.2)  # bbc
    assert printed["oracle_round_ratio"] == pytest.approx(30 / 280)
    assert printed["oracle_round_ratio_greatest"] == pytest.approx(0.25)  # agnews
    assert set(printed["missing"]) == {
        *("series_f1_of_ceiling", "series_curves_correlation", "classification_beats_probe", "refinement_gain"),
        *("classification_binary_beats_probe", "peers_beaten"),
    }
    assert len(printed["runs"]["agnews_f1"]) == 3
    assert len(printed["runs"]["oracle_round_ratio"]) == 8
    for folders in printed["runs"].values():
        for folder in folders:
            assert read_runs([folder])[0].dataset in folder
    relations = {relation["full_better_than"]: relation for relation in printed["relations"]}
    assert relations["one_hot"]["not_on"] == ["syngoalex_topic"]
    page = markdown(read_runs([sweep]), tabulate(read_runs([sweep])))
    assert "| agnews | 2 | 1.000 | 0.500 | 100 | 1,000 | 0.100 | 10 | 40 | 0.250 |" in page


def test_an_archive_stands_for_its_runs(sweep, tmp_path):
    archive = tmp_path / "runs.jsonl"
    runs = read_runs([sweep])
    write_archive(runs, archive)
    again = read_runs([archive])
    alike = {"folder": archive, "config": None}
    assert [dataclasses.replace(run, **alike) for run in again] == [
        dataclasses.replace(run, **alike) for run in sorted(runs, key=lambda run: run.folder)
    ]
    assert [config_of(run) for run in again] == [config_of(run) for run in sorted(runs, key=lambda run: run.folder)]
    assert len(tabulate(again)) == len(tabulate(runs))
    archive.write_text(archive.read_text().replace('"run":', '"ran":', 1))
    with pytest.raises(RunFolderError, match=r"line 1 of .* is no run"):
        read_runs([archive])


def test_headline_figures_that_are_not_there(tmp_path, capsys):
    make(tmp_path, lm="embedded:qwen2.5-coder-0.5b")
    make(tmp_path, lm="http://host/v1")
    make(tmp_path, dataset="syngoalex_topic", lm="native:qwen2.5-coder-1.5b", f1=0.6)
    table.main([str(tmp_path), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed["agnews_f1"] is None
    assert printed["syngoalex_topic_f1"] == pytest.approx(0.6)
    assert printed["oracle_recovered"] is printed["oracle_round_ratio"] is None
    assert {name for name, value in printed.items() if value is None} == set(printed["missing"])
    assert {"agnews_f1", "oracle_recovered", "oracle_judgment_ratio", "oracle_round_ratio"} <= set(printed["missing"])
    assert "the arm full on agnews" in printed["missing"]["agnews_f1"]
    assert printed["runs"]["agnews_f1"] == []


def test_the_loss_is_drawn_against_judgments_and_rounds(tmp_path):
    make(tmp_path, trace=[{"loss": 3.0, "judgments": 100}, {"loss": 2.5, "judgments": 180}])
    make(tmp_path, arm="kmeans")
    tables = tabulate(read_runs([tmp_path]))
    svg = draw(tables)["convergence-clustering-1"]
    assert "Judgments" in svg
    assert "Round" in svg
    assert "convergence-clustering-1.svg" in markdown(read_runs([tmp_path]), tables, figures=draw(tables))


def test_what_sweeps_have_written_counts_beside_the_published_runs(tmp_path, monkeypatch, capsys):
    make(tmp_path / "recorded")
    write_archive(read_runs([tmp_path / "recorded"]), tmp_path / "runs.jsonl")
    monkeypatch.setattr(table, "RECORDED", tmp_path / "runs.jsonl")
    monkeypatch.chdir(tmp_path)
    counts = []
    for seed in (1, 2):
        table.main(["--json"])
        counts.append(json.loads(capsys.readouterr().out)["cells_run"])
        make(tmp_path / "outputs", seed=seed)
    assert counts == [1, 2]


def test_the_setting_with_the_most_seeds_is_the_headline(tmp_path):
    make(tmp_path, f1=0.9, config={"budget": {"max_judgments": 300}})
    for seed in range(2):
        make(tmp_path, seed=seed, f1=0.7, config={})
    runs = read_runs([tmp_path])
    assert headline.headline(runs, tabulate(runs))["agnews_f1"].value == pytest.approx(0.7)


def test_the_command_writes_page_and_figures(sweep, tmp_path, capsys):
    out = tmp_path / "docs" / "experiments.md"
    table.main([str(sweep / "paper"), str(sweep), "--out", str(out)])
    assert set(json.loads(capsys.readouterr().out)) >= {"agnews_f1", "relations"}  # the last line, and no other
    svg = (tmp_path / "docs" / "images" / "benchmarks" / "clustering-1.svg").read_text()
    assert svg.startswith("<svg")
    assert "prompting" in svg
    assert "0.810 ± 0.006 (3)" in out.read_text()  # folders named twice count once
    table.main([str(sweep)])
    printed = capsys.readouterr().out
    assert "### At a glance" in printed
    assert json.loads(printed.splitlines()[-1])["cells_run"] == 36
    out.write_text("a page of somebody else's")
    with pytest.raises(SystemExit, match="does not say where the tables belong"):
        table.main([str(sweep), "--out", str(out)])


def test_runs_without_any_truth(tmp_path, capsys):
    make(tmp_path, metrics={"loss": 3.0})
    table.main([str(tmp_path), "--out", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text()
    assert "[page-cells.csv](page-cells.csv)" in text
    assert "Macro F1" not in text
    assert json.loads(capsys.readouterr().out)["cells_run"] == 1
    (row,) = csv.DictReader((tmp_path / "page-cells.csv").read_text().splitlines())
    # 900 judgments were asked, 100 served by the store
    assert [row[name] for name in ("data set", "arm", "loss", "calls", "judgments")] == [
        "agnews",
        "full",
        "3.0",
        "100.0",
        "1000.0",
    ]
    table.main([str(tmp_path)])
    assert "| agnews | full | 1 |  |  |" in capsys.readouterr().out


def test_bad_input(tmp_path):
    with pytest.raises(SystemExit, match="there is no folder"):
        table.main([str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="holds no finished run"):
        table.main([str(tmp_path)])
    run = make(tmp_path, config={})
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(SystemExit, match="has the format 2, expected 1"):
        table.main([str(tmp_path), "--json"])
    path.write_text(json.dumps({"format": 1} | dataclasses.asdict(run), default=str))
    for broken in ("[unclosed", "- a list"):
        (run.folder / "config.yaml").write_text(broken)
        with pytest.raises(RunFolderError, match=r"config\.yaml"):
            tabulate(read_runs([tmp_path]))
