"""Labelling by people: which texts are next, how many are needed, and how people agree with the judge."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nlparam.corpus.marks import pair
from nlparam.denotation.definitions import Definitions
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.numerics.statistics.kappa import Agreed
from nlparam.numerics.statistics.planning import answers_needed

# With fewer labels of a predicate the errors of the judge cannot be estimated.
LEAST_LABELS = 30
# Some questions are skipped: the texts labelled in order are those of which so many have labels.
_MOSTLY = 0.8


class Asked(NamedTuple):
    """A predicate that people are asked about; if it stands `under` another, only where they say yes to that one."""

    predicate: str
    under: str | None = None


class Need(NamedTuple):
    """How many labels a share needs for a wanted half-width.

    `n_labels` there are; `n_needed` in all; `present`, the half-width that they give now, and `half_width` that of the
    number needed. With `known` false there are too few labels to tell how good the judge is: `n_needed` then leaves
    the judge out, and is what is needed at most. If `reached` is false, labels of all texts would not do. `n_texts`,
    how many texts of the list have so many labels: those of a group are spread among those of others.
    """

    share: str
    n_labels: int
    n_needed: int
    present: float | None
    half_width: float
    known: bool
    reached: bool
    n_texts: int


class PredicateAgreement(NamedTuple):
    """How people agree about one predicate, with the judge and with each other; `None` where nobody can be compared.

    `n_labels`, and the share of them that say `yes`.
    """

    predicate: str
    n_labels: int
    yes: float
    with_judge: Agreed | None
    with_each_other: Agreed | None


def reached(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`(n,)`: which rows in random order whoever labelled their texts in this order has come to.

    A text that occurs often comes early. Its label counts for the rows of it that were come to, which are a random part
    of all rows as the others are. If no order can be seen in the labels, all rows count.

    **Arguments:** `codes`, `(n,)`, equal for rows of equal text; `labels`, `(n, n_predicates)`, `nan` where
    there is none.
    """
    first = np.sort(np.unique(codes, return_index=True)[1])
    said = np.asarray(np.isfinite(labels).any(axis=1))
    labelled = np.cumsum(said[first]) / np.arange(1, len(first) + 1)
    n_texts = int(np.flatnonzero(said[first] & (labelled >= _MOSTLY)).max(initial=-1)) + 1
    if n_texts < LEAST_LABELS:
        return np.ones(len(codes), dtype=bool)
    end = first[n_texts] if n_texts < len(first) else len(codes)
    return np.arange(len(codes)) < end


@dataclasses.dataclass(frozen=True)
class Labelling:
    """What people are asked about the texts of a result.

    **Attributes:**

    - `texts`: `(n,)` distinct texts in random order: the first so many are a random sample of all.
    - `chance`: `(n,)` the probability with which each is in this list; `stratum`, `(n,)` texts of equal value are drawn
      from one part of the corpus (a group of a comparison). `of_stratum`, `(n_shares,)`: of which part each share is.
    - `asked`: the predicates, those that stand under another after it.
    - `judge`: the probability that the judge gives for a text and a predicate, `nan` where it was not asked.
    - `shares`: what a plan is of; `layers`, each `(n_units, n_shares)`, the answers there are without people, the best
      last; `said`, the answers of people, of the same shape.
    - `definitions`: what some predicates mean, as people are shown it.
    """

    texts: tuple[str, ...]
    chance: np.ndarray
    stratum: np.ndarray
    asked: tuple[Asked, ...]
    judge: Callable[[str, str], float]
    shares: tuple[str, ...]
    layers: tuple[np.ndarray, ...]
    of_stratum: tuple[int, ...]
    said: Callable[[Labelled], np.ndarray]
    definitions: Definitions = dataclasses.field(default_factory=dict)

    @property
    def predicates(self) -> list[str]:
        """The distinct predicates that people are asked about."""
        return list(dict.fromkeys(one.predicate for one in self.asked))

    def due(self, text: str, answers: dict[tuple[str, str], bool]) -> list[str]:
        """The predicates that a text is still to be labelled for, given the `answers` of a person by `pair`."""
        wanted = [
            one.predicate
            for one in self.asked
            if pair(text, one.predicate) not in answers
            and (one.under is None or answers.get(pair(text, one.under), False))
        ]
        return list(dict.fromkeys(wanted))

    def inclusion(self, n: int) -> np.ndarray:
        """`(n,)`: the probability with which each of the first `n` texts of the list came to be labelled."""
        _, codes, totals = np.unique(self.stratum, return_inverse=True, return_counts=True)
        first = codes.reshape(-1)[:n]
        return self.chance[:n] * (np.bincount(first, minlength=len(totals)) / totals)[first]

    def needed(self, labelled: Labelled, half_width: float, *, confidence: float = 0.9) -> list[Need]:
        """How many labels each share needs for this half-width.

        Raises `ValueError` for a half-width or a confidence that is not between 0 and 1.
        """
        shape = self.layers[-1].shape
        people = self.said(labelled) if labelled.texts else np.full(shape, np.nan)
        found = []
        for number, share in enumerate(self.shares):
            column = slice(number, number + 1)
            n_labels = int(np.isfinite(people[:, number]).sum())
            known = n_labels >= LEAST_LABELS
            layers = [layer[:, column] for layer in self.layers]
            # Too few labels: the answers of the judge stand for those of people.
            layers = [*layers, people[:, column]] if known else layers[-1:]
            if np.isfinite(layers[-1]).sum() < 2:
                raise CorpusError(
                    f"{share!r} has fewer than two answers of the judge: label {LEAST_LABELS} texts, then ask again"
                )
            plan = answers_needed(layers, half_width, confidence=confidence)
            present, n_needed = float(plan.present[0]) if known else None, int(plan.n_answers[0])
            places = np.flatnonzero(self.stratum == self.of_stratum[number])
            there = n_needed <= len(places)
            n_texts = int(places[n_needed - 1]) + 1 if there else len(self.texts)
            reached = bool(plan.reached[0]) and there
            found.append(Need(share, n_labels, n_needed, present, float(plan.half_width[0]), known, reached, n_texts))
        return found

    def agreement(self, labelled: Labelled, *, confidence: float = 0.9) -> list[PredicateAgreement]:
        """How people agree about each predicate that has labels, with the judge and with each other."""
        with_judge = labelled.agreement_with(self.judge, confidence=confidence)
        with_each_other = labelled.agreement(confidence=confidence)
        said: dict[str, list[float]] = {}
        for predicate, label in zip(labelled.predicates, labelled.labels, strict=True):
            said.setdefault(pair("", predicate)[1], []).append(label)
        return [
            PredicateAgreement(
                predicate,
                len(said[key]),
                float(np.mean(said[key])),
                with_judge.get(key),
                with_each_other.get(key),
            )
            for predicate in self.predicates
            if (key := pair("", predicate)[1]) in said
        ]


class Round:
    """One person who labels the first `n` texts of a list: which question is next, and what was said before it.

    `answers` are what this person has said already, by `pair`. Nothing is kept here: whoever asks writes each answer
    down.
    """

    def __init__(self, labelling: Labelling, answers: dict[tuple[str, str], bool], n: int):
        self.labelling, self.answers, self.n = labelling, dict(answers), min(n, len(labelling.texts))
        self.skipped: set[tuple[str, str]] = set()
        self._before: list[tuple[int, str]] = []
        self._again: tuple[int, str] | None = None
        self._at = 0

    def question(self) -> tuple[int, str] | None:
        """The number of the text and the predicate that is next; `None` if nothing is left."""
        if self._again is not None:
            return self._again
        while self._at < self.n:
            text = self.labelling.texts[self._at]
            for predicate in self.labelling.due(text, self.answers):
                if pair(text, predicate) not in self.skipped:
                    return self._at, predicate
            self._at += 1
        return None

    def answer(self, holds: bool | None) -> None:
        """Answers the question, or with `None` skips it in this round."""
        at, predicate = self._next()
        of = pair(self.labelling.texts[at], predicate)
        self.skipped.discard(of)
        if holds is not None:
            self.answers[of] = holds
        elif of not in self.answers:
            self.skipped.add(of)
        self._before.append((at, predicate))
        self._at, self._again = min(self._at, at), None

    def back(self) -> bool:
        """Goes back to the question before; whether there is one in this round."""
        if self._before:
            self._again = self._before.pop()
        return self._again is not None

    def _next(self) -> tuple[int, str]:
        question = self.question()
        if question is None:
            raise ValueError("got an answer where no question is left")
        return question
