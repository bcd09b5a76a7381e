"""The results of a model as plain arrays, ready to be drawn or printed: each quantity as panels of items."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from nlparam.results.page.text import DASH

# How probable it is that a value lies in its interval, wherever intervals are shown.
PROBABILITY = 0.9
# Per quantity, as the mean and the lower and upper ends of its credible intervals, in its own shape.
Intervals = Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]

MAX_NAME = 80


@dataclasses.dataclass(frozen=True)
class Observed:
    """What the texts say without the model: the share at each step for which each predicate holds.

    `shares` is `(n_predicates, n_bins)` for the bins at `times` (positions, see `positions`) with `sizes` texts.
    """

    times: np.ndarray
    shares: np.ndarray
    sizes: np.ndarray


@dataclasses.dataclass(frozen=True)
class QuantityView:
    """One result of a model.

    `values[p, i]` is that of item i in panel p, with an interval from `lower` to `upper` where there is one.
    In `"curves"` the items are times and the panels mostly predicates; in `"dots"` the panels are mostly classes and
    the items mostly predicates; a `"scalar"` has one of each; `"other"` has more dimensions than can be shown.
    `direction` says in words what values on either side of `neutral` mean, and may be empty. `log` is for ratios.
    `intervals` says what kind of intervals they are.
    """

    name: str
    label: str
    kind: Literal["curves", "dots", "scalar", "other"]
    panels: list[str]
    items: list[Any]
    values: np.ndarray
    lower: np.ndarray | None
    upper: np.ndarray | None
    neutral: float | None
    direction: str = ""
    observed: Observed | None = None
    item_dim: str = ""
    log: bool = False
    intervals: str = f"{PROBABILITY:.0%} credible intervals"

    @functools.cached_property
    def is_share(self) -> bool:
        """Whether the values are shares, to be written in per cent."""
        known = self.values[np.isfinite(self.values)]
        inside = known.size > 0 and bool(np.all((known >= 0) & (known <= 1)))
        return self.neutral is None and self.kind in ("curves", "dots") and inside

    @functools.cached_property
    def _largest(self) -> float:
        return float(np.max(np.abs(self.values), where=np.isfinite(self.values), initial=0.0))

    def figure(self, value: float) -> str:
        """A value of this quantity as text."""
        if not math.isfinite(value):
            return DASH
        if self.is_share:
            return f"{value:.1%}"
        # As many decimals as the largest value needs, so that figures stand under one another.
        if not 1e-3 <= self._largest < 1e9:
            return figure(value, signed=self.neutral == 0)
        decimals = max(0, 2 - math.floor(math.log10(self._largest)))
        return format(value, f"{'+' if self.neutral == 0 else ''},.{decimals}f")

    def cell(self, panel: int, item: int) -> str:
        """The value with its interval, as text."""
        text = self.figure(float(self.values[panel, item]))
        if self.lower is None or self.upper is None or not np.isfinite(self.lower[panel, item]):
            return text
        return f"{text} [{self.figure(float(self.lower[panel, item]))}, {self.figure(float(self.upper[panel, item]))}]"

    def time(self, item: int) -> str:
        """The time of a step of a curve as text."""
        time = self.items[item]
        return f"{time:.10g}" if isinstance(time, float) else str(time)


def furthest(values: np.ndarray, neutral: float, limit: int) -> list[int]:
    """The columns that lie furthest from neutral, at most `limit`, in their order."""
    away = np.abs(np.nan_to_num(values - neutral)).max(axis=0)
    return sorted(np.argsort(-away, kind="stable")[:limit].tolist())


def figure(value: float, *, signed: bool = False) -> str:
    """A number with three significant digits, in full where it is large."""
    if not math.isfinite(value):
        return DASH
    sign = "+" if signed else ""
    return format(value, f"{sign},.0f" if 1000 <= abs(value) < 1e9 else f"{sign}.3g")


def stated(share: float) -> str:
    """A share that somebody chose (a confidence, an aim), in per cent with all its digits: "99.9%"."""
    return f"{100 * share:.6g}%"


def is_dates(times: list[Any]) -> bool:
    """Whether the times are ISO dates; otherwise they are numbers."""
    return bool(times) and isinstance(times[0], str)


def positions(times: list[Any]) -> np.ndarray:
    """Times on a line: numbers as they are, dates as milliseconds since 1970."""
    if is_dates(times):
        return np.asarray(times, dtype="datetime64[ms]").astype(np.int64).astype(np.float64)
    return np.asarray(times, dtype=np.float64)
