"""What an evaluation of a guard gives: rates with intervals, the texts it is wrong about, and its folder."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from nlparam.costs import Costs
from nlparam.errors import FitFolderError
from nlparam.result_folder import check_result_folder, make_room, read_json, write_json

FORMAT = 1
EVALUATION = "evaluation.json"


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
class Evaluation:
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

    def report(self, path: str | Path | None = None) -> str:
        """The report as one self-contained HTML page; written to `path` if one is given."""
        from nlparam.report.sections import section_report
        from nlparam.report.siblings.guard import describe_guard

        return section_report(describe_guard(self.as_dict()), path)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nlparam.report.sections import section_card
        from nlparam.report.siblings.guard import describe_guard

        return section_card(describe_guard(self.as_dict()))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes `evaluation.json` and the report into a folder. They quote texts, also benign ones that were refused.

        Raises `FitFolderError` if it holds another result and `overwrite` is not set, or cannot be written.
        """
        folder = Path(folder)
        check_evaluation_folder(folder, self.settings, overwrite=overwrite)
        try:
            make_room(folder, EVALUATION, overwrite=overwrite)
            self.report(folder / "report.html")
            write_json(folder / EVALUATION, {"format": FORMAT} | self.as_dict())
        except OSError as error:
            raise FitFolderError(f"{folder} cannot be written ({error}): choose another --out") from error
        return folder


def check_evaluation_folder(folder: str | Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
    """Raises `FitFolderError` if the folder cannot take an evaluation with these settings, as it holds another one."""

    def there() -> dict[str, Any]:
        return read_json(Path(folder) / EVALUATION, again="evaluate again with --overwrite")["settings"]

    check_result_folder(folder, EVALUATION, settings, there, overwrite=overwrite)


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
