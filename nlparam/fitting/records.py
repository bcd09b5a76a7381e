"""What a fit holds beside arrays: why it ended, how the search went, how far head and language model agree."""

import dataclasses
import enum
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.fitting.recurrence import Stability
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.denotation.calibration import CalibrationSummary
    from nlparam.denotation.denoter import Denoter
    from nlparam.denotation.following import GoalFollowing
    from nlparam.fitting.inferred import Inference
    from nlparam.fitting.sample import Sample
    from nlparam.numerics.core.model import AbstractPredicateModel
    from nlparam.numerics.core.quantities import Quantity
    from nlparam.numerics.heads.cascade import Certificate

# Of fewer answers nothing is said; a kappa below this is a slight agreement (Landis and Koch 1977).
_TELLING, _SLIGHT = 30, 0.2


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
    language model's, `n_judgments` on how many judgments; `prevalence` is the share of the texts
    for which it holds.

    Of a rare predicate nearly all answers are no, and a head that never says yes agrees nearly always. So beside it
    stand `by_chance`, the agreement of two that answer yes as often and at random, and Cohen's `kappa`, the share of
    the rest; `None` in fits of earlier versions, and where both always say the same.
    """

    n_judgments: int
    agreement: float
    f1: float
    prevalence: float
    by_chance: float | None = None
    kappa: float | None = None


@dataclasses.dataclass(frozen=True)
class TraceEntry:
    """The state of the search after one step. `step` says which: "relaxation", "selection", "refinement 1", ..."""

    step: str
    loss: float
    predicates: tuple[str, ...] = ()
    n_candidates: int = 0
    judgments: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class FitLike:
    """The fields of a `Fit`, for what a fit itself needs: its files, pages and posterior."""

    model: "AbstractPredicateModel"
    predicates: list[str]
    weights: Any
    denotations: np.ndarray
    predictions: np.ndarray
    loss: float
    result: RESULTS
    corpus: Corpus
    denoter: "Denoter"
    judgments: list[Judgment]
    agreement: list[Agreement]
    candidates: list[str]
    trace: list[TraceEntry]
    settings: dict[str, Any]
    versions: dict[str, str]
    costs: Costs
    asked_model: "AbstractPredicateModel"
    data: Any = None
    coords: dict[str, list] = dataclasses.field(default_factory=dict)
    certificate: "Certificate | None" = None
    calibration: "CalibrationSummary | None" = None
    stability: Stability | None = None
    following: "GoalFollowing | None" = None
    sample: "Sample | None" = None
    inferred: "Inference | None" = None

    @functools.cached_property
    def assignments(self) -> np.ndarray:
        """The cluster of every text, `(n_texts,)` indices into `predicates`; -1 where no predicate holds.

        Of the predicates that hold for a text (with a denotation of at least 0.5) it is the most specific, the one of
        the fewest texts. Raises `AttributeError` for a model that predicts something else: see `predictions`.
        """
        if not self.model.assigns_texts:
            raise AttributeError(
                f"{type(self.model).__name__} does not assign texts to predicates: its predictions are in `predictions`"
            )
        return self.assigned(self.denotations)

    @property
    def n_counted(self) -> int:
        """How many texts shares are of: those with words, a repeated text as often as it occurs; at least 1."""
        return max(int((~self.corpus.blank).sum()), 1)

    @property
    def n_none(self) -> int:
        """Of a clustering: for how many texts with words no predicate holds."""
        return int(((self.assignments < 0) & ~self.corpus.blank).sum())

    def assigned(self, denotations: np.ndarray) -> np.ndarray:
        """`(n_new_texts,)`: the cluster of new texts, from their denotations; -1 where no predicate holds."""
        from nlparam.numerics.core import compiled
        from nlparam.numerics.core.device import to_device

        return np.asarray(compiled.assignments(self.model, self.weights, to_device(denotations)))

    def quantities(self) -> "dict[str, Quantity]":
        """What the model says, by name: coefficients, prevalence curves, shares; arrays with named dimensions."""
        from nlparam.numerics.core import compiled
        from nlparam.numerics.core.device import to_device

        denotations = self.denotations
        if self.model.assigns_texts and self.data is None:
            denotations = denotations[~self.corpus.blank]  # shares are of the texts with words
        return compiled.quantities(self.model, self.weights, to_device(denotations), self.data)


def doubts(fit: FitLike) -> Iterator[str]:
    """What a reader should know of the predicates: whether they answer the goal, and whether the head can tell them."""
    if fit.following is not None:
        yield from fit.following.warnings()
    # A cascade asks the language model where the head is not sure.
    told = [] if fit.settings.get("cascade") else zip(fit.predicates, fit.agreement, strict=False)
    unseen = [
        repr(predicate)
        for predicate, one in told
        if one.n_judgments >= _TELLING and one.kappa is not None and one.kappa < _SLIGHT
    ]
    if unseen:
        yield (
            f"the head can hardly tell for which texts it holds: {', '.join(unseen)}. On answers that it was not "
            "taught it agrees with the language model about as often as by chance. A cascade (--cascade, "
            "judge=nlparam.Cascade()) asks the language model where the head is not sure"
        )
