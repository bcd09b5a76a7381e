"""What a comparison is asked for."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nlparam.comparing.grouping import Grouped
from nlparam.comparing.options import CompareOptions
from nlparam.denotation.judge import AbstractJudge
from nlparam.fitting.setup import DEFAULT_GOAL
from nlparam.language.embed import AbstractEmbedder
from nlparam.language.propose.groups import AbstractGroupProposer
from nlparam.language.ranker import AbstractRanker
from nlparam.lm.base import AbstractLanguageModel
from nlparam.lm.engine import Engine
from nlparam.lm.store import Store
from nlparam.numerics.statistics.effects import CORRECTIONS
from nlparam.runtime.budget import Budget
from nlparam.runtime.costs import Costs
from nlparam.runtime.progress import Progress

GroupProposer = str | AbstractGroupProposer | Callable[[Engine], AbstractGroupProposer]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of `nlparam.compare`, where they are explained, without the groups and the folder.

    Raises `ValueError` for those that are wrong by themselves.
    """

    goal: str = DEFAULT_GOAL
    lm: str | Path | AbstractLanguageModel = "embedded"
    embedder: str | Path | AbstractEmbedder | None = None
    proposer: GroupProposer | None = None
    judge: AbstractJudge | Callable[[Engine], AbstractJudge] | None = None
    form: str = "single"
    predicates: Iterable[str] | None = None
    ranker: AbstractRanker | None = None
    ratings: bool = True
    adjust: Mapping[str, Grouped] | None = None
    repeats: str = "once"
    options: CompareOptions | Mapping[str, Any] | None = None
    confidence: float = 0.95
    level: float = 0.05
    correction: str = "bh"
    budget: Budget | None = None
    store: str | Path | Store | None = None
    timeout: float = 60.0
    seed: int = 0
    progress: Progress | None = None
    costs: Costs | None = None
    notes: Iterable[str] = ()
    made_from: Mapping[str, Any] | None = None

    def __post_init__(self):
        check_numbers(self.confidence, self.level, self.correction)
        if not self.goal.strip():
            raise ValueError("got an empty goal, expected what the predicates are to be about, in a few words")
        if self.predicates is not None and self.proposer is not None:
            raise ValueError("got both predicates and a proposer, expected one of the two: predicates are not proposed")


def check_numbers(confidence: float, level: float, correction: str) -> None:
    """Raises `ValueError` for levels outside (0, 1) and an unknown correction."""
    for name, value in (("confidence", confidence), ("level", level)):
        if not 0 < value < 1:
            raise ValueError(f"got {name}={value}, expected a number between 0 and 1")
    if correction not in CORRECTIONS:
        raise ValueError(f"got correction={correction!r}, expected one of {', '.join(CORRECTIONS)}")
