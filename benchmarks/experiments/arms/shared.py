"""What several arms share: a fit with other arguments, plain embeddings, clusters as an outcome."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import nlparam
from benchmarks.experiments.base import SEARCH_ALONE, Outcome, Problem
from nlparam.corpus.corpus import Corpus
from nlparam.denotation.session import Session, opened
from nlparam.fitting.search import SearchOptions
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.propose import AbstractProposer, Contrast, Listed, StateThenGeneralise
from nlparam.lm.engine import Engine
from nlparam.numerics.statistics.metrics import one_hot
from nlparam.runtime.costs import Costs

_PROPOSERS: dict[str, Callable[[Engine], AbstractProposer]] = {"contrast": Contrast, "state": StateThenGeneralise}


def fitted(problem: Problem, **changes: Any) -> Outcome:
    """What `nlparam.fit` makes of a problem, with some of its arguments changed."""
    dataset = problem.dataset
    settings = SEARCH_ALONE | {**problem.settings, **changes}
    fit = nlparam.fit(problem.model, dataset.texts, dataset.data, goal=dataset.goal, **settings)
    assignments = fit.predictions if fit.model.assigns_texts else None
    return Outcome(fit.predicates, fit.denotations, fit.costs, assignments, fit)


def options_with(problem: Problem, **changes: Any) -> SearchOptions | dict[str, Any]:
    """The options of a problem with some of them changed; those it does not have stay with the defaults of a fit."""
    given = problem.settings.get("options")
    if isinstance(given, SearchOptions):
        return dataclasses.replace(given, **changes)
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"got options of type {type(given).__name__}, expected SearchOptions or a mapping")
    return {**(given or {}), **changes}


def only_for(problem: Problem, arm: str, *tasks: str) -> None:
    """Raises `ValueError` where an arm is not made for the task of a problem."""
    if problem.dataset.task not in tasks:
        raise ValueError(
            f"got the arm {arm} on {problem.dataset.name}, a {problem.dataset.task}; expected a data set for "
            f"{' or '.join(tasks)}: choose another arm, for instance full, one_hot, prompting or goalex"
        )


def proposer_maker(problem: Problem) -> Callable[[Engine], AbstractProposer]:
    """What makes the proposer of a problem from the engine that runs the language model, as a fit chooses it."""
    settings = problem.settings
    given = settings.get("proposer")
    if settings.get("predicates") is not None:
        listed = Listed(tuple(settings["predicates"]))
        return lambda _: listed
    if isinstance(given, AbstractProposer):
        return lambda _: given
    if isinstance(given, str) and given not in _PROPOSERS:
        raise ValueError(f"got proposer={given!r}, expected one of {sorted(_PROPOSERS)} or a proposer")
    if given is not None and not isinstance(given, str):
        return given

    def make(engine: Engine) -> AbstractProposer:
        return _PROPOSERS[given or ("contrast" if engine.lm.strong else "state")](engine)

    return make


def _session(problem: Problem, costs: Costs) -> Session:
    names = ("lm", "embedder", "budget", "store", "timeout", "progress")
    return Session(costs=costs, **{name: problem.settings[name] for name in names if name in problem.settings})


def embedded(problem: Problem, costs: Costs) -> tuple[Corpus, np.ndarray]:
    """The corpus of a problem, and the plain embeddings of its distinct texts."""
    corpus = Corpus.from_texts(problem.dataset.texts)
    given = problem.settings.get("embedder")
    embedder = given if isinstance(given, AbstractEmbedder) else SentenceTransformerEmbedder(given)
    with opened(problem.settings.get("store")) as store, costs.stage("embedding"):
        progress = problem.settings.get("progress")
        return corpus, embed_corpus(corpus.distinct, embedder, store, costs=costs, progress=progress)


def propose(problem: Problem, texts: Sequence[str], scores: np.ndarray, costs: Costs) -> list[list[str]]:
    """The language model's proposals for given `(n_texts, n_slots)` scores."""
    with _session(problem, costs) as session, costs.stage("proposing"):
        proposer = proposer_maker(problem)(session.engine)
        return proposer.propose(texts, scores, goal=problem.dataset.goal, rng=np.random.default_rng(problem.seed))


def clusters(assignments: np.ndarray, predicates: list[str], n_clusters: int, costs: Costs) -> Outcome:
    """An outcome whose columns are clusters: each text has the predicate of its cluster and no other."""
    return Outcome(predicates, one_hot(assignments, n_clusters), costs, assignments)
