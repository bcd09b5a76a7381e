"""Proposers for comparisons: from typical texts of a group, and of the others, to what may tell the group apart."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from nlparam.language.prompting import cut_words, load_prompt
from nlparam.language.propose.base import proposed_by
from nlparam.language.propose.state import StateThenGeneralise
from nlparam.language.statements import Stater
from nlparam.lm.base import Request
from nlparam.lm.engine import Engine

# Texts on which wordings are tried.
_N_TRIED = 24


@dataclasses.dataclass(frozen=True)
class Panel:
    """What a proposer is shown at once: texts of one `group` (`more`), and of the others (`fewer`)."""

    group: str
    more: tuple[str, ...]
    fewer: tuple[str, ...]


class AbstractGroupProposer(abc.ABC):
    """Names what may hold more often in one group than in the others, from panels of texts of the research split.

    `n_shown` is how many texts of each side a panel should have.
    """

    identity: str
    n_shown: int = 12

    @abc.abstractmethod
    def propose(self, panels: Sequence[Panel], *, goal: str, rng: np.random.Generator) -> list[list[str]]:
        """Candidate predicates for every panel, the most promising first; they should hold more often in its group.

        **Arguments:** `goal`, what the predicates are to be about; `rng`, whose state decides all that is random.

        **Returns:** for each panel a list of distinct predicates, empty where nothing usable came.
        """


@dataclasses.dataclass
class ContrastGroups(AbstractGroupProposer):
    """Shows both sides of a panel and asks what holds more often for the first (the proposer of D5, arXiv 2302.14233).

    For strong language models: small ones copy phrases from the texts.

    **Arguments:** `n_candidates`, how many predicates to ask for per panel; `n_shown`, how many texts of each side;
    `n_words`, how much of each; `captions`, whether the texts are captions of images, which the predicates are about.
    """

    engine: Engine
    n_candidates: int = 5
    n_shown: int = 25
    n_words: int = 60
    temperature: float = 0.7
    captions: bool = False

    def __post_init__(self):
        self.prompt = load_prompt("contrast_images" if self.captions else "contrast_groups")
        self.identity = self.prompt.version

    def propose(self, panels, *, goal, rng):
        requests = []
        for panel in panels:
            more, fewer = self._listed(panel.more), self._listed(panel.fewer)
            messages = self.prompt.fill(goal=goal, n_predicates=str(self.n_candidates), more=more, fewer=fewer)
            seed = int(rng.integers(2**31))
            requests.append(Request(messages, None, 60 * self.n_candidates, self.temperature, seed))
        return proposed_by(self.engine, self.prompt, requests)

    def _listed(self, texts: Sequence[str]) -> str:
        return "\n".join(f"- {cut_words(text, self.n_words)}" for text in texts)


@dataclasses.dataclass
class StateGroups(AbstractGroupProposer):
    """Asks for the category of each text of the group, one at a time, and for what they have in common.

    For small language models; see `StateThenGeneralise`. The other side is not shown: judging finds what is frequent
    there.

    **Arguments:** `n_candidates`, how many predicates per panel at most; `n_shown`, how many texts are stated;
    `n_words`, how much of each the model is shown.
    """

    engine: Engine
    n_candidates: int = 3
    n_shown: int = 8
    n_words: int = 60

    def __post_init__(self):
        self.stater = Stater(self.engine, n_words=self.n_words)
        self.identity = f"groups {self._stating(1).identity}"

    def propose(self, panels, *, goal, rng):
        # All are stated in one batch; the store then has what each panel asks for.
        texts = [text for panel in panels for text in panel.more]
        self.stater.choose_wording(texts[:_N_TRIED], goal=goal, n_groups=len(panels))
        self.stater.state(texts, goal=goal)
        proposals = []
        for panel in panels:
            stating = self._stating(len(panel.more))
            proposals += stating.propose(panel.more, np.zeros((len(panel.more), 1)), goal=goal, rng=rng)
        return proposals

    def _stating(self, n_shown: int) -> StateThenGeneralise:
        return StateThenGeneralise(self.engine, n_shown=n_shown, n_candidates=self.n_candidates, stater=self.stater)


@dataclasses.dataclass
class ListedForGroups(AbstractGroupProposer):
    """Hypotheses of the user's own: nothing is asked, and no text is looked at."""

    predicates: Sequence[str]
    n_shown: int = 0

    def __post_init__(self):
        self.identity = "listed"

    def propose(self, panels, *, goal, rng):
        del goal, rng
        return [list(dict.fromkeys(self.predicates))] + [[] for _ in panels[1:]]
