"""Contrast: the paper's proposer, for strong language models."""

import dataclasses

import numpy as np

from nlparam.language.prompting import cut_words, load_prompt
from nlparam.language.propose.base import AbstractProposer, proposed_by, without
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine


@dataclasses.dataclass
class Contrast(AbstractProposer):
    """Shows texts sorted by score, the lowest first, and asks for predicates that hold for the high ones only.

    **Arguments:** `n_candidates`, how many predicates to ask for per slot; `n_high`, `n_low`, `n_between`, how many
    texts are shown from the top, the bottom and, at random, from between; `n_words`, how much of each.
    """

    engine: Engine
    n_candidates: int = 5
    n_high: int = 8
    n_low: int = 8
    n_between: int = 8
    n_words: int = 120
    temperature: float = 0.7

    def __post_init__(self):
        self.prompt = load_prompt("contrast")
        self.identity = self.prompt.version

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        there = "".join(f"\n- {predicate}" for predicate in avoid)
        requests = []
        for column in scores.T:
            shown = self._shown(column, rng)
            messages = self.prompt.fill(
                goal=goal,
                n_texts=str(len(shown)),
                n_predicates=str(self.n_candidates),
                texts="\n".join(f"{column[i]:+.2f}  {cut_words(texts[i], self.n_words)}" for i in map(int, shown)),
                avoid=f"Do not repeat these, which are known already:{there}" if avoid else "",
            )
            seed = int(rng.integers(2**31))
            requests.append(Request(messages, None, 60 * self.n_candidates, self.temperature, seed))
        return [without(predicates, avoid) for predicates in proposed_by(self.engine, self.prompt, requests)]

    def _shown(self, column: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        order = np.argsort(column, kind="stable")
        if len(order) <= self.n_low + self.n_between + self.n_high:
            return order
        between = rng.choice(order[self.n_low : -self.n_high], size=self.n_between, replace=False)
        chosen = np.concatenate([order[: self.n_low], between, order[-self.n_high :]])
        return chosen[np.argsort(column[chosen], kind="stable")]
