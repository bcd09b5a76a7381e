"""The learned head: denotations of all texts from the judgments of a few.

A small language model is biased (it says "yes" too readily for some predicates and too rarely for others) and noisy. A
threshold per predicate removes the bias, a ridge regression of the corrected log-odds on features of the texts the
noise. Exact leave-one-out predictions choose the penalty, undo the shrinkage, and give the agreement.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from nlparam.numerics.heads.ridge import Ridge

# Log-odds beyond this carry no further evidence: a label token of probability 0.99999 is no surer than one of 0.98.
_MOST_LOG_ODDS = 4.0
# How far a threshold may move from even odds. Beyond, a predicate that holds nowhere would be made to hold somewhere.
_MOST_BIAS = 2.0
# The scores of at least and at most so many texts show where yes begins.
_FEWEST_SCORED, _MOST_SCORED = 100, 4096
_SAME = 1e-6  # numbers that spread less are all the same
# The share of the variance that two groups explain of a normal bell, and of answers that clearly fall apart.
_ONE_BELL, _CLEARLY_APART = 2 / np.pi, 0.85
# Of fewer texts of which a thing was said, it may have been said by mistake.
_FEWEST_SAID = 3
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
# What a guess counts against features that are unit vectors, measured on recorded judgments: see
# `docs/explanation/design.md`.
_GUESS_WEIGHT = 0.5


class Judged(NamedTuple):
    """The judgments of one predicate: `probabilities[i]` is the language model's answer for text `rows[i]`."""

    rows: Int[np.ndarray, " n_judged"]
    probabilities: Float[np.ndarray, " n_judged"]


class Stated(NamedTuple):
    """Texts of which it is known what a language model said of them, when it was not asked about the predicates:
    `said[i, k]` if for text `rows[i]` that was what predicate `k` says.
    """

    rows: Int[np.ndarray, " n_stated"]
    said: Bool[np.ndarray, "n_stated n_predicates"]


class Head(NamedTuple):
    """Maps features to denotations: `expit(slope * (features @ coefficients + intercepts))`."""

    coefficients: Float[np.ndarray, "n_features n_predicates"]
    intercepts: Float[np.ndarray, " n_predicates"]
    slope: float
    thresholds: Float[np.ndarray, " n_predicates"]

    def denote(self, features: Float[np.ndarray, "n_texts n_features"]) -> Float[np.ndarray, "n_texts n_predicates"]:
        """Denotations in [0, 1] for texts given by their features."""
        # In the features' own precision: a matrix of two kinds would be copied whole to the wider one.
        log_odds = features @ self.coefficients.astype(features.dtype) + self.intercepts
        return expit(self.slope * log_odds)

    def take(self, columns: Sequence[int]) -> "Head":
        """The head of some of the predicates."""
        columns = list(columns)
        return Head(self.coefficients[:, columns], self.intercepts[columns], self.slope, self.thresholds[columns])

    @classmethod
    def joined(cls, heads: Sequence["Head"]) -> "Head":
        """One head of several, with a slope of one."""
        return cls(
            np.concatenate([head.coefficients * head.slope for head in heads], axis=1),
            np.concatenate([head.intercepts * head.slope for head in heads]),
            1.0,
            np.concatenate([head.thresholds for head in heads]),
        )


class HeadFit(NamedTuple):
    """A head and how it does on judgments left out.

    `left_out[k][i]` is the denotation of `judged[k].rows[i]` by the head trained without it, `corrected[k][i]` the
    language model's own answer after bias correction.
    """

    head: Head
    left_out: list[np.ndarray]
    corrected: list[np.ndarray]
    penalty: float


def fit_head(
    features: Float[np.ndarray, "n_texts n_features"],
    judged: Sequence[Judged],
    *,
    correct_bias: bool = True,
    guesses: Float[np.ndarray, "n_features n_predicates"] | None = None,
    stated: Stated | None = None,
    max_rows: int = 20_000,
) -> HeadFit:
    """Trains the head of several predicates.

    **Arguments:**

    - `features`: of all texts; with `correct_bias` rows that are not judged are read, too.
    - `judged`: for each predicate its judgments, at least two (else `ValueError`).
    - `correct_bias`: move each predicate's threshold to where the language model's "yes" begins (`bias`), and to the
      valley between the scores of all texts, as far as they stand apart.
    - `guesses`: for each predicate a direction in which its log-odds are guessed to grow, of unit standard deviation
      over the texts. A coefficient along it is nearly free, so that a few judgments only say how far to trust the
      guess.
    - `stated`: what was said of some texts. With `correct_bias` a threshold is lowered where the texts of which just
      that was said are taken for a no.
    - `max_rows`: no predicate is trained on more judgments than this, which bounds time and memory.
    """
    for number, (rows, _) in enumerate(judged):
        if len(rows) < 2:
            raise ValueError(f"predicate number {number} has {len(rows)} judgments, the head needs at least 2")
    log_odds = [log_odds_of(probabilities) for _, probabilities in judged]
    thresholds = np.asarray([bias(z) if correct_bias else 0.0 for z in log_odds])
    targets = [
        np.clip(z - b, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)[:max_rows] for z, b in zip(log_odds, thresholds, strict=True)
    ]
    seen = [features[rows[:max_rows]] for rows, _ in judged]
    if guesses is not None:
        seen = [
            np.concatenate([rows, _GUESS_WEIGHT * (rows @ guess)[:, None]], axis=1)
            for rows, guess in zip(seen, guesses.T, strict=True)
        ]
    ridges = [Ridge.of(rows, target) for rows, target in zip(seen, targets, strict=True)]
    # One penalty for all predicates: a single predicate has too few judgments to choose its own.
    errors = [
        np.mean([np.mean((ridge.left_out(penalty) - t) ** 2) for ridge, t in zip(ridges, targets, strict=True)])
        for penalty in _PENALTIES
    ]
    penalty = _PENALTIES[int(np.argmin(errors))]
    left_out = [ridge.left_out(penalty) for ridge in ridges]
    solutions = [ridge.solution(penalty) for ridge in ridges]
    coefficients = np.stack([solved for solved, _ in solutions], axis=1)
    intercepts = np.asarray([intercept for _, intercept in solutions])
    if guesses is not None:
        # The guess is itself linear in the features, so the head needs no column for it.
        coefficients = coefficients[:-1] + _GUESS_WEIGHT * guesses * coefficients[-1]
    # A regression draws all scores towards the more frequent answer, which would be nearly the only one.
    lowered = np.asarray([_shrinkage(out, target) for out, target in zip(left_out, targets, strict=True)])
    moved = np.zeros(len(judged))
    if correct_bias and len(features) >= _FEWEST_SCORED:
        # The scores of many texts, in which there is less noise than in answers, may show the valley better.
        scores = features[:: -(-len(features) // _MOST_SCORED)] @ coefficients + (intercepts - lowered)
        moved = np.asarray([valley.at * valley.apart for valley in map(_valley, scores.T)])
    if correct_bias and stated is not None:
        scores = features[stated.rows] @ coefficients + (intercepts - lowered - moved)
        moved += [_unadmitted(*of) for of in zip(scores.T, stated.said.T, strict=True)]
    left_out = [out - low - move for out, low, move in zip(left_out, lowered, moved, strict=True)]
    targets = [target - move for target, move in zip(targets, moved, strict=True)]
    slope = _slope(np.concatenate(left_out), np.concatenate(targets))
    head = Head(coefficients, intercepts - lowered - moved, slope, thresholds + moved)
    return HeadFit(head, [expit(slope * z) for z in left_out], [expit(t) for t in targets], penalty)


def bias(log_odds: Float[np.ndarray, " n_judged"]) -> float:
    """Where a language model's "yes" begins for one predicate, in log-odds.

    Half the way from even odds to the valley between its answers: with few judgments the valley is uncertain. Measured
    in `docs/explanation/design.md`.
    """
    return float(np.clip(_valley(log_odds).at / 2, -_MOST_BIAS, _MOST_BIAS))


class _Valley(NamedTuple):
    """The midpoint of two groups of values, and whether they stand apart: 0 is a single bell, 1 clearly apart."""

    at: float
    apart: float


def _valley(values: Float[np.ndarray, " n"]) -> _Valley:
    """Between the two groups that split values best (Otsu 1979), at 0 for fewer than 8."""
    ordered = np.sort(values)
    n = len(ordered)
    if n < 8:
        return _Valley(0.0, 0.0)
    counts = np.arange(1, n)
    sums = np.cumsum(ordered)
    low, high = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (n - counts)
    between = counts * (n - counts) * (high - low) ** 2 / n**2
    split = int(np.argmax(between[1:-1])) + 1  # at least two values on either side
    explained = between[split] / max(float(np.var(ordered)), _SAME**2)
    apart = np.clip((explained - _ONE_BELL) / (_CLEARLY_APART - _ONE_BELL), 0, 1)
    return _Valley(float((low[split] + high[split]) / 2), float(apart))


def _shrinkage(left_out: np.ndarray, targets: np.ndarray) -> float:
    """By how much predictions left out lie too low: as much as makes a yes of them as often as of their targets.

    Only as far as they agree with the targets (by their correlation): what cannot be told from the features would be a
    yes at random.
    """
    n_yes = int(np.sum(targets > 0))
    if not 0 < n_yes < len(targets) or min(np.ptp(left_out), np.ptp(targets)) < _SAME:
        return 0.0
    ordered = np.sort(left_out)[::-1]
    as_often = (ordered[n_yes - 1] + ordered[n_yes]) / 2
    return float(as_often * max(0.0, np.corrcoef(left_out, targets)[0, 1]))


def _unadmitted(scores: np.ndarray, said: np.ndarray) -> float:
    """By how much the scores of texts lie too low of which a language model said just what a predicate says: it may
    name a thing wherever it is, and deny it when it is asked.

    Yes begins half-way between these texts and all others, as far as the scores tell one from the other (Somers' D, if
    that is no chance: more than two of its standard errors). What it did not say of a text may be true all the same, so
    that yes never begins higher than it did.
    """
    those, others = scores[said], np.sort(scores[~said])
    if len(those) < _FEWEST_SAID or not len(others):
        return 0.0
    somers = np.mean([np.searchsorted(others, those, side) for side in ("left", "right")]) * 2 / len(others) - 1
    if somers <= 2 * ((len(said) + 1) / (3 * len(those) * len(others))) ** 0.5:
        return 0.0
    half_way = (those.mean() + others.mean()) / 2
    return float(min(half_way, 0.0) * somers)


def correct(
    probabilities: Float[np.ndarray, "*n"], threshold: float | Float[np.ndarray, "..."]
) -> Float[np.ndarray, "*n"]:
    """Probabilities whose even odds lie at `threshold` log-odds of the language model's; `nan` stays `nan`."""
    return expit(log_odds_of(probabilities) - threshold)


def _slope(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The factor that makes left-out log-odds the best probabilities (Platt scaling without offset)."""
    probabilities = expit(targets)

    def cross_entropy(slope):
        z = slope * predicted
        return np.mean(np.logaddexp(0, z) - probabilities * z)

    found: Any = minimize_scalar(cross_entropy, bounds=(0.1, 10.0), method="bounded")
    return float(found.x)


def log_odds_of(probabilities: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Log-odds of probabilities, which are kept a millionth away from 0 and 1; `nan` stays `nan`."""
    return logit(np.clip(np.asarray(probabilities, dtype=np.float64), 1e-6, 1 - 1e-6))
