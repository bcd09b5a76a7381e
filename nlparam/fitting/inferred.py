"""What an inference says: quantities with intervals, scores on texts held out, and whether it could be chance."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from nlparam.results.jsonable import jsonable

# Above this p-value, chance explains what was found.
LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Inferred:
    """Values with their intervals, arrays of one shape with named dimensions; all finite.

    `label` says what the numbers are, `neutral` which value means no effect, `coords` what the entries of a dimension
    are called where that is not as in the fit.
    """

    label: str
    dims: tuple[str, ...]
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    neutral: float | None = 0.0
    coords: dict[str, list] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return jsonable(vars(self))


class Score(NamedTuple):
    """How well the model predicts texts that neither chose the predicates nor fitted the weights.

    `baseline` is the same score without any predicate.
    """

    name: str
    value: float
    low: float
    high: float
    baseline: float


@dataclasses.dataclass(frozen=True)
class Inference:
    """What a fit lets one say.

    **Attributes:**

    - `target`: whose answers the figures are of, the "judge" or "people".
    - `confidence`: how often such intervals hold.
    - `split`: whether the predicates were chosen on other texts.
    - `n_texts`: the texts that figures are estimated on; `n_answers`, those with the answers of the target;
      `n_clusters`, how many clusters they are, `None` where each stands for itself.
    - `quantities`: by name; "share" is there for every model.
    - `scores`: on the texts held out. Where none are, texts are left out of the choice among the candidates in turn.
    - `chance`: the p-value of "the predicates explain nothing", by permutation of `n_tested` texts that did not choose
      them; `None` if it could not be tested, for the reason `untested`, which is empty where nothing was to be tested.
    - `notes`: sentences that a reader should know.
    """

    target: str
    confidence: float
    split: bool
    n_texts: int
    n_answers: int
    n_clusters: int | None
    quantities: dict[str, Inferred]
    scores: tuple[Score, ...] = ()
    chance: float | None = None
    n_tested: int = 0
    untested: str = ""
    notes: tuple[str, ...] = ()

    @property
    def scored_on(self) -> str:
        """In words, which texts the scores are of."""
        return "texts held out" if self.split else "texts left out of the choice in turn"

    @property
    def basis(self) -> str:
        """In words, what the intervals rest on."""
        where = "that did not choose the predicates" if self.split else "of the corpus"
        whom = "the language model" if self.target == "judge" else "people"
        clusters = "" if self.n_clusters is None else f" in {self.n_clusters:,} clusters"
        return (
            f"{self.confidence:.0%} intervals for what {whom} would say, from answers to {self.n_answers:,} of "
            f"{self.n_texts:,} texts{clusters} {where}"
        )

    def warnings(self) -> list[str]:
        """What a reader should not miss: that nothing was found."""
        if self.chance is None or self.chance <= LEVEL:
            return []
        return [
            f"nothing found: on {self.n_tested:,} texts that did not choose them, the predicates explain no more than "
            f"chance does (p = {self.chance:.2f})"
        ]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return jsonable(vars(self))
