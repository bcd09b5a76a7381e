"""Testing: what is left is judged on the validation split, which neither proposing nor screening has seen."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from nlparam.comparing.answers import Answers, interleaved
from nlparam.comparing.race import Entrant
from nlparam.comparing.records import OUTCOMES, Example, Finding, Ranking, Share, Units
from nlparam.comparing.setup import Setup
from nlparam.numerics.statistics.contrasts import Contrast, robust_contrast, robust_share
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
    level, correction, confidence = setup.level, setup.settings["correction"], setup.settings["confidence"]
    validation = _Validation(setup, answers, labels)
    tested: dict[int, _Tested] = {}
    for entrant in entrants:
        if entrant.outcome is None and (one := validation.tested(entrant)) is not None:
            tested[entrant.column] = one
        elif entrant.outcome is None:
            entrant.outcome = OUTCOMES.unanswered
            entrant.reason = "too few judgments were answered on the validation split"
    p_values = correct_p_values([one.effect.p_value for one in tested.values()], correction)
    cut = claimed_at(int((p_values <= level).sum()), len(tested), level, correction)
    # Intervals of claims at the false coverage rate.
    wide = 1 - (1 - confidence) * cut / level
    found = {entrant.column: validation.screened(entrant) for entrant in entrants}
    for (column, one), p_adjusted in zip(tested.items(), p_values.tolist(), strict=True):
        outcome, reason = _verdict(one, p_adjusted, level)
        claimed = outcome is OUTCOMES.claimed
        by_judge = one.finding.people is None
        found[column] = dataclasses.replace(
            one.finding,
            outcome=outcome,
            reason=reason,
            size=validation.size(one, cut, wide) if claimed else None,
            sensitivity=nearest_to_zero(one.effect.low, one.effect.high) if claimed and by_judge else None,
            p_adjusted=p_adjusted,
            shares=tuple(validation.shares(one)),
            examples=validation.examples(column),
        )
    for column, ranking in rankings.items():
        found[column] = dataclasses.replace(found[column], ranking=ranking)
    columns = sorted(found, key=lambda column: _place(found[column]))
    return [found[column] for column in columns], columns


@dataclasses.dataclass(frozen=True)
class _Validation:
    """What was drawn to be judged, the answers, and the `labels` of people, `(n_distinct, n_candidates)`."""

    setup: Setup
    answers: Answers
    labels: np.ndarray | None

    @functools.cached_property
    def units(self) -> Units:
        """The observations that were drawn."""
        return self.setup.seen.units.at(self.setup.seen.units.validated)

    def screened(self, entrant: Entrant) -> Finding:
        """What is known of a candidate before it is tested; its outcome, if it has none yet, is to be replaced."""
        standing, predicates = entrant.standing, self.answers.predicates
        return Finding(
            predicate=predicates[entrant.column],
            outcome=entrant.outcome or OUTCOMES.unproven,
            reason=entrant.reason,
            more=None if standing is None else self.setup.seen.groups[standing.towards].name,
            screening=None if standing is None or entrant.n_screened == 0 else standing.effect,
            n_screened=entrant.n_screened,
            repeats=None if entrant.like is None else predicates[entrant.like],
        )

    def tested(self, entrant: Entrant) -> _Tested | None:
        """The effects of a finalist; `None` if too few judgments were answered."""
        assert entrant.standing is not None
        values, towards = self.answers.matrix[self.units.text, entrant.column], entrant.standing.towards
        labels = None if self.labels is None else self.labels[self.units.text, entrant.column]
        crude, reason = self._effect(values, towards, adjust=False)
        if not np.isfinite(crude.effect) or not (reason or np.isfinite(crude.standard_error)):
            return None
        given = people = said = None
        if self.setup.covariates is not None:
            given, reason = self._effect(values, towards)
            if not np.isfinite(given.effect):
                return None
        if labels is not None and np.isfinite(labels).any():
            corrected, why = self._effect(values, towards, labels)
            if np.isfinite(corrected.effect):
                people, said, reason = corrected, labels, why
            else:
                reason = reason or f"as people see it, it {why}"
        finding = dataclasses.replace(self.screened(entrant), crude=crude, given_covariates=given, people=people)
        return _Tested(finding, towards, values, said, reason)

    def size(self, one: _Tested, cut: float, wide: float) -> Effect:
        """The size of a claim, not exaggerated by its having been claimed, and its interval at the false coverage
        rate."""
        effect, _ = self._effect(one.values, one.towards, one.labels, confidence=wide)
        size = size_of_claim(effect, max(cut, effect.p_value))  # rounding
        return effect._replace(effect=size, low=min(effect.low, size))

    def shares(self, one: _Tested) -> Iterator[Share]:
        """How often a predicate holds in each group."""
        confidence, cluster = self.setup.settings["confidence"], self.units.cluster
        for number, group in enumerate(self.setup.seen.groups):
            mine = self.units.group == number
            answers, said = one.values[mine], None if one.labels is None else one.labels[mine]
            if cluster is None and said is None:
                figures = share(answers, confidence=confidence)
            else:
                together = None if cluster is None else cluster[mine]
                figures = robust_share(answers, clusters=together, labels=said, confidence=confidence)
            n_labels = 0 if said is None else int((np.isfinite(answers) & np.isfinite(said)).sum())
            yield Share(group.name, *figures, int(np.isfinite(answers).sum()), n_labels)

    def examples(self, column: int) -> tuple[Example, ...]:
        """Of each group the texts that were judged most likely, and the least likely."""
        examples, answers, n_examples = [], self.answers.matrix[:, column], self.setup.options.n_examples
        for number, group in enumerate(self.setup.seen.groups):
            texts = np.unique(self.units.text[self.units.group == number])
            texts = texts[np.isfinite(answers[texts])]
            texts = texts[np.argsort(-answers[texts], kind="stable")]
            high, low = texts[:n_examples], texts[n_examples:][-n_examples:] if n_examples else texts[:0]
            examples += [
                Example(self.setup.seen.corpus.distinct[text], group.name, float(answers[text]))
                for text in np.concatenate([high, low]).tolist()
            ]
        return tuple(examples)

    def _effect(
        self,
        values: np.ndarray,
        towards: int,
        labels: np.ndarray | None = None,
        *,
        adjust: bool = True,
        confidence: float | None = None,
    ) -> Contrast:
        """The effect of one candidate with these answers, `(n,)`, at equal covariates if wanted."""
        confidence = confidence or float(self.setup.settings["confidence"])
        covariates = self.setup.covariates if adjust else None
        given = (values, self.units.group, self.setup.seen.n_groups, towards)
        matrix, clusters = None if covariates is None else covariates.matrix, self.units.cluster
        if clusters is not None or labels is not None:
            return robust_contrast(*given, covariates=matrix, clusters=clusters, labels=labels, confidence=confidence)
        if matrix is None:
            return Contrast(contrast(*given, confidence=confidence), "")
        return Contrast(adjusted_contrast(*given, matrix, confidence=confidence), "")


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


def _place(finding: Finding) -> tuple[int, float]:
    """Claims by their effect, then what was tested by its p-value, then the rest by what the screening saw."""
    if finding.estimate is None:
        return 2, -(finding.screening.effect if finding.screening is not None else -1.0)
    if finding.claimed:
        return 0, -finding.estimate.effect
    return 1, finding.estimate.p_value
