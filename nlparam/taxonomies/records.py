"""What a taxonomy is made of: nodes, their candidates and divisions, and why they ended."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nlparam.corpus.corpus import Corpus
from nlparam.results.records import Judgment
from nlparam.runtime.costs import Costs

if TYPE_CHECKING:
    from nlparam.denotation.denoter import TreeDenoter
    from nlparam.taxonomies.over_time import SharesOverTime

NONE_OF_THESE = "none of these"
ROOT = "root"
# From this denotation on a text is under a node.
HOLDS = 0.5


class OUTCOMES(enum.StrEnum):
    """Why the growing of a taxonomy ended."""

    complete = "every node that can be divided is"
    budget_spent = "the budget is spent"


class STOPS(enum.StrEnum):
    """Why a node has no children."""

    depth = "the depth asked for is reached"
    few_texts = "too few texts to divide"
    nothing_usable = "no candidate predicates divide its texts"
    budget_spent = "the budget was spent before it was divided"
    none_of_these = "its texts are those that no sibling explains"
    by_hand = "its children were taken out by hand"


class STATUS(enum.StrEnum):
    """Whether a refit may replace a node."""

    open = "open"
    locked = "locked"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A predicate that was considered as a child of a node, with all that a later selection needs.

    **Attributes:**

    - `predicate`: as it was judged.
    - `denotations`: `(n_members,)`, probabilities over the texts of the node (`Node.members`); empty where there were
      too few answers to denote it.
    - `judged`, `answers`: the numbers of the texts it was judged on, and the language model's probabilities as they
      were.
    - `child`: the id of the child it became, `None` if it was not chosen.
    - `same_as`: the candidate that it was merged into as a near-duplicate, `None` if it was not.
    """

    predicate: str
    denotations: np.ndarray
    judged: np.ndarray
    answers: np.ndarray
    child: str | None = None
    same_as: str | None = None


@dataclasses.dataclass(frozen=True)
class Division:
    """What a number of children would explain: the mean log-likelihood of texts held out, and its standard error.

    In nats per text, against no division at all; see `nlparam.numerics.core.divide`.
    """

    n_children: int
    gain: float
    standard_error: float


@dataclasses.dataclass(frozen=True)
class Node:
    """One predicate of a taxonomy and the texts under it.

    **Attributes:**

    - `id`: "root", then "1", "2", ... in order of size, "2.1" the first child of "2"; "2.0" is the child of "2" that
      holds the texts that none of the others explains.
    - `predicate`: the sentence; `None` for the root and for "none of these".
    - `judged_as`: the wording that the language model judged, where siblings were rephrased to one form since; else
      `None`.
    - `parent`: the id of the parent, `None` for the root; `children`: ids, "none of these" last.
    - `members`: `(n_members,)` the numbers of the texts under it, ascending.
    - `denotations`: the probability that the predicate holds for each text of the parent (aligned with the parent's
      `members`); for "none of these" one minus the highest of its siblings, for the root 1 for each of its own.
    - `status`: locked nodes survive a refit.
    - `residual`: true for "none of these".
    - `stopped`: why it has no children, `None` if it has some. `partial`: true if the budget was spent while it was
      divided, so that its children rest on fewer judgments than asked for.
    - `candidates`: what was considered for its children.
    - `divisions`: what each number of children that was considered would explain, empty if the number was given.
    - `agreement`: the share of judgments left out in which the head agrees with the language model on the predicate;
      `nan` where it has none.
    - `costs`: what dividing it took.
    """

    id: str
    predicate: str | None
    parent: str | None
    members: np.ndarray
    denotations: np.ndarray
    children: tuple[str, ...] = ()
    judged_as: str | None = None
    status: STATUS = STATUS.open
    residual: bool = False
    stopped: STOPS | None = None
    partial: bool = False
    candidates: tuple[Candidate, ...] = ()
    divisions: tuple[Division, ...] = ()
    agreement: float = float("nan")
    costs: Costs = dataclasses.field(default_factory=Costs)

    @property
    def depth(self) -> int:
        """0 for the root, 1 for its children."""
        return 0 if self.id == ROOT else self.id.count(".") + 1

    @property
    def name(self) -> str:
        """The predicate, or what stands for it."""
        return self.predicate or (NONE_OF_THESE if self.residual else "all texts")

    def __len__(self) -> int:
        return len(self.members)


class TreeLike(Protocol):
    """What files, edits and pages read of a `Taxonomy`, so that they need not import it."""

    @property
    def nodes(self) -> Mapping[str, Node]: ...
    @property
    def corpus(self) -> Corpus: ...
    @property
    def denoter(self) -> "TreeDenoter": ...
    @property
    def judgments(self) -> list[Judgment]: ...
    @property
    def result(self) -> OUTCOMES: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def versions(self) -> dict[str, str]: ...
    @property
    def costs(self) -> Costs: ...
    @property
    def stamps(self) -> tuple[Any, ...] | None: ...
    @property
    def texts(self) -> Sequence[str]: ...
    @property
    def root(self) -> Node: ...
    @property
    def depth(self) -> int: ...
    @property
    def predicate_ids(self) -> list[str]: ...
    def children(self, node: str = ROOT, *, residual: bool = False) -> list[Node]: ...
    def divided(self) -> Iterator[Node]: ...
    def share(self, node: str) -> float: ...
    def denotations(self, node: str = ROOT) -> np.ndarray: ...
    def coverage(self, node: str | None = None) -> float: ...
    def overlap(self, node: str | None = None) -> float: ...
    def assignments(self, depth: int | None = None) -> list[str | None]: ...
    def path(self, node: str) -> list[Node]: ...
    def over_time(self, node: str = ROOT, *, unit: str | None = None, confidence: float = 0.95) -> "SharesOverTime": ...
    def measures(self, node: str | None = None) -> dict[str, float]: ...
    def to_dict(self) -> dict[str, Any]: ...
