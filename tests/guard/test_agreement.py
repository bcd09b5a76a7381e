"""Small models judge with a bias of their own, and write much that is no example: both are seen through."""

import dataclasses

import numpy as np
import pytest
from scipy.special import logit

from nlparam.denotation.judge import LabelJudge
from nlparam.guard.agreement import yes_begins
from nlparam.guard.synthesis import Synthesis, synthesise
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs
from tests.helpers.guard_parts import PLAN, RULES, answer, kind_of, sentence


def synthesis_by(respond, *, strong=False, plan=PLAN, budget=None) -> Synthesis:
    costs = Costs()
    model = ScriptedModel(respond, strong=strong)
    with Store(":memory:") as store, Engine(model, store=store, costs=costs, meter=Meter(costs, budget)) as engine:
        return synthesise(RULES, plan, engine=engine, judge=LabelJudge(engine, store, costs))


def judging(yes: float, no: float, write=answer):
    """Writes as `write` does; judges rightly, but with the probabilities `yes` and `no`."""

    def respond(request):
        if request.labels is None:
            return write(request)
        right = answer(request)
        assert isinstance(right, dict)
        said = yes if right["yes"] > 0.5 else no
        return {"yes": said, "no": 1 - said}

    return respond


@pytest.mark.parametrize(("yes", "no"), [(0.15, 0.02), (0.95, 0.6), (0.9, 0.05)])
@pytest.mark.parametrize("n_wrong", [0, 8])
def test_a_yes_begins_between_what_a_biased_model_says_of_either(yes, no, n_wrong, rng):
    """Also where four of ten texts of either kind are what they should not be."""
    right = logit(yes) + rng.normal(0, 0.3, 20 - n_wrong)
    own = np.concatenate([right, logit(no) + rng.normal(0, 0.3, n_wrong)])
    others = np.concatenate([logit(no) + rng.normal(0, 0.3, 20 - n_wrong), logit(yes) + rng.normal(0, 0.3, n_wrong)])
    begins = yes_begins(own, others)
    assert (right > begins).mean() >= 0.9
    assert (others[: 20 - n_wrong] < begins).mean() >= 0.9


def test_a_model_that_sees_no_difference_says_yes_to_few(rng):
    own, others = rng.normal(-2, 0.5, 400), rng.normal(-2, 0.5, 400)
    assert (own > yes_begins(own, others)).mean() < 0.06
    same = np.full(20, -2.0)
    assert not (same > yes_begins(same, same)).any()


def test_few_answers_say_little_about_where_a_yes_begins():
    assert yes_begins(np.asarray([3.0, 3.0]), np.asarray([-3.0, -3.0, -3.0, -3.0])) == 0.0
    assert yes_begins(np.zeros(0), np.zeros(0)) == 0.0


def test_a_small_judge_that_is_never_sure_keeps_what_a_strong_one_would():
    planned = len(RULES.rules) * 2 * (PLAN.n_per_rule + PLAN.n_held_out)
    assert synthesis_by(judging(0.2, 0.02)).counts["kept"] == planned
    strong = synthesis_by(judging(0.2, 0.02), strong=True)
    assert {e.rule for e in strong.examples if not e.dropped} == {"cooking"}


def strays(request):
    """Writes about cooking, whatever is asked for, by every other seed."""
    if request.labels is None and request.seed is not None and request.seed % 2:
        return sentence("cooking", np.random.default_rng(request.seed))
    return answer(request)


def test_what_is_dropped_is_written_again_in_its_style_within_a_bound():
    one, four = (
        synthesis_by(judging(0.3, 0.02, strays), plan=dataclasses.replace(PLAN, n_draws=n_draws)) for n_draws in (1, 4)
    )
    planned = one.counts["planned"]
    assert 0.6 * planned < one.counts["kept"] < 0.8 * planned
    assert four.counts["kept"] > 0.93 * planned
    assert four.counts["kept"] + four.counts["given up"] == planned
    assert four.counts["written"] < 2 * planned
    for synthesis in (one, four):
        kept = [e for e in synthesis.examples if not e.dropped]
        assert all(kind_of(e.text) == e.rule for e in kept if not e.obfuscation)
    # What was kept at first is kept, and what is new has the styles that are missing.
    assert {e.text for e in one.examples} <= {e.text for e in four.examples}
    for rule in RULES.rules:
        kept = [e.style for e in four.examples if e.rule == rule.id and e.role == "input" and not e.dropped]
        plain = [e.style for e in four.examples if e.rule == rule.id and e.role == "input" and not e.obfuscation]
        assert len(set(kept)) >= 10
        assert set(plain) == {*PLAN.styles, *PLAN.held_out_styles}


def test_writing_again_ends_with_the_budget():
    planned = len(RULES.rules) * 2 * (PLAN.n_per_rule + PLAN.n_held_out)
    # All texts are written and judged once, and some of the next draw are written.
    budget = Budget(max_calls=planned * 3 + 5)
    spent = synthesis_by(judging(0.3, 0.02, strays), budget=budget)
    assert spent.counts["given up"] > 0
    assert spent.counts["kept"] >= 0.6 * planned
    assert spent.counts["written"] <= planned + 5


def test_held_out_texts_do_not_decide_what_is_trained_on():
    def twisted(request):
        """Of texts in held-out styles the judge says the same, whatever is asked; they all begin with 'Once'."""
        prompt = request.messages[-1].content
        if request.labels is None:
            held_out = any(f"Style: {style}" in prompt for style in PLAN.held_out_styles)
            return "Once " + str(answer(request)) if held_out else answer(request)
        if "Once " in prompt:
            return {"yes": 0.99, "no": 0.01}
        return judging(0.2, 0.02)(request)

    def trained_on(synthesis):
        return [(e.key, e.labels, e.dropped) for e in synthesis.examples if not e.held_out]

    assert trained_on(synthesis_by(twisted)) == trained_on(synthesis_by(judging(0.2, 0.02)))
