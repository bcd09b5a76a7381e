"""Stability over halves of the texts: which predicates come back, by denotation, and one fit of them."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlparam
from nlparam.errors import FitWarning, ResultFolderError
from nlparam.fitting.halves import N_PERMUTED
from nlparam.fitting.records import RESULTS
from nlparam.fitting.recurrence import Recurrence, Stability
from nlparam.models import Classification, Clustering
from nlparam.numerics.statistics.recurrence import Column, alignment, correlate, recurring
from nlparam.results.jsonable import from_json, jsonable
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

rng = np.random.default_rng(0)
A, B, C = (rng.random((3, 200)) > 0.7).astype(float)


def blurred(column, share=0.05):
    return np.where(rng.random(len(column)) < share, 1 - column, column)


def test_predicates_are_the_same_if_they_hold_for_the_same_texts():
    runs = [np.stack([A, B], 1), np.stack([blurred(B), blurred(A)], 1), np.stack([C, blurred(A)], 1)]
    first, second, third = recurring(runs)
    assert set(first.members) == {Column(0, 0), Column(1, 1), Column(2, 1)}
    assert first.medoid == Column(0, 0)  # the others are blurred copies of it
    assert set(second.members) == {Column(0, 1), Column(1, 0)}
    assert third.members == (Column(2, 0),)
    assert third.correlation == 1.0
    assert 0.7 < second.correlation < 1


def test_two_columns_of_one_run_are_never_one_predicate():
    groups = recurring([np.stack([A, A], 1), A[:, None]])
    assert sorted(len(group.members) for group in groups) == [1, 2]
    for group in groups:
        assert len({member.run for member in group.members}) == len(group.members)


def test_a_column_that_is_the_same_for_all_texts_is_like_no_other():
    ones = np.ones(200)
    assert len(recurring([np.stack([A, ones], 1), np.stack([A, ones], 1)])) == 3
    np.testing.assert_array_equal(correlate(np.stack([ones, A], 1)), np.eye(2))


def test_alignment_is_one_for_equal_runs_in_any_order_and_counts_what_has_no_partner():
    assert alignment([np.stack([A, B], 1), np.stack([B, A], 1)]) == pytest.approx(1)
    assert alignment([np.stack([A, B], 1), A[:, None]]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="got 1 runs, expected at least 2"):
        alignment([A[:, None]])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_every_column_is_in_one_group_and_all_pairs_of_a_group_correlate(seed, sizes):
    columns = np.random.default_rng(seed).random((12, sum(sizes)))
    runs = np.split(columns, np.cumsum(sizes)[:-1], axis=1)
    groups = recurring(runs)
    members = [member for group in groups for member in group.members]
    assert sorted(members) == [Column(run, column) for run, size in enumerate(sizes) for column in range(size)]
    for group in groups:
        among = correlate(np.stack([runs[member.run][:, member.column] for member in group.members], 1))
        assert among.min() >= 0.5 - 1e-9
        assert len({member.run for member in group.members}) == len(group.members)


@pytest.fixture(scope="module")
def corpus():
    texts, labels = topics(160, 2)
    return texts, labels, LexicalEmbedder(texts)


def consensus(corpus, oracle=None, **options):
    texts, labels, embedder = corpus
    oracle = oracle or Oracle(texts, labels, distractors=2)
    return nlparam.consensus(
        Clustering(2), texts, lm=oracle.model(), predicates=oracle.predicates, embedder=embedder, **options
    )


@pytest.mark.slow
def test_the_consensus_has_what_all_seeds_found(corpus, tmp_path):
    oracle = Oracle(*corpus[:2], distractors=2)
    made = consensus(corpus, oracle, seeds=[3, 5, 8], out=tmp_path / "fit", store=tmp_path / "store.sqlite")
    assert sorted(made.predicates) == sorted(oracle.gold)
    stability = made.stability
    assert stability is not None
    assert stability.seeds == (3, 5, 8)
    assert stability.alignment > 0.8
    # With two predicates and two others to choose from, chance finds much; never all.
    assert len(stability.chance) == N_PERMUTED
    assert stability.by_chance < stability.alignment
    assert f"by chance it would be {stability.by_chance:.2f}" in stability.sentence
    assert [r.seeds for r in stability.recurrences[:2]] == [(3, 5, 8)] * 2
    assert {r.predicate for r in stability.recurrences if r.in_consensus} == set(made.predicates)
    assert made.costs.calls == len(oracle.asked)
    assert nlparam.load(tmp_path / "fit").stability == stability
    for seed in (3, 5, 8):
        half = nlparam.load(tmp_path / "fit" / "seeds" / str(seed))
        assert half.settings["seed"] == seed
        assert len(half.texts) == len(corpus[0]) // 2
    first, second = (set(nlparam.load(tmp_path / "fit" / "seeds" / str(seed)).texts) for seed in (3, 5))
    assert not first & second
    again = consensus(corpus, oracle, seeds=[3, 5, 8], out=tmp_path / "fit", store=tmp_path / "store.sqlite")
    assert again.costs.calls == 0
    assert again.stability == stability


@pytest.mark.slow
def test_a_budget_is_for_all_seeds_together(corpus):
    with pytest.warns(FitWarning) as warned:
        made = consensus(corpus, seeds=3, budget=nlparam.Budget(max_calls=150))
    assert "the budget is spent after" in str(warned[-1].message)
    assert made.result is RESULTS.budget_spent
    assert made.costs.calls == 150
    assert made.stability is not None
    assert 1 <= len(made.stability.seeds) <= 3


@pytest.mark.slow
def test_a_limit_on_the_judgments_of_each_fit_is_no_budget_for_all(corpus, recwarn):
    made = consensus(corpus, seeds=2, options={"max_judgments": 200})
    assert not [warning for warning in recwarn if "no consensus" in str(warning.message)]
    assert made.stability is not None
    assert made.stability.seeds == (0, 1)
    assert set(made.predicates) <= {r.predicate for r in made.stability.recurrences if r.in_consensus}
    assert made.costs.judgments_asked + made.costs.judgments_served > 2 * 200  # of a third fit


def test_one_seed_is_refused_by_name(corpus):
    with pytest.raises(ValueError, match=r"got seed=3, expected `seeds`"):
        consensus(corpus, seed=3)


@pytest.mark.parametrize("seeds", [0, 1, [4], [2, 2]])
def test_fewer_than_two_seeds_are_refused(corpus, seeds):
    with pytest.raises(ValueError, match="expected at least two different ones"):
        consensus(corpus, seeds=seeds)


@pytest.mark.slow
def test_a_folder_with_something_else_is_refused_before_anything_is_asked(corpus, tmp_path):
    oracle = Oracle(*corpus[:2], distractors=2)
    alone = {"lm": oracle.model(), "predicates": oracle.predicates, "embedder": corpus[2]}
    nlparam.fit(Clustering(2), corpus[0], out=tmp_path / "alone", **alone)
    asked = len(oracle.asked)
    with pytest.raises(ResultFolderError, match="a fit from one seed"):
        consensus(corpus, oracle, seeds=2, out=tmp_path / "alone")
    consensus(corpus, seeds=2, out=tmp_path / "two")
    with pytest.raises(ResultFolderError, match="from the seeds 0, 1"):
        consensus(corpus, oracle, seeds=3, out=tmp_path / "two")
    assert len(oracle.asked) == asked


@pytest.mark.slow
def test_on_random_labels_halves_agree_no_more_than_by_chance(corpus):
    """Seeds over the same texts would agree: it is the texts that must differ."""
    texts, topic, embedder = corpus
    oracle = Oracle(texts, topic, distractors=8)

    def made(labels):
        fitted = nlparam.consensus(
            Classification(2), texts, labels, seeds=2, lm=oracle.model(), predicates=oracle.predicates,
            embedder=embedder, held_out=0.0, inference=False,
        )  # fmt: skip
        assert fitted.stability is not None
        return fitted.stability

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        noise = made(np.random.default_rng(2).permutation(["a", "b"] * (len(texts) // 2)).tolist())
        signal = made([str(one) for one in topic])
    assert noise.alignment < max(noise.chance) + 0.05
    assert signal.alignment > signal.by_chance + 0.2


def test_the_sentence_of_a_stability_says_what_chance_would_give():
    found = Stability((0, 1), (1.0, 1.0), 0.6, (), (0.2, 0.3))
    assert "0.60 between halves of the texts; by chance it would be 0.25 (at most 0.30" in found.sentence
    assert "in 1 of 2 permutations of the data: that is no stability" in Stability(
        (0, 1), (1.0, 1.0), 0.25, (), (0.2, 0.3)).sentence  # fmt: skip
    assert "between fits to the same texts" in Stability((0, 1), (1.0, 1.0), 0.6, ()).sentence


def test_stability_survives_json():
    one = Recurrence("is about sport", (0, 2), ("is about sport", "mentions a game"), 0.8, 0.25, in_consensus=True)
    stability = Stability((0, 1, 2), (1.5, 1.25, 1.0), 0.4, (one,), (0.1, 0.2))
    kept = json.loads(json.dumps(jsonable(stability)))
    assert from_json(Stability, kept) == stability
    # Of an earlier version.
    del kept["chance"]
    assert from_json(Stability, kept).chance == ()


def test_costs_add_up_stage_by_stage():
    first = Costs(calls=2, money=0.5, seconds={"judge": 1.0}, stages={"judge": {"calls": 2}})
    second = Costs(calls=3, rounds=1, seconds={"judge": 2.0, "propose": 1.0}, stages={"propose": {"calls": 3}})
    both = first + second
    assert (both.calls, both.rounds, both.money) == (5, 1, 0.5)
    assert both.seconds == {"judge": 3.0, "propose": 1.0}
    assert both.stages == {"judge": {"calls": 2}, "propose": {"calls": 3}}
    assert first.seconds == {"judge": 1.0}
