"""The arms of the experiments on planted topics, with scripted language models."""

import dataclasses
import re

import numpy as np
import pytest

import nlparam
from benchmarks.experiments.arms import ARMS
from benchmarks.experiments.arms.ablations import OneHotEmbedder
from benchmarks.experiments.arms.goalex import Goalex, RandomTexts
from benchmarks.experiments.arms.shared import session
from benchmarks.experiments.base import SEARCH_ALONE, Problem
from nlparam.errors import LanguageModelError
from nlparam.language.propose import Listed
from nlparam.lm.scripted import ScriptedModel
from nlparam.numerics.statistics.metrics import matched_f1
from nlparam.runtime.costs import Costs
from tests.helpers.oracle import Oracle
from tests.helpers.planted_problem import N_TEXTS, Named, f1, planted_topics, problem

PUBLISHED = ("no_relaxation", "no_refinement", "one_hot", "other_embedder", "shuffled")

planted = pytest.fixture(planted_topics, scope="module")


def test_every_arm_of_the_issue_is_there():
    wanted = "full no_relaxation no_refinement coordinate one_hot prompting shuffled goalex no_goal_representation "
    wanted += "more_at_once named "
    wanted += "kmeans tfidf_kmeans topic_model bertopic hypothesaes lloom other_embedder goalex_published published "
    wanted += " ".join(f"published_{name}" for name in PUBLISHED)
    assert sorted(ARMS) == sorted(wanted.split())
    built = {name: arm() for name, arm in ARMS.items()}  # every field has a default
    for name, arm in built.items():
        assert dataclasses.is_dataclass(arm), name
        assert type(arm).__doc__, name
    assert [name for name, arm in built.items() if not arm.uses_language_model] == ["tfidf_kmeans", "topic_model"]


@pytest.mark.parametrize("name", ["full", "prompting", "goalex"])
def test_arms_that_judge_solve_an_easy_problem(planted, name):
    outcome = ARMS[name]().run(problem(planted))
    assert outcome.denotations.shape == (N_TEXTS, len(outcome.predicates))
    assert outcome.assignments is not None
    assert outcome.assignments.shape == (N_TEXTS,)
    assert outcome.costs.judgments_asked > 0
    assert (outcome.fit is None) == (name == "goalex")
    assert f1(outcome, planted[3]) > 0.95
    assert sorted(outcome.predicates) == sorted(planted[2])


@pytest.fixture
def asked_for(monkeypatch):
    """What an arm calls `nlparam.fit` with, without fitting anything."""
    calls = []

    class Called(Exception):
        pass

    def fit(*arguments, **options):
        calls.append((arguments, options))
        raise Called

    monkeypatch.setattr(nlparam, "fit", fit)

    def ask(name, of):
        with pytest.raises(Called):
            ARMS[name]().run(of)
        return calls[-1]

    return ask


def test_what_the_ablations_change(planted, asked_for):
    of = problem(planted)
    (model, texts, data), full = asked_for("full", of)
    assert (model, list(texts), data) == (of.model, of.dataset.texts, None)
    assert full == {**of.settings, **SEARCH_ALONE, "goal": "the label"}
    changes = {"no_relaxation": {"relaxation": False}, "no_refinement": {"n_rounds": 0}}
    changes |= {"coordinate": {"refinement": "coordinate"}, "more_at_once": {"n_rounds": 0, "n_ahead": 2}}
    one_at_a_time = {"n_slots_refined": 1}
    for name, change in changes.items():
        unset = one_at_a_time if name == "coordinate" else {}
        assert asked_for(name, of)[1] == {**full, "options": {**of.settings["options"], **unset, **change}}, name
        given = problem(planted, options=nlparam.SearchOptions(n_judged=30))
        assert asked_for(name, given)[1]["options"] == nlparam.SearchOptions(n_judged=30, **change), name
    unset = Problem(of.dataset, of.model, {})
    assert asked_for("coordinate", unset)[1]["options"] == {"n_rounds": 10, **one_at_a_time, "refinement": "coordinate"}
    assert asked_for("no_refinement", unset)[1]["options"] == {"n_rounds": 0}
    assert asked_for("no_goal_representation", unset)[1]["representation"] == "embedding"
    one_hot_fit = asked_for("one_hot", unset)[1]
    assert one_hot_fit["embedder"].n_dimensions == N_TEXTS
    assert one_hot_fit["representation"] == "embedding"


def with_words(planted):
    """A problem whose language model also says a category as the predicate that it judges."""
    judging = Oracle(*planted[:2], distractors=0)

    def answer(request):
        if request.labels:
            return judging.answer(request)
        topic = re.search(r"topic \d", request.messages[-1].content)
        assert topic is not None
        return f"has the label {topic.group()}"

    return problem(planted, lm=ScriptedModel(answer))


def test_the_names_of_the_references_are_judged(planted, asked_for):
    of = with_words(planted)
    _, given = asked_for("named", of)
    with session(of, Costs()) as asking:
        listed = given["proposer"](asking.engine)
    assert isinstance(listed, Listed)
    assert tuple(listed.predicates) == planted[2]
    assert "predicates" not in given, "or the goal would not be followed"
    assert given["representation"] == "embedding"
    del of.settings["representation"]
    assert "representation" not in asked_for("named", of)[1]
    nameless = dataclasses.replace(of.dataset, reference_predicates=())
    assert "no references" in (ARMS["named"]().unfit(nameless) or "")


def test_a_fit_of_the_right_words(planted):
    outcome = ARMS["named"]().run(with_words(planted))
    assert sorted(outcome.predicates) == sorted(planted[2])
    assert f1(outcome, planted[3]) > 0.95


def test_one_hot_embeddings():
    embedder = OneHotEmbedder(["a", "b", "a", " ", "c"])
    np.testing.assert_array_equal(
        embedder.embed(["b", "a"]) @ embedder.embed(["a", "b", "c"]).T, [[0, 1, 0], [1, 0, 0]]
    )
    unknown = embedder.embed(["something else"])
    np.testing.assert_allclose(np.linalg.norm(unknown), 1, rtol=1e-6)
    many = [f"text {number}" for number in range(80)]
    projected = OneHotEmbedder(many, n_dimensions=64)
    vectors = projected.embed(many)
    assert vectors.shape == (80, 64)
    np.testing.assert_allclose(np.diag(vectors @ vectors.T), 1, rtol=1e-5)
    assert np.abs(vectors @ vectors.T - np.eye(80)).max() < 0.6
    # A projected vector depends on the text alone, a basis vector on the corpus.
    assert projected.identity == OneHotEmbedder(many[::-1], n_dimensions=64).identity
    assert OneHotEmbedder(["a", "b"]).identity != OneHotEmbedder(["b", "a"]).identity
    with pytest.raises(ValueError, match="n_dimensions=1"):
        OneHotEmbedder(["a"], n_dimensions=1)


def test_prompting_asks_until_it_has_enough(planted):
    named = Named(*planted[:2])
    proposals = RandomTexts(named, 3).propose(
        planted[0], np.zeros((N_TEXTS, 9)), goal="the label", rng=np.random.default_rng(0)
    )
    assert len(proposals) == 1
    assert len(set(proposals[0])) == len(proposals[0]) == 3


def test_shuffled_permutes_times_and_nothing_else(planted, asked_for):
    of = problem(planted, "time_series")
    (_, texts, times), _ = asked_for("shuffled", of)
    assert texts == of.dataset.texts
    assert times != of.dataset.data
    assert sorted(times) == sorted(of.dataset.data)
    as_array = dataclasses.replace(of, dataset=dataclasses.replace(of.dataset, data=np.asarray(of.dataset.data)))
    np.testing.assert_array_equal(asked_for("shuffled", as_array)[0][2], times)
    other = dataclasses.replace(of, settings={**of.settings, "seed": 1})
    assert asked_for("shuffled", other)[0][2] != times


@pytest.mark.parametrize("name", ["kmeans", "tfidf_kmeans", "topic_model"])
def test_clusters(planted, name):
    of = problem(planted)
    outcome = ARMS[name]().run(of)
    assert f1(outcome, planted[3]) > 0.8
    assert len(outcome.predicates) == 3
    assert outcome.denotations.shape == (N_TEXTS, 3)
    again = ARMS[name]().run(of)
    np.testing.assert_array_equal(again.assignments, outcome.assignments)
    if name == "kmeans":
        assert sorted(outcome.predicates) == sorted(planted[2])
        matched = matched_f1(outcome.denotations, planted[3]).match
        assert [outcome.predicates[column] for column in matched] == list(planted[2])
    else:
        assert all(
            re.fullmatch(r"uses words like topic(\d)word\d+(, topic\1word\d+){4}", p) for p in outcome.predicates
        )
        assert outcome.costs.calls == 0


def test_blank_texts_are_in_no_cluster(planted):
    of = problem(planted)
    dataset = dataclasses.replace(of.dataset, texts=["", *of.dataset.texts[1:]])
    for name in ("kmeans", "topic_model", "goalex"):
        outcome = ARMS[name]().run(dataclasses.replace(of, dataset=dataset))
        assert outcome.assignments is not None
        assert outcome.assignments[0] == -1, name
        assert outcome.denotations[0].max() == 0, name


def test_a_cluster_that_is_not_described_says_so(planted):
    class Silent(Named):
        def propose(self, texts, scores, **_):
            del texts
            return [[] for _ in scores.T]

    outcome = ARMS["kmeans"]().run(problem(planted, proposer=Silent(*planted[:2])))
    assert outcome.predicates == ["belongs to cluster 1", "belongs to cluster 2", "belongs to cluster 3"]


def test_the_default_proposer_describes_clusters(planted):
    def answer(request):
        words = re.findall(r"topic(\d)word", request.messages[-1].content.split("\n+0.")[-1])
        return f'["is about topic {max(words, key=words.count)}"]'

    lm = ScriptedModel(answer)
    outcome = ARMS["kmeans"]().run(problem(planted, lm=lm, proposer=None))
    assert sorted(outcome.predicates) == ["is about topic 0", "is about topic 1", "is about topic 2"]
    assert outcome.costs.proposals_asked == 3


@pytest.mark.parametrize("task", ["classification", "time_series"])
def test_goalex_for_other_tasks(planted, task):
    outcome = ARMS["goalex"]().run(problem(planted, task))
    assert outcome.assignments is None
    assert f1(outcome, planted[3]) > 0.95


def test_goalex_spends_what_the_others_may(planted):
    options = {"n_judged": 10, "max_judgments": 240, "correct_bias": False}
    assert ARMS["goalex"]().run(problem(planted, options=options)).costs.judgments_asked == 240
    again = Goalex(n_assigned=20).run(problem(planted, options=options))
    assert (again.costs.judgments_asked, again.costs.judgments_served) == (0, 60)


def test_goalex_without_usable_judgments(planted):
    with pytest.raises(LanguageModelError, match="none of the 3 predicates"):
        ARMS["goalex"]().run(problem(planted, options={"max_judgments": 2}))


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("shuffled", "clustering"),
        ("kmeans", "time_series"),
        ("tfidf_kmeans", "classification"),
        ("published_shuffled", "classification"),
        ("bertopic", "time_series"),
    ],
)
def test_an_arm_for_another_task_says_so(planted, name, task):
    assert re.match(f"got a {task}, expected a ", ARMS[name]().unfit(problem(planted, task).dataset) or "")
    assert ARMS["published"]().unfit(problem(planted, task).dataset) is None


def test_bad_settings(planted):
    with pytest.raises(ValueError, match="got options of type int"):
        ARMS["no_refinement"]().run(problem(planted, options=3))
