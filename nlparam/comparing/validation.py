"""Testing: what is left is judged on the validation split, which neither proposing nor screening has seen."""

import dataclasses

import numpy as np

from nlparam.comparing.answers import Answers, interleaved
from nlparam.comparing.grouping import Observations
from nlparam.comparing.race import Entrant
from nlparam.comparing.records import OUTCOMES, Estimate, Example, Finding, Ranking, Share
from nlparam.numerics.statistics.covariates import Covariates
from nlparam.numerics.statistics.effects import Effect, adjusted_contrast, contrast, correct_p_values, share


def judge_finalists(answers: Answers, entrants: list[Entrant], seen: Observations, rng: np.random.Generator) -> None:
    """Judges the finalists on the texts that were drawn for it, in random order, the groups taking turns."""
    columns = [entrant.column for entrant in entrants if entrant.outcome is None]
    units = seen.units
    orders = [
        rng.permutation(np.flatnonzero(units.validated & (units.group == group))) for group in range(seen.n_groups)
    ]
    if columns:
        answers.ask(columns, units.text[interleaved(orders)], stage="testing")


def findings(
    answers: Answers,
    entrants: list[Entrant],
    seen: Observations,
    covariates: Covariates | None,
    rankings: dict[int, Ranking],
    *,
    confidence: float,
    level: float,
    correction: str,
    n_examples: int,
) -> tuple[list[Finding], list[int]]:
    """One finding for each candidate, the claims first, and for each the column of its candidate.

    A difference is claimed if its p-value, adjusted for the number of finalists, is at most `level`, and it points
    towards the group for which it was found on the research split. The finalists were chosen without a look at the
    validation split, so nothing else needs to be corrected for.
    """
    rows = np.flatnonzero(seen.units.validated)
    groups = seen.units.group[rows]
    finalists = [entrant for entrant in entrants if entrant.outcome is None]
    tested: list[tuple[Entrant, Effect, Effect | None]] = []
    for entrant in finalists:
        assert entrant.standing is not None
        values, towards = answers.matrix[seen.units.text[rows], entrant.column], entrant.standing.towards
        crude = contrast(values, groups, seen.n_groups, towards, confidence=confidence)
        given = None
        if covariates is not None:
            given = adjusted_contrast(values, groups, seen.n_groups, towards, covariates.matrix, confidence=confidence)
        if np.isfinite(crude.standard_error) and (given is None or np.isfinite(given.standard_error)):
            tested.append((entrant, crude, given))
        else:
            entrant.outcome = OUTCOMES.unanswered
            entrant.reason = "too few judgments were answered on the validation split"
    p_values = correct_p_values([(crude if given is None else given).p_value for _, crude, given in tested], correction)
    found = {}
    for (entrant, crude, given), p_adjusted in zip(tested, p_values.tolist(), strict=True):
        assert entrant.standing is not None
        more = seen.groups[entrant.standing.towards].name
        entrant.outcome, entrant.reason = _verdict(crude if given is None else given, p_adjusted, level, more)
        values = answers.matrix[seen.units.text[rows], entrant.column]
        found[entrant.column] = dataclasses.replace(
            _screened(entrant, answers, seen),
            crude=Estimate(*crude),
            given_covariates=None if given is None else Estimate(*given),
            p_adjusted=p_adjusted,
            shares=tuple(
                Share(group.name, *share(members, confidence=confidence), int(np.isfinite(members).sum()))
                for group, members in ((group, values[groups == number]) for number, group in enumerate(seen.groups))
            ),
            examples=_examples(answers.matrix[:, entrant.column], rows, seen, n_examples),
        )
    for entrant in entrants:
        finding = found.get(entrant.column) or _screened(entrant, answers, seen)
        found[entrant.column] = dataclasses.replace(finding, ranking=rankings.get(entrant.column))
    columns = sorted(found, key=lambda column: _place(found[column]))
    return [found[column] for column in columns], columns


def _screened(entrant: Entrant, answers: Answers, seen: Observations) -> Finding:
    assert entrant.outcome is not None
    standing = entrant.standing
    return Finding(
        predicate=answers.predicates[entrant.column],
        outcome=entrant.outcome,
        reason=entrant.reason,
        more=None if standing is None else seen.groups[standing.towards].name,
        screening=None if standing is None or entrant.n_screened == 0 else Estimate(*standing.effect),
        n_screened=entrant.n_screened,
        repeats=None if entrant.like is None else answers.predicates[entrant.like],
    )


def _verdict(effect: Effect, p_adjusted: float, level: float, more: str) -> tuple[OUTCOMES, str]:
    found = f"{effect.effect:+.2f} ({effect.low:+.2f} to {effect.high:+.2f}), adjusted p = {p_adjusted:.2g}"
    if p_adjusted > level:
        return OUTCOMES.unproven, f"the difference towards {more} is {found}: chance may explain it"
    if effect.effect < 0:
        return OUTCOMES.contradicted, f"the difference towards {more} is {found}: the research split showed the reverse"
    return OUTCOMES.claimed, f"the difference towards {more} is {found}"


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
