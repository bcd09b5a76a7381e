"""Ratings of findings: how relevant to the goal, how novel and how significant each is (D5, arXiv 2302.14233)."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from nlparam.corpus.corpus import text_digest
from nlparam.language.prompting import load_prompt
from nlparam.lm.base import Completion, Request
from nlparam.lm.engine import Engine

CRITERIA = ("relevance", "novelty", "significance")
GRADES = ("0", "1", "2")


@dataclasses.dataclass
class Rater:
    """Grades predicates from 0 to 2 by each of the `CRITERIA`, given the goal.

    A rating is the mean of the three grades under the probabilities of their digits, so that a small model, which is
    never quite sure, still tells better from worse. Answers are kept in the store of the engine.
    """

    engine: Engine

    def __post_init__(self):
        self.prompts = [load_prompt(f"rate_{criterion}") for criterion in CRITERIA]
        self.identity = " ".join([self.engine.lm.identity, *(prompt.version for prompt in self.prompts)])

    def rate(self, predicates: Sequence[str], *, goal: str) -> np.ndarray:
        """`(n_predicates, 3)` ratings in [0, 2], `nan` where the language model failed or answered something else.

        Raises `LanguageModelError` as `Engine.run` does, `StoreError` if the store fails.
        """
        model, store, costs = self.engine.lm.identity, self.engine.store, self.engine.costs
        digest, goal = text_digest(goal), " ".join(goal.split())
        ratings = np.full((len(predicates), len(CRITERIA)), np.nan)
        missing: list[tuple[int, int]] = []
        for column, prompt in enumerate(self.prompts):
            keys = [(predicate, digest) for predicate in predicates]
            known = {} if store is None else store.get_judgments(model, prompt.version, keys)
            costs.judgments_served += len(known)
            for row, key in enumerate(keys):
                if key in known:
                    ratings[row, column] = 2 * known[key]
                else:
                    missing.append((row, column))
        requests = [
            Request(self.prompts[column].fill(goal=goal, predicate=_line(predicates[row])), labels=GRADES)
            for row, column in missing
        ]

        def keep(number: int, completion: Completion) -> None:
            row, column = missing[number]
            rating = expected_grade(completion)
            if rating is None:
                costs.failures += 1
                return
            ratings[row, column] = rating
            costs.judgments_asked += 1
            if store is not None:
                store.put_judgments(model, self.prompts[column].version, [(predicates[row], digest, rating / 2)])

        if requests:
            self.engine.run(requests, on_result=keep)
        return ratings


def expected_grade(completion: Completion) -> float | None:
    """The mean grade under the probabilities of the digits, or None where the model would rather say something else."""
    if completion.label_logprobs is None:
        return None
    probabilities = [math.exp(logprob) for logprob in completion.label_logprobs]
    total = sum(probabilities)
    return sum(map(float.__mul__, probabilities, map(float, GRADES))) / total if total > 0.01 else None


def _line(predicate: str) -> str:
    return " ".join(predicate.split()).rstrip(" .")
