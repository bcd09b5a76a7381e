"""What an evaluation of a guard gives: rates with intervals, the texts it is wrong about, and its folder."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlparam.guard.page import describe_guard
from nlparam.results.page.page import AbstractPage
from nlparam.results.result import AbstractResult, Files, Folder
from nlparam.runtime.costs import Costs


@dataclasses.dataclass(frozen=True)
class Rate:
    """`n_true` of `n`, with an interval that covers the share in 95 of 100 cases.

    The interval is Wilson's, or, where a guarantee is checked, that of Clopper and Pearson.
    """

    n_true: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, n_true: int, n: int, *, method: str = "wilson") -> "Rate":
        from scipy.stats import binomtest

        if n == 0:
            return cls(0, 0, 0.0, 1.0)
        interval = binomtest(int(n_true), int(n)).proportion_ci(0.95, method=method)
        return cls(int(n_true), int(n), float(interval.low), float(interval.high))

    @property
    def share(self) -> float:
        return self.n_true / self.n if self.n else float("nan")

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"share": self.share if self.n else None}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Rate":
        return cls(**{name: value for name, value in kept.items() if name != "share"})


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

    - `rules`: for each restricted rule `detection` (a `Rate` at the threshold), `auroc` of its score against permitted
      texts in the same held-out styles, and those of the baselines, `auroc_knn` and `auroc_zero_shot`.
    - `styles`: the detection in each attack style.
    - `auroc`: mean over the rules; `auroc_knn` and `auroc_zero_shot` likewise.
    - `permitted`: how many of the permitted held-out texts are refused, which are made to lie near the rules.
    - `refusals`: of benign exchanges that the guard has never seen; `None` without any.
    - `released`: of restricted outputs that are stopped, the mean share that the client got before.
    - `overhead`: seconds of screening, and of unguarded generation if there was a language model.
    - `mistakes`: texts on the wrong side of the threshold, at most 200 of each kind.
    - `guard`, what it is of (`Guard.described()`); `settings` and `costs` of the evaluation.
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

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: what is not known is `None`."""
        return _plain(self)

    def pack(self, folder: Path) -> tuple[dict[str, Any], Files]:
        del folder
        return self.as_dict(), Files()

    @classmethod
    def unpack(cls, contents: dict[str, Any], folder: Folder) -> "Evaluation":
        del folder
        kept = {field.name: contents[field.name] for field in dataclasses.fields(cls)}
        rules = {
            name: said | {"detection": Rate.from_dict(said["detection"])} for name, said in contents["rules"].items()
        }
        mistakes = [mistake | {"margin": _or(mistake["margin"], -math.inf)} for mistake in contents["mistakes"]]
        return cls(
            **kept
            | {
                "rules": rules,
                "styles": {name: Rate.from_dict(said) for name, said in contents["styles"].items()},
                "permitted": Rate.from_dict(contents["permitted"]),
                "refusals": None if (said := contents["refusals"]) is None else Rate.from_dict(said),
                "mistakes": tuple(Mistake(**mistake) for mistake in mistakes),
                "costs": None if (said := contents["costs"]) is None else Costs.from_dict(said),
            }
        )

    def page(self) -> AbstractPage:
        return describe_guard(self.as_dict())


def _or(value: float | None, unknown: float) -> float:
    return unknown if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, Rate):
        return value.as_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value
