"""The search with an oracle: gold predicates hidden among nine times as many distractors are all recovered."""

import json

import numpy as np
import pytest

import nlparam
import nlparam.errors
from nlparam import testing
from nlparam.denotation.judge import AbstractJudge
from nlparam.denotation.pool import Pool
from nlparam.errors import FitWarning
from nlparam.fitting.records import RESULTS
from nlparam.fitting.search import SearchOptions
from nlparam.fitting.search.columns import reconsidered
from nlparam.fitting.setup import prepared
from nlparam.language.propose import AbstractProposer
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Clustering
from nlparam.runtime.budget import Meter
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Most searches here are of 200 texts for 3 predicates from 2 restarts, so that they compile the same functions. What
# comes after a search has tests of its own.


def recover(oracle: Oracle, texts, n_predicates, *, predicates=None, **options) -> nlparam.Fit:
    return nlparam.fit(
        Clustering(n_predicates),
        texts,
        lm=oracle.model(max_in_flight=64),
        predicates=oracle.predicates if predicates is None else predicates,
        embedder=LexicalEmbedder(texts),
        inference=False,
        **options,
    )


def report(capsys, name, oracle, fit, texts):
    asked, all_pairs = fit.costs.judgments_asked, len(oracle.predicates) * len(set(texts))
    with capsys.disabled():
        print(f"\n  oracle {name}: {asked:,} judgments of {all_pairs:,} pairs ({asked / all_pairs:.0%})")
    assert asked == len(oracle.asked) == len(set(oracle.asked)), "nothing is judged twice"
    return asked / all_pairs


@pytest.mark.slow
@pytest.mark.optimised
def test_agnews(shared_data, capsys):
    rows = [
        json.loads(line)
        for line in (shared_data / "cluster/agnews/texts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    oracle = Oracle(texts, labels)
    fit = recover(oracle, texts, 4)
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "agnews", oracle, fit, texts) < 0.4
    named = np.asarray([predicate.removeprefix("has the label ") for predicate in fit.predicates])
    assert np.mean(named[fit.assignments] == np.asarray(labels)) == 1.0


@pytest.mark.slow
@pytest.mark.optimised
def test_synthetic_corpus_of_14_topics(capsys):
    texts, labels = topics(1400, 14)
    oracle = Oracle(texts, labels)
    fit = recover(oracle, texts, 14, options={"n_restarts": 2})
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "synthetic K=14", oracle, fit, texts) < 0.4


@pytest.mark.slow
def test_a_few_judgments_and_a_head_do_too(capsys):
    texts, labels = topics(600, 4)
    oracle = Oracle(texts, labels, distractors=3)
    fit = recover(oracle, texts, 4, options=SearchOptions(n_screened=6, n_judged=60))
    assert set(fit.predicates) == set(oracle.gold)
    assert report(capsys, "synthetic K=4, 60 texts judged", oracle, fit, texts) < 0.1
    named = np.asarray([predicate.removeprefix("has the label ") for predicate in fit.predicates])
    assert np.mean(named[fit.assignments] == np.asarray(labels)) > 0.95
    assert all(agreement.agreement > 0.9 for agreement in fit.agreement)


@pytest.mark.slow
def test_a_budget_is_kept_and_said():
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=3)
    options = SearchOptions(n_screened=5, n_judged=50, max_judgments=200, n_restarts=2)
    fit = recover(oracle, texts, 3, options=options)
    assert fit.costs.judgments_asked == 200
    assert fit.result == RESULTS.budget_spent
    assert (fit.assignments >= 0).all()


@pytest.mark.slow
def test_a_budget_too_small_for_anything_is_an_error():
    texts, labels = topics(200, 3)
    with pytest.raises(nlparam.errors.LanguageModelError, match="allow more judgments"):
        recover(Oracle(texts, labels), texts, 3, options=SearchOptions(max_judgments=4, n_restarts=2))


@pytest.mark.slow
def test_fewer_useful_predicates_than_asked_for():
    texts, labels = topics(200, 2)
    oracle = Oracle(texts, labels, distractors=0)
    with pytest.warns(FitWarning, match="the fit has 2 of the 3 predicates asked for: no other candidate lowers"):
        fit = recover(oracle, texts, 3, options=SearchOptions(n_restarts=2))
    assert sorted(fit.predicates) == sorted(oracle.gold)
    assert fit.result == RESULTS.nothing_usable
    assert fit.model.n_predicates == 2
    assert fit.asked_model.n_predicates == 3


@pytest.mark.slow
@pytest.mark.parametrize("refinement", ["columns", "coordinate"])
@pytest.mark.parametrize("correct_bias", [True, False])
def test_an_empty_slot_stands_for_no_candidate(refinement, correct_bias):
    texts, labels = topics(200, 2)
    oracle = Oracle(texts, labels, distractors=0)

    def answer(request):
        return "perhaps" if "is unclear" in request.messages[-1].content else oracle.answer(request)

    with pytest.warns(FitWarning, match="the fit has 2 of the 3 predicates"):
        fit = nlparam.fit(
            Clustering(3),
            texts,
            lm=ScriptedModel(answer),
            predicates=["is unclear", *oracle.gold],  # the first candidate cannot be denoted
            embedder=LexicalEmbedder(texts),
            options={"refinement": refinement, "n_restarts": 2, "n_rounds": 1, "correct_bias": correct_bias},
            inference=False,
        )
    assert sorted(fit.predicates) == sorted(oracle.gold)


@pytest.mark.slow
def test_nothing_proposed_is_an_error():
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels)
    with pytest.raises(nlparam.errors.LanguageModelError, match="no usable predicate"):
        recover(oracle, texts, 3, options=SearchOptions(n_restarts=2), predicates=[])


class InBatches(AbstractProposer):
    """Gives every slot the next few predicates of a list; `scores` keeps what it was asked for."""

    identity = "in-batches"

    def __init__(self, predicates, per_slot):
        self.predicates, self.per_slot = list(predicates), per_slot
        self.scores: list[np.ndarray] = []

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del texts, goal, rng
        self.scores.append(scores)
        fresh = [predicate for predicate in self.predicates if predicate not in avoid]
        return [fresh[slot * self.per_slot : (slot + 1) * self.per_slot] for slot in range(scores.shape[1])]


@pytest.mark.slow
@pytest.mark.parametrize("pricing", [True, False])
def test_a_direction_that_promises_nothing_is_not_asked_for(pricing):
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=3)
    proposer = InBatches(oracle.predicates, 4)
    found = propose_with(proposer, oracle, texts, pricing=pricing)
    assert set(found.predicates) == set(oracle.gold)
    assert len(proposer.scores) == (1 if pricing else 2)
    assert found.result == (RESULTS.converged if pricing else RESULTS.nothing_usable)
    assert found.costs.rounds <= 3


@pytest.mark.slow
def test_a_direction_that_promises_more_is_asked_for():
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=3)
    distractors = [predicate for predicate in oracle.predicates if predicate not in oracle.gold]
    proposer = InBatches([*distractors[:9], *oracle.gold], 3)
    found = propose_with(proposer, oracle, texts, pricing=True)
    assert set(found.predicates) == set(oracle.gold)
    assert len(proposer.scores) == 2


@pytest.mark.slow
def test_slots_ahead_are_proposed_for_at_once():
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=3)
    proposer = InBatches(oracle.predicates, 1)
    found = propose_with(proposer, oracle, texts, n_ahead=3, n_rounds=0)
    assert [scores.shape for scores in proposer.scores] == [(200, 3 + 9)]
    assert set(found.predicates) == set(oracle.gold)
    directions = found.denoter.features.directions
    assert directions.shape[0] == 3, "the head sees the slots of the model"


def propose_with(proposer, oracle, texts, **options) -> nlparam.Fit:
    given = {"n_rounds": 3, "n_slots_refined": None, "n_screened": 20, "n_judged": None, "correct_bias": False}
    return nlparam.fit(
        Clustering(3),
        texts,
        lm=oracle.model(max_in_flight=64),
        proposer=proposer,
        embedder=LexicalEmbedder(texts),
        options={"n_restarts": 2} | given | options,
        inference=False,
    )


@pytest.mark.slow
def test_the_first_selection_leaves_judgments_to_the_rounds():
    texts, labels = topics(200, 3)
    oracle = Oracle(texts, labels, distractors=3)
    distractors = [predicate for predicate in oracle.predicates if predicate not in oracle.gold]
    proposer = InBatches([*distractors[:6], *oracle.gold], 2)
    found = propose_with(
        proposer, oracle, texts, n_rounds=1, n_screened=5, n_judged=60, max_judgments=300, reserved=0.35
    )
    selected, refined = (entry.judgments for entry in found.trace[1:3])
    assert selected <= 200
    assert selected < refined <= 300
    assert len(proposer.scores) == 2
    with pytest.raises(ValueError, match="got reserved=1, expected a share"):
        nlparam.SearchOptions(reserved=1)


class Looked(AbstractJudge):
    """Looks the answers up in a matrix."""

    identity = "looked"

    def __init__(self, answers, *, computed=False):
        self.answers, self.computed = answers, computed

    def computes(self, predicate):
        del predicate
        return self.computed

    def judge(self, texts, predicates, pairs):
        del texts, predicates
        return self.answers[pairs[:, 0], pairs[:, 1]]


def test_what_few_judgments_say_is_taken_with_caution(rng):
    features = rng.normal(size=(400, 5))
    truth = (features[:, :1] > 0) ^ (rng.random((400, 2)) < [0.0, 0.2])
    pool = Pool(
        [str(number) for number in range(400)],
        features,
        Looked(truth.astype(float)),
        correct_bias=False,
        max_judgments=None,
        meter=Meter(Costs()),
    )
    pool.add(["exact", "noisy"])
    pool.judge_pairs(np.asarray([(row, column) for row in range(60) for column in (0, 1)]))
    pool.judge_columns([0], np.arange(400))
    assert not pool.judge_pairs(np.zeros((0, 2)))
    cautious = pool.cautious_denotations([0, 1])
    assert (cautious[:, 0] == truth[:, 0]).all()
    assert (cautious[:60, 1] == truth[:60, 1]).all()
    # It is wrong for a fifth of the texts, and says so.
    assert 0.05 < cautious[60:, 1].min() < cautious[60:, 1].max() < 0.95
    by_head = pool.denotations([0, 1])
    assert by_head[60:, 1].min() < cautious[60:, 1].min()
    pool.correct_bias = True
    assert (pool.cautious_denotations([0, 1]) == pool.denotations([0, 1])).all()


def test_what_was_judged_on_fewer_texts_is_compared_as_if_all_were(rng):
    """Nothing tells the head of the predicates: with few judgments a copy with mistakes looks better than the truth."""
    truth = np.eye(3)[np.arange(200) % 3]
    copy = np.abs(truth[:, 0] - (rng.random(200) < 0.1))
    options = {"n_judged": None, "correct_bias": False, "n_screened": 16, "n_restarts": 2}
    with prepared(
        Clustering(3),
        [f"text {number}" for number in range(200)],
        lm=ScriptedModel(lambda _: "yes"),
        predicates=["is a copy", "is b", "is c", "is a"],
        judge=Looked(np.column_stack([copy, truth[:, 1:], truth[:, 0]])),
        embedder=testing.ScriptedEmbedder(),
        store=":memory:",
        options=options,
    ) as run:
        search = run.search
        search.start()
        pool = search.pool
        *judged, last = pool.add(["is a copy", "is b", "is c", "is a"])
        pool.judge_columns(judged, np.arange(200))
        pool.judge_columns([last], search.order[: 2 * search.n_screening])
        known = np.flatnonzero(pool.asked[:, last])
        exact = pool.cautiously_as_if(1, np.arange(200))
        np.testing.assert_array_equal(exact, truth[:, 1])
        np.testing.assert_array_equal(pool.cautiously_as_if(1, known)[known], truth[known, 1])
        first = search.select(None)
        assert sorted(first.chosen.tolist()) == judged
        assert search.rivals(first) == [last]
        assert sorted(reconsidered(search, first).chosen.tolist()) == [1, 2, last]
        assert search.trace[-1].step == "reconsidered"
        pool.correct_bias = True
        assert search.rivals(first) == []


def test_a_computed_predicate_does_not_hold_where_its_function_failed(rng):
    answers = (rng.random((50, 1)) < 0.9).astype(float)
    answers[::5] = np.nan
    pool = Pool(
        [str(number) for number in range(50)],
        rng.normal(size=(50, 5)),
        Looked(answers, computed=True),
        correct_bias=False,
        max_judgments=None,
        meter=Meter(Costs()),
    )
    pool.add(["is computed"])
    for denotations in (pool.denotations([0]), pool.cautious_denotations([0])):
        np.testing.assert_array_equal(denotations, np.nan_to_num(answers))


@pytest.mark.parametrize(
    ("option", "value"), [("n_ahead", 0), ("n_rounds", -1), ("n_screened", 0), ("n_judged", 1), ("max_judgments", 0)]
)
def test_nonsense_options_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        SearchOptions(**{option: value})
