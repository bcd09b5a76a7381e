"""The pool of candidate predicates and what is known of their denotations."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.numerics.heads.head import HeadFit, Judged, Stated, correct, fit_head
from nlparam.runtime.budget import Meter

# Answers needed before a head can be trained for a predicate.
_LEAST_JUDGMENTS = 6


class Pool:
    """Candidate predicates as columns, judged on some texts and denoted by a head on the others.

    **Attributes:** `predicates`, the candidates in the order they came; `answers`, `(n_distinct, n_candidates)`
    probabilities as the judge gave them, `nan` where not judged; `spent`, true once the judgments or the budget are
    used up.

    `guess` maps predicates to what their heads may lean on, `(n_features, n_predicates)`, and `stated` texts and
    predicates to what was said of these texts; see `fit_head`.
    """

    def __init__(
        self,
        texts: Sequence[str],
        features: np.ndarray,
        judge: AbstractJudge,
        *,
        correct_bias: bool,
        max_judgments: int | None,
        meter: Meter,
        guess: Callable[[Sequence[str]], np.ndarray] | None = None,
        stated: Callable[[Sequence[str], Sequence[str]], Stated] | None = None,
    ):
        self.texts, self.features, self.judge = texts, features, judge
        self.correct_bias, self.meter = correct_bias, meter
        self.left = np.inf if max_judgments is None else max_judgments
        self.predicates: list[str] = []
        self.answers = np.zeros((len(texts), 0), dtype=np.float32)
        self.asked = np.zeros((len(texts), 0), dtype=bool)
        self.computed: set[int] = set()
        self.guess, self.stated = guess, stated
        self.guesses = np.zeros((features.shape[1], 0), dtype=np.float32)

    @property
    def spent(self) -> bool:
        return self.left <= 0 or self.meter.spent is not None

    def add(self, predicates: Iterable[str]) -> list[int]:
        """Adds the predicates that are new (whatever their case) and returns their columns.

        Those that the judge computes are answered at once, on all texts and at no cost.
        """
        known = {predicate.casefold() for predicate in self.predicates}
        new = []
        for predicate in predicates:
            if predicate.casefold() not in known:
                known.add(predicate.casefold())
                new.append(len(self.predicates))
                self.predicates.append(predicate)
        fresh = (len(self.texts), len(new))
        self.answers = np.concatenate([self.answers, np.full(fresh, np.nan, np.float32)], axis=1)
        self.asked = np.concatenate([self.asked, np.zeros(fresh, dtype=bool)], axis=1)
        if self.guess is not None and new:
            guessed = self.guess([self.predicates[column] for column in new])
            self.guesses = np.concatenate([self.guesses, guessed], axis=1)
        computed = [column for column in new if self.judge.computes(self.predicates[column])]
        if computed:
            pairs = np.stack(np.meshgrid(np.arange(len(self.texts)), computed, indexing="ij"), axis=-1).reshape(-1, 2)
            self.answers[:, computed] = self.judge.judge(self.texts, self.predicates, pairs).reshape(-1, len(computed))
            self.asked[:, computed] = True
            self.computed |= set(computed)
        return new

    def widened(
        self, columns: Sequence[int], texts: Sequence[str], features: np.ndarray, rows: np.ndarray | slice
    ) -> "Pool":
        """Some of the candidates over more texts, of which `rows` are those of this pool; nothing more is asked."""
        wide = Pool(texts, features, self.judge, correct_bias=self.correct_bias, max_judgments=None, meter=self.meter)
        wide.add(self.predicates[column] for column in columns)
        known, asked = self.answers[:, list(columns)], self.asked[:, list(columns)]
        wide.answers[rows] = np.where(asked, known, wide.answers[rows])
        wide.asked[rows] |= asked
        wide.guess, wide.guesses = self.guess, self.guesses[:, list(columns)] if self.guess else wide.guesses
        wide.stated = self.stated
        return wide

    def judge_columns(self, columns: Sequence[int], rows: np.ndarray) -> None:
        """Judges some predicates on some texts, text by text, as far as the budget goes."""
        self.judge_pairs(np.asarray([(row, column) for row in rows for column in columns]))

    def judge_pairs(self, pairs: np.ndarray) -> None:
        """Judges pairs of text and column, `(n_pairs, 2)`, in their order as far as the budget goes."""
        pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
        pairs = pairs[~self.asked[pairs[:, 0], pairs[:, 1]]][: int(min(self.left, len(pairs)))]
        if len(pairs) == 0:
            return
        self.left -= len(pairs)
        self.answers[pairs[:, 0], pairs[:, 1]] = self.judge.judge(self.texts, self.predicates, pairs)
        self.asked[pairs[:, 0], pairs[:, 1]] = True

    def is_judged(self, column: int, rows: np.ndarray) -> bool:
        """True if the judge was asked about all of these texts (a failure counts: it is not asked again)."""
        return bool(self.asked[rows, column].all())

    def usable(self) -> list[int]:
        """The columns with enough answers to be denoted."""
        enough = min(_LEAST_JUDGMENTS, len(self.texts))
        return np.flatnonzero(np.isfinite(self.answers).sum(axis=0) >= enough).tolist()

    def head(self, columns: Sequence[int]) -> HeadFit:
        """A head for some of the predicates, trained on all their judgments."""
        return self._head_of(self.answers[:, list(columns)], columns)

    def _head_of(self, answers: np.ndarray, columns: Sequence[int]) -> HeadFit:
        guesses = None if self.guess is None else self.guesses[:, list(columns)]
        judged = [_judged(column) for column in answers.T]
        stated = None if self.stated is None else self.stated(self.texts, [self.predicates[c] for c in columns])
        return fit_head(self.features, judged, correct_bias=self.correct_bias, guesses=guesses, stated=stated)

    def judged(self, column: int) -> Judged:
        """The answers there are for one predicate."""
        return _judged(self.answers[:, column])

    def denotations(self, columns: Sequence[int]) -> np.ndarray:
        """`(n_distinct, n_columns)`: the judge's answers for predicates judged in full or computed, else the head's.

        A head rather than the answers even on the texts that were judged: it is trained on them all, and on real news
        closer to the truth than the small model that taught it.
        """
        answers = self._answers(columns)
        judged = [place for place, column in enumerate(columns) if column not in self.computed]
        if len(judged) < len(columns):
            # What is computed is exact and needs no head.
            exact = answers.astype(np.float64)
            if judged:
                exact[:, judged] = self.denotations([columns[place] for place in judged])
            return exact
        complete = np.isfinite(answers).all(axis=0)
        if complete.all() and not self.correct_bias:
            return answers.astype(np.float64)
        fitted = self.head(columns)
        denoted = fitted.head.denote(self.features)
        for number in np.flatnonzero(complete):
            denoted[:, number] = correct(answers[:, number], fitted.head.thresholds[number])
        return denoted

    def _answers(self, columns: Sequence[int]) -> np.ndarray:
        # Where a computed predicate's function failed, it does not hold.
        answers = self.answers[:, list(columns)]
        computed = [place for place, column in enumerate(columns) if column in self.computed]
        answers[:, computed] = np.nan_to_num(answers[:, computed])
        return answers

    def cautious_denotations(self, columns: Sequence[int]) -> np.ndarray:
        """`(n_distinct, n_columns)` denotations to compare candidates by, of which some are judged in full.

        The head smooths away what a predicate has of its own, and makes of two that are nearly the same the same. Where
        the judge is believed, what it said stands, and elsewhere the head is taken to be wrong as often as it is on
        judgments left out; else a candidate would look best that was judged on too few texts to be known.
        """
        if self.correct_bias:
            return self.denotations(columns)
        answers = self._answers(columns)
        incomplete: list[int] = np.flatnonzero(~np.isfinite(answers).all(axis=0)).tolist()
        cautious = answers.astype(np.float64)
        if not incomplete:
            return cautious
        cautious[:, incomplete] = self._blurred(answers[:, incomplete], [columns[number] for number in incomplete])
        return cautious

    def cautiously_as_if(self, column: int, rows: np.ndarray) -> np.ndarray:
        """`(n_distinct,)`, what `cautious_denotations` would be if the predicate had been judged on `rows` alone."""
        answers = np.full((len(self.texts), 1), np.nan, np.float32)
        answers[rows, 0] = self.answers[rows, column]
        return self._blurred(answers, [column])[:, 0]

    def _blurred(self, answers: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        fitted = self._head_of(answers, columns)
        denoted = fitted.head.denote(self.features)
        wrong = [
            np.mean((left_out > 0.5) != (corrected > 0.5))
            for left_out, corrected in zip(fitted.left_out, fitted.corrected, strict=True)
        ]
        blurred = denoted * (1 - np.asarray(wrong)) + (1 - denoted) * np.asarray(wrong)
        return np.where(np.isfinite(answers), answers, blurred)


def _judged(answers: np.ndarray) -> Judged:
    rows = np.flatnonzero(np.isfinite(answers))
    return Judged(rows, answers[rows])
