"""`nlparam evaluate code`: problems in the format of DS-1000, verdicts, rates, and the memorisation probe."""

import gzip
import json
import re
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

from nlparam.cli import app
from nlparam.errors import CorpusError, FitWarning, LanguageModelError, SandboxError
from nlparam.evals.code import (
    CodeProblem,
    Evaluation,
    evaluate_code,
    explain_drop,
    probe,
    read_problems,
    read_solutions,
    write_solutions,
)
from nlparam.evals.code.problems import bare_code
from nlparam.lm.base import RequestError
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.runtime.costs import Costs
from nlparam.runtime.sandbox import Verdict
from tests.helpers.oracle import LexicalEmbedder

CONTEXT = '''
import numpy as np

def generate_test_case(test_case_id):
    test_input = np.arange(3) * test_case_id
    return test_input, test_input * FACTOR

def exec_test(result, ans):
    np.testing.assert_array_equal(result, ans)
    return 1

exec_context = r"""
import numpy as np
a = test_input
[insert]
"""

def test_execution(solution: str):
    code = exec_context.replace("[insert]", solution)
    for i in range(2):
        test_input, expected_result = generate_test_case(i + 1)
        test_env = {"test_input": test_input}
        exec(code, test_env)
        assert exec_test(test_env["result"], expected_result)
'''
FORM = """
def test_string(solution: str):
    assert "for" not in solution.split()
"""


def row(identifier, factor, kind="Origin", origin=0, library="Numpy", form=FORM):
    return {
        "prompt": f"Problem: multiply a by {factor}.\nresult = ... # put solution in this variable",
        "code_context": CONTEXT.replace("FACTOR", str(factor)) + form,
        "reference_code": f"result = a * {factor}",
        "metadata": {
            "problem_id": identifier,
            "library_problem_id": identifier,
            "library": library,
            "test_case_cnt": 2,
            "perturbation_type": kind,
            "perturbation_origin_id": origin,
        },
    }


def write(path, rows):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in rows), encoding="utf-8")
    return path


@pytest.fixture
def problems(tmp_path):
    rows = [row(0, 2), row(1, 2, "Surface"), row(2, 3, "Semantic"), row(3, 4, library="Pandas", origin=3)]
    return write(tmp_path / "problems.jsonl", rows)


@pytest.mark.slow
def test_references_pass(problems):
    read = read_problems(problems)
    assert [problem.identifier for problem in read] == ["0", "1", "2", "3"]
    packed = problems.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(problems.read_bytes()))
    assert read_problems(packed) == read
    assert [(p.library, p.perturbation, p.origin) for p in read[1:3]] == [
        ("Numpy", "Surface", "0"),
        ("Numpy", "Semantic", "0"),
    ]
    found = evaluate_code(read, n_workers=1)
    assert found.overall[:3] == (4, 4, 1.0)
    assert {"seccomp", "landlock"} <= found.enforced


@pytest.mark.slow
def test_the_command_says_what_passes_and_why_not(problems, tmp_path):
    solutions = write(
        tmp_path / "solutions.jsonl",
        [
            {"problem_id": 0, "code": "result = a * 2"},
            {"problem_id": 1, "code": "result = a\nfor _ in [1]: result = a * 2"},
            {"metadata": {"problem_id": 2}, "completion": "```python\nresult = a * 2\n```"},
            {"id": "3", "answer": "import os\nos._exit(1)\n# SOLUTION END\nresult = a * 4"},
        ],
    )
    out = tmp_path / "out.json"
    command = ["evaluate", "code", str(problems), "--solutions", str(solutions), "--out", str(out), "--probe"]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    assert re.search(r"Pandas +library +0 +1 +0.0%", run.output)
    assert "in a form that was ruled out" in run.output
    assert "Semantic" in run.output
    contents = json.loads(out.read_text())
    assert [problem["passed"] for problem in contents["problems"]] == [True, False, False, False]
    assert contents["wrong_form"] == 1
    assert "exit status 1" in contents["problems"][3]["error"]
    assert contents["probe"]["drops"]["Surface"]["difference"] == 1.0
    assert contents["by_library"]["Numpy"]["n"] == 3
    assert CliRunner().invoke(app, command).exit_code == 0  # the same again
    other = CliRunner().invoke(app, [*command, "--seconds", "30"])
    assert other.exit_code == 1
    assert "it differs in seconds" in " ".join(other.output.split())
    write(solutions, [{"problem_id": number, "code": "result = a"} for number in range(4)])
    other = CliRunner().invoke(app, command)
    assert other.exit_code == 1
    assert "it differs in problems" in " ".join(other.output.split())


def test_a_language_model_solves_once(problems):
    read, costs = read_problems(problems), Costs()

    def answer(request):
        prompt = request.messages[-1].content
        assert "complete" not in prompt.split("Problem:")[0]
        return f"```python\nresult = a * {prompt.split('multiply a by ')[1][0]}\n```"

    from nlparam.lm.store import Store

    written = {}
    with Store(":memory:") as store:
        for _ in range(2):
            with Engine(ScriptedModel(answer), store=store, costs=costs) as engine:
                written = write_solutions(engine, read)
    assert written["2"] == "result = a * 3"
    assert costs.calls == 3  # two of the four problems are in the same words


@pytest.fixture
def solving(monkeypatch, tmp_path):
    """Twelve problems, and again in other words, of which half are not solved; and what was asked."""
    rows = []
    for number in range(12):
        rows += [row(2 * number, number + 1), row(2 * number + 1, number + 1, "Surface", 2 * number)]
        rows[-1]["prompt"] = rows[-1]["prompt"].replace("Problem:", "Problem, " + ("kindly:", "please:")[number % 2])
        for entry in rows[-2:]:  # without NumPy, which takes long to import
            entry["code_context"] = (
                "def test_execution(solution):\n    scope = {'a': 2}\n    exec(solution, scope)\n"
                f"    assert scope['result'] == {2 * (number + 1)}"
            )
    asked = []

    def answer(request):
        prompt = request.messages[-1].content
        asked.append(prompt)
        return f"result = a * {0 if 'kindly' in prompt else prompt.split('multiply a by ')[1].split('.')[0]}"

    monkeypatch.setattr("nlparam.denotation.session.load_language_model", lambda *_, **__: ScriptedModel(answer))
    out = tmp_path / "out.json"
    command = ["evaluate", "code", str(write(tmp_path / "p.jsonl", rows)), "--store", ":memory:", "--out", str(out)]
    return command, out, asked


@pytest.mark.slow
def test_problems_that_were_not_asked_are_in_no_rate(solving):
    command, out, _ = solving
    run = CliRunner().invoke(app, [*command, "--max-calls", "8"])
    assert run.exit_code == 0, run.output
    contents = json.loads(out.read_text())
    assert contents["overall"]["n"] == len(contents["problems"]) == 8
    assert len(contents["unanswered"]) == 16
    assert "16 of 24 problems were not answered: the budget is spent (8 of 8 calls)" in run.stderr
    assert "no answer to 16 problems" in out.with_suffix(".html").read_text()


@pytest.mark.slow
def test_a_request_that_fails_is_no_wrong_solution(problems):
    read = read_problems(problems)

    def answer(request):
        if "multiply a by 3" in request.messages[-1].content:
            raise RequestError("too long")
        return "result = a * 2"

    with (
        Engine(ScriptedModel(answer), store=None, costs=Costs()) as engine,
        pytest.warns(FitWarning, match="1 of 4 problems were not answered: their requests failed"),
    ):
        written = write_solutions(engine, read)
    assert written["2"] is None
    found = evaluate_code(read, written, n_workers=1)
    assert (found.overall.n, found.unanswered) == (3, ["2"])
    with pytest.raises(CorpusError, match="none of 4 problems"):
        evaluate_code(read, dict.fromkeys(written))


@pytest.mark.slow
def test_solutions_and_their_explanation_share_one_budget(solving, monkeypatch):
    command, out, asked = solving
    given = []

    def explain(*_, budget, **__):
        given.append(budget)
        warnings.warn("the fit says something", FitWarning, stacklevel=1)
        raise LanguageModelError("nothing usable")

    monkeypatch.setattr("nlparam.evals.code.explain_drop", explain)
    command += ["--probe", "--explain", "1", "--max-tokens", "100000", "--max-seconds", "900"]
    run = CliRunner().invoke(app, [*command, "--max-calls", "50"])
    assert run.exit_code == 0, run.output
    assert len(asked) == json.loads(out.read_text())["costs"]["calls"] == 24
    assert (given[0].max_calls, given[0].max_cost) == (26, None)
    assert 0 < given[0].max_tokens < 100_000
    assert 0 < given[0].max_seconds < 900
    assert "warning: the fit says something\n" in run.stderr
    assert "warning: nothing is explained: nothing usable" in run.stderr
    run = CliRunner().invoke(app, [*command, "--max-calls", "24"])
    assert run.exit_code == 0, run.output
    assert len(given) == 1
    assert "nothing is explained: the budget is spent (24 of 24 calls)" in run.stderr


@pytest.mark.parametrize("limit", ["--seconds=inf", "--seconds=nan", "--memory=1" + "0" * 30])
def test_limits_that_are_none(problems, limit):
    assert CliRunner().invoke(app, ["evaluate", "code", str(problems), "--reference", limit]).exit_code == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": None}, "'prompt' is 'None'"),
        ({"code_context": "x = 1"}, "no tests"),
        ({"code_context": "def test_execution(:"}, "not Python"),
        ({"metadata": {"problem_id": 0}}, "comes twice"),
    ],
)
def test_problems_that_cannot_be_run(tmp_path, change, message):
    path = write(tmp_path / "p.jsonl", [row(0, 2), row(1, 2) | change])
    with pytest.raises(CorpusError, match=message):
        read_problems(path)


@pytest.mark.parametrize(
    ("content", "message"), [("", "no problems"), ("[]\n", "list"), ("{", "not JSON"), ('{"x": 1}', "is missing")]
)
def test_files_without_problems(tmp_path, content, message):
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    with pytest.raises(CorpusError, match=message):
        read_problems(path)
    with pytest.raises(CorpusError, match="cannot read"):
        read_problems(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"problem_id": 0, "code": ""}], "no solution for 3 of 4"),
        ([{"problem_id": 9, "code": ""}], "'9'"),
        ([{"problem_id": 0}], "holds code"),
        ([{"problem_id": 0, "code": ""}] * 2, "two solutions"),
    ],
)
def test_solutions_that_do_not_belong(problems, tmp_path, rows, message):
    with pytest.raises(CorpusError, match=message):
        read_solutions(write(tmp_path / "s.jsonl", rows), read_problems(problems))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("BEGIN SOLUTION\n<code>\nx = 1\n</code>\nmore", "x = 1"),
        ("    x = 1\n    y = 2", "    x = 1\n    y = 2"),
        ("Use\n```py\nx = 1\n```\nor\n```\ny\n```", "x = 1"),
        ("```Python3\nx = 1\n```", "x = 1"),
        ("``` py\nx = 1```\n", "x = 1"),
        ("Use: ```python\nx = 1\n  ```\nNo `y`.", "x = 1"),
        ("```pyspark = 1```", "pyspark = 1"),
        ("Use ```x = 1``` here.", "x = 1"),
        ("Use\n```x = 1\ny = 2\n```\nThat is it.", "x = 1\ny = 2"),
        ("x = 1\n```\n", "x = 1"),
        ("```python\nx = 1", "x = 1"),
        ('s = """\n```\ntable\n```\n"""\nx = s', 's = """\n```\ntable\n```\n"""\nx = s'),
        ("```python\ns = '```'\nx = 1\n```", "s = '```'\nx = 1"),
    ],
)
def test_code_is_taken_out_of_its_marks(answer, code):
    assert bare_code(answer) == code


def test_nothing_runs_where_it_cannot_be_confined(problems, monkeypatch):
    monkeypatch.setattr("nlparam.evals.code.evaluation.enforced", lambda _: frozenset({"limits", "audit"}))
    with pytest.raises(SandboxError, match="without landlock, seccomp"):
        evaluate_code(read_problems(problems))


def made(passed, kinds, prompts=None):
    """An evaluation of pairs: an original, then a problem made from it, for each kind."""
    problems, verdicts = [], []
    for number, (kind, (before, after)) in enumerate(zip(kinds, passed, strict=True)):
        prompt = prompts[number] if prompts else "a problem"
        for place, perturbation in ((2 * number, "Origin"), (2 * number + 1, kind)):
            problems.append(CodeProblem(str(place), prompt, "", "", "Numpy", perturbation, str(place), str(2 * number)))
        verdicts += [Verdict(before, None, None), Verdict(after, None, None)]
    return Evaluation(problems, [""] * len(problems), verdicts, frozenset())


def test_the_probe_pairs_and_adjusts():
    found = probe(made([(True, False)] * 10 + [(True, True)] * 10, ["Surface"] * 10 + ["Semantic"] * 10))
    assert found.drops["Surface"].difference == 1.0
    np.testing.assert_allclose(found.drops["Surface"].p_value, 2 * 0.5**10)
    np.testing.assert_allclose(found.p_adjusted["Surface"], 4 * 0.5**10)
    assert found.drops["Semantic"].p_value == found.p_adjusted["Semantic"] == 1.0
    assert found.n_unpaired == 0
    with pytest.raises(CorpusError, match="perturbation"):
        probe(made([(True, False)], ["Origin"]))


@pytest.mark.slow
def test_the_drop_is_explained():
    rng = np.random.default_rng(0)
    words = ["array", "frame", "column", "index", "matrix", "value"]
    lost = rng.random(40) < 0.5
    # The word is not always there, so that it does not tell the groups apart without exception.
    named = lost ^ (np.arange(40) % 13 == 5)
    prompts = [" ".join([*rng.choice(words, 8), *["duplicates"] * bool(n), str(i)]) for i, n in enumerate(named)]
    evaluation = made([(True, not is_lost) for is_lost in lost], ["Semantic"] * 40, prompts)

    def answer(request):
        asked = request.messages[-1].content
        if request.labels is not None and "Property: " not in asked:
            return "yes"
        if "\n\nLabel (" in asked:
            return "duplicates" if "duplicates" in asked else "arrays"
        if "Yes or no?" in asked:
            text, predicate = asked.removesuffix(". Yes or no?").split("\n\nProperty: ")
            return "yes" if ("duplicates" if "duplicates" in predicate else "array index") in text else "no"
        return '["asks about duplicates", "asks about time"]'

    options = {"lm": ScriptedModel(answer), "embedder": LexicalEmbedder(prompts), "store": ":memory:"}
    explained = explain_drop(evaluation, probe(evaluation), n_predicates=1, **options)
    best = explained.as_dict()["predicates"][0]
    assert best["predicate"] == "asks about duplicates"
    assert best["difference"] > 0.7
    assert (explained.n_lost, explained.n_kept) == (lost.sum(), 40 - lost.sum())
    few = made([(True, True)] * 10, ["Semantic"] * 10)
    with pytest.raises(CorpusError, match="0 are lost"):
        explain_drop(few, probe(few))
