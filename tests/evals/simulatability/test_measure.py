"""Explanations put to the test: counterfactuals, inferences, answers, precision and generality; bad input; a fit."""

import json
import re
import sys

import numpy as np
import pytest

import nlparam
from nlparam import Budget, Explanation
from nlparam.errors import CorpusError, FitWarning, LanguageModelError, MissingExtraError, ResultFolderError
from nlparam.evals.simulatability import read_explanations
from nlparam.evals.simulatability.explanations import checked
from nlparam.language.choice import Chooser
from nlparam.language.counterfactuals import Case, CounterfactualWriter, parse_inputs
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.likeness import bleu, jaccard, jaccard_to
from nlparam.language.prompting import load_prompt
from nlparam.language.simulation import SimulatedReader
from nlparam.lm.base import RequestError
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs
from tests.helpers.planted_explanations import BROAD, TASK, TRUE, VACUOUS, WRONG, Oracle, request_text, scripted, shop

INPUT = request_text("clock", True, False)
WORDS = ("bleu", "jaccard")


def rows(*explanations):
    return [Explanation(INPUT, "yes", explanation) for explanation in explanations]


def simulate(explanations, **options):
    settings = {"model": shop, "lm": scripted(), "answers": ("yes", "no"), "task": TASK, "similarities": WORDS}
    return nlparam.simulate(explanations, **(settings | options))


def test_a_true_explanation_is_precise_a_broad_and_a_wrong_one_less_and_a_vacuous_one_says_nothing():
    true, broad, wrong, vacuous = simulate(rows(TRUE, BROAD, WRONG, VACUOUS)).simulated
    assert true.precision.value == 1
    assert true.precision.low < 1
    assert wrong.precision.value < broad.precision.value < true.precision.value
    assert np.isnan(vacuous.precision.value)
    assert vacuous.simulatable.value == 0
    assert vacuous.generality["jaccard"].value == 0 < true.generality["jaccard"].low
    assert len(true.counterfactuals) == 10
    assert {c.answered for c in true.counterfactuals} == {"yes", "no"}
    assert all(c.inferred is None for c in vacuous.counterfactuals)


def test_the_whole_is_the_mean_over_explanations_with_an_interval():
    found = simulate(rows(TRUE, BROAD, WRONG, VACUOUS))
    precisions = [one.precision.value for one in found.simulated[:3]]
    assert found.precision.value == pytest.approx(np.mean(precisions))
    assert found.precision.low < found.precision.value < found.precision.high
    assert found.generality["bleu"].value == pytest.approx(
        np.mean([s.generality["bleu"].value for s in found.simulated])
    )
    written = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert written["explanations"][3]["precision"] == {"value": None, "low": None, "high": None}
    assert written["n_counterfactuals"] == 40


def test_a_language_model_answers_too_and_nothing_is_asked_twice(tmp_path):
    oracle = Oracle()
    lm = scripted(oracle, strong=False)
    with Store(tmp_path / "s.sqlite") as store:
        first = simulate(rows(TRUE, BROAD), model=lm, lm=lm, store=store)
        n_requests = len(oracle.requests)
        again = simulate(rows(TRUE, BROAD), model=lm, lm=lm, store=store)
        assert len(oracle.requests) == n_requests
    assert again.precision == first.precision == simulate(rows(TRUE, BROAD)).precision
    assert (again.costs.calls, again.settings["model"]) == (0, "scripted")
    # A small model is asked in all orders of the options, and once for both explanations what it expects without one.
    label_reads = [r for r in oracle.requests if r.labels is not None and len(r.labels) == 3]
    assert len(label_reads) == 3 * (20 + 10)


def test_the_reader_sees_the_case_only_if_asked():
    for with_case in (False, True):
        oracle = Oracle()
        simulate(rows(TRUE), lm=scripted(oracle), with_case=with_case, n_counterfactuals=4)
        prompts = [r.messages[-1].content for r in oracle.requests if r.labels is not None]
        assert prompts
        assert all((INPUT in prompt) == with_case for prompt in prompts)
        assert all(prompt.startswith(TASK) for prompt in prompts)


def test_the_budget_ends_it_with_what_there_is_and_a_warning():
    with pytest.warns(FitWarning, match="the budget is spent"):
        found = simulate(rows(TRUE, WRONG), budget=Budget(max_calls=4 + 13), lm=scripted(max_in_flight=1))
    first, second = found.simulated
    assert (len(first.counterfactuals), len(second.counterfactuals), second.n_failed) == (10, 3, 7)
    with pytest.raises(LanguageModelError, match="before any counterfactual"):
        simulate(rows(TRUE), budget=Budget(max_calls=1), store=":memory:")


def test_a_file_takes_the_same_result_again_and_no_other(tmp_path):
    out, store = tmp_path / "found.json", tmp_path / "s.sqlite"
    with pytest.warns(FitWarning, match="with more goes on"):
        simulate(rows(TRUE), budget=Budget(max_calls=9), lm=scripted(max_in_flight=1), out=out, store=store)
    n_before = json.loads(out.read_text())["n_counterfactuals"]
    found = simulate(rows(TRUE), out=out, store=store)
    assert json.loads(out.read_text())["n_counterfactuals"] == len(found.simulated[0].counterfactuals) > n_before
    oracle, kept = Oracle(), out.read_text()
    for explanations, changed, named in (
        (rows(WRONG), {}, "explanations"),
        (rows(TRUE), {"similarities": ("jaccard",)}, "similarities"),
        (rows(TRUE), {"seed": 1}, "seed"),
    ):
        with pytest.raises(ResultFolderError, match=f"differs in {named}"):
            simulate(explanations, out=out, lm=scripted(oracle), **changed)
    assert (oracle.requests, out.read_text()) == ([], kept)
    simulate(rows(WRONG), out=out, overwrite=True)
    assert out.read_text() != kept
    out.unlink()  # a report without a result may be of anything
    with pytest.raises(ResultFolderError, match=r"found\.html exists already"):
        simulate(rows(WRONG), out=out)


def test_failures_are_left_out_and_counted():
    oracle = Oracle()

    def sometimes(request):
        prompt = request.messages[-1].content
        if request.labels is not None and ", opened, without" in prompt:
            raise RequestError("refused")
        return oracle(request)

    found = simulate(rows(TRUE), lm=ScriptedModel(sometimes))
    (one,) = found.simulated
    assert one.n_failed > 0
    assert one.n_failed + len(one.counterfactuals) == 10
    with pytest.raises(LanguageModelError, match="no usable counterfactual"):
        simulate(rows(TRUE), lm=ScriptedModel(lambda _: "I would rather not."), store=":memory:")
    with pytest.raises(
        LanguageModelError, match="wrote 10 counterfactuals, and the model that is explained answered none"
    ):
        simulate(rows(TRUE), model=lambda texts: [None] * len(texts))

    def mumbles(request):
        return oracle(request) if request.labels is None else {"A": 0.001, "B": 0.001}

    with pytest.raises(LanguageModelError, match="could be read for 0, the model answered 10"):
        simulate(rows(TRUE), lm=ScriptedModel(mumbles, identity="mumbles"))


@pytest.mark.parametrize(
    ("explanations", "options", "message"),
    [
        ([], {}, "no explanations"),
        (rows(TRUE, " "), {}, r"1 of 2 rows have no explanation \(number 2\)"),
        ([Explanation("", "yes", TRUE)], {}, "no input"),
        ([{"input": INPUT, "answer": "yes"}], {}, "no string explanation"),
        (rows(TRUE, WRONG), {"answers": None}, "all 2 explanations are of the answer 'yes'"),
        (rows(TRUE), {"answers": ("no", "maybe")}, "row 1 has the answer 'yes', expected one of no, maybe"),
        (rows(TRUE), {"answers": [str(n) for n in range(30)]}, "got 30 different answers"),
        (rows(TRUE), {"answers": ["", " "]}, "got no possible answers, expected at least two"),
        (rows(TRUE), {"answers": ["yes", "Yes"]}, "got the one possible answer 'yes'"),
        ([Explanation(INPUT, "yes", TRUE, ("yes",))], {}, "row 1 has the answer 'yes' only"),
        (rows(TRUE), {"model": lambda texts: ["later"] * len(texts)}, "the model answered 'later'"),
        (rows(TRUE), {"model": lambda _: ["yes"]}, "gave 1 answers to 10 inputs"),
    ],
)
def test_bad_input_is_said_before_or_when_it_is_met(explanations, options, message):
    with pytest.raises(CorpusError, match=message):
        simulate(explanations, **options)


def test_bad_options():
    with pytest.raises(ValueError, match="expected some of cosine, bleu, jaccard"):
        simulate(rows(TRUE), similarities=("rouge",))
    with pytest.raises(ValueError, match="at least 2"):
        simulate(rows(TRUE), n_counterfactuals=1)


def test_answers_differ_in_more_than_case_and_each_row_may_have_its_own(tmp_path):
    path = tmp_path / "e.jsonl"
    lines = [
        {"input": "a", "answer": True, "explanation": "x", "labels": [True, False]},
        {"input": "b", "answer": 2, "explanation": "y", "labels": [1, 2, 3]},
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second = read_explanations(path)
    assert (first.answer, first.answers) == ("true", ("true", "false"))
    assert (second.answer, second.answers) == ("2", ("1", "2", "3"))
    path.write_text(json.dumps({"input": "a", "answer": "x"}), encoding="utf-8")
    with pytest.raises(CorpusError, match="no field 'explanation'"):
        read_explanations(path)
    asked = nlparam.simulate(
        [Explanation(INPUT, "YES", TRUE, ("yes", "Yes", "no"))], model=shop, lm=scripted(), similarities=WORDS
    )
    assert asked.simulated[0].explanation.answers == ("yes", "no")
    assert asked.simulated[0].explanation.answer == "yes"
    (row,) = checked([Explanation(INPUT, "no", TRUE, ("No", "yes", "no"))], None)
    assert (row.answer, row.answers) == ("No", ("No", "yes"))  # as they first occur


class Initials(AbstractEmbedder):
    """Texts that begin with the same letter are the same."""

    @property
    def identity(self) -> str:
        return "initials"

    def embed(self, texts):
        return np.asarray([np.eye(26)["abcdefghijklmnopqrstuvwxyz".index(t.lower()[0])] for t in texts], np.float32)


def test_embeddings_say_how_alike_counterfactuals_are():
    found = simulate(rows(TRUE), similarities=("cosine", "jaccard"), embedder=Initials())
    (one,) = found.simulated
    assert one.generality["cosine"].value == 0  # they all begin with "A"
    assert one.generality["jaccard"].value > 0.3
    assert found.costs.embeddings_computed == 10


# The parts.


def test_the_writer_drops_repetitions_and_asks_again():
    answers = [
        '["A lamp.", "a lamp!", "The input."]',
        '["A chair.", "A tent."]',
        '["A radio.", "A lamp."]',
    ]
    oracle = iter(answers)
    seen = []

    def answer(request):
        seen.append(request.messages[-1].content)
        return next(oracle)

    lm = ScriptedModel(answer, max_in_flight=1)
    writer = CounterfactualWriter(Engine(lm, store=None, costs=Costs()), n_counterfactuals=4)
    (texts,) = writer.write([Case("the input", "yes", "because")])
    assert texts == ["A lamp.", "A chair.", "A radio.", "A tent."]
    assert "Do not repeat these:\n- A lamp." in seen[2]
    assert "A chair" not in seen[2]


def test_inputs_are_read_from_what_models_write():
    assert parse_inputs('Sure:\n["One cat, we cannot say.", "Two\\ncats"]') == ["One cat, we cannot say.", "Two\ncats"]
    assert parse_inputs('["One cat", "Two cats", "Thr') == ["One cat", "Two cats"]
    assert parse_inputs('1. "One cat",\n2) Two cats\n\nInput 3: Three cats') == ["One cat", "Two cats", "Three cats"]
    assert parse_inputs('1. One cat [sic] said "hello there".\n2. Two cats') == [
        'One cat [sic] said "hello there".',
        "Two cats",
    ]
    assert parse_inputs('[{"input": "One cat"}, {"input" : "Two cats"}]') == ["One cat", "Two cats"]
    assert parse_inputs('{"inputs": ["One cat", "Two cats"]}') == ["One cat", "Two cats"]
    assert parse_inputs("I do not know.") == []
    assert parse_inputs('["' + "a" * 5000 + '", "..."]') == []


def _chooser(answer, **options):
    return Chooser(Engine(ScriptedModel(answer), store=None, costs=Costs()), load_prompt("answer"), **options)


def test_all_orders_undo_a_preference_for_a_letter():
    question = {"task": "", "input": "x"}
    (leaning,) = _chooser(lambda _: {"A": 0.7, "B": 0.3}).choose([question], [["yes", "no"]])
    np.testing.assert_allclose(leaning, [0.7, 0.3])
    (even,) = _chooser(lambda _: {"A": 0.7, "B": 0.3}, n_orders=2).choose([question], [["yes", "no"]])
    np.testing.assert_allclose(even, [0.5, 0.5])

    def knows(request):
        letter = re.findall(r"([A-C])\. maybe", request.messages[-1].content)[0]
        return {label: 0.8 if label == letter else 0.1 for label in "ABC"}

    (chosen,) = _chooser(knows, n_orders=3).choose([question], [["yes", "no", "maybe"]])
    np.testing.assert_allclose(chosen, [0.1, 0.1, 0.8])


def test_an_option_stays_on_its_line():
    asked = []

    def answer(request):
        asked.append(request.messages[-1].content)
        return {"A": 0.5, "B": 0.5}

    _chooser(answer).choose([{"task": "", "input": "x"}], [["yes\nB. maybe", "no"]])
    assert "A. yes B. maybe\nB. no\n" in asked[0]


def test_an_answer_stays_on_its_line():
    asked = []

    def answer(request):
        asked.append(request.messages[-1].content)
        return dict.fromkeys(request.labels, 0.3) if request.labels else "[]"

    engine = Engine(ScriptedModel(answer), store=None, costs=Costs())
    case = Case("the input", "yes\nExplanation: another", "because")
    CounterfactualWriter(engine).write([case])
    SimulatedReader(engine, with_case=True).infer([case], ["x"], [["yes", "no"]])
    assert any("It answered: yes Explanation: another\n" in prompt for prompt in asked)
    assert not any("\nExplanation: another" in prompt for prompt in asked)


def test_an_answer_beside_the_question_is_none():
    question = {"task": "", "input": "x"}
    (chosen,) = _chooser(lambda _: {"A": 0.001, "B": 0.001}).choose([question], [["yes", "no"]])
    assert np.isnan(chosen).all()
    with pytest.raises(ValueError, match="different"):
        _chooser(lambda _: "A").choose([question], [["yes", "yes"]])


def test_likeness_is_1_for_the_same_and_0_for_other_words():
    texts = ["A red kite in the sky.", "a red kite in the sky", "Trains run late today"]
    for measure in (jaccard, bleu):
        likeness = measure(texts)
        np.testing.assert_allclose(likeness, likeness.T)
        np.testing.assert_allclose(np.diag(likeness), 1)
        assert likeness[0, 1] > 0.6 > 0.1 > likeness[0, 2]
    assert jaccard(texts)[0, 1] == 1
    assert bleu([]).shape == jaccard([]).shape == (0, 0)

    np.testing.assert_allclose(jaccard_to(texts[0], texts), jaccard(texts)[0])


def test_bleu_says_which_extra_it_needs_before_anything_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(MissingExtraError, match=r"nlparam\[simulatability\]"):
        bleu(["a", "b"])
    oracle = Oracle()
    with pytest.raises(MissingExtraError, match="sacrebleu"):
        simulate(rows(TRUE), lm=scripted(oracle))
    assert oracle.requests == []
    simulate(rows(TRUE), lm=scripted(oracle), similarities=("jaccard",))
