"""Fits made by hand: no language model, embedder or search is needed to test what is done with a fit."""

import jax
import jax.numpy as jnp
import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.fitting.records import RESULTS, Agreement, TraceEntry
from nlparam.fitting.result import Fit
from nlparam.models import Classification, Clustering, Difference, Regression, TimeSeries
from nlparam.numerics.core import compiled
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs


class Plain(AbstractPredicateModel):
    """A model with nothing but a loss: its quantities are its weights, and it assigns no text to a predicate."""

    n_predicates: int = 3

    def loss(self, weights, denotations, data=None):
        del data
        return jnp.mean((denotations @ weights - 1) ** 2)


def make_fit(n_texts=60, n_predicates=3, *, seed=0, texts=None, predicates=None, model=None, data=None, **changes):
    """A fit of `model`, by default a clustering, with weights that are fitted to random denotations."""
    rng = np.random.default_rng(seed)
    texts = [f"Story {i} about a subject and its consequences." for i in range(n_texts)] if texts is None else texts
    predicates = predicates or [f"is about subject {k}" for k in range(n_predicates)]
    corpus = Corpus.from_texts(texts)
    # Equal texts have equal denotations, as in a real fit.
    denotations = corpus.spread(rng.uniform(size=(len(corpus.distinct), len(predicates))))
    denotations = changes.pop("denotations", denotations)
    model = Clustering(len(predicates)) if model is None else model
    prepared, coords = model.prepare(data, len(corpus))
    weights, predictions, _ = jax.tree.map(np.asarray, compiled.fitted(model, jnp.asarray(denotations), prepared))
    worded = np.flatnonzero(~corpus.blank)
    judgments = [
        Judgment(int(text), predicate, float(rng.uniform()))
        for predicate in predicates
        for text in rng.choice(worded, min(20, len(worded)), replace=False)
    ]
    values = {
        "model": model,
        "asked_model": model,
        "predicates": predicates,
        "weights": weights,
        "denotations": denotations,
        "predictions": np.where(corpus.blank, -1, predictions) if model.assigns_texts else predictions,
        "data": jax.tree.map(np.asarray, prepared),
        "coords": coords,
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


def fit_of(kind: str, *, n_texts=400, seed=1, **changes) -> Fit:
    """A fit of each model to data in which the first predicate has an effect: "two classes", "three classes",
    "numbers", "groups", "dates" or "ranks"."""
    rng = np.random.default_rng(seed)
    held = (rng.random((n_texts, 3)) < (0.5, 0.3, 0.2)).astype(np.float64)
    draw = rng.random(n_texts)
    if kind == "two classes":
        model = Classification(3, n_classes=2)
        data = np.where(draw < 0.2 + 0.6 * held[:, 0], "ham", "spam").tolist()
    elif kind == "three classes":
        model = Classification(3, n_classes=3)
        data = np.where(draw < 0.2 + 0.6 * held[:, 0], "sport", np.where(held[:, 1] > 0, "money", "art")).tolist()
    elif kind == "numbers":
        model, data = Regression(3), 20 + 5 * held[:, 0] - 2 * held[:, 1] + rng.normal(size=n_texts)
    elif kind == "groups":
        model, data = Difference(3), np.where(draw < 0.2 + 0.6 * held[:, 0], "new", "old").tolist()
    else:
        # The first predicate comes in the second half of the time; the times lie at uneven distances.
        place = np.sort(rng.integers(0, 40, n_texts)) ** 2
        held[:, 0] = rng.random(n_texts) < np.where(place > 400, 0.8, 0.1)
        dates = np.datetime64("2004-01-01") + place.astype("timedelta64[D]")
        model = TimeSeries(3, unit="month", smoothness=5.0) if kind == "dates" else TimeSeries(3, smoothness=50.0)
        data = [str(date) for date in dates] if kind == "dates" else place.tolist()
    return make_fit(n_texts, model=model, data=data, denotations=held.astype(np.float32), seed=seed, **changes)
