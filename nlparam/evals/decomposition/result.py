"""What `nlparam.decompose` gives: decompositions in order, and all that was judged for them."""

import dataclasses
from typing import Any

import numpy as np

from nlparam.evals.decomposition.execution import Execution
from nlparam.evals.decomposition.expression import Expression, parse
from nlparam.evals.decomposition.page import describe_decomposed
from nlparam.evals.decomposition.repair import Assistance, Repair, repair
from nlparam.numerics.statistics.rates import Rate, rate
from nlparam.results.jsonable import jsonable
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractRecord
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class Decomposition:
    """One decomposition.

    **Attributes:** `balanced_agreement`, with the labels of the texts by which it was ranked, either label counting
    half; `agreement`, the share of the `n_held_out` texts held out for which it is right; `assistance`, how well it can
    be repaired; `fault`, what the language model said is wrong with what it was refined from (`None` if it was not).
    """

    expression: Expression
    balanced_agreement: float
    agreement: float
    assistance: Assistance
    fault: str | None = None
    n_held_out: int = 0

    @property
    def held_out(self) -> Rate:
        """The agreement with Wilson's 95% interval."""
        return rate(round(self.agreement * self.n_held_out), self.n_held_out)


@dataclasses.dataclass(frozen=True)
class Decompositions(AbstractRecord):
    """A complex predicate taken apart.

    **Attributes:** `predicate`, what was taken apart; `ranked`, its decompositions, the best first; `suggestion`, the
    one change of the best that would bring it closer to the labels, on both halves of the texts (`None` if there is
    none); `execution`, all predicates that were judged, for every text with a label; `rows`, their numbers among the
    texts given, and `texts`, these; `unreadable`, what could not be read as a decomposition, or was refused; `notes`,
    what a reader should know; `whole`, `(n_rows,)`, how probably the predicate itself holds, as it was judged.
    """

    main = "ranked"
    again = "decompose again with --overwrite; what was asked is in the store"

    predicate: str
    ranked: tuple[Decomposition, ...]
    suggestion: Repair | None
    execution: Execution
    rows: np.ndarray
    unreadable: tuple[str, ...]
    settings: dict[str, Any]
    costs: Costs
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    whole: np.ndarray | None = None

    @property
    def chosen(self) -> Decomposition:
        """The best."""
        return self.ranked[0]

    @property
    def denotation(self) -> np.ndarray:
        """`(n_rows,)`: the probability that the chosen decomposition holds, for the texts `rows`."""
        return self.execution.denotation(self.chosen.expression)

    @property
    def agreement_with_whole(self) -> float | None:
        """The share of texts for which the chosen decomposition is what the predicate itself was judged to be."""
        if self.whole is None:
            return None
        return float(np.mean((self.execution.denotation(self.chosen.expression, hard=True) >= 0.5) == self._whole))

    @property
    def agreement_of_whole(self) -> float | None:
        """The share of texts for which the predicate itself was judged as the label says: what a decomposition is up
        against."""
        return None if self.whole is None else float(np.mean(self._whole == self.execution.labels))

    @property
    def _whole(self) -> np.ndarray:
        assert self.whole is not None
        return self.whole >= 0.5

    def repair(self, expression: Expression | str, *, n_edits: int = 1) -> list[Repair]:
        """The best changes of single parts of any expression over what was judged, without a further judgment.

        Raises `ExpressionError` if the expression cannot be read or has a part that was not judged.
        """
        expression = parse(expression) if isinstance(expression, str) else expression
        return repair(expression, self.execution, n_edits=n_edits)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it. The repair of each decomposition is by all texts, those held out among them."""
        execution, chosen = self.execution, self.chosen.expression
        parts = list(dict.fromkeys(chosen.parts))
        columns = [execution.columns[part] for part in parts]
        right = (execution.denotation(chosen, hard=True) >= 0.5) == execution.labels
        plain = {name: value for name, value in vars(self).items() if name not in ("execution", "rows")}
        return jsonable(
            plain
            | {
                "ranked": [
                    vars(one)
                    | {
                        "expression": str(one.expression),
                        "outline": one.expression.outline(),
                        "held_out": one.held_out._asdict() | {"value": one.agreement},
                        "repair": next(iter(repair(one.expression, execution)), None),
                    }
                    for one in self.ranked
                ],
                "agreement_with_whole": self.agreement_with_whole,
                "agreement_of_whole": self.agreement_of_whole,
                "judged": execution.predicates,
                "denotations": execution.denotations,
                "parts": parts,
                "texts": [
                    {
                        "text": self.rows[at],
                        "label": execution.labels[at],
                        "probability": probability,
                        "right": right[at],
                        "parts": execution.denotations[at, columns],
                        "words": self.texts[at],
                    }
                    for at, probability in enumerate(self.denotation)
                ],
            }
        )

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> "Decompositions":
        if "denotations" not in contents:
            raise ValueError("an older nlparam wrote it, without the judgments")
        texts = contents["texts"]
        execution = Execution(
            predicates=tuple(contents["judged"]),
            denotations=np.asarray(contents["denotations"], dtype=float),
            labels=np.asarray([one["label"] for one in texts]),
        )
        ranked = [
            one | {"expression": parse(one["expression"]), "n_held_out": one["held_out"]["n"]}
            for one in contents["ranked"]
        ]
        rows, words = np.asarray([one["text"] for one in texts]), [one["words"] for one in texts]
        given = {"ranked": ranked, "execution": execution, "rows": rows, "texts": words}
        return super().from_dict(contents | given)

    def page(self) -> AbstractPage:
        return describe_decomposed(self.as_dict())


# The name of earlier versions.
Decomposed = Decompositions
