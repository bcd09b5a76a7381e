"""Ratings of findings: how relevant to the goal, how novel and how significant each is (D5, arXiv 2302.14233)."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from nlparam.corpus.corpus import text_digest
from nlparam.language.asking import LabelQuestion, read_labels
from nlparam.language.prompting import load_prompt, one_line
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

        Raises `LanguageModelError` as `Engine.stream` does, `StoreError` if the store fails.
        """
        digest, goal = text_digest(goal), one_line(goal)
        ratings = np.full((len(self.prompts), len(predicates)), np.nan)
        questions = (
            LabelQuestion(
                GRADES,
                prompt.version,
                ((predicate, digest),),
                functools.partial(prompt.fill, goal=goal, predicate=one_line(predicate).rstrip(" .")),
            )
            for prompt in self.prompts
            for predicate in predicates
        )

        def keep(number: int, halved: Sequence[float]) -> None:
            ratings.flat[number] = 2 * halved[0]

        engine = self.engine
        # The store keeps values in [0, 1].
        read_labels(engine, questions, lambda shares: [shares[1] / 2 + shares[2]], keep, engine.store, engine.costs)
        return ratings.T
