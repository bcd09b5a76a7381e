"""Screening: candidates compete on the research split, and few judgments are spent on those that cannot win."""

import dataclasses

import numpy as np

from nlparam.comparing.answers import Answers, interleaved
from nlparam.comparing.grouping import Observations
from nlparam.comparing.options import CompareOptions
from nlparam.comparison import OUTCOMES
from nlparam.numerics.effects import Effect
from nlparam.numerics.racing import Standing, alike, bound_level, laps, standing, still_racing


@dataclasses.dataclass
class Entrant:
    """A candidate in the race: where it stood when it was last looked at, and why it left, if it did."""

    column: int
    standing: Standing | None = None
    n_screened: int = 0
    outcome: OUTCOMES | None = None
    reason: str = ""
    like: int | None = None  # the column of the candidate that holds for the same texts

    @property
    def effect(self) -> Effect | None:
        return None if self.standing is None else self.standing.effect


def race(
    answers: Answers,
    seen: Observations,
    options: CompareOptions,
    *,
    confidence: float,
    rng: np.random.Generator,
    out_already: dict[int, str],
) -> list[Entrant]:
    """Judges the candidates on more and more texts of the research split.

    The entrants without an outcome are the finalists. After each lap a candidate is dropped whose upper bound is below
    the lower bounds of `n_kept` others that are not alike. The bounds hold for all candidates and laps together with
    probability `1 - failure_probability`, about: they are Welch's, which is exact for many texts only. A wrong decision
    here loses a candidate; it makes no false claim.

    **Arguments:** `confidence`, of the intervals that are reported; `out_already`, columns that do not start, and why.
    """
    entrants = [Entrant(column) for column in range(len(answers.predicates))]
    for column, reason in out_already.items():
        entrants[column].outcome, entrants[column].reason = OUTCOMES.passed_over, reason
    units = seen.units
    orders = [
        rng.permutation(np.flatnonzero(units.research & (units.group == group))) for group in range(seen.n_groups)
    ]
    stops = laps(min(options.n_screened, max(len(order) for order in orders)), options.n_first)
    level = bound_level(options.failure_probability, len(entrants) - len(out_already), len(stops))
    for stop in stops:
        racing = [entrant for entrant in entrants if entrant.outcome is None]
        rows = interleaved([order[:stop] for order in orders])
        answers.ask([entrant.column for entrant in racing], units.text[rows], stage="screening")
        bounds = [_look(entrant, answers, units, rows, seen.n_groups, level) for entrant in racing]
        _drop(racing, bounds, answers, units.text[rows], options, stop)
        for entrant in racing:
            # What is reported is the interval of one candidate by itself.
            _look(entrant, answers, units, rows, seen.n_groups, confidence)
        if answers.meter.spent is not None:
            break
    _keep_best([entrant for entrant in entrants if entrant.outcome is None], options)
    return entrants


def _look(entrant: Entrant, answers: Answers, units, rows: np.ndarray, n_groups: int, confidence: float) -> Standing:
    values = answers.matrix[units.text[rows], entrant.column]
    entrant.standing = standing(values, units.group[rows], n_groups, confidence=confidence)
    entrant.n_screened = int(np.isfinite(values).sum())
    return entrant.standing


def _drop(racing: list[Entrant], bounds: list[Standing], answers: Answers, texts, options, stop: int) -> None:
    order = sorted(range(len(racing)), key=lambda i: -bounds[i].effect.effect)
    columns = [racing[i].column for i in order]
    predecessors = alike(answers.matrix[np.ix_(texts, columns)], options.least_alike)
    different = []
    for place, i in enumerate(order):
        if predecessors[place] < 0:
            different.append(i)
            continue
        entrant, like = racing[i], columns[int(predecessors[place])]
        entrant.outcome, entrant.like = OUTCOMES.repeats, like
        entrant.reason = f"holds for the same texts as {answers.predicates[like]!r}, which differs more"
    lows, highs = (np.asarray([getattr(bounds[i].effect, name) for i in different]) for name in ("low", "high"))
    for i, stays in zip(different, still_racing(lows, highs, options.n_kept), strict=True):
        if not stays:
            racing[i].outcome = OUTCOMES.dropped
            racing[i].reason = (
                f"after {stop} texts of each group the effect was at most {bounds[i].effect.high:+.2f}, and that of "
                f"{options.n_kept} others above"
            )


def _keep_best(racing: list[Entrant], options: CompareOptions) -> None:
    known = [entrant for entrant in racing if entrant.effect is not None and entrant.n_screened > 0]
    for entrant in racing:
        if entrant not in known:
            entrant.outcome, entrant.reason = OUTCOMES.unanswered, "no judgment was answered"
    known.sort(key=lambda entrant: -_effect(entrant))
    for entrant in known[options.n_kept :]:
        entrant.outcome = OUTCOMES.passed_over
        entrant.reason = (
            f"on the research split {options.n_kept} candidates differ more than its {_effect(entrant):+.2f}"
        )


def _effect(entrant: Entrant) -> float:
    assert entrant.effect is not None
    return entrant.effect.effect if np.isfinite(entrant.effect.effect) else -np.inf
