"""What several arms share: a fit with other arguments, plain embeddings, clusters as an outcome."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import nlparam
from benchmarks.experiments.base import SEARCH_ALONE, Outcome, Problem
from nlparam.corpus.corpus import Corpus
from nlparam.denotation.denoter import TextFeatures
from nlparam.denotation.policy import policy_of
from nlparam.denotation.pool import Pool
from nlparam.denotation.session import Session, opened
from nlparam.fitting.search import SearchOptions
from nlparam.fitting.setup import FitRun
from nlparam.language.choice import LETTERS, Chooser
from nlparam.language.embed import AbstractEmbedder, SentenceTransformerEmbedder, embed_corpus
from nlparam.language.prompting import cut_words, load_prompt
from nlparam.language.propose import AbstractProposer, Contrast, Listed, StateThenGeneralise
from nlparam.lm.engine import Engine
from nlparam.numerics.core.model import AbstractPredicateModel
from nlparam.numerics.statistics.metrics import one_hot
from nlparam.runtime.costs import Costs

_PROMPT = Path(__file__).parent / "commitment.txt"


def commit(run: FitRun, pool: Pool, predicates: list[str], denotations: np.ndarray) -> np.ndarray:
    """`(n_distinct,)` indices into the predicates: for every text the one that the language model chooses.

    -1 where it gave no usable answer, or was not asked because the judgments are used up. Texts for which none of the
    predicates holds, or several, come first. More predicates than there are letters are put in heats.

    **Arguments:** `denotations`, `(n_distinct, n_predicates)`, those that are known.
    """
    chosen = np.full(len(pool.texts), -1)
    n_heats = -(-len(predicates) // len(LETTERS))
    heats = [list(range(number, len(predicates), n_heats)) for number in range(n_heats)]
    n_asked = int(min(len(pool.texts), pool.left // (n_heats + (n_heats > 1))))
    rows = np.argsort((denotations > 0.5).sum(axis=1) == 1, kind="stable")[:n_asked]
    chooser = Chooser(run.session.engine, load_prompt("commitment", _PROMPT), progress=run.progress)

    def winners(offered: list[list[int]], rows: np.ndarray) -> np.ndarray:
        questions = [
            {"goal": run.search.goal, "text": cut_words(str(pool.texts[row]), run.session.policy.n_words)}
            for row in rows.tolist()
        ]
        shares = chooser.choose(questions, [[predicates[number] for number in options] for options in offered])
        return np.asarray(
            [-1 if np.isnan(of).any() else options[of.argmax()] for of, options in zip(shares, offered, strict=True)]
        )

    with run.costs.stage("commitment"):
        if len(rows):
            heat_winners = [winners([heat] * len(rows), rows) for heat in heats]
            found = heat_winners[0]
            if n_heats > 1:
                found = np.full(len(rows), -1)
                whole = np.flatnonzero(np.stack(heat_winners).min(axis=0) >= 0)
                finals = [[int(heat[row]) for heat in heat_winners] for row in whole.tolist()]
                found[whole] = winners(finals, rows[whole])
            chosen[rows] = found
    return chosen


def fitted(problem: Problem, **changes: Any) -> Outcome:
    """What `nlparam.fit` makes of a problem, with some of its arguments changed."""
    dataset = problem.dataset
    settings = SEARCH_ALONE | {**problem.settings, **changes}
    fit = nlparam.fit(problem.model, dataset.texts, dataset.data, goal=dataset.goal, **settings)
    assignments = fit.predictions if fit.model.assigns_texts else None
    return Outcome(fit.predicates, fit.denotations, fit.costs, assignments, fit, trace=fit.trace)


def options_with(problem: Problem, **changes: Any) -> SearchOptions | dict[str, Any]:
    """The options of a problem with some of them changed; those it does not have stay with the defaults of a fit."""
    given = problem.settings.get("options")
    if isinstance(given, SearchOptions):
        return dataclasses.replace(given, **changes)
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"got options of type {type(given).__name__}, expected SearchOptions or a mapping")
    return {**(given or {}), **changes}


def proposer_of(problem: Problem, engine: Engine) -> AbstractProposer:
    """The proposer of a problem, for the engine that runs the language model, as a fit chooses it."""
    given = problem.settings.get("proposer")
    if (listed := problem.settings.get("predicates")) is not None:
        return Listed(tuple(listed))
    if given is None or isinstance(given, str):
        given = {"contrast": Contrast, "state": StateThenGeneralise}[given or policy_of(engine.lm).proposer]
    return given if isinstance(given, AbstractProposer) else given(engine)


def session(problem: Problem, costs: Costs, **changes: Any) -> Session:
    """A session with the language model of a problem; `changes` are other arguments of it."""
    names = ("lm", "embedder", "budget", "store", "timeout", "progress")
    given = {name: problem.settings[name] for name in names if name in problem.settings}
    return Session(costs=costs, **{**given, **changes})


def embedded(problem: Problem, distinct: Sequence[str], costs: Costs) -> np.ndarray:
    """The plain embeddings of distinct texts."""
    given = problem.settings.get("embedder")
    embedder = given if isinstance(given, AbstractEmbedder) else SentenceTransformerEmbedder(given)
    with opened(problem.settings.get("store")) as store, costs.stage("embedding"):
        return embed_corpus(distinct, embedder, store, costs=costs, progress=problem.settings.get("progress"))


def propose(problem: Problem, texts: Sequence[str], scores: np.ndarray, costs: Costs) -> list[list[str]]:
    """The language model's proposals for given `(n_texts, n_slots)` scores."""
    with session(problem, costs) as asking, costs.stage("proposing"):
        proposer = proposer_of(problem, asking.engine)
        return proposer.propose(texts, scores, goal=problem.dataset.goal, rng=np.random.default_rng(problem.seed))


def shuffled(problem: Problem) -> Problem:
    """The problem with the times of its texts permuted."""
    times = problem.dataset.data
    order = np.random.default_rng(problem.seed).permutation(len(problem.dataset.texts))
    data = times[order] if isinstance(times, np.ndarray) else [times[i] for i in order.tolist()]
    return dataclasses.replace(problem, dataset=dataclasses.replace(problem.dataset, data=data))


def partition(model: AbstractPredicateModel, denotations: np.ndarray, data, blank: np.ndarray) -> np.ndarray | None:
    """The column of every text, for a model that is a partition: of several that hold, the most specific."""
    if not model.assigns_texts:
        return None
    model = dataclasses.replace(model, n_predicates=denotations.shape[1])
    weights = model.fit_weights(jnp.asarray(denotations), data)
    return np.where(blank, -1, np.asarray(model.predict(weights, jnp.asarray(denotations))))


def judged_clusters(
    problem: Problem, run: FitRun, pool: Pool, columns: list[int], features: TextFeatures, *, committed: bool
) -> Outcome:
    """The outcome of an arm that makes no fit: chosen columns of a pool, and a partition where the model is one.

    With `committed`, the language model then says of every text which one predicate fits best.
    """
    predicates = [pool.predicates[column] for column in columns]
    distinct = pool.denotations(columns)
    denotations, left_out = run.corpus.spread(distinct), None
    assignments = partition(run.model, denotations, run.data, run.corpus.blank)
    if assignments is not None and committed and len(columns) > 1:
        said = run.corpus.spread(commit(run, pool, predicates, distinct), fill=-1)
        assignments = np.where(said < 0, assignments, said)
    if problem.left_out:
        texts = Corpus.from_texts(problem.left_out)
        of_texts = features.of(run.session.embed(texts.distinct), features.ngrams.transform(texts.distinct))
        left_out = texts.spread(pool.head(columns).head.denote(of_texts))
    return Outcome(predicates, denotations, run.costs, assignments, left_out=left_out)


def clusters(assignments: np.ndarray, predicates: list[str], costs: Costs) -> Outcome:
    """An outcome whose columns are clusters: each text has the predicate of its cluster and no other."""
    return Outcome(predicates, one_hot(assignments, len(predicates)), costs, assignments)
