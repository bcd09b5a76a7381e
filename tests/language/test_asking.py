"""The steps that ask: what cannot be read is `None` and counted where it should be; labels are asked once."""

import pytest

from nlparam.language.asking import LabelQuestion, ask, read_labels
from nlparam.language.prompting import Prompt
from nlparam.lm import ScriptedModel
from nlparam.lm.base import Message
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs

PROMPT = Prompt("add", "add-1", (("user", "Add one to $number"),))


@pytest.mark.parametrize("counted", [True, False])
def test_what_cannot_be_read_is_none(counted):
    engine = Engine(ScriptedModel(lambda request: request.messages[-1].content[-1]), store=None, costs=Costs())

    def read(answer):
        return int(answer) + 1 if answer.isdigit() else None

    rows = [{"number": "1"}, {"number": "x"}, {"number": "3"}]
    assert ask(engine, PROMPT, rows, read, what="adding", max_tokens=4, counted=counted) == [2, None, 4]
    assert engine.costs.failures == counted


def test_labels_are_read_from_the_store_the_second_time():
    engine = Engine(ScriptedModel(lambda _: {"a": 0.6, "b": 0.2}), store=None, costs=Costs())
    store, found, written = Store(":memory:"), {}, []

    def question(number):
        def write():
            written.append(number)
            return (Message("user", str(number)),)

        return LabelQuestion(("a", "b"), "version", ((f"a {number}", "x"), (f"b {number}", "x")), write)

    for numbers in ((0, 1), (1, 0, 2)):
        read_labels(engine, map(question, numbers), list, found.__setitem__, store, engine.costs)
        assert found == {place: pytest.approx([0.75, 0.25]) for place in range(len(numbers))}
    assert written == [0, 1, 2]
    assert (engine.costs.judgments_asked, engine.costs.judgments_served) == (3, 2)
