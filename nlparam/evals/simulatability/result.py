"""What a test of explanations gives: every counterfactual, precision and generality."""

import dataclasses
from typing import Any

from nlparam.evals.simulatability.explanations import Explanation
from nlparam.evals.simulatability.page import describe_simulatability
from nlparam.numerics.statistics.simulation import Measured
from nlparam.results.jsonable import jsonable
from nlparam.results.page.sections import AbstractPage
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
class Simulation:
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

    main = "explanations"
    again = "simulate again with --overwrite; what was asked is in the store"

    simulated: tuple[Simulation, ...]
    simulatable: Measured
    precision: Measured
    generality: dict[str, Measured]
    settings: dict[str, Any]
    costs: Costs
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: what is not known is `None`."""
        explanations = [
            {name: value for name, value in vars(one).items() if name != "explanation"} | vars(one.explanation)
            for one in self.simulated
        ]
        summed = {
            "n_explanations": len(self.simulated),
            "n_counterfactuals": sum(len(one.counterfactuals) for one in self.simulated),
            "n_failed": sum(one.n_failed for one in self.simulated),
        }
        plain = {name: value for name, value in vars(self).items() if name != "simulated"}
        return jsonable(plain | summed | {"explanations": explanations})

    @classmethod
    def from_dict(cls, contents: dict[str, Any]) -> "Simulatability":
        simulated = [one | {"explanation": one} for one in contents["explanations"]]
        return super().from_dict(contents | {"simulated": simulated})

    def page(self) -> AbstractPage:
        return describe_simulatability(self.as_dict())


# The name of earlier versions.
Simulated = Simulation
