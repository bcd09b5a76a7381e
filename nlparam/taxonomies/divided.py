"""What dividing a node ends with, and what is known of a predicate before."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from nlparam.numerics.heads.head import Head, HeadFit
from nlparam.runtime.costs import Costs
from nlparam.taxonomies.records import HOLDS, STOPS, Candidate, Division


@dataclasses.dataclass(frozen=True)
class Known:
    """A predicate whose judgments on some texts are known, `{text: probability}`: what a refit starts from."""

    predicate: str
    answers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Divided:
    """What dividing a node ended with.

    `predicates` are the children's, `judged_as` as the language model judged them, `denotations` `(n_rows, n_children)`
    over the node's distinct texts. Without children `stopped` says why.
    """

    predicates: list[str] = dataclasses.field(default_factory=list)
    judged_as: list[str] = dataclasses.field(default_factory=list)
    denotations: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    agreement: list[float] = dataclasses.field(default_factory=list)
    considered: list[Candidate] = dataclasses.field(default_factory=list)
    divisions: list[Division] = dataclasses.field(default_factory=list)
    directions: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    head: Head | None = None
    stopped: STOPS | None = None
    partial: bool = False
    costs: Costs = dataclasses.field(default_factory=Costs)

    def largest_first(self, weights: np.ndarray) -> "Divided":
        """The same with its children in the order of their sizes: that is how they are numbered.

        `weights` are `(n_rows,)`, how often each distinct text occurs.
        """
        sizes = weights @ (self.denotations >= HOLDS)
        order = np.argsort(-sizes, kind="stable").tolist()
        return dataclasses.replace(
            self,
            predicates=[self.predicates[k] for k in order],
            judged_as=[self.judged_as[k] for k in order],
            denotations=self.denotations[:, order],
            agreement=[self.agreement[k] for k in order],
            head=None if self.head is None else self.head.take(order),
        )


def agreement(fitted: HeadFit, shifts: np.ndarray | float = 0.0) -> list[float]:
    """For each predicate of a head, in which share of judgments left out it agrees with the language model.

    `shifts` are what is subtracted from its log-odds.
    """
    even = np.broadcast_to(expit(shifts), len(fitted.left_out))
    return [
        float(np.mean((left_out > at) == (corrected > 0.5)))
        for left_out, corrected, at in zip(fitted.left_out, fitted.corrected, even, strict=True)
    ]


def predicate_of(one: str | Known) -> str:
    return one.predicate if isinstance(one, Known) else one
