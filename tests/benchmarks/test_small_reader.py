"""A small reader of explanations is read against what it expects without one."""

import re

import numpy as np
import pytest

import nlparam
from nlparam import Explanation
from nlparam.language.simulation import shifted
from nlparam.lm.scripted import ScriptedModel
from tests.helpers.planted_explanations import BROAD, TASK, TRUE, VACUOUS, WRONG, Oracle, request_text, shop


def rows(*explanations):
    return [Explanation(request_text("clock", True, False), "yes", explanation) for explanation in explanations]


def simulate(explanations, lm):
    return nlparam.simulate(
        explanations, model=shop, lm=lm, answers=("yes", "no"), task=TASK, similarities=("jaccard",)
    )


def test_a_small_reader_is_read_against_what_it_expects_without_an_explanation():
    oracle = Oracle()

    def leans(request):
        """Always says yes, and a little more so where it follows from the explanation."""
        prompt = request.messages[-1].content
        if request.labels is None:
            return oracle(request)
        options = dict(re.findall(r"^([A-T])\. (.*)$", prompt, re.MULTILINE))
        weight = {"yes": 0.7, "no": 0.2}
        if "It answers as it sees fit" not in prompt and VACUOUS not in prompt:
            answer = oracle(request)
            assert isinstance(answer, dict)
            said = max(answer, key=lambda letter: answer[letter])
            weight |= {options[said]: weight[options[said]] * 1.3}
        return {letter: weight.get(option, 0.1) for letter, option in options.items()}

    lm = ScriptedModel(leans, identity="leans", strong=False)
    true, broad, wrong, vacuous = simulate(rows(TRUE, BROAD, WRONG, VACUOUS), lm).simulated
    assert true.precision.value == 1
    assert wrong.precision.value < broad.precision.value < 1
    assert vacuous.simulatable.value == 0
    taken_at_its_word = simulate(rows(TRUE), ScriptedModel(leans, identity="leans strongly")).simulated[0]
    assert {c.inferred for c in taken_at_its_word.counterfactuals} == {"yes"}


def test_what_an_explanation_shifts():
    nothing = shifted(np.asarray([0.6, 0.3, 0.1]), np.asarray([0.6, 0.3, 0.1]))
    assert nothing.argmax() == 2
    assert nothing.sum() == pytest.approx(1)
    # "Yes" is still the likelier of the two, but less than without the explanation.
    assert shifted(np.asarray([0.45, 0.4, 0.15]), np.asarray([0.6, 0.3, 0.1])).argmax() == 1
    # How probable it is that nothing can be inferred is no matter: a small model says so of everything, or never.
    assert shifted(np.asarray([0.3, 0.1, 0.6]), np.asarray([0.2, 0.2, 0.6])).argmax() == 0
    assert np.isnan(shifted(np.full(3, np.nan), np.asarray([0.6, 0.3, 0.1]))).all()
