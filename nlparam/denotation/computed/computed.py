"""Predicates that are computed by a function, and a judge that sends them to the sandbox and all others on."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nlparam.denotation.computed.whitelist import checked_source
from nlparam.denotation.judge import AbstractJudge
from nlparam.runtime.sandbox import run_predicates

VERSION = "computed-1"


@dataclasses.dataclass(frozen=True)
class ComputedPredicate:
    """A predicate and the function that computes it.

    `kind` is "ngram", "pattern" or "function". A function stands for what the language model would say: `agreement` is
    the share of `n_audited` texts on which they agreed (half of them texts for which the function says yes), `lower` a
    bound that it is above with 90% confidence. The others are what their words say, and there is nothing to agree with.
    """

    predicate: str
    source: str
    kind: str
    agreement: float | None = None
    lower: float | None = None
    n_audited: int = 0


class Computed:
    """The computed predicates of one fit, by name (whatever its case)."""

    def __init__(self, predicates: Iterable[ComputedPredicate] = ()):
        self._by_name: dict[str, ComputedPredicate] = {}
        for predicate in predicates:
            self.add(predicate)

    def add(self, predicate: ComputedPredicate) -> None:
        """Adds a predicate. Raises `RejectedSource` if its source is not one that may run."""
        source = checked_source(predicate.source)
        self._by_name[predicate.predicate.casefold()] = dataclasses.replace(predicate, source=source)

    def get(self, predicate: str) -> ComputedPredicate | None:
        return self._by_name.get(predicate.casefold())

    def __contains__(self, predicate: object) -> bool:
        return isinstance(predicate, str) and predicate.casefold() in self._by_name

    def __len__(self) -> int:
        return len(self._by_name)

    def values(self, predicates: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """`(n_texts, n_predicates)`, 0 or 1; `nan` for what is not computed here, or where its function fails."""
        values = np.full((len(texts), len(predicates)), np.nan, np.float32)
        columns = [number for number, predicate in enumerate(predicates) if predicate in self]
        sources = [self._by_name[predicates[number].casefold()].source for number in columns]
        if columns and len(texts):
            values[:, columns] = np.stack([ran.values for ran in run_predicates(sources, texts)], axis=1)
        return values

    def as_dict(self, predicates: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What a fit keeps of those of its predicates that are computed."""
        found = {predicate: self.get(predicate) for predicate in predicates}
        kept = {name: dataclasses.asdict(computed) for name, computed in found.items() if computed is not None}
        for fields in kept.values():
            del fields["predicate"]
        return kept

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Any]] | None) -> "Computed":
        """The inverse of `as_dict`. Raises `RejectedSource` if a source was changed into one that may not run."""
        return cls(ComputedPredicate(predicate=name, **fields) for name, fields in (values or {}).items())


@dataclasses.dataclass
class ComputedJudge(AbstractJudge):
    """Answers computed predicates by running them and leaves the others to a judge."""

    judge_of_others: AbstractJudge
    computed: Computed = dataclasses.field(default_factory=Computed)

    def __post_init__(self):
        self.identity = f"{self.judge_of_others.identity} {VERSION}"

    def computes(self, predicate: str) -> bool:
        return predicate in self.computed

    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
        answers = np.full(len(pairs), np.nan)
        asked: list[int] = np.unique(pairs[:, 1]).tolist()
        computed = [column for column in asked if self.computes(predicates[column])]
        run = np.isin(pairs[:, 1], computed)
        if run.any():
            rows, row = np.unique(pairs[run, 0], return_inverse=True)
            shown = [texts[number] for number in map(int, rows)]
            values = self.computed.values([predicates[column] for column in computed], shown)
            answers[run] = values[row.reshape(-1), np.searchsorted(computed, pairs[run, 1])]
        if not run.all():
            answers[~run] = self.judge_of_others.judge(texts, predicates, pairs[~run])
        return answers
