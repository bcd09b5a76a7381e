"""What an experiment is made of: a data set, an arm that is tried on it, and what the arm comes to."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from nlparam.errors import NlparamError
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:  # with JAX, which takes seconds, and which data sets do without
    from nlparam.fitting.records import TraceEntry
    from nlparam.fitting.result import Fit
    from nlparam.numerics.core.model import AbstractPredicateModel

Task = Literal["clustering", "time_series", "classification"]
TASKS: tuple[Task, ...] = get_args(Task)


class DataError(NlparamError, ValueError):
    """A data set is unknown or absent, its files are not as described, or it cannot be had in the form asked for."""


# The paper chooses predicates on all texts, and judges none for intervals.
SEARCH_ALONE: dict[str, Any] = {"held_out": 0.0, "inference": False}


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Texts, what a model needs to know of each, and the truth where it is known.

    **Attributes:**

    - `data`: what `nlparam.fit` takes beside the texts: `None` for a clustering, one label per text for a
      classification, one time per text for a series.
    - `goal`: what the predicates are to be about.
    - `k`: the number of predicates that the experiment asks for.
    - `reference`: `(n_texts, n_references)` booleans, `reference[i, j]` if `reference_predicates[j]` holds for text i;
      `None` where no truth is known. Arms never read either of the two; the bound `named` reads the names.
    - `source`: where the texts are from, for the tables.
    """

    name: str
    task: Task
    texts: list[str]
    data: Any
    goal: str
    k: int
    reference: np.ndarray | None = None
    reference_predicates: tuple[str, ...] = ()
    source: str = ""

    @property
    def exclusive(self) -> bool:
        """Exactly one reference holds for every text, so that they are the classes of a partition."""
        return self.reference is not None and bool((self.reference.sum(axis=1) == 1).all())


@dataclasses.dataclass(frozen=True)
class Problem:
    """One data set, one model, and the arguments by name that `nlparam.fit` would be called with.

    `settings` holds any of `lm`, `embedder`, `proposer`, `judge`, `form`, `options`, `budget`, `store`, `seed`,
    `progress`, ...; the goal is the data set's. `left_out` are texts that an arm may denote and learns nothing from.
    """

    dataset: Dataset
    model: "AbstractPredicateModel"
    settings: dict[str, Any]
    left_out: Sequence[str] = ()

    @property
    def seed(self) -> int:
        return int(self.settings.get("seed", 0))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an arm comes to.

    **Attributes:** `predicates`, in words (empty for a baseline that cannot say what its columns mean); `denotations`,
    `(n_texts, n_columns)` in [0, 1]; `assignments`, the column of every text (-1 for none) where the model is a
    partition, else `None`; `fit`, where the arm makes one; `notes`, figures of the arm's own; `trace`, how the search
    went; `left_out`, `(n_left_out, n_columns)` denotations of the texts that were left out, where an arm without a fit
    gives them.
    """

    predicates: list[str]
    denotations: np.ndarray
    costs: Costs
    assignments: np.ndarray | None = None
    fit: "Fit | None" = None
    notes: dict[str, float] = dataclasses.field(default_factory=dict)
    trace: "Sequence[TraceEntry]" = ()
    left_out: np.ndarray | None = None


class AbstractArm(abc.ABC):
    """One way to solve a problem: nlparam in full, without one of its parts, a sibling or a baseline.

    A subclass is a frozen dataclass; its fields are what a config may set.
    """

    uses_language_model: ClassVar[bool] = True
    tasks: ClassVar[tuple[Task, ...]] = TASKS

    def unfit(self, dataset: Dataset) -> str | None:
        """Why the arm cannot be run on a data set, here and now; `None` where it can. Computes nothing."""
        if dataset.task in self.tasks:
            return None
        return (
            f"got a {dataset.task}, expected a data set for {' or '.join(self.tasks)}: choose another arm, for "
            "instance full, one_hot, prompting or goalex"
        )

    @abc.abstractmethod
    def run(self, problem: Problem) -> Outcome:
        """Solves a problem whose data set is not `unfit`. Raises what `nlparam.fit` raises."""
