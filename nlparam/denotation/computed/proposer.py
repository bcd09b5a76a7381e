"""Puts computed predicates into a fit: what is proposed beside, and in place of, what is judged."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.computed.computed import Computed, ComputedJudge
from nlparam.denotation.computed.contrast import Contrasts
from nlparam.denotation.computed.written import Criteria, Tried, try_functions, write_functions
from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import check_at_least
from nlparam.language.propose import AbstractProposer
from nlparam.lm.engine import Engine


@dataclasses.dataclass(frozen=True)
class Executable:
    """That a fit may compute predicates instead of judging them: `nlparam.fit(..., executable=Executable())`.

    **Arguments:**

    - `n_ngrams`, `n_patterns`: how many words and phrases, and how many patterns of form (digits, question marks,
      length, ...) are proposed for each slot.
    - `n_functions`: for how many of the proposed predicates of a round the language model is asked for a function; 0
      for none.
    - `n_audited`, `agreement`, `lower`, `seconds_per_text`: what a function must meet, see `Criteria`.
    """

    n_ngrams: int = 5
    n_patterns: int = 3
    n_functions: int = 20
    n_audited: int = 30
    agreement: float = 0.85
    lower: float = 0.8
    seconds_per_text: float = 0.001

    def __post_init__(self):
        check_at_least(0, n_ngrams=self.n_ngrams, n_patterns=self.n_patterns, n_functions=self.n_functions)
        check_at_least(8, n_audited=self.n_audited)
        for name in ("agreement", "lower"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"got {name}={getattr(self, name)}, expected a share between 0 and 1")

    def around(
        self, judge: AbstractJudge, proposer: AbstractProposer, engine: Engine, *, correct_bias: bool
    ) -> tuple[ComputedJudge, "ExecutableProposer"]:
        """The judge and the proposer of a fit, made to compute what can be computed."""
        criteria = Criteria(
            self.n_audited, self.agreement, self.lower, self.seconds_per_text, correct_bias=correct_bias
        )
        computing = ComputedJudge(judge)
        return computing, ExecutableProposer(proposer, computing, engine, self, criteria)


@dataclasses.dataclass
class ExecutableProposer(AbstractProposer):
    """Proposes what another proposer does, and beside it n-grams and patterns; has functions written for the former.

    A proposed predicate whose function meets all criteria keeps its name and is computed from then on. `tried` lists
    what was written and why it was refused.
    """

    proposer: AbstractProposer
    judge: ComputedJudge
    engine: Engine
    options: Executable
    criteria: Criteria

    def __post_init__(self):
        self.identity = f"{self.proposer.identity} executable"
        self.tried: dict[str, Tried] = {}
        self._contrasts: tuple[int, Contrasts] | None = None

    def propose(self, texts, scores, *, goal, avoid=(), rng):
        proposals = self.proposer.propose(texts, scores, goal=goal, avoid=avoid, rng=rng)
        self._write(list(dict.fromkeys(p for slot in proposals for p in slot)), texts, rng)
        found = [self._contrasted(texts, column) for column in scores.T]
        avoided = {predicate.casefold() for predicate in avoid}
        return [
            # What is computed comes first: of two columns that explain the same, selection takes the earlier.
            list(dict.fromkeys([*(p for p in beside if p.casefold() not in avoided), *slot]))
            for slot, beside in zip(proposals, found, strict=True)
        ]

    @property
    def computed(self) -> Computed:
        return self.judge.computed

    @property
    def n_candidates(self) -> int:
        """How many predicates a slot gets that may have to be judged; 0 where the other proposer does not say."""
        return getattr(self.proposer, "n_candidates", 0)

    @property
    def predicates(self) -> Sequence[str]:
        """The predicates of a list of the user's own; none where the other proposer has no list."""
        return getattr(self.proposer, "predicates", ())

    def _write(self, predicates: Sequence[str], texts: Sequence[str], rng: np.random.Generator) -> None:
        """Has functions written for predicates that have none yet; those that meet the criteria are computed."""
        new = [p for p in predicates if p not in self.tried and p not in self.computed][: self.options.n_functions]
        if not new:
            return
        sources = write_functions(self.engine, new)
        for tried in try_functions(new, sources, texts, self.judge, self.criteria, rng=rng):
            self.tried[tried.predicate] = tried
            if tried.accepted is not None:
                self.computed.add(tried.accepted)

    def _contrasted(self, texts: Sequence[str], scores: np.ndarray) -> list[str]:
        if self._contrasts is None or self._contrasts[0] != len(texts):
            self._contrasts = (len(texts), Contrasts.of(texts))
        best = self._contrasts[1].best(scores, n_ngrams=self.options.n_ngrams, n_patterns=self.options.n_patterns)
        for predicate in best:
            if predicate.predicate not in self.computed:
                self.computed.add(predicate)
        return [predicate.predicate for predicate in best]
