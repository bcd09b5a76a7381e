"""`nlparam audit`: an evaluator's mistakes, their change between systems, and what fools it."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nlparam.cli import app
from nlparam.errors import CorpusError, LanguageModelError, ResultFolderError
from nlparam.evals.audit import Evaluations, audit
from nlparam.evals.audit.covariates import CovariateEffect, adjustments, covariate_effects
from nlparam.evals.audit.mistakes import changes, system_rates
from nlparam.lm.scripted import ScriptedModel
from nlparam.results.jsonable import from_json
from tests.evals.audit.test_records import write
from tests.helpers.cli_corpus import said


def made(n=200, *, seed=0, fooled=None, systems=("before", "after"), shared=False, **covariates):
    """Evaluations of outputs that are wrong half of the time; `fooled` is the chance that a wrong one is accepted."""
    rng = np.random.default_rng(seed)
    correct = np.arange(n) % 4 < 2
    system = [systems[i % len(systems)] for i in range(n)]
    chance = np.full(n, 0.3) if fooled is None else np.asarray(fooled)
    return Evaluations(
        task=[f"task {i // 2 if shared else i}" for i in range(n)],
        output=[f"an output of {i}" for i in range(n)],
        verdict=rng.random(n) < np.where(correct, 0.8, chance),
        correct=correct,
        system=system,
        covariates=covariates,
    )


def test_rates_count_what_they_say():
    evaluations = Evaluations(
        task=["t"] * 20,
        output=[str(i) for i in range(20)],
        verdict=np.repeat([True, False, True, False], [3, 5, 10, 2]),
        correct=np.repeat([False, True], [8, 12]),
    )
    (found,) = system_rates(evaluations)
    assert found.system == "(all)"
    assert found.false_positives[:2] == (3, 8)
    assert found.false_negatives[:2] == (2, 12)
    assert found.approval[:2] == (13, 20)
    assert found.correctness[:2] == (12, 20)
    assert found.false_positives.low < 3 / 8 < found.false_positives.high
    assert changes(evaluations) == []


@pytest.mark.slow
def test_a_change_between_systems_is_found_within_tasks_and_without():
    fooled = np.where(np.arange(400) % 2 == 0, 0.2, 0.7)
    for shared, test in ((False, "Fisher"), (True, "within tasks")):
        found = {c.kind: c for c in changes(made(400, fooled=fooled, shared=shared))}
        moved = found["false positives"]
        assert (moved.since, moved.to, moved.test) == ("before", "after", test)
        assert moved.low < 0.5 < moved.high
        assert moved.p_adjusted < 0.01
        assert found["correctness"].difference == 0.0
        assert found["false negatives"].p_adjusted > 0.05


@pytest.mark.slow
def test_a_baseline_and_many_systems():
    evaluations = made(240, systems=("a", "b", "c"))
    assert {(c.since, c.to) for c in changes(evaluations)} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert {(c.since, c.to) for c in changes(evaluations, baseline="b")} == {("b", "a"), ("b", "c")}
    with pytest.raises(ValueError, match="baseline='d'"):
        audit(evaluations, baseline="d", predicates=False)
    with pytest.raises(ValueError, match="side="):
        audit(evaluations, side="everything", predicates=False)


def test_covariates_move_the_odds():
    rng = np.random.default_rng(0)
    seconds, effort = rng.exponential(60, 800), rng.choice(["low", "high"], 800).tolist()
    fooled = 1 / (1 + np.exp(-(1.0 - seconds / 60)))
    evaluations = made(800, fooled=fooled, seconds=[f"{s:.1f}" for s in seconds], effort=effort)
    effects, notes = covariate_effects(evaluations)
    found = {(e.kind, e.covariate): e for e in effects}
    hurried = found["false positives", "seconds"]
    assert hurried.value.startswith("per standard deviation")
    assert hurried.high < 1
    assert hurried.p_value < 1e-4
    assert hurried.low < np.exp(-np.std(seconds) / 60) < hurried.high
    assert found["false positives", "effort"].p_value > 0.01
    assert found["false positives", "effort"].value in ("low (against high)", "high (against low)")
    assert notes == []
    # An audit that was written before knows no adjusted p-values.
    kept = {name: value for name, value in hurried._asdict().items() if name != "p_adjusted"}
    assert np.isnan(from_json(CovariateEffect, kept).p_adjusted)


@pytest.mark.slow
def test_of_many_covariates_that_matter_to_nobody_none_is_held_against_anybody(rng):
    single, adjusted = [], []
    for seed in range(40):
        effects, _ = covariate_effects(
            made(300, seed=seed, **{f"x{k}": rng.normal(size=300).tolist() for k in range(6)})
        )
        assert len(effects) == 12
        single.append(min(effect.p_value for effect in effects) <= 0.05)
        adjusted.append(min(effect.p_adjusted for effect in effects) <= 0.05)
    assert np.mean(single) > 0.25
    assert np.mean(adjusted) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
def test_outputs_of_a_task_that_are_alike_are_little_evidence_of_a_covariate():
    claimed = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        task = np.repeat(np.arange(40), 8)
        evaluations = Evaluations(
            task=[str(t) for t in task],
            output=[""] * 320,
            verdict=rng.random(320) < rng.beta(0.5, 0.5, 40)[task],
            correct=rng.random(320) < 0.5,
            covariates={"length of the task": rng.normal(size=40)[task].tolist()},
        )
        effects, _ = covariate_effects(evaluations)
        claimed += [effect.p_value <= 0.05 for effect in effects]
    # As if they were independent, about half of these would be claimed.
    assert np.mean(claimed) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 80)


def test_what_predicates_are_adjusted_for():
    among = np.ones(120, dtype=bool)
    mistaken = np.arange(120) % 2 == 0

    def given(tasks, systems):
        return Evaluations([str(t) for t in tasks], ["o"] * 120, mistaken, np.arange(120) % 4 < 2, systems)

    two, several = ["a", "b"] * 60, np.repeat(np.arange(12), 10)
    columns, notes = adjustments(given(range(120), two), mistaken, among)
    assert (list(columns), notes) == (["system"], [])
    columns, notes = adjustments(given(several, ["a"] * 60 + ["b"] * 60), mistaken, among)
    assert list(columns) == ["system", "mistakes of the task", "share of b in the task"]
    assert set(columns["mistakes of the task"]) == {0.5}
    assert notes == []
    # Mistakes and others are of different tasks: within tasks there is nothing to compare.
    columns, notes = adjustments(given(2 * (np.arange(120) // 4) + np.arange(120) % 2, ["a"] * 120), mistaken, among)
    assert columns == {}
    assert notes[0].startswith("0% of the outputs compared are of tasks with mistakes and without")
    columns, notes = adjustments(given(range(120), [f"s{i % 12}" for i in range(120)]), mistaken, among)
    assert columns == {}
    assert "12 systems are too many" in notes[0]


def test_covariates_that_cannot_be_estimated_are_said():
    evaluations = made(200)
    perfect = made(200, told=[str(bool(v)) for v in evaluations.verdict])
    effects, notes = covariate_effects(perfect)
    assert effects == []
    assert all("without exception" in note for note in notes)
    _, notes = covariate_effects(made(200, twin=list(evaluations.system)))
    assert all("say the same" in note for note in notes)
    _, notes = covariate_effects(made(40, x=list(range(40))))
    assert "too few" in notes[0]
    many = made(600, systems=[f"s{i}" for i in range(25)], x=np.random.default_rng(1).random(600).tolist())
    effects, notes = covariate_effects(many)
    assert {effect.kind for effect in effects} == {"false positives", "false negatives"}
    assert [note.split(" for ")[0] for note in notes] == ["25 systems are too many"]
    with pytest.raises(ValueError, match="adjust=True without covariates"):
        audit(evaluations, adjust=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1] * 200, "for all texts"),
        (["same"] * 200, "for all texts"),
        ([None] * 200, "no values"),
        ([1.0, None] * 100, "missing for 100"),
        ([f"name {i}" for i in range(200)], "200 different values"),
        ([f"name {i % 30}" for i in range(200)], "30 different values"),
    ],
)
def test_covariates_of_no_use(values, message):
    with pytest.raises(CorpusError, match=message):
        audit(made(200, x=values), predicates=False)


def test_evaluations_that_say_nothing():
    n = 20
    task, output, system = ["t"] * n, ["o"] * n, ["a"] * n
    mixed, always, never = np.arange(n) % 2 == 0, np.ones(n, bool), np.zeros(n, bool)
    for verdict, correct, message in (
        (always, mixed, "verdict True: the evaluator never says anything else"),
        (mixed, never, "correct False: it takes both"),
    ):
        with pytest.raises(CorpusError, match=message):
            Evaluations(task, output, verdict, correct, system)
    with pytest.raises(CorpusError, match=r"'b' \(3\)"):
        Evaluations(task, output, mixed, mixed[::-1], ["a"] * 17 + ["b"] * 3)
    with pytest.raises(CorpusError, match="as many"):
        Evaluations(task, output, mixed[:5], mixed, system)
    with pytest.raises(CorpusError, match="no evaluations"):
        Evaluations([], [], never[:0], never[:0])


@pytest.fixture
def fooled():
    """Wrong outputs that sound sure are accepted, and those that end with a full stop are not special."""
    rng = np.random.default_rng(5)
    sure, polite = rng.random(400) < 0.5, rng.random(400) < 0.5
    words = ["river", "stone", "field", "winter", "market", "letter", "garden", "bread"]
    outputs = [
        " ".join([*["it is a fact"] * bool(s), *rng.choice(words, 9), *["if you please"] * bool(p), str(i)])
        for i, (s, p) in enumerate(zip(sure, polite, strict=True))
    ]
    correct = rng.random(400) < 0.4
    verdict = rng.random(400) < np.where(correct, 0.8, np.where(sure, 0.8, 0.2))
    return Evaluations([f"t{i}" for i in range(400)], outputs, verdict, correct)


def answer(request):
    asked = request.messages[-1].content
    if "Yes or no?" in asked:
        text, predicate = asked.removesuffix(". Yes or no?").split("\n\nProperty: ")
        return "yes" if ("a fact" if predicate == "sounds sure" else "please") in text else "no"
    return '["is polite", "sounds sure"]'


OPTIONS: dict[str, Any] = {
    "ratings": False,
    "options": {"n_directions": 0, "n_screened": 32, "n_validated": 80},
    "store": ":memory:",
}


@pytest.mark.slow
def test_what_fools_is_found_on_one_half_and_tested_on_the_other(fooled, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(fooled, lm=ScriptedModel(answer), out=tmp_path / "audit", **OPTIONS)
    assert found.fooling[0].predicate == 'contains the word "fact"' or found.fooling[0].predicate == "sounds sure"
    assert "is polite" not in [finding.predicate for finding in found.fooling]
    contents = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert contents["complete"]
    assert contents["predicates"][0]["claimed"]
    assert contents["systems"][0]["false_positives"]["n"] == int((~fooled.correct).sum())
    assert (tmp_path / "audit" / "predicates" / "report.html").exists()
    file = tmp_path / "audit" / "audit.json"
    for evaluations, changed, message in (
        (made(400), {}, "holds another report of an audit .it differs in evaluations"),
        (fooled, {"side": "false negatives"}, "differs in side"),
        (fooled, {"predicates": False}, "differs in with_predicates"),
        (fooled, {"goal": "the mood"}, "differs in goal"),
    ):
        with pytest.raises(ResultFolderError, match=message):
            audit(evaluations, out=tmp_path / "audit", **{"lm": ScriptedModel(answer), **OPTIONS, **changed})
        assert json.loads(file.read_text())["complete"]
        assert json.loads(file.read_text()) == contents
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        audit(fooled, lm=ScriptedModel(answer), out=tmp_path / "audit", **OPTIONS)  # the same again
    assert json.loads(file.read_text())["predicates"] == contents["predicates"]
    (tmp_path / "audit" / "fit.json").write_text("{}")
    audit(fooled, predicates=False, out=tmp_path / "audit", overwrite=True)
    assert json.loads(file.read_text())["predicates"] == []
    assert not (tmp_path / "audit" / "fit.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["system", "task"])
def test_the_style_of_what_is_accepted_more_often_is_not_what_fools(by):
    """One half of the systems, or of the tasks, is accepted oftener and sounds sure; politeness fools in either."""
    rng = np.random.default_rng(3)
    task = np.arange(600) % 60
    liked = np.arange(600) // 60 % 2 == 0 if by == "system" else task % 2 == 0
    sure, polite = rng.random(600) < np.where(liked, 0.85, 0.15), rng.random(600) < 0.5
    outputs = [
        " ".join(["it is a fact"] * bool(s) + ["so to say, please"] * bool(p) + [f"output {i}"])
        for i, (s, p) in enumerate(zip(sure, polite, strict=True))
    ]
    correct = rng.random(600) < 0.1
    verdict = rng.random(600) < np.where(correct, 0.8, 0.15 + 0.4 * liked + 0.3 * polite)
    system = np.where(liked, "a", "b").tolist() if by == "system" else []
    options: dict[str, Any] = OPTIONS | {"options": {"n_validated": 400}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(
            Evaluations([f"t{t}" for t in task], outputs, verdict, correct, system),
            lm=ScriptedModel(answer),
            predicates=["sounds sure", "is polite"],
            **options,
        )
    assert found.comparison is not None
    assert "mistakes of the task" in found.comparison.covariates
    by_name = {finding.predicate: finding for finding in found.comparison.findings}
    crude = by_name["sounds sure"].crude
    assert crude is not None
    assert crude.p_value < 1e-4
    assert [finding.predicate for finding in found.fooling] == ["is polite"]


@pytest.mark.slow
def test_what_is_measured_outlives_a_language_model_that_fails(fooled, tmp_path):
    def broken(_):
        raise LanguageModelError("it is gone")

    with pytest.raises(LanguageModelError, match="it is gone"):
        audit(fooled, lm=ScriptedModel(broken), out=tmp_path / "audit", **OPTIONS)
    contents = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert not contents["complete"]
    assert contents["systems"][0]["approval"]["n"] == 400
    # It is not for another audit to go on with.
    with pytest.raises(ResultFolderError, match="differs in evaluations"):
        audit(made(400), predicates=False, out=tmp_path / "audit")
    # The same command again goes on.
    audit(fooled, predicates=False, out=tmp_path / "audit")
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["complete"]


def test_hypotheses_of_ones_own_and_too_few_mistakes(fooled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(fooled, lm=ScriptedModel(answer), predicates=["sounds sure", "is polite"], **OPTIONS)
        assert [finding.predicate for finding in found.fooling] == ["sounds sure"]
        few = Evaluations(
            fooled.task[:60], fooled.output[:60], fooled.correct[:60] ^ (np.arange(60) < 4), fooled.correct[:60]
        )
        found = audit(few, lm=ScriptedModel(answer), **OPTIONS)
    assert found.comparison is None
    assert "no predicates were sought" in found.notes[-1]


@pytest.mark.slow
def test_the_command(tmp_path):
    rng = np.random.default_rng(0)
    entries = [
        {"task": f"t{i}", "output": f"o {i}", "verdict": bool(rng.random() < 0.5), "correct": bool(i % 2)}
        | {"system": "ab"[i % 3 == 0], "seconds": float(i % 7)}
        for i in range(80)
    ]
    path = write(tmp_path / "e.jsonl", entries)
    command = ["audit", str(path), "--no-predicates", "--covariates", "seconds", "--baseline", "a"]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    for shown in ("False positives", "b minus a", "seconds", "Odds ratio"):
        assert shown in run.output
    run = CliRunner().invoke(app, [*command, "--json", "--out", str(tmp_path / "out")])
    assert json.loads(run.stdout)["systems"][1]["system"] == "a"
    assert CliRunner().invoke(app, [*command[:-1], "z"]).exit_code == 2
    for wrong, message in (
        (["--goal", " "], "--goal': got nothing"),
        (["--adjust"], "--adjust': got no --covariates"),
        *(
            (["--no-predicates", *given], f"{given[0]}': got --no-predicates too")
            for given in (
                ["--goal", "mood"],
                ["--adjust"],
                ["--level", "0.1"],
                ["--only-judged"],
                ["--predicates", str(path)],
            )
        ),
    ):
        refused = CliRunner().invoke(app, ["audit", str(path), *wrong])
        assert refused.exit_code == 2, refused.output
        assert message in said(refused)
    failed = CliRunner().invoke(app, ["audit", str(write(tmp_path / "f.jsonl", entries[:5]))])
    assert failed.exit_code == 1
    assert "fewer than 10" in failed.output
