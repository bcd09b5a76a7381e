"""What a fit holds beside arrays: why it ended, how the search went, how far head and language model agree."""

import dataclasses
import enum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.fitting.recurrence import Stability
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.denotation.calibration import CalibrationSummary
    from nlparam.denotation.denoter import Denoter
    from nlparam.denotation.goal import GoalFollowing
    from nlparam.numerics.core.model import AbstractPredicateModel
    from nlparam.numerics.core.quantities import Quantity
    from nlparam.numerics.heads.cascade import Certificate


class RESULTS(enum.StrEnum):
    """Why a fit ended."""

    converged = "no candidate predicate lowers the loss further"
    rounds_spent = "the rounds of refinement asked for are done"
    budget_spent = "the budget is spent"
    nothing_usable = "the language model gave no further usable predicate"


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well the learned head agrees with the language model on judgments it was not trained on (cross-validation).

    `agreement` is the share of equal yes/no answers after bias correction, `f1` the F1 of the head's "yes" against the
    language model's, `n_judgments` on how many judgments; `prevalence` is the mean denotation over the corpus.
    """

    n_judgments: int
    agreement: float
    f1: float
    prevalence: float


@dataclasses.dataclass(frozen=True)
class TraceEntry:
    """The state of the search after one step. `step` says which: "relaxation", "selection", "refinement 1", ..."""

    step: str
    loss: float
    predicates: tuple[str, ...] = ()
    n_candidates: int = 0
    judgments: int = 0
    seconds: float = 0.0


class FitLike(Protocol):
    """What files, pages and posteriors read of a `Fit`, so that they need not import it."""

    @property
    def model(self) -> "AbstractPredicateModel": ...
    @property
    def asked_model(self) -> "AbstractPredicateModel": ...
    @property
    def predicates(self) -> list[str]: ...
    @property
    def weights(self) -> Any: ...
    @property
    def denotations(self) -> np.ndarray: ...
    @property
    def predictions(self) -> np.ndarray: ...
    @property
    def loss(self) -> float: ...
    @property
    def result(self) -> RESULTS: ...
    @property
    def corpus(self) -> Corpus: ...
    @property
    def denoter(self) -> "Denoter": ...
    @property
    def judgments(self) -> list[Judgment]: ...
    @property
    def agreement(self) -> list[Agreement]: ...
    @property
    def candidates(self) -> list[str]: ...
    @property
    def trace(self) -> list[TraceEntry]: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def versions(self) -> dict[str, str]: ...
    @property
    def costs(self) -> Costs: ...
    @property
    def data(self) -> Any: ...
    @property
    def coords(self) -> dict[str, list]: ...
    @property
    def certificate(self) -> "Certificate | None": ...
    @property
    def calibration(self) -> "CalibrationSummary | None": ...
    @property
    def stability(self) -> Stability | None: ...
    @property
    def following(self) -> "GoalFollowing | None": ...
    def quantities(self) -> "dict[str, Quantity]": ...
