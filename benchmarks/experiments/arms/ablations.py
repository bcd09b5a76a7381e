"""nlparam in full, and without one of its parts (the ablations of arXiv 2409.08466, section 5, and of this project)."""

import dataclasses
from typing import ClassVar

from benchmarks.experiments.arms.shared import fitted, options_with, shuffled
from benchmarks.experiments.base import AbstractArm, Outcome, Problem, Task


@dataclasses.dataclass(frozen=True)
class Full(AbstractArm):
    """`nlparam.fit` as it is."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem)


@dataclasses.dataclass(frozen=True)
class NoRelaxation(AbstractArm):
    """Candidates are proposed for random directions instead of relaxed ones."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, relaxation=False))


@dataclasses.dataclass(frozen=True)
class NoRefinement(AbstractArm):
    """Predicates are proposed and selected once."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, n_rounds=0))


@dataclasses.dataclass(frozen=True)
class MoreAtOnce(AbstractArm):
    """No refinement: its judgments are spent on more candidates in the first round.

    **Arguments:** `n_ahead`, see `SearchOptions`; with 2 there are three times as many slots to propose for.
    """

    n_ahead: int = 2

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, options=options_with(problem, n_rounds=0, n_ahead=self.n_ahead))


@dataclasses.dataclass(frozen=True)
class Coordinate(AbstractArm):
    """The refinement of the paper: one predicate at a time, every candidate judged on as many texts as the chosen.

    A limit on the judgments (`options.max_judgments`, or the default of a small language model) holds as for the full
    arm, so that the two are compared at the same number of judgments.

    **Arguments:** `n_rounds`, where the problem does not say how many; the paper has 10.
    """

    n_rounds: int = 10

    def run(self, problem: Problem) -> Outcome:
        options = options_with(problem, refinement="coordinate")
        if isinstance(options, dict):
            options = {"n_rounds": self.n_rounds, "n_slots_refined": 1, **options}
        return fitted(problem, options=options)


@dataclasses.dataclass(frozen=True)
class NoGoalRepresentation(AbstractArm):
    """The relaxation sees the embeddings of the texts as they are, whatever the goal."""

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, representation="embedding")


@dataclasses.dataclass(frozen=True)
class OtherEmbedder(AbstractArm):
    """A fit on other embeddings: those of `embedder`, by default the one of the paper's appendix D."""

    embedder: str = "sentence-transformers/all-mpnet-base-v2"

    def run(self, problem: Problem) -> Outcome:
        return fitted(problem, embedder=self.embedder)


@dataclasses.dataclass(frozen=True)
class Shuffled(AbstractArm):
    """The times of the texts are permuted: what is left when a series says nothing about its texts.

    The denotations are scored against the references of the texts all the same; the loss is that of permuted times.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("time_series",)

    def run(self, problem: Problem) -> Outcome:
        return fitted(shuffled(problem))
