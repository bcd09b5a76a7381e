"""HypotheSAEs (arXiv 2502.04382): the neurons of a sparse autoencoder on the embeddings, put into words."""

import dataclasses

import numpy as np

from benchmarks.experiments.arms.shared import embedded, fitted, options_with, proposer_maker
from benchmarks.experiments.base import AbstractArm, Outcome, Problem
from nlparam.language.propose import AbstractProposer
from nlparam.runtime.costs import Costs


@dataclasses.dataclass
class Scored(AbstractProposer):
    """Has another proposer propose for given scores of the texts, `(n_texts, n_slots)`, one predicate per slot."""

    proposer: AbstractProposer
    scores: np.ndarray

    def __post_init__(self):
        self.identity = f"scored {self.proposer.identity}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del scores
        return [slot[:1] for slot in self.proposer.propose(texts, self.scores, goal=goal, avoid=avoid, rng=rng)]


@dataclasses.dataclass(frozen=True)
class Hypothesaes(AbstractArm):
    """The neurons (of a sparse autoencoder of the package `hypothesaes`) that say most about the data.

    The package's own language-model calls are replaced by the proposer and judge of the problem, so that the arms
    differ in how texts are grouped and in nothing else. A neuron says much about classes or times if its activation
    has a high mutual information with them; for a clustering, which has neither, if it is active on many texts.

    **Arguments:** `n_neurons`, `n_active`: neurons in all, and active per text.
    """

    n_neurons: int = 64
    n_active: int = 4

    def run(self, problem: Problem) -> Outcome:
        try:
            from hypothesaes.quickstart import train_sae  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ValueError(f"the arm hypothesaes needs a package ({error}): pip install hypothesaes") from error
        import torch

        costs = Costs()
        corpus, embeddings = embedded(problem, costs)
        with costs.stage("autoencoder"), torch.random.fork_rng():
            torch.manual_seed(problem.seed)
            autoencoder = train_sae(np.array(embeddings), M=self.n_neurons, K=self.n_active)
            activations = np.asarray(autoencoder.get_activations(np.array(embeddings)))
        says = _telling(corpus.spread(activations), problem)
        neurons = np.argsort(-says, kind="stable")[: problem.model.n_predicates]
        inner = proposer_maker(problem)
        outcome = fitted(
            problem,
            predicates=None,
            proposer=lambda engine: Scored(inner(engine), activations[:, neurons]),
            options=options_with(problem, n_rounds=0),
        )
        outcome.costs.embeddings_computed += costs.embeddings_computed
        for stage, seconds in costs.seconds.items():
            outcome.costs.seconds[stage] = outcome.costs.seconds.get(stage, 0.0) + seconds
        return outcome


def _telling(activations: np.ndarray, problem: Problem) -> np.ndarray:
    """How much each neuron says about the data."""
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    if problem.dataset.data is None:
        return (activations > 0).mean(axis=0)
    data, _ = problem.model.prepare(problem.dataset.data, len(activations))
    step = getattr(data, "step", None)
    if step is not None:
        return mutual_info_regression(activations, np.asarray(step), random_state=problem.seed)
    return mutual_info_classif(activations, np.asarray(getattr(data, "second", data)), random_state=problem.seed)
