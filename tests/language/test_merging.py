"""Candidates that say the same, and candidates of several proposers."""

import jax.numpy as jnp
import numpy as np
import pytest

import nlparam
from nlparam.errors import FitWarning
from nlparam.fitting.search import SearchOptions
from nlparam.language.merging import Merger
from nlparam.language.propose import Both, Filled, Listed
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Clustering
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

_VECTORS = {"sport": (1.0, 0.0), "sports": (0.95, 0.3122), "games": (0.8, 0.6), "art": (0.0, 1.0)}


def _embed(predicates):
    return np.asarray([_VECTORS[predicate] for predicate in predicates])


def _engine(answer):
    return Engine(ScriptedModel(answer), store=None, costs=Costs())


def _nobody(request):
    raise AssertionError(f"the language model was asked: {request}")


def test_of_those_that_nearly_coincide_the_first_is_kept_and_nobody_asked():
    merged = Merger(_engine(_nobody), _embed, n_compared=0).merge(["sport", "art", "sports", "games"])
    assert merged.predicates == ["sport", "art", "games"]
    assert merged.same_as == {"sports": "sport"}


@pytest.mark.parametrize(("answer", "kept"), [("yes", ["sport", "art"]), ("no", ["sport", "games", "art"])])
def test_of_those_that_are_near_the_language_model_is_asked(answer, kept):
    assert Merger(_engine(lambda _: answer), _embed).merge(["sport", "games", "art"]).predicates == kept


def test_what_is_taken_and_what_is_too_much_is_left_out():
    merger = Merger(_engine(_nobody), _embed, n_compared=0)
    assert merger.merge(["sports", "games", "art"], taken=["sport"], most=1).predicates == ["games"]
    assert merger.merge([], taken=["sport"]).predicates == []


def test_several_proposers_take_turns():
    both = Both((Listed(["a", "b", "c"]), Listed(["b", "d"])))
    proposals = both.propose(["x"], np.zeros((1, 2)), goal="", avoid=["C"], rng=np.random.default_rng(0))
    assert proposals == [["a", "b", "d"]] * 2
    assert both.identity == " + ".join(proposer.identity for proposer in both.proposers)


def test_a_second_proposer_fills_up_where_the_first_has_too_little_with_what_answers_the_goal():
    asked = []

    def answers(said, goal):
        asked.append((said, goal))
        return {one: one != "late deliveries" for one in said}

    few = Filled(Listed(["is a"]), Listed(["is a", "is about late deliveries", "is b"]), answers)
    scores, rng = np.zeros((1, 2)), np.random.default_rng(0)
    assert few.propose(["x"], scores, goal="the form", rng=rng) == [["is a", "is b"]] * 2
    assert asked[0][1] == "the form"
    assert few.n_read == 3
    assert few.propose(["x"], scores, goal="the form", avoid=["is c"], rng=rng) == [["is a"]] * 2, "again: the first"
    assert few.n_read == 0
    excluding = Filled(few.first, few.second, answers)
    first = excluding.propose(["x"], scores, goal="the form", avoid=["is b"], rng=rng)
    assert first == [["is a"]] * 2, "what the user does not want is not filled in"
    assert excluding.n_read == 2
    enough = Filled(Listed(["is a", "is b"]), Listed(["is c"]), answers)
    assert enough.propose(["x"], scores, goal="the form", rng=rng) == [["is a", "is b"]] * 2
    assert len(asked) == 2


class _Twins:
    """Each label is said in two ways that are judged alike but for one text in 25; proposed as a small model would."""

    def __init__(self, texts, labels):
        self.label_of = dict(zip(texts, labels, strict=True))

    def __call__(self, request):
        content = request.messages[-1].content
        if request.labels is None:
            label = self.label_of.get(content.removeprefix("Text: ").partition("\n\nLabel (")[0])
            if label is not None:
                return _SAID[label][hash_of(content) % 2]
            return "is about " + content.rpartition("Category: ")[2].partition(".")[0]
        if "Property: " not in content:
            return {"yes": 0.99, "no": 0.01}
        text, _, predicate = content.removeprefix("Text: ").partition("\n\nProperty: ")
        said = predicate.removesuffix(". Yes or no?").removeprefix("is about ")
        names = _SAID[self.label_of[text]]
        yes = 0.99 if (said in names) != (said in ("hound", "feline") and hash_of(text) % 25 == 0) else 0.01
        return {"yes": yes, "no": 1 - yes}


_SAID = {"topic 0": ("dog", "hound"), "topic 1": ("cat", "feline")}


def hash_of(text):
    return sum(map(ord, text))


class Most(nlparam.AbstractPredicateModel):
    """Likes every predicate that holds for some text, whatever the others say."""

    n_predicates: int

    def loss(self, weights, denotations, data=None):
        del weights, data
        return -jnp.mean(jnp.sum(denotations, axis=1))


@pytest.mark.slow
def test_two_predicates_that_hold_for_the_same_texts_are_not_both_chosen():
    texts, labels = topics(200, 2)
    named = [name for names in _SAID.values() for name in names]
    with pytest.warns(FitWarning, match="2 of the 3 predicates"):
        fit = nlparam.fit(
            Most(3),
            texts,
            goal="the label",
            lm=ScriptedModel(_Twins(texts, labels), strong=False),
            embedder=LexicalEmbedder([*texts, *named, *named]),
            store=":memory:",
        )
    assert len(fit.predicates) == 2
    assert len(fit.candidates) == 4
    assert np.corrcoef(fit.denotations.T)[0, 1] < 0.5


@pytest.mark.slow
def test_what_was_chosen_is_judged_further_once_the_search_is_over():
    texts, labels = topics(300, 3)

    def judged(**options):
        fit = nlparam.fit(
            Clustering(3),
            texts,
            lm=(oracle := Oracle(texts, labels, distractors=1)).model(),
            predicates=oracle.predicates,
            embedder=LexicalEmbedder(texts),
            options=SearchOptions(n_judged=30, **options),
            store=":memory:",
        )
        return fit, [agreement.n_judgments for agreement in fit.agreement]

    plain, few = judged()
    further, many = judged(n_judged_finally=90)
    assert (few, many) == ([30] * 3, [90] * 3)
    assert further.predicates == plain.predicates
    assert further.trace[-1].step == "judged further"
    bounded, counts = judged(n_judged_finally=90, max_judgments=240)
    assert sum(bounded.costs.stages["judging"].get(k, 0) for k in ("judgments_asked", "judgments_served")) <= 240
    assert max(counts) - min(counts) <= 1
