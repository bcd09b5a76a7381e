"""What a test of wordings gives: each claim, and what it is under each wording."""

import dataclasses
from typing import Any

from nlparam.evals.robustness.page import describe_robustness
from nlparam.numerics.statistics.effects import Effect
from nlparam.numerics.statistics.kappa import Agreed
from nlparam.results.jsonable import AbstractNamed, jsonable
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractRecord
from nlparam.runtime.costs import Costs


class OUTCOMES(AbstractNamed):
    """What became of a claim."""

    survives = "the same under every wording"
    changes = "another one under some wording"
    unclear = "cannot be said from so few texts"


@dataclasses.dataclass(frozen=True)
class Worded:
    """A predicate in one wording.

    **Attributes:**

    - `wording`; `n`, the texts with an answer.
    - `share`, the share of them for which it holds, with its interval from `low` to `high`.
    - `change`: the share minus that of the wording of the result, on the same texts, with the interval from
      `change_low` to `change_high`; `None` of this wording itself.
    - `agreement`: yes and no as by the wording of the result; `None` of this wording itself.
    - `effect`: how much more often it holds in the group of the claim than in the others; `None` where the claim is of
      a share.
    """

    wording: str
    n: int
    share: float
    low: float
    high: float
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    agreement: Agreed | None = None
    effect: Effect | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim and what becomes of it. `wordings`: that of the result first; `group`, of which group it is, if any."""

    predicate: str
    claim: str
    outcome: OUTCOMES
    reason: str
    wordings: tuple[Worded, ...]
    group: str | None = None

    @property
    def survives(self) -> bool:
        """Whether its conclusion is the same under every wording."""
        return self.outcome is OUTCOMES.survives


@dataclasses.dataclass(frozen=True)
class Robustness(AbstractRecord):
    """The claims of a result under several wordings.

    **Attributes:** `claims`, one for each predicate; `n_texts`, on how many random texts they were judged;
    `tolerance`, by how much a share may change; `confidence`, of the intervals; `settings`, `costs`, how they were
    found; `notes`, what a reader should know.
    """

    main = "claims"
    again = "run `nlparam robustness` again with --overwrite; what was asked is in the store"

    claims: tuple[Claim, ...]
    n_texts: int
    tolerance: float
    confidence: float
    settings: dict[str, Any]
    costs: Costs
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return jsonable(vars(self) | {"n_survive": sum(one.survives for one in self.claims)})

    def page(self) -> AbstractPage:
        return describe_robustness(self.as_dict(), {one.name: one.value for one in OUTCOMES})
