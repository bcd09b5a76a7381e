"""Screening: candidates compete on the research split, and few judgments are spent on those that cannot win."""

import dataclasses
import math

import numpy as np

from nlparam.comparing.answers import Answers, interleaved
from nlparam.comparing.options import CompareOptions
from nlparam.comparing.records import OUTCOMES
from nlparam.comparing.setup import Setup
from nlparam.numerics.statistics.effects import Effect
from nlparam.numerics.statistics.racing import Standing, alike, laps, least_gap, standing, still_racing


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


def race(setup: Setup, answers: Answers, out_already: dict[int, str]) -> list[Entrant]:
    """Judges the candidates on more and more texts of the research split.

    The entrants without an outcome are the finalists. After each lap a candidate is dropped that is behind `n_kept`
    others, each by a confidence bound (`nlparam.numerics.statistics.racing`). A wrong decision here loses a
    candidate; it makes no false claim.

    **Arguments:** `out_already`, columns that do not start, and why.
    """
    entrants = [Entrant(column) for column in range(len(answers.predicates))]
    for column, reason in out_already.items():
        entrants[column].outcome, entrants[column].reason = OUTCOMES.passed_over, reason
    seen, options, units = setup.seen, setup.options, setup.seen.units
    orders = seen.shuffled(units.research, setup.rng(3))
    stops = laps(min(options.n_screened, max(len(order) for order in orders)), options.n_first)
    gap = least_gap(options.failure_probability)
    for stop in stops:
        racing = [entrant for entrant in entrants if entrant.outcome is None]
        rows = interleaved([order[:stop] for order in orders])
        answers.ask([entrant.column for entrant in racing], units.text[rows], stage="screening")
        for entrant in racing:
            values = answers.matrix[units.text[rows], entrant.column]
            entrant.standing = standing(
                values, units.group[rows], seen.n_groups, confidence=setup.settings["confidence"]
            )
            entrant.n_screened = int(np.isfinite(values).sum())
        _drop(racing, answers, units.text[rows], options, gap, stop)
        if answers.meter.spent is not None:
            break
    _keep_best([entrant for entrant in entrants if entrant.outcome is None], options)
    return entrants


def _drop(
    racing: list[Entrant], answers: Answers, texts: np.ndarray, options: CompareOptions, gap: float, stop: int
) -> None:
    """Ends the race for those that say the same as a better one, and for those that are beaten."""
    racing = sorted(racing, key=lambda entrant: -_effect(entrant))
    columns = [entrant.column for entrant in racing]
    predecessors = alike(answers.matrix[texts][:, columns], options.least_alike)
    different = []
    for entrant, predecessor in zip(racing, predecessors.tolist(), strict=True):
        if predecessor < 0:
            different.append(entrant)
            continue
        like = columns[predecessor]
        entrant.outcome, entrant.like = OUTCOMES.repeats, like
        entrant.reason = f"holds for the same texts as {answers.predicates[like]!r}, which differs more"
    effects = np.asarray([_effect(entrant) for entrant in different])
    errors = np.asarray([math.inf if e.effect is None else e.effect.standard_error for e in different])
    for entrant, stays in zip(different, still_racing(effects, errors, options.n_kept, gap), strict=True):
        if not stays:
            entrant.outcome = OUTCOMES.dropped
            entrant.reason = (
                f"after {stop} texts of each group its difference of {_effect(entrant):+.2f} was smaller than each of "
                f"{options.n_kept} others, by more than their errors explain"
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
