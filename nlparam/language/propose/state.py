"""State, then generalise: the proposer for small language models."""

import collections
import dataclasses

from nlparam.language.lm.base import Request
from nlparam.language.lm.engine import Engine
from nlparam.language.phrasing import phrased
from nlparam.language.prompting import load_prompt
from nlparam.language.propose.base import AbstractProposer, high_texts
from nlparam.language.statements import Stater, category_of


@dataclasses.dataclass
class StateThenGeneralise(AbstractProposer):
    """Asks for the category of each of a few high texts, then for what the categories of a slot have in common.

    A small model that is shown many texts at once copies phrases from them; one text at a time it names well. Each
    distinct statement is a candidate too, the frequent ones first, and every category is turned into a predicate by a
    third short prompt that knows the goal.

    **Arguments:** `n_shown`, how many high texts per slot; `n_candidates`, how many predicates per slot at most;
    `n_words`, how much of a text the model is shown.
    """

    engine: Engine
    n_shown: int = 8
    n_candidates: int = 3
    n_words: int = 60

    def __post_init__(self):
        self.prompts = {name: load_prompt(name) for name in ("state", "generalise", "phrase")}
        self.identity = " ".join(prompt.version for prompt in self.prompts.values())

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        statements = self._state(texts, [high_texts(column, self.n_shown, rng=rng) for column in scores.T], goal)
        categories = self._generalise(statements, goal)
        predicates = self._phrase([c for slot in categories for c in slot], goal)
        avoided = {predicate.casefold() for predicate in avoid}
        proposals = []
        for slot in categories:
            named = (predicates[category] for category in slot)
            proposals.append(list(dict.fromkeys(p for p in named if p.casefold() not in avoided))[: self.n_candidates])
        return proposals

    def _state(self, texts, shown, goal) -> list[list[str]]:
        """For each slot the categories of its shown texts."""
        stater = Stater(self.engine, n_words=self.n_words)
        stated = iter(stater.state([texts[number] for slot in shown for number in slot], goal=goal))
        return [[category for category in (next(stated) for _ in slot) if category is not None] for slot in shown]

    def _generalise(self, statements, goal) -> list[list[str]]:
        """For each slot the general category followed by its statements, the frequent ones first."""
        prompt = self.prompts["generalise"]
        stated = [slot for slot in statements if slot]
        requests = [
            Request(prompt.fill(goal=goal, statements="\n".join(f"- {s}" for s in slot)), max_tokens=12)
            for slot in stated
        ]
        answers = iter(self.engine.complete_stored(requests, what="generalising"))
        categories = []
        for slot in statements:
            answer = next(answers) if slot else None
            general = [] if answer is None else [category_of(answer.text)]
            frequent = [statement for statement, _ in collections.Counter(slot).most_common()]
            named = [category for category in general + frequent if category is not None]
            categories.append(list(dict.fromkeys(named))[: self.n_candidates])
        return categories

    def _phrase(self, categories, goal) -> dict[str, str]:
        """The predicate of each distinct category."""
        distinct = list(dict.fromkeys(categories))
        prompt = self.prompts["phrase"]
        requests = [Request(prompt.fill(goal=goal, category=category), max_tokens=16) for category in distinct]
        answers = self.engine.complete_stored(requests, what="phrasing")
        return {
            category: phrased(answer, category, goal=goal, prompt=prompt)
            for category, answer in zip(distinct, answers, strict=True)
        }
