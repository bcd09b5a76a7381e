"""The results of a model as plain arrays, ready to be drawn or printed: each quantity as panels of items."""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlparam.report import PROBABILITY
from nlparam.report.examples import excerpt
from nlparam.report.text import DASH

if TYPE_CHECKING:
    from nlparam.solution import Fit

# Per quantity, as the mean and the lower and upper ends of its credible intervals, in its own shape.
Intervals = Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]

MAX_NAME = 80
# More points than these would make the page large and could not be told apart.
MAX_BINS = 200


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

    @property
    def is_share(self) -> bool:
        """Whether the values are shares, to be written in per cent."""
        known = self.values[np.isfinite(self.values)]
        inside = known.size > 0 and bool(np.all((known >= 0) & (known <= 1)))
        return self.neutral is None and self.kind in ("curves", "dots") and inside

    def figure(self, value: float) -> str:
        """A value of this quantity as text."""
        if not math.isfinite(value):
            return DASH
        if self.is_share:
            return f"{value:.1%}"
        # As many decimals as the largest value needs, so that figures stand under one another.
        largest = float(np.max(np.abs(self.values), where=np.isfinite(self.values), initial=0.0))
        if not 1e-3 <= largest < 1e9:
            return figure(value, signed=self.neutral == 0)
        decimals = max(0, 2 - math.floor(math.log10(largest)))
        return format(value, f"{'+' if self.neutral == 0 else ''},.{decimals}f")

    def cell(self, panel: int, item: int) -> str:
        """The value with its interval, as text."""
        text = self.figure(float(self.values[panel, item]))
        if self.lower is None or self.upper is None or not np.isfinite(self.lower[panel, item]):
            return text
        return f"{text} [{self.figure(float(self.lower[panel, item]))}, {self.figure(float(self.upper[panel, item]))}]"


def figure(value: float, *, signed: bool = False) -> str:
    """A number with three significant digits, in full where it is large."""
    if not math.isfinite(value):
        return DASH
    sign = "+" if signed else ""
    return format(value, f"{sign},.0f" if 1000 <= abs(value) < 1e9 else f"{sign}.3g")


def stated(share: float) -> str:
    """A share that somebody chose (a confidence, an aim), in per cent with all its digits: "99.9%"."""
    return f"{100 * share:.6g}%"


def view_quantities(fit: "Fit", intervals: Intervals | None = None) -> list[QuantityView]:
    """What `fit.quantities()` says, in its order.

    Raises `ValueError` if the intervals do not have the shapes of the quantities.
    """
    return [_view(fit, name, quantity, (intervals or {}).get(name)) for name, quantity in fit.quantities().items()]


def names_of(fit: "Fit", dim: str, length: int) -> list[Any]:
    """What the entries of a dimension are called: predicates with their numbers, classes, times."""
    if dim == "predicate":
        return [f"{number}. {excerpt(predicate, MAX_NAME)}" for number, predicate in enumerate(fit.predicates, start=1)]
    named = list(fit.coords.get(dim, ()))
    if len(named) != length:
        return list(range(length)) if dim == "step" else [f"{dim} {number}" for number in range(length)]
    return named if dim == "step" else [excerpt(str(name), MAX_NAME) for name in named]


def is_dates(times: list[Any]) -> bool:
    """Whether the times are ISO dates; otherwise they are numbers."""
    return bool(times) and isinstance(times[0], str)


def positions(times: list[Any]) -> np.ndarray:
    """Times on a line: numbers as they are, dates as milliseconds since 1970."""
    if is_dates(times):
        return np.asarray(times, dtype="datetime64[ms]").astype(np.int64).astype(np.float64)
    return np.asarray(times, dtype=np.float64)


def _view(fit: "Fit", name: str, quantity: Any, interval: Any) -> QuantityView:
    values = np.asarray(quantity.values, dtype=np.float64)
    dims = tuple(quantity.dims)
    arrays = [values]
    if interval is not None:
        arrays += [np.asarray(end, dtype=np.float64) for end in interval[1:]]
        if any(array.shape != values.shape for array in arrays):
            raise ValueError(
                f"got a posterior in which {name!r} has the shape {arrays[1].shape}, expected {values.shape}: it is "
                "the posterior of another fit"
            )
    kind, panel_dim, item_dim = _layout(dims)
    if kind != "other":
        arrays = [_two_dimensional(array, dims, item_dim) for array in arrays]
    panels = names_of(fit, panel_dim, arrays[0].shape[0]) if panel_dim else [""]
    items = names_of(fit, item_dim, arrays[0].shape[1]) if item_dim else [""]
    return QuantityView(
        name=name,
        label=_label(fit, dims, quantity.label),
        kind=kind,
        panels=panels,
        items=items,
        values=arrays[0],
        lower=arrays[1] if len(arrays) == 3 else None,
        upper=arrays[2] if len(arrays) == 3 else None,
        neutral=quantity.neutral,
        direction=_direction(fit, dims, quantity.neutral),
        observed=_observed(fit) if name == "prevalence" and dims == ("step", "predicate") else None,
        item_dim=item_dim,
    )


def _layout(dims: tuple[str, ...]) -> tuple[Literal["curves", "dots", "scalar", "other"], str, str]:
    """How a quantity with these dimensions is shown, and which of them is that of the panels and of the items."""
    if len(dims) > 2:
        return "other", "", ""
    if not dims:
        return "scalar", "", ""
    item = next((dim for dim in ("step", "predicate") if dim in dims), dims[-1])
    rest = [dim for dim in dims if dim != item]
    return "curves" if item == "step" else "dots", rest[0] if rest else "", item


def _two_dimensional(values: np.ndarray, dims: tuple[str, ...], item_dim: str) -> np.ndarray:
    if values.ndim == 2 and dims.index(item_dim) == 0:
        return values.T
    return values.reshape(1, -1) if values.ndim < 2 else values


def _label(fit: "Fit", dims: tuple[str, ...], label: str) -> str:
    classes = fit.coords.get("class", [])
    if dims != ("predicate",) or len(classes) != 2:
        return label
    name = f"“{excerpt(str(classes[1]), MAX_NAME)}”"
    return label.replace("the second class", name).replace("the second group", name)


def _direction(fit: "Fit", dims: tuple[str, ...], neutral: float | None) -> str:
    classes = fit.coords.get("class", [])
    if neutral is None:
        return ""
    if dims == ("predicate",) and len(classes) == 2:
        first, second = (excerpt(str(name), MAX_NAME) for name in classes)
        return f"Above {neutral:g} a predicate speaks for “{second}”, below for “{first}”."
    if "class" in dims:
        return f"Above {neutral:g} a predicate makes the class more likely, below less likely."
    return ""


def _observed(fit: "Fit") -> Observed | None:
    step = getattr(fit.data, "step", None)
    if step is None or len(step) != len(fit.denotations):
        return None
    step, denotations = np.asarray(step), np.asarray(fit.denotations, dtype=np.float64)
    n_steps = int(step.max()) + 1 if len(step) else 0
    times = positions(names_of(fit, "step", len(fit.coords.get("step", ())) or n_steps))
    if len(times) < n_steps:
        return None
    bins, n_bins = np.arange(len(times)), len(times)
    if n_bins > MAX_BINS:
        edges = np.linspace(times.min(), times.max(), MAX_BINS + 1)[1:-1]
        bins, n_bins = np.searchsorted(edges, times, side="right"), MAX_BINS
    at = bins[step]
    sizes = np.bincount(at, minlength=n_bins).astype(np.float64)
    there = sizes > 0
    with_texts = np.maximum(sizes, 1)
    shares = np.stack([np.bincount(at, column, n_bins) / with_texts for column in denotations.T])
    mean_times = np.bincount(at, times[step], n_bins) / with_texts
    return Observed(mean_times[there], shares[:, there], sizes[there])


@dataclasses.dataclass(frozen=True)
class Goodness:
    """How well a model predicts the data that it was fitted to: lines of a label and a figure, and one sentence."""

    rows: list[tuple[str, str]]
    sentence: str


def goodness(fit: "Fit") -> Goodness | None:
    """Accuracy where the data are classes, the share of the variance explained where they are numbers, else `None`."""
    given = getattr(fit.data, "second", fit.data)  # of a `Difference`
    data, predictions = np.asarray(given if _is_array(given) else []), np.asarray(fit.predictions)
    if data.ndim != 1 or data.shape != predictions.shape or len(data) == 0 or fit.model.assigns_texts:
        return None
    if np.issubdtype(predictions.dtype, np.integer):
        classes = fit.coords.get("class")
        if classes is None or not np.issubdtype(data.dtype, np.integer):
            return None
        counts = np.bincount(data, minlength=len(classes))
        right, largest = float(np.mean(predictions == data)), float(counts.max() / len(data))
        name = excerpt(str(classes[int(counts.argmax())]), MAX_NAME)
        return Goodness(
            [("Classes told right", f"{right:.1%}"), (f"Always saying “{name}”, the largest class", f"{largest:.1%}")],
            f"accuracy {right:.1%} on these texts; always saying “{name}”, the largest class, gives {largest:.1%}",
        )
    if not np.issubdtype(data.dtype, np.floating):
        return None
    squares = float(np.mean((data - predictions) ** 2))
    variance = float(np.var(data))
    if not variance > squares:  # predictions of something else than these numbers
        return None
    explained, error = 1 - squares / variance, math.sqrt(squares)
    return Goodness(
        [("Share of the variance explained (R²)", f"{explained:.1%}"), ("Typical error", figure(error))],
        f"R² {explained:.2f} on these texts, typical error {figure(error)}",
    )


def _is_array(data: Any) -> bool:
    return isinstance(data, np.ndarray) or (hasattr(data, "__array__") and hasattr(data, "shape"))
