"""What people say: pairs of text and predicate with a yes or no, and who said it."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlparam.corpus.readers import field_names, read_texts
from nlparam.errors import CorpusError
from nlparam.numerics.statistics.rates import Concord, concord

_TRUE, _FALSE = {"1", "true", "yes", "y", "t"}, {"0", "false", "no", "n", "f"}


class Agreement(NamedTuple):
    """How two people agree: the number of pairs of text and predicate that both labelled, and how far they concur."""

    n_pairs: int
    concord: Concord


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Pairs of text and predicate with a label each, in [0, 1]: 1 where the predicate holds.

    `who` names the person of each label, and is empty where it is not known. Contradictory labels of two people are
    both kept.
    """

    texts: tuple[str, ...]
    predicates: tuple[str, ...]
    labels: tuple[float, ...]
    who: tuple[str, ...] = ()

    def __post_init__(self):
        if not len(self.texts) == len(self.predicates) == len(self.labels):
            raise CorpusError(
                f"got {len(self.texts)} texts, {len(self.predicates)} predicates and {len(self.labels)} labels, "
                "expected as many of each"
            )
        if len(self.who) not in (0, len(self.labels)):
            raise CorpusError(
                f"got {len(self.who)} names of people for {len(self.labels)} labels, expected one for each, or none"
            )
        if not all(0 <= label <= 1 for label in self.labels):
            raise CorpusError("got labels outside [0, 1], expected 1 where the predicate holds and 0 where it does not")

    @classmethod
    def of(cls, rows: "Iterable[tuple[str, str, float] | tuple[str, str, float, str]]") -> "Labelled":
        """From tuples of text, predicate and label, with a fourth entry for who said it if that is known."""
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        texts, predicates, labels, *who = columns
        return cls(texts, predicates, tuple(float(label) for label in labels), *who)

    @classmethod
    def given(cls, labels: "Labelled | str | Path") -> "Labelled":
        """Labels as they are, or from the file that is named. Raises as `read` does."""
        return labels if isinstance(labels, Labelled) else cls.read(labels)

    @classmethod
    def read(cls, path: str | Path) -> "Labelled":
        """From a file of any kind that `nlparam fit` reads, with the fields `text`, `predicate`, `label`, and `who`
        if there is one.

        A label is a number in [0, 1], true or false, yes or no. Raises `CorpusError` for anything else.
        """
        fields = ["predicate", "label", *(["who"] if "who" in field_names(path) else [])]
        table = read_texts(path, text_field="text", fields=fields)
        labels = [_label(value, number, path) for number, value in enumerate(table.columns["label"], 1)]
        who = [str(name or "").strip() for name in table.columns.get("who", ())]
        return cls(
            tuple(table.texts), tuple(str(p).strip() for p in table.columns["predicate"]), tuple(labels), tuple(who)
        )

    def matrix(self, texts: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
        """`(n_texts, n_predicates)`, the mean label of the people who labelled a pair, `nan` where nobody did.

        Texts are compared without the blanks around them, predicates without their case. Raises `CorpusError` if a
        label is of a text or predicate that is not among these.
        """
        row = {text.strip(): number for number, text in enumerate(texts)}
        column = {predicate.strip().casefold(): number for number, predicate in enumerate(predicates)}
        totals, counts = np.zeros((len(texts), len(predicates))), np.zeros((len(texts), len(predicates)))
        for text, predicate, label in zip(self.texts, self.predicates, self.labels, strict=True):
            place = row.get(text.strip()), column.get(predicate.strip().casefold())
            if place[0] is None:
                raise CorpusError(f"a label is of the text {text[:60]!r}, which is not in the corpus: leave it out")
            if place[1] is None:
                known = ", ".join(map(repr, predicates))
                raise CorpusError(f"a label is of the predicate {predicate!r}, expected one of {known}")
            totals[place] += label
            counts[place] += 1
        return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)

    def agreement(self) -> dict[str, Agreement]:
        """For each predicate that several people labelled, how pairs of them agree, over all pairs of people."""
        said: dict[str, dict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
        for text, predicate, label, who in zip(self.texts, self.predicates, self.labels, self.who, strict=False):
            said[predicate][text.strip()][who] = label > 0.5
        found = {}
        for predicate, of_texts in said.items():
            pairs = [
                (answers[one], answers[other])
                for answers in of_texts.values()
                for one, other in itertools.combinations(sorted(answers), 2)
            ]
            if pairs:
                found[predicate] = Agreement(len(pairs), concord(*np.asarray(pairs).T))
        return found


def _label(value: object, number: int, path: str | Path) -> float:
    said = str(value).strip().casefold()
    if said in _TRUE | _FALSE:
        return float(said in _TRUE)
    try:
        return float(said)
    except ValueError:
        raise CorpusError(
            f"{path}: the label of row {number} is {value!r}, expected a number in [0, 1], true or false, yes or no"
        ) from None
