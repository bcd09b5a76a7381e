"""Fits of goals, one after another, with what each reached."""

import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nlparam
from benchmarks.commands import embedded, keep_row, kept_rows, kmeans, n_judgments
from benchmarks.goals import scoring
from benchmarks.goals.corpora import Corpus, load
from benchmarks.goals.suite import Goal
from nlparam.errors import NlparamError
from nlparam.lm.base import AbstractLanguageModel
from nlparam.models import Classification, Clustering


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run asks of every fit; the defaults of the library hold for everything else.

    `max_judgments` is doubled for goals with many classes. `most_texts` takes the first texts of each corpus only.
    `given`: the predicates are those of `answers.yaml`, and nothing is proposed.
    """

    lm: str | AbstractLanguageModel = "native"
    proposer: str | None = None
    max_judgments: int = 900
    store: Path | None = None
    most_texts: int | None = None
    given: bool = False

    def n_predicates(self, goal: Goal) -> int:
        return len(goal.answers) if self.given else goal.k

    def key(self, goal: Goal, seed: int) -> dict[str, Any]:
        """What says that an entry is of the same fit."""
        return {
            "goal": goal.name,
            "asked": goal.goal,
            "k": self.n_predicates(goal),
            "seed": seed,
            "lm": self.lm if isinstance(self.lm, str) else self.lm.identity,
            "proposer": self.proposer,
            "max_judgments": self.max_judgments * (2 if goal.group == "large" else 1),
            "most_texts": self.most_texts,
            "given": self.given,
        }


def run(goals: Sequence[Goal], seeds: Sequence[int], settings: Settings, out: Path | None) -> Iterator[dict[str, Any]]:
    """The entry of each goal and seed, those in the file `out` first; each new one is appended to it.

    A fit that fails is told on stderr and has no entry: the same command tries it again.
    """
    known = kept_rows(out)
    for goal, seed in itertools.product(goals, seeds):
        key = settings.key(goal, seed)
        entry = next((entry for entry in known if key.items() <= entry.items()), None)
        if entry is None:
            try:
                entry = key | fitted(goal, seed, settings)
            except NlparamError as error:
                print(f"{goal.name}, seed {seed}: {error}", file=sys.stderr, flush=True)
                continue
            keep_row(out, entry)
        yield entry


def fitted(goal: Goal, seed: int, settings: Settings) -> dict[str, Any]:
    """What a fit of the goal reached."""
    corpus, most = load(goal.corpus), settings.most_texts
    axes = {axis: labels[:most] for axis, labels in corpus.axes.items()}
    corpus = dataclasses.replace(corpus, texts=corpus.texts[:most], axes=axes)
    return (_classified if goal.model == "classification" else _clustered)(goal, corpus, seed, settings)


def _clustered(goal: Goal, corpus: Corpus, seed: int, settings: Settings) -> dict[str, Any]:
    fit, figures = _fit(goal, Clustering(n_predicates=settings.n_predicates(goal)), corpus.texts, None, seed, settings)
    n_clusters = len(fit.predicates)
    f1 = {axis: scoring.axis_f1(fit.predictions, n_clusters, labels) for axis, labels in corpus.axes.items()}
    clusters = kmeans(embedded(corpus.texts, settings.store), goal.k, seed=seed).labels_
    followed = scoring.followed_axis(fit.predictions, corpus.axes)
    return figures | {
        "f1": f1[goal.axis],
        "axes_f1": f1,
        "axes_information": {axis: scoring.information(fit.predictions, corpus.axes[axis]) for axis in corpus.axes},
        "kmeans_f1": scoring.axis_f1(clusters, goal.k, corpus.axes[goal.axis]),
        "kmeans_followed_axis": scoring.followed_axis(clusters, corpus.axes),
        "followed_axis": followed,
        "followed": followed == goal.axis if corpus.crossed else None,
        "sizes": np.bincount(fit.predictions[fit.predictions >= 0], minlength=n_clusters).tolist(),
    }


def _classified(goal: Goal, corpus: Corpus, seed: int, settings: Settings) -> dict[str, Any]:
    """The accuracy on the part "test", beside that of a regression on embeddings and the share of the larger class."""
    from sklearn.linear_model import LogisticRegression

    labels, part = np.asarray(corpus.axes[goal.axis]), np.asarray(corpus.axes["part"])
    texts, train, test = np.asarray(corpus.texts, dtype=object), part == "train", part == "test"
    model = Classification(n_predicates=settings.n_predicates(goal), n_classes=len(np.unique(labels)))
    fit, figures = _fit(goal, model, texts[train].tolist(), labels[train].tolist(), seed, settings)
    predicted = np.asarray(fit.coords["class"])[fit.predict(texts[test].tolist(), store=settings.store)]
    embeddings = embedded(corpus.texts, settings.store)
    regression = LogisticRegression(max_iter=1000).fit(embeddings[train], labels[train])
    _, counts = np.unique(labels[test], return_counts=True)
    return figures | {
        "accuracy": float(np.mean(predicted == labels[test])),
        "logistic_accuracy": float(regression.score(embeddings[test], labels[test])),
        "largest_class": float(counts.max() / counts.sum()),
    }


def _fit(
    goal: Goal, model: Any, texts: list[str], data: Any, seed: int, settings: Settings
) -> tuple[nlparam.Fit, dict]:
    start = time.perf_counter()
    fit = nlparam.fit(
        model,
        texts,
        data,
        goal=goal.goal,
        locked=goal.answers if settings.given else None,
        lm=settings.lm,
        proposer=settings.proposer,
        options={"max_judgments": settings.key(goal, seed)["max_judgments"]},
        store=settings.store,
        seed=seed,
        # What is measured is the search, on all texts and within its judgments.
        held_out=0.0,
        inference=False,
    )
    return fit, {
        "corpus": goal.corpus,
        "axis": goal.axis,
        "half": goal.half,
        "group": goal.group,
        "n_texts": len(texts),
        "predicates": fit.predicates,
        "near_duplicates": scoring.near_duplicates(fit.denotations),
        "judgments": n_judgments(fit.costs),
        "calls": fit.costs.calls,
        "seconds": time.perf_counter() - start,
        "stages": fit.costs.seconds,
        "result": fit.result.name,
        "following": None if fit.following is None else dataclasses.asdict(fit.following),
        "candidates": len(fit.candidates),
    }
