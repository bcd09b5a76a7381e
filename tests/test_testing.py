"""What users test their own code with."""

import asyncio

import numpy as np
import pytest

import nlparam
from nlparam import testing
from nlparam.denotation.session import Session
from nlparam.lm.base import Message, Request

RULES = {"mentions rain": lambda text: "rain" in text, "is perhaps about trains": lambda _: 0.75}


def said(request: Request):
    return asyncio.run(testing.ScriptedModel(testing.by_rules(RULES)).complete(request))


def test_rules_judge_propose_and_state():
    texts = ["rain again", "a dry day"]
    predicates = [*RULES, "is about the sea"]
    pairs = np.argwhere(np.ones((2, 3), dtype=bool))
    lm = testing.ScriptedModel(testing.by_rules(RULES))
    with Session(lm=lm, embedder=testing.ScriptedEmbedder(), store=":memory:") as session:
        answers = session.judge().judge(texts, predicates, pairs).reshape(2, 3)
    assert answers.tolist() == [[1.0, 0.75, 0.0], [0.0, 0.75, 0.0]]
    listed = Request((Message("user", "Suggest 2 properties. Answer with a JSON array of 2 strings."),))
    assert said(listed).text == '["mentions rain", "is perhaps about trains"]'
    assert said(Request((Message("user", "Text: rain\n\nLabel (the weather), in one to three words:"),))).text == "rain"
    alike = "Do the two descriptions mean the same?\n\nFirst: {}\nSecond: mentions rain\nAnswer:"
    answers = [
        said(Request((Message("user", alike.format(one)),), labels=("yes", "related", "no"))).text
        for one in ("Mentions rain", "mentions trains")
    ]
    assert answers == ["yes", "no"]
    tells = Request(
        (Message("user", "Text: rain\n\nDoes this text tell the weather? Yes or no?"),), labels=("yes", "no")
    )
    assert said(tells).text == "yes"


def test_the_judgment_of_a_request():
    content = "Text: two\n\nlines\n\nProperty: is about rain. Yes or no?"
    request = Request((Message("user", content),), labels=("yes", "no"))
    assert testing.judgment_of(request) == ("two\n\nlines", "is about rain")
    assert testing.judgment_of(Request((Message("user", content),))) is None


def test_embedders():
    near, far, none = testing.ScriptedEmbedder().embed(["late rain", "late trains", "!"])
    assert near @ far == pytest.approx(0.5, abs=1e-3)
    assert np.linalg.norm([near, far, none], axis=1) == pytest.approx(1.0, abs=1e-5)
    by_length = testing.ScriptedEmbedder(lambda text: [len(text), 1.0], identity="length")
    assert by_length.identity == "length"
    assert by_length.embed(["abc"]) == pytest.approx(np.array([[3, 1]]) / np.sqrt(10), abs=1e-5)
    with pytest.raises(ValueError, match="n_dimensions=0"):
        testing.ScriptedEmbedder(n_dimensions=0)


def test_it_is_public():
    assert "testing" in dir(nlparam)
    assert nlparam.testing is testing
