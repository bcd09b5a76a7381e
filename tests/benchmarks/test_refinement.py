"""The simulated language model by which the refinement is measured."""

import asyncio

import numpy as np
import pytest

from benchmarks.refinement import Simulated, frequent_phrases, summarise
from nlparam.language.propose import StateThenGeneralise
from nlparam.lm.base import Message, Request
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.lm.store import Store
from nlparam.runtime.costs import Costs

TEXTS = [f"{word} number {n}" for word in ("cheese", "violin", "goal") for n in range(8)]


def embed(texts):
    vectors = np.asarray([[word in text for word in ("cheese", "violin", "goal")] for text in texts], float) + 0.01
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def simulated():
    return Simulated(TEXTS, ["cheese", "violin", "goal"], embed)


def test_it_says_and_judges_by_where_texts_lie(simulated):
    engine = Engine(ScriptedModel(simulated.answer, strong=False), store=Store(":memory:"), costs=Costs())
    scores = np.repeat(np.eye(3), 8, axis=0)
    proposed = StateThenGeneralise(engine, n_shown=2).propose(TEXTS, scores, goal="what", rng=np.random.default_rng(0))
    assert [slot[0] for slot in proposed] == ["is about cheese", "is about violin", "is about goal"]
    holds = simulated.holds("is about violin")
    assert holds[8:16].mean() > 2 * np.delete(holds, np.s_[8:16]).mean()
    prompt = f"Text: {TEXTS[8]}\n\nProperty: is about violin. Yes or no?"
    model = ScriptedModel(simulated.answer)
    answer = asyncio.run(model.complete(Request((Message("user", prompt),), ("yes", "no"), 1)))
    assert answer.label_logprobs is not None
    assert np.exp(answer.label_logprobs[0]) == pytest.approx(holds[8])


def test_phrases_are_frequent_words():
    words = {"cheese", "violin", "goal"}
    assert set(frequent_phrases([*TEXTS, *["another"] * 12], 10)) == words | {f"{word} number" for word in words}


def test_gains_are_over_what_both_arms_have():
    full, other, alone = ("full", 0, 0.9, 4.0), ("no_refinement", 0, 0.8, 4.5), ("no_refinement", 1, 0.2, 9.0)
    rows = [dict(zip(("arm", "seed", "f1", "loss"), one, strict=True)) | {"set": "a"} for one in (full, other, alone)]
    assert summarise(rows) == {
        "f1_over_no_refinement": pytest.approx(0.1),
        "f1_over_no_refinement_se": None,
        "loss_below_no_refinement": pytest.approx(0.5),
        "n_over_no_refinement": 1,
    }
