"""Coordinate refinement, the search of the paper, and the options that take parts of the search away."""

import jax.numpy as jnp
import numpy as np
import pytest

import nlparam
from nlparam.fitting.records import RESULTS
from nlparam.fitting.search import SearchOptions
from nlparam.lm.engine import Engine
from nlparam.lm.scripted import ScriptedModel
from nlparam.models import Clustering
from nlparam.numerics.core.select import slot_losses
from tests.fitting.search.test_driver import InBatches
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

# Distractors hold for random texts, which no head could tell.
pytestmark = pytest.mark.filterwarnings("ignore:the head can hardly tell")

IN_FULL = {"n_judged": None, "correct_bias": False, "n_restarts": 2}


@pytest.fixture(scope="module")
def corpus():
    return topics(90, 3)


def fit(corpus, proposer, lm=None, n_predicates=3, **options):
    texts, labels = corpus
    lm = Oracle(texts, labels).model() if lm is None else lm
    return nlparam.fit(
        Clustering(n_predicates),
        texts,
        lm=lm,
        proposer=proposer,
        embedder=LexicalEmbedder(texts),
        options=options,
        inference=False,
    )


@pytest.mark.slow
def test_every_candidate_is_judged_on_every_text_and_the_gold_ones_are_found(corpus):
    oracle = Oracle(*corpus)
    proposer = InBatches(oracle.predicates, 3)
    found = fit(corpus, proposer, oracle.model(), refinement="coordinate", n_rounds=9, n_slots_refined=None, **IN_FULL)
    assert set(found.predicates) == set(oracle.gold)
    n_texts = len(corpus[0])
    assert found.costs.judgments_asked == len(found.candidates) * n_texts
    # One slot at a time: after the first proposals, for all slots, a wait for every slot that got something new.
    assert [scores.shape[1] for scores in proposer.scores] == [3] + [1] * (len(proposer.scores) - 1)
    assert found.costs.rounds == 1 + (len(found.candidates) - 9) // 3
    losses = [entry.loss for entry in found.trace[1:]]
    assert losses == sorted(losses, reverse=True)
    assert found.result in (RESULTS.converged, RESULTS.nothing_usable)


@pytest.mark.slow
def test_the_number_of_judgments_can_be_set(corpus):
    oracle = Oracle(*corpus)
    found = fit(
        corpus,
        InBatches(oracle.predicates, 3),
        oracle.model(),
        refinement="coordinate",
        n_rounds=9,
        n_slots_refined=None,
        max_judgments=1000,
        **IN_FULL,
    )
    assert found.costs.judgments_asked == 1000
    assert found.result == RESULTS.budget_spent


@pytest.mark.slow
def test_one_slot_and_some_rounds_are_the_algorithm_of_the_paper(corpus):
    oracle = Oracle(*corpus)
    proposer = InBatches(oracle.predicates, 2)
    found = fit(corpus, proposer, oracle.model(), refinement="coordinate", n_rounds=4, n_slots_refined=1, **IN_FULL)
    assert len(proposer.scores) == 1 + 4
    assert found.result == RESULTS.rounds_spent


@pytest.mark.slow
def test_no_refinement(corpus):
    proposer = InBatches(Oracle(*corpus).predicates, 3)
    for refinement in ("columns", "coordinate"):
        found = fit(corpus, proposer, refinement=refinement, n_rounds=0, **IN_FULL)
        assert len(found.candidates) == 9
        assert found.result == RESULTS.rounds_spent


@pytest.mark.slow
@pytest.mark.parametrize("refinement", ["columns", "coordinate"])
def test_no_relaxation(corpus, refinement):
    proposer = InBatches(Oracle(*corpus).predicates, 3)
    found = fit(corpus, proposer, refinement=refinement, relaxation=False, **IN_FULL)
    assert found.trace[0].step == "random directions"
    assert np.isfinite(found.trace[0].loss)
    again = InBatches(proposer.predicates, 3)
    fit(corpus, again, refinement=refinement, relaxation=True, **IN_FULL)
    assert again.scores[0].std() > 1.5 * proposer.scores[0].std(), "a random direction parts the texts less"
    assert np.linalg.norm(found.denoter.features.directions, axis=1) == pytest.approx(1)


def test_losses_in_a_slot(rng):
    pool = jnp.asarray(rng.random((50, 5)) < 0.3, dtype=float)
    model = Clustering(2)
    losses = slot_losses(model, pool, None, chosen=[3, 1], slot=0)
    assert losses.shape == (6,)
    assert losses[1] == np.inf, "it is in the other slot"
    for candidate in (0, 2, 3, 4):
        assert losses[candidate] == pytest.approx(float(model.profile_loss(pool[:, jnp.asarray([candidate, 1])])))
    alone = jnp.stack([jnp.zeros(50), pool[:, 1]], axis=1)
    assert losses[5] == pytest.approx(float(model.profile_loss(alone)))


def test_an_unknown_refinement_is_refused():
    with pytest.raises(ValueError, match="columns, coordinate"):
        SearchOptions(refinement="rows")  # pyright: ignore[reportArgumentType]


def test_a_batch_is_one_round_and_an_empty_one_none():
    from nlparam.lm.base import Message, Request
    from nlparam.runtime.costs import Costs

    costs = Costs()
    requests = [Request((Message("user", f"question {number}"),)) for number in range(5)]
    with Engine(ScriptedModel(lambda _: "yes", max_in_flight=2), store=None, costs=costs) as engine:
        engine.run(requests)
        engine.run([])
        engine.run(requests[:1])
    assert (costs.rounds, costs.calls) == (2, 6)
