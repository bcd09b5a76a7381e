"""What becomes of a claim, from the answers under each wording."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from nlparam.evals.robustness.result import OUTCOMES, Claim, Worded
from nlparam.numerics.statistics.effects import Effect, contrast, share
from nlparam.numerics.statistics.kappa import agreed
from nlparam.numerics.statistics.rates import paired_difference


@dataclasses.dataclass(frozen=True)
class Groups:
    """Which group each text is of, `(n_texts,)`, what the groups are called, and `towards` which of them there is a
    claim about a predicate; `None` if the texts are to say."""

    codes: np.ndarray
    names: list[str]
    towards: Mapping[str, str | None]


def claim_of(
    predicate: str,
    answers: Mapping[str, np.ndarray],
    groups: Groups | None,
    tolerance: float,
    confidence: float,
) -> Claim:
    """What becomes of the claim about a predicate, from the answers under each wording, that of the result first."""
    if groups is None or predicate not in groups.towards:
        first = answers[predicate]
        wordings = tuple(_worded(other, values, first, None, confidence) for other, values in answers.items())
        claim = f"holds for {wordings[0].share:.0%} of the texts, give or take {tolerance:.0%}"
        return Claim(predicate, claim, *_of_share(wordings[1:], tolerance), wordings)
    towards = groups.towards[predicate]
    # Where these texts choose the group, the intervals hold for all groups at once.
    at_once = 1 - (1 - confidence) / len(groups.names) if towards is None else confidence
    group = _largest(answers[predicate], groups, confidence) if towards is None else groups.names.index(towards)

    def effect(values: np.ndarray) -> Effect:
        return contrast(values, groups.codes, len(groups.names), group, confidence=at_once)

    wordings = tuple(
        _worded(other, values, answers[predicate], effect(values), confidence) for other, values in answers.items()
    )
    name = groups.names[group]
    claim = f"holds more often in “{name}” than in the others"
    return Claim(predicate, claim, *_of_effect(wordings, name), wordings, name)


def _largest(values: np.ndarray, groups: Groups, confidence: float) -> int:
    """The group in which a predicate holds most beyond the others, for how sure that is."""
    effects = [
        contrast(values, groups.codes, len(groups.names), at, confidence=confidence) for at in range(len(groups.names))
    ]
    return int(np.argmax([effect.low if np.isfinite(effect.effect) else -np.inf for effect in effects]))


def _worded(wording: str, values: np.ndarray, first: np.ndarray, effect: Effect | None, confidence: float) -> Worded:
    known = np.isfinite(values)
    holds = np.where(known, values > 0.5, np.nan)
    figures = int(known.sum()), *share(holds, confidence=confidence)
    if values is first:
        return Worded(wording, *figures, effect=effect)
    both = known & np.isfinite(first)
    here, there, rows = values[both] > 0.5, first[both] > 0.5, np.arange(int(both.sum()))
    if not len(rows):
        return Worded(wording, *figures, effect=effect)
    change = paired_difference(here, there, rows, confidence=confidence)
    agreement = agreed(there, here, rows, confidence=confidence)
    return Worded(wording, *figures, change.difference, change.low, change.high, agreement, effect)


def _of_share(others: Sequence[Worded], tolerance: float) -> tuple[OUTCOMES, str]:
    if not others:
        return OUTCOMES.unclear, "the other wordings were answered for too few texts"
    worst = max(others, key=lambda one: abs(one.change or 0.0))
    change = worst.change or 0.0
    said = f"{change:+.0%} as {worst.wording!r}"
    if abs(change) <= tolerance:
        return OUTCOMES.survives, f"at most {said}"
    low, high = worst.change_low or 0.0, worst.change_high or 0.0
    if low > 0 or high < 0:
        return OUTCOMES.changes, said
    return OUTCOMES.unclear, f"{said}, which may be chance"


def _of_effect(wordings: Sequence[Worded], name: str) -> tuple[OUTCOMES, str]:
    first, *others = wordings
    if not others:
        return OUTCOMES.unclear, "the other wordings were answered for too few texts"
    if _conclusion(first) != "more":
        return OUTCOMES.unclear, "these texts do not show it under the wording of the result either: take more of them"
    differing = [one for one in others if _conclusion(one) != "more"]
    if not differing:
        return OUTCOMES.survives, f"more in {name} under all {len(wordings)} wordings"
    said = {"less": f"less in {name}", "": "no difference that is beyond chance"}[_conclusion(differing[0])]
    return OUTCOMES.changes, f"{said} as {differing[0].wording!r}"


def _conclusion(one: Worded) -> str:
    """ "more" or "less" where the interval of the difference is on one side of 0, else nothing."""
    assert one.effect is not None
    return "more" if one.effect.low > 0 else "less" if one.effect.high < 0 else ""
