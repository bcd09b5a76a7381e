"""Labels of people in a comparison: which pairs they are of, and what labels would change where there are none."""

import hashlib
import json
import math
from collections.abc import Sequence

import numpy as np

from nlparam.denotation.labels import Labelled
from nlparam.errors import CorpusError

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
    kept = [number for number, said in enumerate(labels.predicates) if said.strip().casefold() in known]
    strange = list(dict.fromkeys(labels.predicates[n] for n in set(range(len(labels.predicates))) - set(kept)))
    named = ", ".join(map(repr, strange[:3]))
    if not kept:
        raise CorpusError(f"the labels are of {named}, which no candidate is: give these as predicates= (--predicates)")
    rows = Labelled.of([(labels.texts[n], labels.predicates[n], labels.labels[n]) for n in kept])
    warnings = [f"{len(strange)} labelled predicates are no candidates ({named}): left out"] if strange else []
    return rows.matrix(texts, predicates), warnings


def digest_of_labels(labels: Labelled) -> str:
    """The content address of the labels."""
    rows = sorted(zip(labels.texts, labels.predicates, labels.labels, strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


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
