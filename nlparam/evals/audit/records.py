"""Evaluations: outputs, what an evaluator said of them, and whether they are correct."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlparam.corpus.labels import is_missing
from nlparam.corpus.readers import field_names, read_texts
from nlparam.errors import CorpusError
from nlparam.evals.truth import truths

# Fewer outputs of a system say nothing about how often its outputs fool anybody.
LEAST_OUTPUTS = 10
_ONE_SYSTEM = "(all)"
# The rates of a system: of its wrong outputs those that were accepted, of its right ones those that were rejected, then
# of all outputs.
KINDS = ("false positives", "false negatives", "approval", "correctness")


@dataclasses.dataclass(frozen=True)
class Evaluations:
    """Evaluated outputs, all aligned.

    **Attributes:** `task`, `output` and `system`, strings; `verdict` and `correct`, `(n,)` booleans: what the evaluator
    said, and what is so; `covariates`, what else is known of each evaluation, by name.

    Raises `CorpusError` if there is nothing to audit: the verdicts, or the truth, are all alike, or a system has fewer
    than ten outputs.
    """

    task: Sequence[str]
    output: Sequence[str]
    verdict: np.ndarray
    correct: np.ndarray
    system: Sequence[str] = ()
    covariates: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        n = len(self.output)
        if not len(self.system):
            object.__setattr__(self, "system", [_ONE_SYSTEM] * n)
        for name in ("verdict", "correct"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=bool))
        sizes = {name: len(getattr(self, name)) for name in ("task", "output", "verdict", "correct", "system")}
        sizes |= {name: len(values) for name, values in self.covariates.items()}
        if set(sizes.values()) != {n}:
            raise CorpusError(f"got {sizes}, expected as many of each")
        if n == 0:
            raise CorpusError("got no evaluations, expected some: check the file")
        for name, values, says in (
            ("verdict", self.verdict, "the evaluator never says anything else, so there is nothing to audit"),
            ("correct", self.correct, "it takes both right and wrong outputs to see what an evaluator gets wrong"),
        ):
            if values.all() or not values.any():
                raise CorpusError(f"all {n} evaluations have {name} {bool(values[0])}: {says}")
        small = {name: count for name, count in Counter(self.system).items() if count < LEAST_OUTPUTS}
        if small:
            shown = ", ".join(f"{name!r} ({count})" for name, count in list(small.items())[:5])
            raise CorpusError(
                f"{len(small)} of the systems have fewer than {LEAST_OUTPUTS} outputs: {shown}; leave them out, or "
                "name a field whose values have more"
            )

    def __len__(self) -> int:
        return len(self.output)

    @property
    def systems(self) -> list[str]:
        """The names of the systems, in the order in which they come."""
        return list(dict.fromkeys(self.system))

    @property
    def by_system(self) -> np.ndarray:
        """`(n,)`, the index of each evaluation's system into `systems`."""
        place = {name: number for number, name in enumerate(self.systems)}
        return np.asarray([place[name] for name in self.system])

    @property
    def by_task(self) -> np.ndarray:
        """`(n,)` integers, the same for evaluations of one task."""
        place: dict[str, int] = {}
        return np.asarray([place.setdefault(task, len(place)) for task in self.task])

    def of_kind(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """What a rate counts, and among which evaluations, both `(n,)`; `kind` is one of `KINDS`."""
        everything = np.ones(len(self), dtype=bool)
        return {
            "false positives": (self.verdict & ~self.correct, ~self.correct),
            "false negatives": (~self.verdict & self.correct, self.correct),
            "approval": (self.verdict, everything),
            "correctness": (self.correct, everything),
        }[kind]


def read_evaluations(
    path: str | Path, *, system_field: str | None = None, covariates: Sequence[str] = ()
) -> Evaluations:
    """Reads evaluations from a file with the fields `task`, `output`, `verdict`, `correct` and perhaps `system`.

    **Arguments:** `system_field`, another field that says which system an output is of (or which time, or evaluator);
    `covariates`, further fields.

    `verdict` and `correct` are booleans, 0 and 1, or words such as yes and no, pass and fail, accept and reject.

    Raises `CorpusError` for a missing field or value, and for what `Evaluations` refuses.
    """
    system = system_field or ("system" if "system" in field_names(path) else None)
    fields: list[str] = ["task", "verdict", "correct", *covariates, *([system] if system else [])]
    table = read_texts(path, text_field="output", fields=list(dict.fromkeys(fields)))
    columns = {name: _filled(path, name, table.columns[name]) for name in ("task", "verdict", "correct")}
    # A column without anything in it is as if it were not there.
    systems = table.columns[system] if system else []
    systems = [] if all(map(is_missing, systems)) else _filled(path, str(system), systems)
    return Evaluations(
        task=[str(task) for task in columns["task"]],
        output=table.texts,
        verdict=truths(columns["verdict"], lambda number: f"{path}, evaluation {number}: verdict"),
        correct=truths(columns["correct"], lambda number: f"{path}, evaluation {number}: correct"),
        system=list(map(str, systems)),
        covariates={name: table.columns[name] for name in covariates},
    )


def _filled(path: str | Path, name: str, values: list[Any]) -> list[Any]:
    for row, value in enumerate(values, start=1):
        if is_missing(value):
            raise CorpusError(f"{path}, evaluation {row}: the field {name!r} is missing: fill it in or drop it")
    return values
