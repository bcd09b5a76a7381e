"""What an evaluation of a guard gives: rates with intervals, the texts it is wrong about, and its folder."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from nlparam.guard.page import describe_guard
from nlparam.numerics.statistics.rates import Rate
from nlparam.results.jsonable import jsonable, read_fields
from nlparam.results.page.sections import AbstractPage
from nlparam.results.result import AbstractResult, Folder
from nlparam.results.versions import installed_versions
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A text on the wrong side of the threshold.

    `kind` is "missed", "permitted, refused" or "benign, refused"; `rule` the one that it breaks, or under which it was
    refused; `margin` its score minus the threshold (minus infinity for a text without words).
    """

    kind: str
    text: str
    role: str
    rule: str
    style: str
    margin: float


@dataclasses.dataclass(frozen=True)
class Evaluation(AbstractResult):
    """What was measured.

    **Attributes:**

    - `rules`: for each restricted rule `detection` (the rate at the threshold), `auroc` of its score against permitted
      texts in the same held-out styles, and those of the baselines, `auroc_knn` and `auroc_zero_shot`.
    - `styles`: the detection in each attack style.
    - `auroc`: mean over the rules; `auroc_knn` and `auroc_zero_shot` likewise.
    - `permitted`: how many of the permitted held-out texts are refused, which are made to lie near the rules.
    - `refusals`: of benign exchanges that the guard has never seen; `None` without any.
    - `released`: of restricted outputs that are stopped, the mean share that the client got before.
    - `overhead`: seconds of screening, and of unguarded generation if there was a language model.
    - `mistakes`: texts on the wrong side of the threshold, at most 200 of each kind.
    - `guard`, what it is of (`Guard.described()`); `settings`, `costs` and `versions` of the evaluation.
    """

    main = "evaluation.json"
    again = "evaluate again with --overwrite"
    # Which language model answers is a part of what is measured here.
    not_compared = frozenset()

    rules: dict[str, dict[str, Any]]
    styles: dict[str, Rate]
    auroc: float | None
    auroc_knn: float | None
    auroc_zero_shot: float | None
    permitted: Rate
    refusals: Rate | None
    released: float | None
    overhead: dict[str, float]
    mistakes: tuple[Mistake, ...]
    guard: dict[str, Any]
    settings: dict[str, Any]
    costs: Costs | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=installed_versions)

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: what is not known is `None`."""
        contents = vars(self) | {
            "rules": {name: found | {"detection": _written(found["detection"])} for name, found in self.rules.items()},
            "styles": {style: _written(found) for style, found in self.styles.items()},
            "permitted": _written(self.permitted),
            "refusals": None if self.refusals is None else _written(self.refusals),
            # Without the sum of its seconds, as it is kept.
            "costs": None if self.costs is None else vars(self.costs),
        }
        return jsonable(contents)

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Evaluation":
        del folder
        rules = {name: said | {"detection": _read(said["detection"])} for name, said in contents["rules"].items()}
        mistakes = [
            one | {"margin": -math.inf if one["margin"] is None else one["margin"]} for one in contents["mistakes"]
        ]
        read = {
            "rules": rules,
            "styles": {name: _read(said) for name, said in contents["styles"].items()},
            "permitted": _read(contents["permitted"]),
            "refusals": None if (said := contents["refusals"]) is None else _read(said),
            "mistakes": mistakes,
        }
        return read_fields(cls, {"versions": {}} | contents | read)

    def page(self) -> AbstractPage:
        return describe_guard(self.as_dict())


def _written(found: Rate) -> dict[str, Any]:
    return {"n_true": found.hits, "n": found.n, "low": found.low, "high": found.high, "share": found.rate}


def _read(kept: Mapping[str, Any]) -> Rate:
    share = math.nan if kept["share"] is None else kept["share"]
    return Rate(kept["n_true"], kept["n"], share, kept["low"], kept["high"])
