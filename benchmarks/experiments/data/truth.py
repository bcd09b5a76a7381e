"""Texts and what is known of them, whatever file they came from; a `Dataset` is made of it at the end."""

import dataclasses
from typing import Any, cast, get_args

import numpy as np

from benchmarks.experiments.base import DataError, Task

# Asked for where neither the file nor the truth says how many predicates there are.
DEFAULT_K = 5


def known_task(task: str) -> Task:
    """Raises `DataError` if there is no such task."""
    if task not in get_args(Task):
        raise DataError(f"got task={task!r}, expected one of {', '.join(get_args(Task))}")
    return cast(Task, task)


@dataclasses.dataclass(frozen=True)
class Attribute:
    """One labelling of the texts: `holds[i, j]` if `predicates[j]` holds for text i. `name` is "topic" or the like."""

    name: str
    predicates: tuple[str, ...]
    holds: np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """`goal` is None where none is stated, `k` where the file does not say it; `attributes` is empty without a truth.

    `others` are labellings that the task is not about, by name, as far as they can be known.
    """

    name: str
    task: Task
    texts: list[str]
    data: list[Any] | None
    goal: str | None = None
    k: int | None = None
    attributes: tuple[Attribute, ...] = ()
    others: tuple[Attribute, ...] = ()
    origin: str = ""

    @property
    def reference(self) -> np.ndarray | None:
        return np.concatenate([a.holds for a in self.attributes], axis=1) if self.attributes else None

    @property
    def reference_predicates(self) -> tuple[str, ...]:
        return tuple(predicate for attribute in self.attributes for predicate in attribute.predicates)

    def take(self, rows: np.ndarray) -> "Source":
        """The same of some of the texts, in the order of `rows`."""

        def of(attributes: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
            return tuple(dataclasses.replace(attribute, holds=attribute.holds[rows]) for attribute in attributes)

        texts = [self.texts[row] for row in rows.tolist()]
        data = None if self.data is None else [self.data[row] for row in rows.tolist()]
        return dataclasses.replace(self, texts=texts, data=data, attributes=of(self.attributes), others=of(self.others))

    @property
    def usual_k(self) -> int:
        """What the file says, else the number of references, else that of the classes."""
        if self.k is not None:
            return self.k
        if self.attributes:
            return len(self.reference_predicates)
        if self.task == "classification" and self.data is not None:
            return len(set(self.data))
        return DEFAULT_K
