"""What a test of explanations gives: every counterfactual, precision and generality."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from nlparam.costs import Costs
from nlparam.numerics.simulation import Measured
from nlparam.result_folder import write_result_file
from nlparam.simulatability.explanations import Explanation


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
class Simulatability:
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

    def report(self, path: str | Path | None = None) -> str:
        """The report as one self-contained HTML page; written to `path` if one is given."""
        from nlparam.report.sections import section_report
        from nlparam.report.siblings.simulatability import describe_simulatability

        return section_report(describe_simulatability(self.as_dict()), path)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nlparam.report.sections import section_card
        from nlparam.report.siblings.simulatability import describe_simulatability

        return section_card(describe_simulatability(self.as_dict()))

    def save(self, path: str | Path) -> Path:
        """Writes it all to a JSON file, and the report beside it (`.html`). Raises `FitFolderError` if it cannot."""
        return write_result_file(path, self.as_dict(), self.report)


def _written(measured: Measured) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in measured._asdict().items()}
