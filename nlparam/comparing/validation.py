"""Testing: what is left is judged on the validation split, which neither proposing nor screening has seen."""

import dataclasses

import numpy as np

from nlparam.comparing.answers import Answers, interleaved
from nlparam.comparing.grouping import Observations
from nlparam.comparing.race import Entrant
from nlparam.comparing.records import OUTCOMES, Example, Finding, Ranking, Share
from nlparam.comparing.setup import Setup
from nlparam.numerics.statistics.contrasts import Contrast, robust_contrast, robust_share
from nlparam.numerics.statistics.covariates import Covariates
from nlparam.numerics.statistics.effects import (
    Effect,
    adjusted_contrast,
    claimed_at,
    contrast,
    correct_p_values,
    share,
    size_of_claim,
)
from nlparam.numerics.statistics.sensitivity import nearest_to_zero


def judge_finalists(setup: Setup, answers: Answers, entrants: list[Entrant]) -> None:
    """Judges the finalists on the texts that were drawn for it, in random order, the groups taking turns."""
    columns = [entrant.column for entrant in entrants if entrant.outcome is None]
    orders = setup.seen.shuffled(setup.seen.units.validated, setup.rng(4))
    if columns:
        answers.ask(columns, setup.seen.units.text[interleaved(orders)], stage="testing")


@dataclasses.dataclass(frozen=True)
class _Rows:
    """What was drawn to be judged: observations, groups, and what belongs to each."""

    text: np.ndarray
    group: np.ndarray
    n_groups: int
    cluster: np.ndarray | None
    covariates: Covariates | None

    def effect(
        self,
        values: np.ndarray,
        towards: int,
        confidence: float,
        *,
        labels: np.ndarray | None = None,
        adjust: bool = True,
    ) -> Contrast:
        """The effect of one candidate with these answers, `(n,)`, at equal covariates if wanted."""
        matrix = self.covariates.matrix if adjust and self.covariates is not None else None
        given = (values, self.group, self.n_groups, towards)
        if self.cluster is not None or labels is not None:
            return robust_contrast(
                *given, covariates=matrix, clusters=self.cluster, labels=labels, confidence=confidence
            )
        if matrix is None:
            return Contrast(contrast(*given, confidence=confidence), "")
        return Contrast(adjusted_contrast(*given, matrix, confidence=confidence), "")

    def shares(self, values: np.ndarray, labels: np.ndarray | None, seen: Observations, confidence: float):
        """How often a predicate holds in each group."""
        for number, group in enumerate(seen.groups):
            mine = self.group == number
            answers, said = values[mine], None if labels is None else labels[mine]
            cluster = None if self.cluster is None else self.cluster[mine]
            if cluster is None and said is None:
                figures = share(answers, confidence=confidence)
            else:
                figures = robust_share(answers, clusters=cluster, labels=said, confidence=confidence)
            n_labels = 0 if said is None else int((np.isfinite(answers) & np.isfinite(said)).sum())
            yield Share(group.name, *figures, int(np.isfinite(answers).sum()), n_labels)


@dataclasses.dataclass(frozen=True)
class _Tested:
    """A finalist: what is found of it so far, from which answers and labels, and what its estimate lacks."""

    finding: Finding
    towards: int
    values: np.ndarray
    labels: np.ndarray | None
    reason: str

    @property
    def effect(self) -> Effect:
        """What a claim rests on."""
        assert self.finding.estimate is not None
        return self.finding.estimate


def findings(
    setup: Setup, answers: Answers, entrants: list[Entrant], rankings: dict[int, Ranking], labels: np.ndarray | None
) -> tuple[list[Finding], list[int]]:
    """One finding for each candidate, the claims first, and for each the column of its candidate.

    A difference is claimed if its p-value, adjusted for the number of finalists, is at most the level, and it points
    towards the group for which it was found on the research split. The finalists were chosen without a look at the
    validation split, so nothing else needs to be corrected for.

    **Arguments:** `labels` of people, `(n_distinct, n_candidates)`, `nan` where there is none. Where there are enough
    of them the effect is as people see it.
    """
    seen, level, n_examples = setup.seen, setup.level, setup.options.n_examples
    confidence, correction = setup.settings["confidence"], setup.settings["correction"]
    drawn = np.flatnonzero(seen.units.validated)
    cluster = None if seen.units.cluster is None else seen.units.cluster[drawn]
    rows = _Rows(seen.units.text[drawn], seen.units.group[drawn], seen.n_groups, cluster, setup.covariates)
    tested: dict[int, _Tested] = {}
    for entrant in entrants:
        if entrant.outcome is None and (one := _tested(answers, entrant, seen, rows, labels, confidence)) is not None:
            tested[entrant.column] = one
        elif entrant.outcome is None:
            entrant.outcome = OUTCOMES.unanswered
            entrant.reason = "too few judgments were answered on the validation split"
    p_values = correct_p_values([one.effect.p_value for one in tested.values()], correction)
    cut = claimed_at(int((p_values <= level).sum()), len(tested), level, correction)
    # Intervals of claims at the false coverage rate.
    wide = 1 - (1 - confidence) * cut / level
    found = {entrant.column: _screened(entrant, answers, seen) for entrant in entrants}
    for (column, one), p_adjusted in zip(tested.items(), p_values.tolist(), strict=True):
        outcome, reason = _verdict(one, p_adjusted, level)
        claimed = outcome is OUTCOMES.claimed
        by_judge = one.finding.people is None
        found[column] = dataclasses.replace(
            one.finding,
            outcome=outcome,
            reason=reason,
            size=_size(one, rows, cut, wide) if claimed else None,
            sensitivity=nearest_to_zero(one.effect.low, one.effect.high) if claimed and by_judge else None,
            p_adjusted=p_adjusted,
            shares=tuple(rows.shares(one.values, one.labels, seen, confidence)),
            examples=_examples(answers.matrix[:, column], drawn, seen, n_examples),
        )
    for column, ranking in rankings.items():
        found[column] = dataclasses.replace(found[column], ranking=ranking)
    columns = sorted(found, key=lambda column: _place(found[column]))
    return [found[column] for column in columns], columns


def _tested(
    answers: Answers,
    entrant: Entrant,
    seen: Observations,
    rows: _Rows,
    labels: np.ndarray | None,
    confidence: float,
) -> _Tested | None:
    """The effects of a finalist; `None` if too few judgments were answered."""
    assert entrant.standing is not None
    values, towards = answers.matrix[rows.text, entrant.column], entrant.standing.towards
    crude, reason = rows.effect(values, towards, confidence, adjust=False)
    if not np.isfinite(crude.effect) or not (reason or np.isfinite(crude.standard_error)):
        return None
    given = people = said = None
    if rows.covariates is not None:
        given, reason = rows.effect(values, towards, confidence)
        if not np.isfinite(given.effect):
            return None
    if labels is not None and np.isfinite(labels[rows.text, entrant.column]).any():
        corrected, why = rows.effect(values, towards, confidence, labels=labels[rows.text, entrant.column])
        if np.isfinite(corrected.effect):
            people, said, reason = corrected, labels[rows.text, entrant.column], why
        else:
            reason = reason or f"as people see it, it {why}"
    finding = dataclasses.replace(_screened(entrant, answers, seen), crude=crude, given_covariates=given, people=people)
    return _Tested(finding, towards, values, said, reason)


def _size(one: _Tested, rows: _Rows, cut: float, wide: float) -> Effect:
    """The size of a claim, not exaggerated by its having been claimed, and its interval at the false coverage rate."""
    effect, _ = rows.effect(one.values, one.towards, wide, labels=one.labels)
    size = size_of_claim(effect, max(cut, effect.p_value))  # rounding
    return effect._replace(effect=size, low=min(effect.low, size))


def _screened(entrant: Entrant, answers: Answers, seen: Observations) -> Finding:
    """What is known of a candidate before it is tested; its outcome, if it has none yet, is to be replaced."""
    standing = entrant.standing
    return Finding(
        predicate=answers.predicates[entrant.column],
        outcome=entrant.outcome or OUTCOMES.unproven,
        reason=entrant.reason,
        more=None if standing is None else seen.groups[standing.towards].name,
        screening=None if standing is None or entrant.n_screened == 0 else standing.effect,
        n_screened=entrant.n_screened,
        repeats=None if entrant.like is None else answers.predicates[entrant.like],
    )


def _verdict(one: _Tested, p_adjusted: float, level: float) -> tuple[OUTCOMES, str]:
    effect, more = one.effect, one.finding.more
    seen_by = "" if one.finding.people is None else ", as people see it,"
    if one.reason and not np.isfinite(effect.standard_error):
        return OUTCOMES.unproven, f"whether it holds more often in {more} {one.reason}"
    found = f"{effect.effect:+.2f} ({effect.low:+.2f} to {effect.high:+.2f}), adjusted p = {p_adjusted:.2g}"
    found = f"the difference towards {more}{seen_by} is {found}"
    if one.reason:
        found += f" ({one.reason})"
    if p_adjusted > level:
        return OUTCOMES.unproven, f"{found}: chance may explain it"
    if effect.effect < 0:
        return OUTCOMES.contradicted, f"{found}: the research split showed the reverse"
    return OUTCOMES.claimed, found


def _examples(answers: np.ndarray, rows: np.ndarray, seen: Observations, n_examples: int) -> tuple[Example, ...]:
    """Of each group the texts that were judged most likely, and the least likely."""
    examples = []
    for number, group in enumerate(seen.groups):
        texts = np.unique(seen.units.text[rows[seen.units.group[rows] == number]])
        texts = texts[np.isfinite(answers[texts])]
        texts = texts[np.argsort(-answers[texts], kind="stable")]
        high, low = texts[:n_examples], texts[n_examples:][-n_examples:] if n_examples else texts[:0]
        examples += [
            Example(seen.corpus.distinct[text], group.name, float(answers[text]))
            for text in np.concatenate([high, low]).tolist()
        ]
    return tuple(examples)


def _place(finding: Finding) -> tuple[int, float]:
    """Claims by their effect, then what was tested by its p-value, then the rest by what the screening saw."""
    if finding.estimate is None:
        return 2, -(finding.screening.effect if finding.screening is not None else -1.0)
    if finding.claimed:
        return 0, -finding.estimate.effect
    return 1, finding.estimate.p_value
