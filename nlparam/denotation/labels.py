"""What people say: pairs of text and predicate with a yes or no, and who said it."""

import dataclasses
import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nlparam.corpus.marks import HOW, LABELS_FILE, ON_PAGE, has_rows, pair
from nlparam.corpus.readers import field_names, read_texts
from nlparam.errors import CorpusError, FitWarning
from nlparam.numerics.statistics.kappa import Agreed, agreed
from nlparam.runtime.words import agree, counted

_TRUE, _FALSE = {"1", "true", "yes", "y", "t"}, {"0", "false", "no", "n", "f"}


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

    def __len__(self) -> int:
        return len(self.labels)

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
    def given(cls, labels: "Labelled | str | Path", texts: Sequence[str] = ()) -> "Labelled":
        """Labels as they are, or from the file that is named; `texts` and errors as of `read`.

        Marks of a page in the file are left out, with a warning: they are of texts that a reader has chosen, and no
        figure can rest on these.
        """
        if isinstance(labels, Labelled):
            return labels
        drawn = cls.read(labels, texts, marked=False)
        if n_marks := len(cls.read(labels, texts)) - len(drawn) if HOW in field_names(labels) else 0:
            warnings.warn(marks_left_out(n_marks, labels), FitWarning, stacklevel=2)
        return drawn

    @classmethod
    def read(cls, path: str | Path, texts: Sequence[str] = (), *, marked: bool = True) -> "Labelled":
        """From a file of any kind that `nlparam fit` reads, with the fields `text`, `predicate`, `label`, and `who`
        if there is one.

        A label is a number in [0, 1], true or false, yes or no; a row without a label is not filled in yet, and left
        out. The field `id` may stand in the place of `text`: the number of one of the `texts`, from 0. Without
        `marked`, the marks of a page are left out: its reader chose the texts. Raises `CorpusError` for anything else.
        """
        names = field_names(path)
        by_id = bool(texts) and "id" in names and "text" not in names
        fields = ["predicate", "label", *(name for name in ("who", HOW) if name in names)]
        table = read_texts(path, text_field="predicate" if by_id else "text", fields=[*fields, *["id"] * by_id])
        of = [_text(value, n, path, texts) for n, value in enumerate(table.columns["id"], 1)] if by_id else table.texts
        said = table.columns["label"]
        kept = [at for at, label in enumerate(said) if str("" if label is None else label).strip()]
        if not marked and HOW in names:
            kept = [at for at in kept if str(table.columns[HOW][at] or "").strip() != ON_PAGE]
        return cls(
            tuple(of[at] for at in kept),
            tuple(str(table.columns["predicate"][at]).strip() for at in kept),
            tuple(_label(said[at], at + 1, path) for at in kept),
            tuple(str(table.columns["who"][at] or "").strip() for at in kept) if "who" in names else (),
        )

    @classmethod
    def kept(cls, folder: str | Path, texts: Sequence[str], predicates: Sequence[str]) -> "Labelled":
        """What the `labels.csv` in the folder of a result says of its texts and predicates; none without such a file.
        Marks of its page are left out, as no figure can rest on texts that a reader has chosen.

        Raises `CorpusError` if the file cannot be read.
        """
        path = Path(folder) / LABELS_FILE
        return cls.read(path, texts, marked=False).of_result(texts, predicates) if has_rows(path) else cls.of([])

    def of_result(self, texts: Iterable[str], predicates: Iterable[str]) -> "Labelled":
        """The labels of these texts and predicates: what a file has beside them is of an earlier state of a result."""
        known, of = {pair(text, "")[0] for text in texts}, {pair("", predicate)[1] for predicate in predicates}
        kept = [at for at, (text, predicate) in enumerate(self._pairs()) if text in known and predicate in of]
        return Labelled(
            tuple(self.texts[at] for at in kept),
            tuple(self.predicates[at] for at in kept),
            tuple(self.labels[at] for at in kept),
            tuple(self.who[at] for at in kept) if self.who else (),
        )

    def matrix(self, texts: Sequence[str], predicates: Sequence[str]) -> np.ndarray:
        """`(n_texts, n_predicates)`, the mean label of the people who labelled a pair, `nan` where nobody did.

        Texts are compared without the blanks around them, predicates without their case. Raises `CorpusError` if a
        label is of a text or predicate that is not among these.
        """
        row = {pair(text, "")[0]: number for number, text in enumerate(texts)}
        column = {pair("", predicate)[1]: number for number, predicate in enumerate(predicates)}
        totals, counts = np.zeros((len(texts), len(predicates))), np.zeros((len(texts), len(predicates)))
        for text, predicate, label in zip(self.texts, self.predicates, self.labels, strict=True):
            of_text, of_predicate = pair(text, predicate)
            place = row.get(of_text), column.get(of_predicate)
            if place[0] is None:
                raise CorpusError(f"a label is of the text {text[:60]!r}, which is not in the corpus: leave it out")
            if place[1] is None:
                known = ", ".join(map(repr, predicates))
                raise CorpusError(f"a label is of the predicate {predicate!r}, expected one of {known}")
            totals[place] += label
            counts[place] += 1
        return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)

    def agreement(self, *, confidence: float = 0.9) -> dict[str, Agreed]:
        """For each predicate that several people labelled, how pairs of them agree, over all pairs of people.

        Predicates are named without their case. Labels of nobody in particular are left out.
        """
        said: dict[str, dict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
        for (text, predicate), label, who in zip(self._pairs(), self.labels, self.who, strict=False):
            if who:
                said[predicate][text][who] = label > 0.5
        return _agreed(
            {
                predicate: [
                    (text, answers[one], answers[other])
                    for text, answers in of_texts.items()
                    for one, other in itertools.combinations(sorted(answers), 2)
                ]
                for predicate, of_texts in said.items()
            },
            confidence,
        )

    def agreement_with(self, judge: Callable[[str, str], float], *, confidence: float = 0.9) -> dict[str, Agreed]:
        """For each predicate, without its case, how people agree with a judge where it has answered.

        `judge` gives the probability of a text and a predicate, or `nan`.
        """
        said: dict[str, list[tuple[str, bool, bool]]] = defaultdict(list)
        for text, predicate, label in zip(self.texts, self.predicates, self.labels, strict=True):
            if np.isfinite(probability := judge(text, predicate)):
                text, predicate = pair(text, predicate)
                said[predicate].append((text, label > 0.5, probability > 0.5))
        return _agreed(said, confidence)

    def _pairs(self) -> Iterable[tuple[str, str]]:
        return map(pair, self.texts, self.predicates)


def marks_left_out(n_marks: int, path: str | Path) -> str:
    """What is said of marks of a page in a file of labels."""
    those = f"{counted(n_marks, 'label')} in {path} {agree(n_marks, 'was', 'were')}"
    return f"{those} made on a page, of texts chosen there: left out, as no figure can rest on them"


def _agreed(said: Mapping[str, list[tuple[str, bool, bool]]], confidence: float) -> dict[str, Agreed]:
    """The agreement of each predicate, from a text and two answers in each row."""
    found = {}
    for predicate, rows in said.items():
        if rows:
            texts, first, second = (np.asarray(column) for column in zip(*rows, strict=True))
            found[predicate] = agreed(first, second, texts, confidence=confidence)
    return found


def _text(value: object, number: int, path: str | Path, texts: Sequence[str]) -> str:
    said = str(value).strip()
    if not (said.isascii() and said.isdigit() and int(said) < len(texts)):
        raise CorpusError(
            f"{path}: the id of row {number} is {value!r}, expected the number of a text, from 0 to {len(texts) - 1:,}"
        )
    return texts[int(said)]


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
