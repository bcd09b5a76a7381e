import threading

import numpy as np
import pytest

from nlparam.denotation.judge import LabelJudge
from nlparam.lm import ScriptedModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.budget import Budget, Meter
from nlparam.runtime.costs import Costs

TEXTS = ["a late goal", "shares fell", "a new phone", "a late goal"]
PREDICATES = ["is about sports", "is about money", "is short"]


class Asked:
    """Answers by the words of the prompt, and remembers what it was asked."""

    def __init__(self):
        self.prompts, self.groups = [], []

    def __call__(self, request):
        self.prompts.append(request.messages[-1].content)
        self.groups.append(request.group)
        return {"yes": 0.9, "no": 0.1} if "goal" in self.prompts[-1] else {"yes": 0.2, "no": 0.8}


def _judge(answer, store=None, budget=None, **options):
    costs = Costs()
    engine = Engine(ScriptedModel(answer), store=None, costs=costs, meter=Meter(costs, budget), backoff=0.001)
    return LabelJudge(engine, store or Store(":memory:"), costs, **options)


def _all(texts=TEXTS, predicates=PREDICATES):
    return np.argwhere(np.ones((len(texts), len(predicates)), dtype=bool))


def test_equal_questions_are_asked_once_text_by_text_and_shared_by_the_group():
    asked = Asked()
    judge = _judge(asked)
    probabilities = judge.judge(TEXTS, PREDICATES, _all()[::-1])
    assert probabilities.shape == (12,)
    assert probabilities[::-1][:3] == pytest.approx([0.9] * 3)
    assert len(asked.prompts) == 9 == judge.costs.judgments_asked  # the fourth text equals the first
    # All predicates of a text follow one another.
    assert len([1 for a, b in zip(asked.groups, asked.groups[1:], strict=False) if a != b]) == 2
    assert len(set(asked.groups)) == 3
    again = judge.judge(TEXTS, PREDICATES, _all())
    assert again == pytest.approx(probabilities[::-1])
    assert (len(asked.prompts), judge.costs.judgments_served) == (9, 9)


def test_no_pairs_ask_nothing():
    asked = Asked()
    assert _judge(asked).judge(TEXTS, PREDICATES, np.zeros((0, 2), int)).shape == (0,)
    assert asked.prompts == []


def test_contrastive_prompts_list_the_other_predicates_and_are_stored_under_their_list():
    asked, store = Asked(), Store(":memory:")
    judge = _judge(asked, store, form="contrastive")
    judge.judge(TEXTS[:1], PREDICATES, _all(TEXTS[:1]))
    for number, predicate in enumerate(PREDICATES, 1):
        assert f"{number}. {predicate}" in asked.prompts[0]
        assert asked.prompts[number - 1].endswith(f"Does property {number} hold ({predicate})? Yes or no?")
    # The shared beginning (text and list) comes first.
    assert asked.prompts[0].index("a late goal") < asked.prompts[0].index("1. is about sports")
    judge.judge(TEXTS[:1], PREDICATES, _all(TEXTS[:1]))
    assert len(asked.prompts) == 3
    judge.judge(TEXTS[:1], PREDICATES, _all(TEXTS[:1], PREDICATES[:2]))  # another list: another question
    assert len(asked.prompts) == 5
    _judge(asked, store).judge(TEXTS[:1], PREDICATES, _all(TEXTS[:1]))
    assert len(asked.prompts) == 8


def test_long_lists_are_split():
    asked = Asked()
    _judge(asked, form="contrastive", n_listed=2).judge(TEXTS[:1], PREDICATES, _all(TEXTS[:1]))
    assert [("2. " in prompt) for prompt in asked.prompts] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "message"), [({"form": "loud"}, "single, contrastive"), ({"n_listed": 0}, "least 1")]
)
def test_options_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        _judge(Asked(), **options)


def test_a_spent_budget_leaves_the_rest_unasked_and_keeps_what_was_paid_for():
    asked, store = Asked(), Store(":memory:")
    judge = _judge(asked, store, budget=Budget(max_calls=4))
    probabilities = judge.judge(TEXTS, PREDICATES, _all())
    assert np.isfinite(probabilities[:9]).sum() == len(asked.prompts) == 4
    assert (judge.costs.failures, judge.costs.judgments_asked, store.counts().judgments) == (0, 4, 4)
    rest = _judge(asked, store)
    assert np.isfinite(rest.judge(TEXTS, PREDICATES, _all())).all()
    assert len(asked.prompts) == 9


@pytest.mark.slow
def test_a_million_questions_are_made_as_they_are_sent():
    """No more than a block of them waits, however many there are."""
    waiting, most = 0, 0
    lock = threading.Lock()

    def answer(request):
        nonlocal waiting
        del request
        with lock:
            waiting -= 1
        return {"yes": 0.5, "no": 0.5}

    texts = [f"text number {number}" for number in range(3000)]
    judge = _judge(answer)
    made = judge._messages

    def counted(show, predicate, listed):
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        return made(show, predicate, listed)

    judge._messages = counted
    assert np.isfinite(judge.judge(texts, ["p", "q", "r"], _all(texts, ["p", "q", "r"]))).all()
    assert 1 <= most <= judge.engine.lm.max_in_flight
