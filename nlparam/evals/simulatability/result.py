"""What a test of explanations gives: every counterfactual, precision and generality."""

import dataclasses
import math
from typing import Any

from nlparam.evals.simulatability.explanations import Explanation
from nlparam.evals.simulatability.page import describe_simulatability
from nlparam.numerics.statistics.simulation import Measured
from nlparam.results.page.page import AbstractPage
from nlparam.results.result import AbstractRecord
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class Counterfactual:
    """A new input: what a reader of the explanation `inferred` (`None`: nothing can be) and the model `answered`.

    `probability` is how sure the simulated reader was.
    """

    text: str
    inferred: str | None
    answered: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Simulated:
    """One explanation put to the test.

    **Attributes:** `counterfactuals`, those for which there are both an inference and an answer; `simulatable`, for
    which share of them something can be inferred; `precision`, for which share of those the model answered so;
    `generality`, how diverse these are, by each similarity. `n_failed` counterfactuals had no usable answer.
    """

    explanation: Explanation
    counterfactuals: tuple[Counterfactual, ...]
    simulatable: Measured
    precision: Measured
    generality: dict[str, Measured]
    n_failed: int = 0


@dataclasses.dataclass(frozen=True)
class Simulatability(AbstractRecord):
    """Explanations put to the test.

    **Attributes:** `simulated`, each explanation; `simulatable`, `precision` and `generality`, the means over
    explanations (of precision, over those with a simulatable counterfactual) with bootstrap intervals over them;
    `settings` and `costs`, how they were found; `notes`, what a reader should know.
    """

    simulated: tuple[Simulated, ...]
    simulatable: Measured
    precision: Measured
    generality: dict[str, Measured]
    settings: dict[str, Any]
    costs: Costs
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: what is not known is `None`."""
        return {
            "precision": _written(self.precision),
            "generality": {name: _written(value) for name, value in self.generality.items()},
            "simulatable": _written(self.simulatable),
            "n_explanations": len(self.simulated),
            "n_counterfactuals": sum(len(one.counterfactuals) for one in self.simulated),
            "n_failed": sum(one.n_failed for one in self.simulated),
            "explanations": [
                dataclasses.asdict(one.explanation)
                | {
                    "precision": _written(one.precision),
                    "generality": {name: _written(value) for name, value in one.generality.items()},
                    "simulatable": _written(one.simulatable),
                    "n_failed": one.n_failed,
                    "counterfactuals": [dataclasses.asdict(c) for c in one.counterfactuals],
                }
                for one in self.simulated
            ],
            "notes": list(self.notes),
            "settings": self.settings,
            "costs": self.costs.as_dict(),
        }

    def page(self) -> AbstractPage:
        return describe_simulatability(self.as_dict())


def _written(measured: Measured) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in measured._asdict().items()}
