"""Contrast: what a small language model copies from the prompt is no proposal."""

import json

import numpy as np
import pytest

from nlparam.language.propose.contrast import Contrast
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs


@pytest.mark.parametrize(
    ("texts", "proposed"),
    [
        (["a poem", "a recipe"], ["is a poem"]),
        (["my delivery never came", "delivered in a day"], ["is about late deliveries", "is a poem"]),
    ],
)
def test_the_example_of_the_prompt_is_proposed_only_where_texts_speak_of_it(texts, proposed):
    answer = json.dumps(["is about late deliveries", "is a poem"])
    engine = Engine(ScriptedModel(lambda _: answer), store=Store(":memory:"), costs=Costs())
    scores = np.asarray([[1.0], [0.0]])
    assert Contrast(engine).propose(texts, scores, goal="what it is", rng=np.random.default_rng(0)) == [proposed]
