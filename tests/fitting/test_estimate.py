"""The estimate of a fit's cost against what the fit then used."""

import dataclasses
import json
import re
import zlib

import pytest

import nlparam
from nlparam.denotation.labels import Labelled
from nlparam.errors import LanguageModelError
from nlparam.lm import ScriptedModel
from nlparam.models import Clustering
from nlparam.runtime.budget import Budget, Price
from nlparam.testing import by_rules
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics


def _arguments(tmp_path, lm, texts, **options):
    # It knows the names of the topics, so that candidates differ.
    named = [f"topic{number}" for number in range(4) for _ in range(2)]
    embedder, store = LexicalEmbedder([*texts, *named]), tmp_path / "store.sqlite"
    return {"lm": lm, "embedder": embedder, "store": store, "goal": "the topic"} | options


@pytest.mark.slow
@pytest.mark.parametrize("representation", ["auto", "embedding"])
def test_an_estimate_is_near_what_the_fit_uses_and_is_not_paid_twice(tmp_path, representation):
    texts, _ = topics(300, 4)

    def answer(request):
        content = request.messages[-1].content
        if request.labels is None:
            topics_named = re.findall(r"topic\d", content)
            # Wordings differ from text to text, as a real model's do.
            return f"is about {topics_named[0]} {zlib.crc32(content.encode()) % 50}" if topics_named else "stories"
        asked = re.findall(r"topic\d", content.partition("Property:")[2])
        said = "Property:" not in content or (bool(asked) and f"{asked[0]}word" in content)
        return {"yes": 0.95, "no": 0.05} if said else {"yes": 0.05, "no": 0.95}

    lm = ScriptedModel(answer, strong=False)
    budget = Budget(price=Price(prompt=1.0, completion=2.0))
    arguments = _arguments(tmp_path, lm, texts, budget=budget, representation=representation)
    expected = nlparam.estimate(Clustering(4), texts, **arguments)
    fit = nlparam.fit(Clustering(4), texts, **arguments)
    used = fit.costs.calls + expected.n_tried
    assert expected.calls == pytest.approx(used, rel=0.35)
    assert expected.least <= fit.costs.judgments_asked + fit.costs.judgments_served <= expected.most
    assert "max_judgments, 720" in expected.bound
    assert expected.prompt_tokens == pytest.approx(fit.costs.prompt_tokens * used / fit.costs.calls, rel=0.35)
    assert expected.cost == pytest.approx((expected.prompt_tokens + 2 * expected.completion_tokens) / 1e6, rel=0.01)
    assert fit.costs.proposals_served > 0  # what the estimate asked is not asked again
    # The estimate learns no goal representation, without which the fit would judge the same candidates.
    assert (fit.costs.judgments_served > 0) or representation == "auto"
    again = nlparam.estimate(Clustering(4), texts, **arguments)  # of a fit whose store is empty, as this one is not
    assert dataclasses.replace(again, seconds=expected.seconds) == expected


@pytest.mark.slow
def test_what_calibrates_is_not_asked_again_by_each_estimate(tmp_path):
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=2)
    labelled = Labelled.of(
        (text, oracle.predicates[0], float(label == labels[0])) for text, label in zip(texts[:40], labels, strict=False)
    )
    arguments = _arguments(
        tmp_path, oracle.model(strong=False), texts, predicates=oracle.predicates, calibration=labelled
    )
    first, again = (nlparam.estimate(Clustering(3), texts, **arguments) for _ in range(2))
    assert again.n_tried == first.n_tried - 40


@pytest.mark.slow
def test_a_list_of_candidates_is_not_multiplied_by_the_slots(tmp_path):
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=2)
    arguments = _arguments(tmp_path, oracle.model(strong=False), texts, predicates=oracle.predicates)
    expected = nlparam.estimate(Clustering(3), texts, **arguments)
    fit = nlparam.fit(Clustering(3), texts, **arguments)
    assert expected.judgments == pytest.approx(fit.costs.judgments_asked + expected.n_tried, rel=0.3)
    assert expected.least <= fit.costs.judgments_asked + fit.costs.judgments_served <= expected.most
    assert expected.proposals == 0
    assert json.dumps(expected.calls)


@pytest.mark.slow
def test_an_estimate_says_what_bounds_the_judgments_of_a_strong_model(tmp_path):
    texts, _ = topics(120, 2)
    rules = {f"is about topic {n}": lambda text, word=f"topic{n}word": text.count(word) > 9 for n in range(2)}
    lm = ScriptedModel(by_rules(rules))
    arguments = _arguments(tmp_path, lm, texts, inference=False, representation="embedding", proposer="contrast")
    expected = nlparam.estimate(Clustering(2), texts, **arguments)
    # At least two candidates are judged on all texts; every round may bring others that are.
    assert expected.least == 2 * 120 < expected.judgments <= expected.most
    assert "the least if only 2 candidates come" in expected.bound
    assert f"the most if {expected.most // 120} come and all are judged on 120 texts" in expected.bound


@pytest.mark.slow
def test_a_model_that_does_not_answer_is_no_estimate(tmp_path):
    texts, _ = topics(60, 2)
    with pytest.raises(LanguageModelError):
        nlparam.estimate(Clustering(2), texts, **_arguments(tmp_path, ScriptedModel(lambda _: "?"), texts))
