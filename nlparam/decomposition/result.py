"""What `nlparam.decompose` gives: decompositions in order, and all that was judged for them."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.costs import Costs
from nlparam.decomposition.execution import Execution
from nlparam.decomposition.expression import Expression, parse
from nlparam.decomposition.repair import Assistance, Repair, repair
from nlparam.errors import NlparamError
from nlparam.result_folder import write_json


@dataclasses.dataclass(frozen=True)
class Decomposition:
    """One decomposition.

    **Attributes:** `balanced_agreement`, with the labels of the texts by which it was ranked, either label counting
    half; `agreement`, the share of the texts held out for which it is right; `assistance`, how well it can be repaired;
    `fault`, what the language model said is wrong with what it was refined from (`None` if it was not refined).
    """

    expression: Expression
    balanced_agreement: float
    agreement: float
    assistance: Assistance
    fault: str | None = None


@dataclasses.dataclass(frozen=True)
class Decomposed:
    """A complex predicate taken apart.

    **Attributes:** `predicate`, what was taken apart; `ranked`, its decompositions, the best first; `suggestion`, the
    one change of the best that would bring it closer to the labels, on both halves of the texts (`None` if there is
    none); `execution`, all predicates that were judged, for every text with a label; `rows`, their numbers among the
    texts given; `unreadable`, what could not be read as a decomposition.
    """

    predicate: str
    ranked: tuple[Decomposition, ...]
    suggestion: Repair | None
    execution: Execution
    rows: np.ndarray
    unreadable: tuple[str, ...]
    settings: dict[str, Any]
    costs: Costs

    @property
    def chosen(self) -> Decomposition:
        """The best."""
        return self.ranked[0]

    @property
    def denotation(self) -> np.ndarray:
        """`(n_rows,)`: the probability that the chosen decomposition holds, for the texts `rows`."""
        return self.execution.denotation(self.chosen.expression)

    def repair(self, expression: Expression | str, *, n_edits: int = 1) -> list[Repair]:
        """The best changes of single parts of any expression over what was judged, without a further judgment.

        Raises `ExpressionError` if the expression cannot be read or has a part that was not judged.
        """
        expression = parse(expression) if isinstance(expression, str) else expression
        return repair(expression, self.execution, n_edits=n_edits)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "predicate": self.predicate,
            "ranked": [
                {
                    "expression": str(one.expression),
                    "agreement": one.agreement,
                    "balanced_agreement": one.balanced_agreement,
                    "assistance": {n: _finite(v) for n, v in dataclasses.asdict(one.assistance).items()},
                    "fault": one.fault,
                }
                for one in self.ranked
            ],
            "suggestion": None if self.suggestion is None else self.suggestion.as_dict(),
            "unreadable": list(self.unreadable),
            "judged": list(self.execution.predicates),
            "texts": [
                {"text": int(row), "label": bool(label), "probability": float(probability)}
                for row, label, probability in zip(self.rows, self.execution.labels, self.denotation, strict=True)
            ],
            "settings": self.settings,
            "costs": self.costs.as_dict(),
        }

    def save(self, path: str | Path) -> Path:
        """Writes it all to a JSON file. Raises `NlparamError` if that cannot be written."""
        path = Path(path)
        try:
            write_json(path, self.as_dict())
        except OSError as error:
            raise NlparamError(f"{path} cannot be written ({error}): choose another --out") from error
        return path


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
