"""Prompting: predicates from a language model that is shown random texts, without any model."""

import dataclasses

from benchmarks.experiments.arms.shared import fitted, options_with, proposer_maker
from benchmarks.experiments.base import AbstractArm, Outcome, Problem
from nlparam.language.propose import AbstractProposer

# A batch gives three to five predicates; batches that have to be asked for are asked for together.
_PER_BATCH = 3
_MOST_TRIES = 8


@dataclasses.dataclass
class RandomTexts(AbstractProposer):
    """Shows another proposer random texts as if they were high, until there are `n_wanted` predicates.

    What the texts score plays no part, so the predicates are those that the language model finds in the corpus under
    the goal alone. All are proposed as one slot, in the order in which they came.
    """

    proposer: AbstractProposer
    n_wanted: int

    def __post_init__(self):
        self.identity = f"random-{self.n_wanted} {self.proposer.identity}"

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        del scores
        found: dict[str, str] = {}
        for _ in range(_MOST_TRIES):
            missing = self.n_wanted - len(found)
            if missing <= 0:
                break
            random = rng.standard_normal((len(texts), -(-missing // _PER_BATCH)))
            there = [*avoid, *found.values()]
            for batch in self.proposer.propose(texts, random, goal=goal, avoid=there, rng=rng):
                for predicate in batch:
                    found.setdefault(predicate.casefold(), predicate)
        return [list(found.values())[: self.n_wanted]]


@dataclasses.dataclass(frozen=True)
class Prompting(AbstractArm):
    """As many predicates as the model has, from random texts; they are judged and denoted as in a fit."""

    def run(self, problem: Problem) -> Outcome:
        inner, n_wanted = proposer_maker(problem), problem.model.n_predicates
        return fitted(
            problem,
            predicates=None,
            proposer=lambda engine: RandomTexts(inner(engine), n_wanted),
            options=options_with(problem, n_rounds=0),
        )
