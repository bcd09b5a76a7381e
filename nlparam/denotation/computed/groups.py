"""Computed predicates where groups of texts are compared: n-grams and patterns beside what is proposed in words."""

import dataclasses
import re

import numpy as np

from nlparam.denotation.computed.computed import ComputedJudge
from nlparam.denotation.computed.contrast import Contrasts
from nlparam.language.propose.groups import AbstractGroupProposer, Panel

_COUNT = re.compile(r"^has (?:more than|at most) \d+ ")


@dataclasses.dataclass
class ExecutableGroups(AbstractGroupProposer):
    """Proposes what another proposer does, then n-grams and patterns that tell the two sides of a panel apart.

    A panel has `n_shown` texts of each side, for these; the other proposer sees as many of them as it wants.

    **Arguments:** `judge`, which computes what is proposed here; `n_ngrams`, `n_patterns`, how many for each panel.
    """

    proposer: AbstractGroupProposer
    judge: ComputedJudge
    n_ngrams: int = 3
    n_patterns: int = 3
    n_shown: int = 100

    def __post_init__(self):
        self.identity = f"{self.proposer.identity} executable"
        self.n_shown = max(self.n_shown, self.proposer.n_shown)

    def propose(self, panels, *, goal, rng):
        n_shown = self.proposer.n_shown
        fewer = [dataclasses.replace(panel, more=panel.more[:n_shown], fewer=panel.fewer[:n_shown]) for panel in panels]
        proposals = self.proposer.propose(fewer, goal=goal, rng=rng)
        counted: set[str] = set()
        return [
            list(dict.fromkeys([*proposed, *self._contrasted(panel, counted)]))
            for proposed, panel in zip(proposals, panels, strict=True)
        ]

    def _contrasted(self, panel: Panel, counted: set[str]) -> list[str]:
        """The n-grams and patterns of a panel; what is `counted` already is not counted the other way round."""
        if not panel.more or not panel.fewer:
            return []
        texts = [*panel.more, *panel.fewer]
        sides = np.repeat([1.0, 0.0], [len(panel.more), len(panel.fewer)])
        found = Contrasts.of(texts).best(
            sides, n_ngrams=self.n_ngrams, n_patterns=self.n_patterns, shares=(len(panel.more) / len(texts),)
        )
        proposed = []
        for predicate in found:
            what = _COUNT.sub("", predicate.predicate)
            if what != predicate.predicate and what in counted:
                continue
            counted.add(what)
            proposed.append(predicate.predicate)
            if predicate.predicate not in self.judge.computed:
                self.judge.computed.add(predicate)
        return proposed
