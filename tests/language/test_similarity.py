"""The judge of surface similarity: grades, equal predicates, the store, answers that are no grade."""

import numpy as np

from nlparam.language.similarity import SimilarityJudge
from nlparam.lm import ScriptedModel
from nlparam.lm.base import RequestError
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs

PAIRS = [("is about sports", "is about football"), ("is about sports", "is a poem"), ("is in French", "is in français")]


class Asked:
    def __init__(self, answers):
        self.answers, self.prompts = answers, []

    def __call__(self, request):
        target = request.messages[-1].content.rsplit("First: ", 1)[1]
        self.prompts.append(target)
        answer = next(answer for word, answer in self.answers.items() if word in target)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _judge(asked, store=None):
    engine = Engine(ScriptedModel(asked), store=store, costs=Costs(), backoff=0.001)
    return SimilarityJudge(engine)


def test_yes_related_and_no_are_1_a_half_and_0_however_they_are_spelled():
    judge = _judge(Asked({"football": "Related.", "poem": " no", "French": "**Yes**"}))
    np.testing.assert_array_equal(judge.judge(PAIRS), [0.5, 0.0, 1.0])


def test_the_reference_comes_first_in_the_prompt_and_both_without_a_full_stop():
    asked = Asked({"": "no"})
    _judge(asked).judge([("has a topic of sports.", "is\nabout  money.")])
    assert asked.prompts == ["has a topic of sports\nSecond: is about money\nAnswer:"]


def test_nothing_is_asked_twice_or_about_equal_predicates(tmp_path):
    asked = Asked({"": "related"})
    with Store(tmp_path / "s.sqlite") as store:
        judge = _judge(asked, store)
        first = judge.judge([*PAIRS, PAIRS[0], ("Is about Sports.", "is about  sports")])
        np.testing.assert_array_equal(first, [0.5, 0.5, 0.5, 0.5, 1.0])
        assert len(asked.prompts) == 3
    with Store(tmp_path / "s.sqlite") as store:
        again = _judge(asked, store)
        np.testing.assert_array_equal(again.judge(PAIRS), first[:3])
        assert (len(asked.prompts), again.engine.costs.calls, again.engine.costs.proposals_served) == (3, 0, 3)


def test_failures_and_other_answers_are_nan_and_counted():
    judge = _judge(Asked({"football": "maybe", "poem": RequestError("too long"), "French": "yes"}))
    np.testing.assert_array_equal(judge.judge(PAIRS), [np.nan, np.nan, 1.0])
    assert judge.engine.costs.failures == 2


def test_no_pairs_ask_nothing():
    asked = Asked({})
    assert _judge(asked).judge([]).shape == (0,)
    assert asked.prompts == []


def test_the_last_word_of_the_prompt_may_come_before_the_grade():
    judge = _judge(Asked({"football": "Answer: related", "poem": "**Answer:** no", "French": "answer"}))
    np.testing.assert_array_equal(judge.judge(PAIRS), [0.5, 0.0, np.nan])
