"""A fit made by hand: no language model, embedder or search is needed to test what is done with a fit."""

import dataclasses

import numpy as np

from nlparam.corpus import Corpus
from nlparam.costs import Costs
from nlparam.solution import RESULTS, Agreement, Fit, Judgment, TraceEntry


@dataclasses.dataclass
class Clustering:
    n_predicates: int = 3
    assigns_texts: bool = True


def make_fit(n_texts=60, n_predicates=3, *, seed=0, texts=None, predicates=None, **changes) -> Fit:
    rng = np.random.default_rng(seed)
    texts = [f"Story {i} about a subject and its consequences." for i in range(n_texts)] if texts is None else texts
    predicates = predicates or [f"is about subject {k}" for k in range(n_predicates)]
    corpus = Corpus.from_texts(texts)
    # Equal texts have equal denotations, as in a real fit.
    denotations = corpus.spread(rng.uniform(size=(len(corpus.distinct), len(predicates))))
    worded = np.flatnonzero(~corpus.blank)
    judgments = [
        Judgment(int(text), predicate, float(rng.uniform()))
        for predicate in predicates
        for text in rng.choice(worded, min(20, len(worded)), replace=False)
    ]
    values = {
        "model": Clustering(len(predicates)),
        "asked_model": Clustering(len(predicates)),
        "predicates": predicates,
        "weights": {},
        "denotations": denotations,
        "predictions": np.where(corpus.blank, -1, denotations.argmax(axis=1)),
        "loss": 4.25,
        "result": RESULTS.converged,
        "corpus": corpus,
        "denoter": None,
        "judgments": judgments,
        "agreement": [Agreement(20, 0.9, 0.8 + k / 1000, 0.5) for k in range(len(predicates))],
        "candidates": [*predicates, "is about something else"],
        "trace": [
            TraceEntry("relaxation", 4.0),
            TraceEntry("selection", 4.5, tuple(predicates), 5, 60, 3.0),
            TraceEntry("refinement 1", 4.25, (*predicates[:-1], "is about something else"), 7, 80, 2.0),
        ],
        "settings": {"goal": "what the story is about", "lm": "scripted", "seed": 0},
        "versions": {"nlparam": "0.1.0"},
        "costs": Costs(calls=1234, prompt_tokens=56789, judgments_asked=60, seconds={"judge": 75.0, "embed": 5.0}),
    }
    return Fit(**(values | changes))
