"""State, then generalise: the proposer for small language models."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.asking import ask
from nlparam.language.goals import Goal, read_goal
from nlparam.language.phrasing import Phraser
from nlparam.language.prompting import load_prompt
from nlparam.language.propose.base import AbstractProposer, high_texts, highest, without
from nlparam.language.statements import Stater, statement_of
from nlparam.lm.engine import Engine

# So many statements of a slot are shown when it is asked what they have in common.
_N_GENERALISED = 10
# With fewer different statements for each slot, there is nothing to select from.
_ENOUGH_EACH = 2
# So many statements of a slot become predicates when it is proposed for again.
_N_NEWS = 12


@dataclasses.dataclass
class StateThenGeneralise(AbstractProposer):
    """Asks what each of a few high texts is, then for what the statements of a slot have in common.

    A small model that is shown many texts at once copies phrases from them; one text at a time it names well. The
    statements of the high texts of a slot are candidates too, with those of all texts stated before that score highest
    in it, the frequent ones first. If the goal has examples and the model says hardly anything else, a few texts are
    stated without these, too. A short prompt that knows the goal turns each into a predicate.

    **Arguments:** `n_shown`, how many texts per slot are stated, if there are not as many already; `n_candidates`, how
    many predicates per slot at most; `n_words`, how much of a text the model is shown; `stater`, one to share with
    others.
    """

    engine: Engine
    n_shown: int = 8
    n_candidates: int = 5
    n_words: int = 60
    stater: Stater | None = None

    def __post_init__(self):
        self.generalise = load_prompt("generalise")
        self.stating = Stater(self.engine, n_words=self.n_words) if self.stater is None else self.stater
        self.phrasers: dict[str, Phraser] = {}
        self.identity = " ".join((self.stating.identity, self.generalise.version, Phraser(self.engine, "").identity))

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        read = read_goal(goal)
        again = bool(avoid) and any(self._phraser(part).began for part in read.parts)
        statements = self._news(texts, scores, goal, rng) if again else self._statements(texts, scores, goal, rng)
        examples = read.examples
        if examples and len({said for slot in statements for said in slot}) < _ENOUGH_EACH * len(statements):
            statements = self._without_examples(statements, texts, scores, goal, rng)
        categories = self._categories(statements, read.parts, _N_NEWS if again else self.n_candidates)
        # Answers that the goal names are candidates, whether or not a text was said to be one; each slot is given some.
        # Once: later there is much to avoid, and the goal has been phrased for.
        for number, example in enumerate(() if again else examples):
            categories[number % len(categories)].insert(0, example)
        predicates = {}
        for part in read.parts:
            named = [category for slot in categories for category in slot if self._part(category, read.parts) == part]
            predicates |= dict(zip(named, self._phraser(part).phrase(named), strict=True))
        return [without((predicates[category] for category in slot), avoid) for slot in categories]

    def _phraser(self, part: Goal) -> Phraser:
        return self.phrasers.setdefault(part.text, Phraser(self.engine, part.text))

    def _part(self, category: str, parts: Sequence[Goal]) -> Goal:
        """The part of a goal that a category answers; the first for one that was said under no part of it."""
        part = self.stating.parts.get(category, parts[0])
        return part if part in parts else parts[0]

    def _statements(
        self, texts: Sequence[str], scores: np.ndarray, goal: str, rng: np.random.Generator
    ) -> list[list[str]]:
        """For each slot what is known of the texts that are highest in it, and of as many high texts as are missing."""
        before = self.stating.stated
        known = [number for number, text in enumerate(texts) if text in before]
        # With one slot, every text would be highest in it.
        best = np.argmax(scores[known], axis=1) if scores.shape[1] > 1 else np.full(len(known), -1)
        statements = [
            [before[texts[number]] for number, slot in zip(known, best.tolist(), strict=True) if slot == this]
            for this in range(scores.shape[1])
        ]
        missing = [max(self.n_shown - len(slot), 0) for slot in statements]
        shown = [high_texts(column, self.n_shown, rng=rng)[:n] for column, n in zip(scores.T, missing, strict=True)]
        stated = iter(self.stating.state([texts[int(number)] for slot in shown for number in slot], goal=goal))
        for slot, numbers in zip(statements, shown, strict=True):
            slot += [said for said in (next(stated) for _ in numbers) if said is not None]
        return statements

    def _news(self, texts: Sequence[str], scores: np.ndarray, goal: str, rng: np.random.Generator) -> list[list[str]]:
        """For each slot the statements of its high texts that were no candidates yet, `n_shown` more texts stated."""
        before, phrasers = self.stating.stated, [self._phraser(part) for part in read_goal(goal).parts]
        high: list[list[int]] = [highest(column, self.n_shown).tolist() for column in scores.T]
        fresh = [rng.permutation([row for row in rows if texts[row] not in before])[: self.n_shown] for rows in high]
        self.stating.state([texts[int(row)] for rows in fresh for row in rows], goal=goal)
        said = ([before.get(texts[row]) for row in rows] for rows in high)
        return [
            [one for one in slot if one is not None and not any(phraser.knows(one) for phraser in phrasers)]
            for slot in said
        ]

    def _without_examples(
        self, statements: list[list[str]], texts: Sequence[str], scores: np.ndarray, goal: str, rng: np.random.Generator
    ) -> list[list[str]]:
        """The statements with those of a few high texts under the goal without its examples: a small language model
        repeats these, and says nothing else."""
        stater = Stater(self.engine, n_words=self.n_words, wording=self.stating.wording)
        shown = [[texts[int(number)] for number in high_texts(column, self.n_shown, rng=rng)] for column in scores.T]
        said = stater.state([text for slot in shown for text in slot], goal=read_goal(goal).aspect)
        others = iter(said)
        return [
            slot + [one for one in (next(others) for _ in of_slot) if one is not None]
            for slot, of_slot in zip(statements, shown, strict=True)
        ]

    def _categories(self, statements: list[list[str]], parts: Sequence[Goal], most: int) -> list[list[str]]:
        """For each slot the general category followed by its statements, the frequent ones first."""
        counted = [[said for said, _ in collections.Counter(slot).most_common()] for slot in statements]
        # What all say has no more general name, and neither has what was said of several things.
        alike = [self._of_one_part(slot, parts) for slot in counted]
        asked = [number for number, slot in enumerate(alike) if len(slot) > 1]
        listed = ("\n".join(f"- {said}" for said in alike[number][:_N_GENERALISED]) for number in asked)
        of = [self._part(alike[number][0], parts) for number in asked]
        rows = ({"goal": part.text, "statements": statements} for part, statements in zip(of, listed, strict=True))
        answers = ask(self.engine, self.generalise, rows, statement_of, what="generalising", max_tokens=12)
        for category, part in zip(answers, of, strict=True):
            if category is not None:
                self.stating.parts.setdefault(category, part)
        general = dict(zip(asked, answers, strict=True))
        named = ([general.get(number), *slot] for number, slot in enumerate(counted))
        return [list(dict.fromkeys(c for c in slot if c is not None))[:most] for slot in named]

    def _of_one_part(self, statements: list[str], parts: Sequence[Goal]) -> list[str]:
        """Of some statements those that answer the part of the goal that most of them do."""
        of = [self._part(said, parts) for said in statements]
        most = [part for part, _ in collections.Counter(of).most_common(1)]
        return [said for said, part in zip(statements, of, strict=True) if part in most]
