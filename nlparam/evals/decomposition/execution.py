"""Expressions executed on judged texts, and compared with labels."""

import dataclasses
import functools

import numpy as np

from nlparam.errors import CorpusError
from nlparam.evals.decomposition.expression import Expression
from nlparam.numerics.statistics.logic import agreement, balanced_weights, evaluate


@dataclasses.dataclass(frozen=True, eq=False)
class Execution:
    """Predicates judged on labelled texts: any expression over them can be tried out without a further judgment.

    **Arguments:** `predicates`, distinct ones; `denotations`, `(n_texts, n_predicates)` probabilities; `labels`,
    `(n_texts,)` of booleans: whether the whole holds. Raises `CorpusError` if they do not fit one another or all labels
    are the same.
    """

    predicates: tuple[str, ...]
    denotations: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        if self.denotations.shape != (len(self.labels), len(self.predicates)):
            raise CorpusError(
                f"got denotations of shape {self.denotations.shape}, expected one row for each of {len(self.labels)} "
                f"labels and one column for each of {len(self.predicates)} predicates"
            )
        if len(self.labels) == 0 or np.all(self.labels) or not np.any(self.labels):
            only = f"all {len(self.labels)} labels are {bool(self.labels[0])}" if len(self.labels) else "got no labels"
            raise CorpusError(f"{only}, expected texts for which the whole holds and others: label more texts")

    @functools.cached_property
    def columns(self) -> dict[str, int]:
        """The column of each predicate."""
        return {predicate: column for column, predicate in enumerate(self.predicates)}

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """By which the texts with either label count half."""
        return balanced_weights(self.labels)

    @functools.cached_property
    def _hard(self) -> np.ndarray:
        return (self.denotations >= 0.5).astype(np.float64)

    def denotation(self, expression: Expression, *, hard: bool = False) -> np.ndarray:
        """`(n_texts,)`: the probability that the whole holds; with `hard`, 0 or 1 from parts taken at 0.5."""
        return evaluate(expression.tree(self.columns), self._hard if hard else self.denotations)

    def agreement(self, expression: Expression) -> float:
        """The share of texts for which the whole, in hard logic, is what the label says."""
        return float(np.mean((self.denotation(expression, hard=True) >= 0.5) == self.labels))

    def balanced_agreement(self, expression: Expression) -> float:
        """The same, with the texts of either label counting half."""
        return agreement(self.denotation(expression, hard=True), self.labels, self.weights)

    def on(self, rows: np.ndarray) -> "Execution":
        """The same on some of the texts."""
        return Execution(self.predicates, self.denotations[rows], self.labels[rows])
