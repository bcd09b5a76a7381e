"""The results of a fitted model as plain arrays, ready to be drawn or printed, and how well it predicts its data."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlparam.numerics.core.denotations import decided
from nlparam.results.page.quantities import MAX_NAME, Intervals, Observed, QuantityView, figure, positions
from nlparam.results.page.text import excerpt

if TYPE_CHECKING:
    from nlparam.fitting.inferred import Inference
    from nlparam.fitting.records import FitLike


# More points than these would make the page large and could not be told apart.
MAX_BINS = 200


def view_quantities(fit: "FitLike", intervals: Intervals | None = None) -> list[QuantityView]:
    """What `fit.quantities()` says, in its order.

    Raises `ValueError` if the intervals do not have the shapes of the quantities.
    """
    return [_view(fit, name, quantity, (intervals or {}).get(name)) for name, quantity in fit.quantities().items()]


def view_inferred(fit: "FitLike", inference: "Inference") -> list[QuantityView]:
    """What an inference says, in its order, with its intervals."""
    views = []
    for name, found in inference.quantities.items():
        named = dataclasses.replace(fit, coords=dict(fit.coords) | found.coords)
        view = _view(named, name, found, (found.values, found.low, found.high))
        views.append(dataclasses.replace(view, observed=None, intervals=f"{inference.confidence:.0%} intervals"))
    return views


def names_of(fit: "FitLike", dim: str, length: int) -> list[Any]:
    """What the entries of a dimension are called: predicates with their numbers, classes, times."""
    if dim == "predicate":
        return [f"{number}. {excerpt(predicate, MAX_NAME)}" for number, predicate in enumerate(fit.predicates, start=1)]
    named = list(fit.coords.get(dim, ()))
    if len(named) != length:
        return list(range(length)) if dim == "step" else [f"{dim} {number}" for number in range(length)]
    return named if dim == "step" else [excerpt(str(name), MAX_NAME) for name in named]


def _view(fit: "FitLike", name: str, quantity: Any, interval: Any) -> QuantityView:
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


def _label(fit: "FitLike", dims: tuple[str, ...], label: str) -> str:
    classes = fit.coords.get("class", [])
    if dims != ("predicate",) or len(classes) != 2:
        return label
    name = f"“{excerpt(str(classes[1]), MAX_NAME)}”"
    return label.replace("the second class", name).replace("the second group", name)


def _direction(fit: "FitLike", dims: tuple[str, ...], neutral: float | None) -> str:
    classes = fit.coords.get("class", [])
    if neutral is None:
        return ""
    if dims == ("predicate",) and len(classes) == 2:
        first, second = (excerpt(str(name), MAX_NAME) for name in classes)
        return f"Above {neutral:g} a predicate speaks for “{second}”, below for “{first}”."
    if "class" in dims:
        return f"Above {neutral:g} a predicate makes the class more likely, below less likely."
    return ""


def _observed(fit: "FitLike") -> Observed | None:
    step = getattr(fit.data, "step", None)
    if step is None or len(step) != len(fit.denotations):
        return None
    step, held = np.asarray(step), decided(np.asarray(fit.denotations, dtype=np.float64))
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
    shares = np.stack([np.bincount(at, column, n_bins) / with_texts for column in held.T])
    mean_times = np.bincount(at, times[step], n_bins) / with_texts
    return Observed(mean_times[there], shares[:, there], sizes[there])


@dataclasses.dataclass(frozen=True)
class Goodness:
    """How well a model predicts the data that it was fitted to: lines of a label and a figure, and one sentence."""

    rows: list[tuple[str, str]]
    sentence: str


def goodness(fit: "FitLike") -> Goodness | None:
    """Accuracy where the data are classes, the share of the variance explained where they are numbers, else `None`."""
    # Of a `Difference`, and of a model with controls.
    given = getattr(fit.data, "second", getattr(fit.data, "target", fit.data))
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
