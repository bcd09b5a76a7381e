"""Explanations to be put to the test: read from a file, and checked."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nlparam.corpus.readers import field_names, read_texts
from nlparam.errors import CorpusError
from nlparam.language.likeness import distinct

# More possible answers than this cannot be put to a language model as options; the reader has one more.
MOST_ANSWERS = 19


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a model was given, what it answered, how it explained that, and which answers it might have given.

    Without `answers` these are taken to be those that occur among all explanations.
    """

    input: str
    answer: str
    explanation: str
    answers: tuple[str, ...] = ()


def read_explanations(path: str | Path) -> list[Explanation]:
    """Reads explanations from any kind of file that `nlparam fit` reads, with the fields `input`, `answer`,
    `explanation` and, if the rows differ in it, `answers` (or `labels`): the list of possible answers.

    Raises `CorpusError` if a field is missing or a row of it empty; the message says which.
    """
    known = [name for name in ("answers", "labels") if name in field_names(path)][:1]
    table = read_texts(path, text_field="input", fields=("answer", "explanation", *known))
    possible = table.columns[known[0]] if known else [None] * len(table.texts)
    answers, explanations = table.columns["answer"], table.columns["explanation"]
    rows = []
    for number, (text, answer, explanation, options) in enumerate(
        zip(table.texts, answers, explanations, possible, strict=True), start=1
    ):
        if explanation is not None and not isinstance(explanation, str):
            raise CorpusError(
                f"{path}, row {number}: the explanation is of type {type(explanation).__name__}, expected a string"
            )
        rows.append(Explanation(text, _written(answer), explanation or "", _options(options, f"{path}, row {number}")))
    return rows


def checked(explanations: Iterable[Explanation], answers: Sequence[str] | None) -> list[Explanation]:
    """The explanations with the possible answers of each, in one spelling.

    Raises `CorpusError` for what cannot be tested: no explanation, an empty one, fewer than two possible answers, an
    answer that is not among them.
    """
    rows = [
        dataclasses.replace(
            row, input=_clean(row.input), answer=_clean(row.answer), explanation=_clean(row.explanation)
        )
        for row in explanations
    ]
    if not rows:
        raise CorpusError("got no explanations, expected at least one: see whether the file or list is empty")
    for name in ("input", "answer", "explanation"):
        empty = [str(number) for number, row in enumerate(rows, start=1) if not getattr(row, name).strip()]
        if empty:
            shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            raise CorpusError(
                f"{len(empty)} of {len(rows)} rows have no {name} (number {shown}): fill them in or drop them"
            )
    common = _distinct([row.answer for row in rows] if answers is None else answers)
    if answers is not None and len(common) < 2:
        got = f"the one possible answer {common[0]!r}" if common else "no possible answers"
        raise CorpusError(
            f"got {got}, expected at least two that differ in more than case: name them (--answers yes,no), or none to "
            "take those that occur"
        )
    return [_with_answers(row, number, common, len(rows)) for number, row in enumerate(rows, start=1)]


def _with_answers(row: Explanation, number: int, common: list[str], n_rows: int) -> Explanation:
    own = _distinct(row.answers)
    possible = own or common
    if len(possible) < 2:
        got = f"row {number} has" if own else f"all {n_rows} explanations are of"
        raise CorpusError(
            f"{got} the answer {possible[0]!r} only, expected at least two possible answers: a reader must have others "
            "to infer; name them (`answers` of a row, or --answers yes,no)"
        )
    if len(possible) > MOST_ANSWERS:
        raise CorpusError(
            f"got {len(possible)} different answers, expected at most {MOST_ANSWERS} to choose among: give each row "
            "its possible `answers`, or name those of all rows (--answers)"
        )
    spelling = {answer.casefold(): answer for answer in possible}
    if row.answer.casefold() not in spelling:
        raise CorpusError(f"row {number} has the answer {row.answer!r}, expected one of {', '.join(possible)}")
    return dataclasses.replace(row, answer=spelling[row.answer.casefold()], answers=tuple(possible))


def _distinct(answers: Iterable[str]) -> list[str]:
    """Answers in the order in which they first occur, without those that differ only in case."""
    return list(distinct(filter(None, map(_clean, answers))))


def _clean(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8").strip()


def _written(answer: Any) -> str:
    """An answer as text: JSON's true is `true`, a number its digits, and nothing is nothing."""
    if isinstance(answer, bool):
        return str(answer).lower()
    return "" if answer is None else str(answer)


def _options(options: Any, where: str) -> tuple[str, ...]:
    if options is None or options == "":
        return ()
    if isinstance(options, str):
        options = options.split(",")
    if not isinstance(options, list):
        raise CorpusError(f"{where}: got the possible answers {options!r}, expected a list of them")
    return tuple(_written(option) for option in options)
