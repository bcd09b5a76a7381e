"""How people agree with the judge and with each other, as a section of a report."""

from collections.abc import Sequence

from nlparam.denotation.labelling import PredicateAgreement
from nlparam.numerics.statistics.kappa import Agreed
from nlparam.results.page.blocks import Section, Words
from nlparam.results.page.sections import Interval
from nlparam.results.page.tables import Declared, table_of


def agreement_with_people(rows: Sequence[PredicateAgreement], *, confidence: float = 0.9) -> Section | None:
    """The agreement of each predicate that has labels; `None` if none has."""
    if not rows:
        return None
    columns: list[Declared] = [
        ("Predicate", "head", "predicate"),
        ("Labels", "number", "n_labels"),
        ("Yes", "number:.0%", "yes"),
        ("Judged", "number", lambda one: one.with_judge.n_pairs if one.with_judge else 0),
        ("Judge agrees", "number:.0%", lambda one: _share(one.with_judge)),
        ("Kappa", "number:.2f", lambda one: _kappa(one.with_judge)),
    ]
    words = (
        "Agreement is the share of labels that say the same as the language model. Cohen's kappa is the share of what "
        f"chance leaves open: 1 if they always agree, 0 by chance. Intervals are at {confidence:.0%}."
    )
    if any(one.with_each_other for one in rows):
        columns += [
            ("Pairs of people", "number", lambda one: one.with_each_other and one.with_each_other.n_pairs),
            ("People agree", "number:.0%", lambda one: _share(one.with_each_other)),
            ("Their kappa", "number:.2f", lambda one: _kappa(one.with_each_other)),
        ]
        words += " If people agree with each other no better than with the language model, the predicate is unclear."
    table = table_of("people", "Agreement of people and language model", rows, columns)
    return Section("people", "What people say", [Words(words), table], "People")


def _share(agreed: Agreed | None) -> float | None:
    return None if agreed is None else agreed.concord.share


def _kappa(agreed: Agreed | None) -> Interval | None:
    if agreed is None or agreed.concord.kappa is None:  # where all say the same there is none
        return None
    return Interval(agreed.concord.kappa, agreed.low, agreed.high)
