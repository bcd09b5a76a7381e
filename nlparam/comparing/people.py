"""Labels of people in a comparison: which pairs they are of, and what labels would change where there are none."""

import math
from collections.abc import Sequence

import numpy as np

from nlparam.comparing.answers import interleaved
from nlparam.comparing.records import ComparisonLike
from nlparam.corpus.marks import pair
from nlparam.denotation.definitions import kept_definitions
from nlparam.denotation.labelling import Asked, Labelling
from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError
from nlparam.runtime.words import counted

# Of the sentence on what labels would change: their number, and the share of texts that a judge gets wrong.
_LABELS, _WRONG = 100, 0.1


def check_labels(labels: Labelled, texts: Sequence[str], predicates: Sequence[str] | None) -> None:
    """Raises `CorpusError` for labels of other texts, or of none of the predicates that are to be tested."""
    if not labels.texts:
        raise CorpusError("got no labels, expected a text, a predicate and a label in each row")
    labels.matrix(texts, list(dict.fromkeys(labels.predicates)))
    if predicates is not None:
        label_matrix(labels, texts, predicates)


def label_matrix(labels: Labelled, texts: Sequence[str], predicates: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """`(n_texts, n_predicates)` mean labels of people, `nan` where there is none; and warnings.

    Labels of predicates that are not among these are left out, with a warning. Raises `CorpusError` if all are.
    """
    known = {predicate.strip().casefold() for predicate in predicates}
    strange = list(dict.fromkeys(said for said in labels.predicates if said.strip().casefold() not in known))
    named = ", ".join(map(repr, strange[:3]))
    kept = labels.of_result(labels.texts, predicates)
    if not kept:
        raise CorpusError(f"the labels are of {named}, which no candidate is: give these as predicates= (--predicates)")
    left_out = f"{counted(len(strange), 'labelled predicate', 'is', 'are')} not tested ({named}): left out"
    return kept.matrix(texts, predicates), [left_out] if strange else []


def labelling(comparison: ComparisonLike, *, seed: int = 0) -> Labelling:
    """What people are asked about the texts of a comparison: the tested predicates, the groups taking turns."""
    corpus, units, tested = comparison.corpus, comparison.units, comparison.tested
    columns = [number for number, finding in enumerate(comparison.findings) if finding.tested]
    rows = interleaved(orders_to_label(comparison, seed=seed))  # a text of two groups once
    text = {pair(corpus.distinct[row], "")[0]: row for row in rows.tolist()}
    column = {pair("", comparison.findings[number].predicate)[1]: number for number in columns}
    group = np.full(len(corpus.distinct), -1)
    group[units.text[::-1]] = units.group[::-1]
    chance = np.asarray([one.n_validated / max(one.n_validation, 1) for one in comparison.groups])
    of_group = [(units.group == number) & units.validated for number in range(len(comparison.groups))]

    def judge(of_text: str, predicate: str) -> float:
        place = text.get(pair(of_text, "")[0]), column.get(pair("", predicate)[1])
        return math.nan if None in place else float(comparison.judgments[place])

    def by_group(values: np.ndarray) -> np.ndarray:
        """From texts and predicates to observations and the share of each predicate in each group."""
        of_units = values[units.text]
        return np.concatenate([np.where(mine[:, None], of_units, np.nan) for mine in of_group], axis=1)

    predicates = [finding.predicate for finding in tested]
    return Labelling(
        texts=tuple(corpus.distinct[row] for row in rows.tolist()),
        chance=chance[group[rows]],
        stratum=group[rows],
        asked=tuple(map(Asked, predicates)),
        judge=judge,
        shares=tuple(f"{predicate} ({one.name})" for one in comparison.groups for predicate in predicates),
        layers=(by_group(np.asarray(comparison.judgments, float)[:, columns]),),
        of_stratum=tuple(number for number in range(len(comparison.groups)) for _ in predicates),
        said=lambda labelled: by_group(labelled.matrix(corpus.distinct, predicates)),
        definitions=kept_definitions(comparison.settings),
    )


def orders_to_label(comparison: ComparisonLike, *, seed: int = 0) -> list[np.ndarray]:
    """The distinct texts of each group that were drawn for testing, in random order."""
    rng, units = np.random.default_rng(seed), comparison.units
    return [
        rng.permutation(np.unique(units.text[units.validated & (units.group == number)]))
        for number in range(len(comparison.groups))
    ]


def without_labels(n_groups: int, confidence: float) -> str:
    """What a reader should know where no labels are given: which error is not in the interval, and what they change."""
    import scipy.stats

    each = _LABELS // n_groups
    error = math.sqrt(_WRONG * (1 + 1 / (n_groups - 1)) / max(each, 1))
    half = min(float(scipy.stats.norm.ppf((1 + confidence) / 2)) * error, 1.0)
    return (
        "Effects are as the judge sees them: a judge that errs more in one group than in another is not in the "
        f"intervals. {_LABELS} labels of people for a predicate, {each} of each group, would show how people see it "
        f"to within about {half:.2f}, if the judge is right for {1 - _WRONG:.0%} (labels=, --labels)."
    )
