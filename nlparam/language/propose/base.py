"""The contract of a proposer (the discretisation of arXiv 2409.08466, section 4)."""

import abc
from collections.abc import Iterable, Sequence

import numpy as np

from nlparam.language.asking import ask_all
from nlparam.language.parse import parse_predicates
from nlparam.language.prompting import Prompt
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine


class AbstractProposer(abc.ABC):
    """Turns directions into words: it sees how highly each text scores in each slot and names what high texts share."""

    identity: str
    # How many judgments the last proposals took: to read whether they answer the goal.
    n_read: int = 0

    @abc.abstractmethod
    def propose(
        self,
        texts: Sequence[str],
        scores: np.ndarray,
        *,
        goal: str,
        avoid: Sequence[str] = (),
        rng: np.random.Generator,
    ) -> list[list[str]]:
        """Candidate predicates for every slot, the most promising first.

        **Arguments:** `scores`, `(n_texts, n_slots)`, the relaxed score of every text in every slot, of which only the
        order counts; `goal`, what the predicates are to be about; `avoid`, predicates that need not be proposed again;
        `rng`, whose state decides which texts are shown.

        **Returns:** for each slot a list of distinct predicates, empty where the language model gave nothing usable.
        """


def without(predicates: Iterable[str], avoid: Sequence[str]) -> list[str]:
    """The distinct predicates that are none of those to `avoid`."""
    avoided = {predicate.casefold() for predicate in avoid}
    return [predicate for predicate in dict.fromkeys(predicates) if predicate.casefold() not in avoided]


def proposed_by(engine: Engine, prompt: Prompt, requests: Sequence[Request]) -> list[list[str]]:
    """The predicates that answer each request, without what the language model copied from the prompt itself."""
    answers = ask_all(engine, requests, parse_predicates, what="proposing")
    return [
        [predicate for predicate in found or [] if not prompt.wrote(predicate, request.messages)]
        for found, request in zip(answers, requests, strict=True)
    ]


def high_texts(scores: np.ndarray, n_shown: int, *, rng: np.random.Generator) -> np.ndarray:
    """Texts that are typical of one slot, drawn from the highest-scoring tenth of the corpus.

    The very highest would be near-duplicates of one story.
    """
    top = highest(scores, n_shown)
    return rng.choice(top, size=min(n_shown, len(top)), replace=False)


def highest(scores: np.ndarray, n_shown: int) -> np.ndarray:
    """The highest-scoring tenth of the corpus, the highest first, or four times `n_shown` texts if these are more."""
    return np.argsort(-scores, kind="stable")[: max(4 * n_shown, len(scores) // 10)]
