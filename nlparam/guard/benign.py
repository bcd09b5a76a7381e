"""Benign traffic: texts, or pairs of what a user wrote and what the assistant answered."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nlparam.corpus.corpus import Corpus, text_digest
from nlparam.corpus.readers import field_names, read_texts
from nlparam.guard.constitution import ROLES
from nlparam.guard.errors import GuardError


@dataclasses.dataclass(frozen=True)
class Benign:
    """`n` exchanges, each an input and an output. Plain texts count as both, which is the stricter of the two."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Benign":
        """Distinct texts that are not blank, each as input and as output. Raises `CorpusError` for other values."""
        distinct = Corpus.from_texts(texts).distinct
        return cls(distinct, distinct)

    @classmethod
    def from_pairs(cls, inputs: Iterable[str], outputs: Iterable[str]) -> "Benign":
        """Distinct exchanges. Raises `GuardError` if there are not as many inputs as outputs."""
        inputs, outputs = Corpus.from_texts(inputs).texts, Corpus.from_texts(outputs).texts
        if len(inputs) != len(outputs):
            raise GuardError(f"got {len(inputs)} benign inputs and {len(outputs)} outputs, expected as many")
        pairs = dict.fromkeys(pair for pair in zip(inputs, outputs, strict=True) if any(map(str.strip, pair)))
        return cls(tuple(first for first, _ in pairs), tuple(second for _, second in pairs))

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def sides(self) -> dict[str, tuple[str, ...]]:
        """The texts of each role."""
        return dict(zip(ROLES, (self.inputs, self.outputs), strict=True))

    @property
    def digests(self) -> list[str]:
        """The address of each exchange."""
        return [
            text_digest(first if first is second else f"{first}\0{second}")
            for first, second in zip(self.inputs, self.outputs, strict=True)
        ]

    def take(self, rows: Iterable[int]) -> "Benign":
        rows = list(rows)
        outputs = tuple(self.outputs[row] for row in rows)
        return Benign(outputs if self.inputs is self.outputs else tuple(self.inputs[row] for row in rows), outputs)

    def split(self, n_first: int, *, seed: int) -> "tuple[Benign, Benign]":
        """Two parts at random, the first of `n_first` exchanges."""
        order = np.random.default_rng(seed).permutation(len(self)).tolist()
        return self.take(order[:n_first]), self.take(order[n_first:])


def read_benign(path: str | Path, *, text_field: str | None = None) -> tuple[Benign, list[str]]:
    """Reads a file with the fields `input` and `output`, or with texts, and returns warnings beside it.

    Raises `CorpusError` as `read_texts` does.
    """
    if text_field is None and {"input", "output"} <= set(field_names(path)):
        table = read_texts(path, text_field="input", fields=("output",))
        return Benign.from_pairs(table.texts, [output or "" for output in table.columns["output"]]), table.warnings
    table = read_texts(path, text_field=text_field)
    return Benign.from_texts(table.texts), table.warnings
