"""Problems with three planted topics for the arms of the experiments."""

import numpy as np

from benchmarks.experiments.base import Dataset, Problem, Task
from nlparam.language.propose import AbstractProposer
from nlparam.models import Classification, Clustering, TimeSeries
from nlparam.numerics.statistics.metrics import matched_f1, one_hot
from tests.helpers.oracle import LexicalEmbedder, Oracle, topics

N_TEXTS = 120


class Named(AbstractProposer):
    """Proposes the label that most of the three highest texts of a slot have, by the labels that it was given."""

    identity = "named"

    def __init__(self, texts, labels):
        self.label_of = dict(zip(texts, labels, strict=True))
        self.calls = []

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del rng
        self.calls.append((scores.shape[1], goal, tuple(avoid)))
        tops = [[self.label_of[texts[i]] for i in np.argsort(-column)[:3]] for column in scores.T]
        return [[f"has the label {max(top, key=top.count)}"] for top in tops]


def planted_topics():
    """Texts, labels, the gold predicates, their denotations, and an embedder."""
    texts, labels = topics(N_TEXTS, 3)
    names = sorted(set(labels))
    truth = np.asarray([[label == name for name in names] for label in labels])
    return texts, labels, tuple(f"has the label {name}" for name in names), truth, LexicalEmbedder(texts)


def problem(planted, task: Task = "clustering", **settings):
    texts, labels, names, truth, embedder = planted
    numbers = truth.argmax(axis=1)
    data = {"clustering": None, "classification": list(labels), "time_series": list(map(int, numbers))}[task]
    model = {"clustering": Clustering(3), "classification": Classification(3, 3), "time_series": TimeSeries(3)}[task]
    dataset = Dataset("planted", task, list(texts), data, "the label", 3, truth, names)
    defaults = {
        "lm": Oracle(texts, labels, distractors=2).model(),
        "embedder": embedder,
        "proposer": Named(texts, labels),
        "options": {"n_rounds": 1, "n_restarts": 2, "n_screened": 4, "n_judged": 30, "correct_bias": False},
        # The scripted language model judges and states nothing.
        "representation": "embedding",
    }
    return Problem(dataset, model, defaults | settings)


def f1(outcome, truth):
    learned = outcome.denotations > 0.5 if outcome.assignments is None else one_hot(outcome.assignments, 3)
    return matched_f1(learned, truth).macro
