"""Results as data frames: what is written once for all kinds, in pandas, Polars or Arrow."""

import abc
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

# The first that is installed is the default.
BACKENDS = ("pandas", "polars", "pyarrow")


def as_frame(columns: Mapping[str, Sequence[Any]], backend: str | None = None) -> Any:
    """A data frame of some columns: of pandas if it is installed, else Polars, else Arrow; or as `backend` says.

    Raises `ValueError` for another backend, or one that is not installed.
    """
    if backend not in (None, *BACKENDS):
        raise ValueError(f"got backend={backend!r}, expected one of {', '.join(BACKENDS)}")
    there = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    if backend is not None and backend not in there:
        raise ValueError(f"got backend={backend!r}, which is not installed: install it, or take {there[0]!r}")
    name = backend or there[0]
    module = importlib.import_module(name)
    return module.table(dict(columns)) if name == "pyarrow" else module.DataFrame(dict(columns))


class AbstractTabular(abc.ABC):
    """What can be looked at as data frames. A kind of result says what their columns are."""

    @abc.abstractmethod
    def text_columns(self) -> dict[str, list[Any]]:
        """One row per text."""

    @abc.abstractmethod
    def summary_columns(self) -> dict[str, list[Any]]:
        """One row per predicate, node or finding."""

    @abc.abstractmethod
    def example_columns(self, k: int) -> dict[str, list[Any]]:
        """Texts for and against each of these, at most `k` of a side."""

    def to_frame(self, *, backend: str | None = None) -> Any:
        """A data frame of the texts, one row for each: what is predicted, and the probability of every predicate.

        It is one of pandas if that is installed, else of Polars, else an Arrow table; `backend` ("pandas", "polars",
        "pyarrow") chooses. Raises `ValueError` for another, or one that is not installed.
        """
        return as_frame(self.text_columns(), backend)

    def summary(self, *, backend: str | None = None) -> Any:
        """A data frame of the figures: one row per predicate of a fit, node of a taxonomy, finding of a comparison.

        `backend` as for `to_frame`.
        """
        return as_frame(self.summary_columns(), backend)

    def examples(self, k: int = 3, *, backend: str | None = None) -> Any:
        """A data frame of texts for and against each predicate, at most `k` of a side, as the report chooses them.

        `backend` as for `to_frame`. Raises `ValueError` for `k` below 1.
        """
        if k < 1:
            raise ValueError(f"got k={k}, expected at least 1: how many texts to show of each side")
        return as_frame(self.example_columns(k), backend)
