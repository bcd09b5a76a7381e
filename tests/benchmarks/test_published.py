"""The algorithms as they were published, on planted topics, with a scripted language model."""

import dataclasses
import re

import numpy as np
import pytest

from benchmarks.experiments.arms import ARMS
from benchmarks.experiments.arms.goalex import Goalex
from benchmarks.experiments.arms.published import Published
from nlparam.lm.scripted import ScriptedModel
from tests.helpers.oracle import Oracle, topics
from tests.helpers.planted_problem import N_TEXTS, Named, f1, planted_topics, problem

planted = pytest.fixture(planted_topics, scope="module")


@pytest.mark.parametrize(
    "name", ["published", "published_no_relaxation", "published_no_refinement", "published_one_hot"]
)
def test_the_published_algorithm(planted, name):
    options = {"n_restarts": 2, "n_judged": None, "max_judgments": None}
    n_rounds = 0 if name == "published_no_refinement" else 2
    arm = ARMS[name](committed=False, **({"n_rounds": n_rounds} if n_rounds else {}))
    outcome = arm.run(problem(planted, options=options))
    # All candidates are judged on all texts.
    assert outcome.costs.judgments_asked + outcome.costs.judgments_served == 3 * N_TEXTS
    losses = [entry.loss for entry in outcome.trace[1:]]
    assert len(losses) == n_rounds + 1
    assert sorted(losses, reverse=True) == losses
    if name != "published_no_refinement":
        assert f1(outcome, planted[3]) > 0.95


def test_candidates_compete_in_the_order_of_their_correlation(planted):
    texts, labels, _, truth, _ = planted

    class Everything(Named):
        def propose(self, texts, scores, **_):
            del texts
            return [[f"has the label topic {n}" for n in range(3)] for _ in scores.T]

    arm = Published(n_rounds=0, committed=False)
    outcome = arm.run(problem(planted, proposer=Everything(texts, labels), options={"n_restarts": 2}))
    # Every slot is offered the same three; each takes the one that its direction goes with.
    assert f1(outcome, truth) > 0.95


@pytest.fixture
def committing(planted):
    """A language model that also says which one label a text has, and the texts that it was asked that of."""
    oracle, asked = Oracle(planted[0], planted[1], distractors=2), []

    def answer(request):
        content = request.messages[-1].content
        if "Answer with one letter." not in content:
            return oracle.answer(request)
        asked.append(content)
        options = dict(re.findall(r"^([A-Z])\. (.*)$", content, re.MULTILINE))
        words = re.findall(r"topic(\d)word", content)
        return next(letter for letter, option in options.items() if option.endswith(max(words, key=words.count)))

    return ScriptedModel(answer), asked


def test_published_arms_keep_to_a_limit(planted, committing):
    lm, asked = committing
    options = {"n_restarts": 2, "max_judgments": 140, "n_judged": 30}
    outcome = Published(n_rounds=1).run(problem(planted, lm=lm, options=options))
    assert len(asked) == 140 - 3 * 30
    assert outcome.costs.judgments_asked == 140
    assert f1(outcome, planted[3]) > 0.95


def test_the_language_model_commits_texts_to_one_predicate(planted, committing):
    lm, asked = committing
    options = {"n_restarts": 2, "n_judged": 20, "correct_bias": False}
    outcome = Goalex(n_rounds=5, committed=True).run(problem(planted, lm=lm, options=options))
    assert len(asked) == N_TEXTS
    assert f1(outcome, planted[3]) == 1.0


def test_more_rounds_of_goalex_propose_from_what_is_not_covered(planted):
    texts, labels, *_ = planted

    class OneByOne(Named):
        """Proposes the label of the first text that it is shown."""

        def propose(self, texts, scores, *, avoid=(), **_):
            del scores
            self.calls.append((len(texts), tuple(avoid)))
            return [[f"has the label {self.label_of[texts[0]]}"]]

    proposer = OneByOne(texts, labels)
    of = problem(planted, proposer=proposer)
    one = Goalex(n_proposals=1).run(of)
    assert len(one.predicates) == 1
    proposer.calls.clear()
    outcome = Goalex(n_proposals=1, n_rounds=5).run(of)
    assert sorted(outcome.predicates) == sorted(planted[2])
    sizes = [n for n, _ in proposer.calls]
    assert sizes[0] == N_TEXTS
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3  # all texts are covered then


def test_texts_that_were_left_out_are_denoted(planted):
    new, labels = topics(40, 3, seed=1)
    of = dataclasses.replace(problem(planted), left_out=new)
    for name in ("goalex", "published"):
        arm = ARMS[name](committed=False, **({} if name == "goalex" else {"n_rounds": 0}))
        outcome = arm.run(of)
        assert outcome.left_out is not None
        assert outcome.left_out.shape == (40, len(outcome.predicates)), name
        said = np.asarray(outcome.predicates)[outcome.left_out.argmax(axis=1)]
        assert np.mean(said == [f"has the label {label}" for label in labels]) > 0.6, name
