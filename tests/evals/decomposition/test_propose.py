"""Decompositions: written, criticised, refined, judged once, ranked by execution, repaired; the log; bad input."""

import json

import numpy as np
import pytest

import nlparam
from nlparam.errors import CorpusError, ExpressionError, FitWarning, LanguageModelError, ResultFolderError
from nlparam.evals.decomposition import Execution, RepairRecord, append_repair, assistance, parse, read_repairs
from nlparam.evals.decomposition.log import examples
from nlparam.language.decompositions import DecompositionWriter, Draft, parse_draft
from nlparam.language.parse import parse_predicates
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.runtime.budget import Budget
from nlparam.runtime.costs import Costs
from tests.helpers.planted_compound import ALTERNATIVES, COMPOUND, GOOD, LABELS, LAMENT, TEXTS, WRONG, Oracle


def decompose(oracle=None, predicate=COMPOUND, texts=TEXTS, labels=LABELS, **options):
    settings = {"lm": ScriptedModel(oracle or Oracle()), "n_proposals": 2}
    return nlparam.decompose(predicate, texts, labels, **(settings | options))


def test_what_is_proposed_is_criticised_mended_and_ranked_by_execution():
    oracle = Oracle(WRONG)
    found = decompose(oracle)
    assert [str(one.expression) for one in found.ranked] == [
        '"is about sport" and "is negative"',
        '"is about sport" and "is long"',
    ]
    assert found.chosen.agreement == found.chosen.balanced_agreement == 1
    assert found.chosen.fault == "Part B is not about mood."
    assert found.ranked[1].agreement < 1
    assert found.suggestion is None
    np.testing.assert_array_equal(found.denotation >= 0.5, LABELS)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["ranked"][0]["agreement"] == 1


def test_a_wrong_part_is_repaired_alone_without_a_further_judgment():
    oracle = Oracle(WRONG, mends=False)
    found = decompose(oracle, LAMENT)
    assert str(found.chosen.expression) == '"is about sport" and "is long"'
    n_requests = len(oracle.requests)
    (made,) = found.repair(found.chosen.expression)
    assert (made.part, made.predicate, str(made.expression)) == (1, "is long", '"is about sport" and "is negative"')
    assert made.after == 1 > made.before
    assert found.suggestion is not None
    assert str(found.suggestion.expression) == str(made.expression)
    assert found.repair('"is about sport" and "is positive"')[0].part == 1
    assert found.repair('"is about sport" and "is negative"') == []
    assert len(oracle.requests) == n_requests
    with pytest.raises(ExpressionError, match="'is red' has no denotation"):
        found.repair('"is red" and "is long"')


def test_two_wrong_parts_need_two_edits():
    found = decompose(Oracle(GOOD))
    edits = found.repair('"is about money" and "is positive"', n_edits=2)
    assert [edit.part for edit in edits] in ([0, 1], [1, 0])
    assert edits[-1].after == 1


def test_assistance_counts_errors_repairs_and_edits():
    names = ("sport", "game", "money", "sad", "sorry", "glad")
    rng = np.random.default_rng(0)
    subject, mood = rng.integers(2, size=200), rng.integers(3, size=200)
    columns = np.stack([subject, subject, 1 - subject, mood == 0, mood == 0, mood == 1], axis=1).astype(float)
    execution = Execution(names, columns, (subject == 1) & (mood == 0))
    others = {"sport": ["game", "money"], "sad": ["glad", "unjudged"]}
    helped = assistance(parse('"sport" and "sad"'), execution, others)
    # "game" is no error; "money" and "glad" are, and another wording mends each.
    assert (helped.n_errors, helped.repaired, helped.localised, helped.edits, helped.value) == (2, 1, 1, 1, 1)
    # Without another wording the opposite of "money" mends one, and nothing the other.
    alone = Execution(("sport", "money", "sad", "glad"), columns[:, [0, 2, 3, 5]], execution.labels)
    helped = assistance(parse('"sport" and "sad"'), alone, others)
    assert (helped.n_errors, helped.repaired) == (2, 0.5)
    assert helped.value == pytest.approx((1 + 1 + 0) / 3)
    # A decomposition that is wrong as it stands needs an edit of its own.
    assert assistance(parse('"sport" and "glad"'), execution, {}).value == 0.5
    assert np.isnan(assistance(parse('"sport" and "sad"'), execution, {}).repaired)


def test_the_language_model_judges_the_whole_if_there_are_no_labels():
    found = decompose(Oracle(GOOD), labels="judged")
    np.testing.assert_array_equal(found.execution.labels, LABELS)
    assert COMPOUND not in found.execution.predicates  # no part may be replaced by the whole
    assert found.chosen.agreement == 1


def test_what_the_predicate_says_by_and_or_not_takes_part():
    found = decompose(Oracle("It is what it is."), n_alternatives=0)
    assert [str(one.expression) for one in found.ranked] == ['"is about sport" and "is negative"']
    assert found.chosen.agreement == 1


def test_parts_that_are_compounds_are_taken_apart_and_those_that_say_the_whole_again_are_refused():
    again = f"A: {COMPOUND} and long\nB: is long\nFormula: A or not B"
    compound = "A: is about sport\nB: is negative and not positive\nFormula: A and B"
    again_in_other_words = "A: is sport that is negative\nB: is long\nFormula: A and B"
    found = decompose(Oracle(again, compound, again_in_other_words), n_proposals=3, n_alternatives=0)
    expressions = [str(one.expression) for one in found.ranked]
    assert '"is about sport" and "is negative" and not "is positive"' in expressions
    assert found.unreadable == ("the part 'is sport that is negative' says the whole again",)
    assert not any(COMPOUND in one.expression.parts for one in found.ranked)


def test_a_part_that_says_the_whole_again_is_a_fault_that_nobody_is_asked_about():
    oracle = Oracle("A: is sport that is negative\nB: is long\nFormula: A or B")
    found = decompose(oracle, n_proposals=1)
    assert found.chosen.agreement == 1
    prompts = [request.messages[-1].content for request in oracle.requests]
    assert not any("Name the worst fault" in prompt for prompt in prompts)
    (mended,) = [prompt for prompt in prompts if "Criticism:" in prompt]
    assert "Criticism: The part 'is sport that is negative' says the whole again: put two simpler parts" in mended


def test_equivalent_decompositions_are_one_and_those_that_say_nothing_are_refused():
    longer = "A: is about sport\nB: is negative\nC: is long\nFormula: A and B and (C or not C)"
    nothing = "A: is about sport\nFormula: A or not A"
    found = decompose(Oracle(longer, nothing), n_alternatives=0)
    assert [str(one.expression) for one in found.ranked] == ['"is about sport" and "is negative"']
    assert found.unreadable == (
        'the decomposition "is about sport" or not "is about sport" is always true, or always false',
    )


def test_alternatives_are_simple_and_not_the_whole():
    oracle = Oracle(GOOD)
    with pytest.MonkeyPatch.context() as patch:
        others = ["is negative and long", "negative sport", "is positive", "is not positive"]
        patch.setitem(ALTERNATIVES, "is negative", others)
        found = decompose(oracle, n_alternatives=4)
    assert "is positive" in found.execution.predicates
    assert not set(others[:2] + others[3:]) & set(found.execution.predicates)


def test_a_judge_that_says_yes_too_readily_is_corrected():
    class Yes(Oracle):
        def __call__(self, request: Request):
            answer = super().__call__(request)
            # Log-odds of 2.2 and -2.2 become 3.7 and 0.7: all are a yes.
            if not isinstance(answer, dict):
                return answer
            return {"yes": 0.976, "no": 0.024} if answer["yes"] > 0.5 else {"yes": 0.668, "no": 0.332}

    found = decompose(Yes(GOOD))
    assert found.chosen.agreement == 1 == found.agreement_of_whole
    assert decompose(Yes(GOOD), correct_bias=False, store=":memory:").chosen.agreement < 0.5


def test_the_judged_whole_is_compared_with_labels_and_decomposition():
    class Confused(Oracle):
        def __call__(self, request: Request):
            if request.labels and COMPOUND in request.messages[-1].content:
                return "yes" if "match" in request.messages[-1].content else "no"
            return super().__call__(request)

    found = decompose(Confused(GOOD))
    # It takes every text about sport for a negative one: a third of those, which are half of all.
    assert found.agreement_of_whole == found.agreement_with_whole == pytest.approx(2 / 3)
    assert found.as_dict()["agreement_of_whole"] == found.agreement_of_whole
    assert decompose(Oracle(GOOD), "Write about a lost match.", kind="task").agreement_of_whole is None


def test_a_task_is_taken_apart_into_checks():
    oracle = Oracle(GOOD)
    found = decompose(oracle, "Write about a lost match.", kind="task")
    prompt = oracle.requests[0].messages[-1].content
    assert prompt.endswith("Task: Write about a lost match.")
    assert "checks" in prompt
    assert found.settings["kind"] == "task"


def test_own_expressions_take_part_and_need_no_proposals():
    found = decompose(n_proposals=0, expressions=['"is about sport" and not "is positive"'], n_alternatives=0)
    assert len(found.ranked) == 1
    assert found.chosen.balanced_agreement < 1
    with pytest.raises(ExpressionError, match="bare word"):
        decompose(expressions=["sport and sad"])


def test_without_proposals_and_expressions_there_is_what_the_predicate_says():
    oracle = Oracle()
    found = decompose(oracle, n_proposals=0, n_alternatives=0)
    assert [str(one.expression) for one in found.ranked] == ['"is about sport" and "is negative"']
    assert all(request.labels is not None for request in oracle.requests)  # judgments only
    with pytest.raises(LanguageModelError, match="no proposal was asked for"):
        decompose(predicate=LAMENT, n_proposals=0)


@pytest.mark.parametrize("n_yes", [0, 1])
def test_a_judged_whole_that_seldom_holds_is_said_to_be_judged(n_yes):
    class Never(Oracle):
        def __call__(self, request: Request):
            prompt = request.messages[-1].content
            if request.labels and COMPOUND in prompt:
                return "yes" if n_yes and TEXTS[0] in prompt else "no"
            return super().__call__(request)

    with pytest.raises(CorpusError, match=f"the language model found that '{COMPOUND}' holds for {n_yes} of 48 texts"):
        decompose(Never(GOOD), labels="judged", correct_bias=False, store=":memory:")


def test_a_file_takes_the_same_result_again_and_no_other(tmp_path):
    out = tmp_path / "found.json"
    first = decompose(out=out)
    assert json.loads(out.read_text())["ranked"][0]["agreement"] == first.chosen.agreement
    decompose(out=out)
    oracle, kept = Oracle(), out.read_text()
    changes: list[tuple[dict, str]] = [
        ({"predicate": LAMENT}, "predicate"),
        ({"labels": LABELS[::-1]}, "texts"),
        ({"texts": [f"Today {text}" for text in TEXTS]}, "texts"),
        ({"expressions": ['"is long"']}, "expressions"),
    ]
    for changed, named in changes:
        with pytest.raises(ResultFolderError, match=rf"differs in .*{named}"):
            decompose(oracle, out=out, **changed)
    assert (oracle.requests, out.read_text()) == ([], kept)
    decompose(predicate=LAMENT, out=out, overwrite=True)
    assert json.loads(out.read_text())["predicate"] == LAMENT


def test_nothing_is_asked_twice():
    oracle = Oracle()
    first = decompose(oracle)
    n_requests = len(oracle.requests)
    again = decompose(oracle)
    assert len(oracle.requests) == n_requests
    assert again.costs.calls == 0 < first.costs.calls
    assert [str(one.expression) for one in again.ranked] == [str(one.expression) for one in first.ranked]


def test_repairs_of_the_log_are_shown_and_the_most_similar_first(tmp_path):
    log = tmp_path / "repairs.jsonl"
    for predicate, after in (("is about rain", 0.9), ("is about sport and glad", 0.95), ("is about sport", 0.2)):
        append_repair(
            log,
            RepairRecord(
                predicate=predicate, expression='"x" and "y"', part="y", replacement='"z"', before=0.5, after=after
            ),
        )
    assert [record.predicate for record in read_repairs(log)][2] == "is about sport"
    shown = examples(read_repairs(log), COMPOUND, n_examples=5)
    assert len(shown) == 2  # what did not help is no example
    assert shown[0].startswith("is about sport and glad")
    assert 'the part "y" was replaced by "z"; right for 50% before, 95% after.' in shown[0]
    oracle = Oracle()
    found = decompose(oracle, repairs=log)
    prompts = [request.messages[-1].content for request in oracle.requests if request.labels is None]
    assert (
        sum("is about sport and glad: in" in prompt for prompt in prompts) == 4
    )  # two proposals, a criticism, a refinement
    assert found.settings["examples"] == shown


def test_a_log_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(CorpusError, match="there is no log"):
        read_repairs(tmp_path / "none.jsonl")
    path = tmp_path / "log.jsonl"
    path.write_text('\n{"predicate": "a", "expression": "b", "part": "c"}\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2: replacement"):
        read_repairs(path)
    path.write_text("not json\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="line 1"):
        read_repairs(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "got no labels"),
        ({"labels": "guessed"}, "labels='guessed'"),
        ({"labels": [True] * len(TEXTS)}, r"all \d+ labels are True"),
        ({"labels": LABELS[:-1]}, "expected one for each"),
        ({"labels": ["maybe", *LABELS[1:]]}, "label number 1 is 'maybe'"),
        ({"labels": [True] + [False] * (len(TEXTS) - 1)}, "holds for 1 of"),
        ({"texts": TEXTS[:5], "labels": LABELS[:5]}, "5 distinct texts, expected at least 8"),
        ({"predicate": "  "}, "empty predicate"),
    ],
)
def test_bad_input_is_said(changes, message):
    with pytest.raises(CorpusError, match=message):
        decompose(**changes)


def test_bad_options():
    with pytest.raises(ValueError, match="expected one of predicate, task"):
        decompose(kind="poem")
    with pytest.raises(ValueError, match="no less than 0"):
        decompose(n_proposals=-1)


def test_what_cannot_be_read_is_counted_and_said():
    found = decompose(Oracle("A: is long\nFormula: A and C", GOOD))
    assert len(found.unreadable) == 1
    assert "bare word 'C'" in found.unreadable[0]
    assert found.costs.failures == 1
    with pytest.raises(LanguageModelError, match="wrote no decomposition"):
        decompose(Oracle("It is what it is."), LAMENT, store=":memory:")


def test_a_spent_budget_leaves_the_texts_for_which_all_was_judged():
    lm = ScriptedModel(Oracle(GOOD), max_in_flight=1)
    # One proposal, one criticism (nothing to mend), two rewordings; then text after text, six predicates each.
    with pytest.warns(FitWarning, match="the budget is spent"):
        found = decompose(lm=lm, budget=Budget(max_calls=5 + 6 * 40 + 3), store=":memory:", n_proposals=1)
    assert 8 <= len(found.rows) <= 41
    with pytest.raises(LanguageModelError, match="the budget is spent"):
        decompose(lm=lm, budget=Budget(max_calls=20), store=":memory:")


def test_drafts_are_read_from_what_models_write():
    draft = parse_draft("Sure.\n- **A**: is a complaint.\n B) is about trains\n**Formula**: `A and not B`.\nC: more")
    assert draft == Draft((("A", "is a complaint"), ("B", "is about trains")), "A and not B")
    assert parse_draft("A: is long") is None
    assert parse_draft("A: is long\nB: is sad") == Draft((("A", "is long"), ("B", "is sad")), "A and B")
    assert parse_draft("Formula: A and B") is None
    assert parse_draft("A: is long\nB: is sad\nFormula:\n") == Draft((("A", "is long"), ("B", "is sad")), "A and B")
    for formula in ("Formula:\nA or (B)", "**Formula:**\n\nA or (B)", "Formula = A or (B)", "## Formula\n`A or (B)`"):
        assert parse_draft(f"A: is long\nB: is sad\n{formula}") == Draft(
            (("A", "is long"), ("B", "is sad")), "A or (B)"
        )


def test_alternatives_that_are_cut_off_or_fenced_are_read():
    assert parse_predicates('```json\n["is sad", "is glad", "is an unfinish') == ["is sad", "is glad"]
    assert parse_predicates("```\nis sad\nis glad\n```") == ["is sad", "is glad"]
    assert parse_predicates("- is sad [sic]\n- is glad") == ["is sad [sic]", "is glad"]


def test_the_writer_says_no_fault_in_several_ways():
    for answer, fault in (
        ("None.", None),
        ("none", None),
        ("", None),
        ("No part names the mood.", "No part names the mood."),
    ):
        lm = ScriptedModel(lambda _, answer=answer: answer)
        writer = DecompositionWriter(Engine(lm, store=None, costs=Costs()))
        draft = Draft((("A", "x"),), "A")
        try:
            assert writer.criticise("p", [draft]) == [fault]
        except LanguageModelError:
            assert answer == ""
