"""The oracle experiment on a small set: the run folders, what is counted, and that both searches find the gold ones."""

import json

import numpy as np
import pytest

from benchmarks.experiments import oracle
from benchmarks.experiments.oracle import Candidates, OracleJudge, OracleProposer
from benchmarks.experiments.runs import read_runs
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder, topics


@pytest.fixture
def data_folder(tmp_path):
    """One clustering of three topics in our format."""
    texts, labels = topics(150, 3)
    folder = tmp_path / "data" / "cluster" / "small"
    folder.mkdir(parents=True)
    names = sorted(set(labels))
    predicates = [f"is about {name}" for name in names]
    meta = {"kind": "clustering", "name": "small", "k": 3, "labels": names, "reference_predicates": predicates}
    meta |= {"label_to_predicate": dict(zip(names, predicates, strict=True)), "goal": "the topic"}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    rows = [json.dumps({"text": text, "label": label}) for text, label in zip(texts, labels, strict=True)]
    (folder / "texts.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "data"


def test_both_searches_find_the_gold_predicates_and_a_second_call_repeats_nothing(data_folder, tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "runs"), "--seeds", "1", "--data-folder", str(data_folder)]
    embedder = LexicalEmbedder(topics(150, 3)[0])
    summary = oracle.main(arguments, embedder=embedder)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == summary
    assert summary["oracle_recovered"] == summary["oracle_recovered_least"] == 1.0
    assert summary["oracle_recovered_by_coordinate"] == 1.0
    assert summary["oracle_judgment_ratio"] < 0.5
    assert summary["oracle_round_ratio"] < 0.5
    assert list(summary["datasets"]) == ["small"]
    runs = {run.arm: run for run in read_runs([tmp_path / "runs"])}
    assert set(runs) == {"full", "coordinate"}
    coordinate = runs["coordinate"]
    assert (
        coordinate.metrics["judgments"] == coordinate.costs["judgments_asked"] == coordinate.notes["n_candidates"] * 150
    )
    assert runs["full"].metrics["rounds"] == runs["full"].costs["rounds"]
    assert set(runs["full"].predicates) == set(runs["full"].reference_predicates)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("run.json")}
    assert oracle.main(arguments, embedder=embedder) == summary
    assert all(path.stat().st_mtime_ns == before for path, before in written.items())


@pytest.mark.parametrize("unions", [True, False])
def test_distractors_are_ten_times_as_many_and_none_is_a_gold_predicate(unions):
    gold = np.eye(4, dtype=bool)[np.arange(200) % 4]
    names = ["a", "b", "c", "d"]

    def made(seed):
        return Candidates.among_distractors(names, gold, n_distractors=10, unions=unions, seed=seed)

    candidates = made(0)
    assert len(candidates.predicates) == len(set(candidates.predicates)) == 44
    where = [candidates.predicates.index(name) for name in names]
    assert (candidates.holds[:, where] == gold).all()
    equal = (candidates.holds[:, :, None] == gold[:, None, :]).all(axis=0)
    assert equal.sum() == 4
    assert any(", or " in predicate for predicate in candidates.predicates) is unions
    assert made(0).predicates == candidates.predicates
    assert (made(0).holds == candidates.holds).all()
    assert made(1).predicates != candidates.predicates


def test_the_steps_of_a_series():
    assert oracle.in_steps([0, 1, 2, 3, 4, 4], 2) == [0, 0, 0, 3, 3, 3]
    assert oracle.in_steps([5, 7, 9], 3) == [5, 7, 9]
    assert len(set(oracle.in_steps(range(2048)))) == oracle.N_STEPS


def test_the_oracle_counts_what_a_language_model_would_be_asked():
    candidates = Candidates(["p", "q", "r"], np.asarray([[1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=bool))
    costs, texts = Costs(), ["one", "two", "three", "four"]
    judge = OracleJudge(texts, candidates, costs)
    assert judge.judge(texts, ["q", "p"], np.asarray([[0, 0], [0, 1], [3, 0]])).tolist() == [0.0, 1.0, 1.0]
    assert judge.judge(texts, ["q", "p"], np.asarray([[0, 0]])).tolist() == [0.0]
    assert (costs.judgments_asked, costs.judgments_served, costs.rounds) == (3, 1, 1)
    proposer = OracleProposer(candidates, costs, n_candidates=2)
    scores = np.asarray([[0.9, 0.1], [0.8, 0.1], [0.1, 0.9], [0.2, 0.8]])
    rng = np.random.default_rng(0)
    assert proposer.propose(texts, scores, goal="", rng=rng) == [["p", "r"], ["q"]]
    assert proposer.propose(texts, scores, goal="", avoid=["p"], rng=rng)[0] == ["r"]
    assert (costs.proposals_asked, costs.rounds) == (4, 3)


def test_where_fewer_predicates_than_gold_ones_are_chosen_all_of_them_count():
    assert oracle.recovered(["a", "b", "x"], ["a", "b", "c", "d"], 3) == pytest.approx(2 / 3)
    assert oracle.recovered(["a", "b", "d"], ["a", "b", "c", "d"], 3) == 1.0
    assert oracle.recovered(["a", "b"], ["a", "b"], 4) == 1.0
