"""Children that a node lacks: proposed for texts that none of its children explains, and added beside these."""

import dataclasses

import numpy as np

from nlparam.numerics.heads.head import Head, fit_head
from nlparam.numerics.heads.head import Judged as HeadJudged
from nlparam.taxonomies.divided import Considered, Divided
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import HOLDS
from nlparam.taxonomies.tree import Branch

# At most so many children are added to a node at once.
_MOST_ADDED = 4
# On how many texts that are explained it is seen whether a candidate holds for these too.
_CONTRASTED = 60
# What holds for more than half as many of the explained texts is not what is missing.
_MOST_ELSEWHERE = 0.5
_LEAST_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Missing:
    """A candidate for a missing child, whether it was `added`, and the `reason` if not."""

    name: str
    share_unexplained: float
    share_elsewhere: float
    added: bool
    reason: str = ""


def add_missing(rebuilding: Rebuilding, branch: Branch, unexplained: np.ndarray) -> list[Missing]:
    """Seeks children for the rows of a branch that are `unexplained`, and adds those that are missing to it.

    The children that are there, their denotations and heads stay as they are.
    """
    assert branch.divided is not None
    divider = rebuilding.divider
    options = dataclasses.replace(divider.options, least_share=_LEAST_SHARE, most_share=1.0)
    seeking = dataclasses.replace(divider, options=options, children=(1, _MOST_ADDED), n_slots=divider.children[1])
    there = [*branch.divided.judged_as, *branch.divided.predicates, *rebuilding.forbidden]
    found = seeking.divide(unexplained, branch.path, excluded=list(dict.fromkeys(there)))
    explained = np.setdiff1d(branch.rows, unexplained)
    sample = np.sort(np.random.default_rng(len(explained)).permutation(explained)[:_CONTRASTED])
    seen = []
    for name, candidate in _promising(found):
        elsewhere = _judged(rebuilding, candidate.predicate, sample)
        seen.append(_consider(rebuilding, branch, name, candidate, unexplained, sample, elsewhere))
    return seen


def _promising(found: Divided) -> list[tuple[str, Considered]]:
    """What was chosen for the unexplained texts, with the name that is shown; the best alone if nothing was."""
    considered = {one.predicate: one for one in found.considered if len(one.answers)}
    chosen = [(shown, considered[said]) for said, shown in zip(found.judged_as, found.predicates, strict=True)]
    if chosen or not considered:
        return chosen
    best = max(considered.values(), key=lambda one: float(np.mean(one.answers >= HOLDS)))
    return [(best.predicate, best)]


def _judged(rebuilding: Rebuilding, predicate: str, rows: np.ndarray) -> np.ndarray:
    run = rebuilding.divider.run
    if len(rows) == 0:
        return np.zeros(0)
    texts = [run.corpus.distinct[row] for row in rows.tolist()]
    with run.costs.stage("judging"):
        return run.judge.judge(texts, [predicate], np.stack([np.arange(len(rows)), np.zeros(len(rows), int)], axis=1))


def _consider(
    rebuilding: Rebuilding,
    branch: Branch,
    name: str,
    candidate: Considered,
    unexplained: np.ndarray,
    sample: np.ndarray,
    elsewhere: np.ndarray,
) -> Missing:
    """Adds a candidate to the branch if it explains what is unexplained, and not the rest."""
    usable = np.isfinite(elsewhere)
    inside = float(np.mean(candidate.answers >= HOLDS))
    outside = float(np.mean(elsewhere[usable] >= HOLDS)) if usable.any() else 0.0
    if inside < _LEAST_SHARE:
        return Missing(name, inside, outside, False, f"holds for {inside:.0%} of the unexplained texts only")
    if outside > _MOST_ELSEWHERE * inside:
        return Missing(name, inside, outside, False, f"holds for {outside:.0%} of the explained texts too")
    rows = np.concatenate([unexplained[candidate.judged], sample[usable]])
    answers = np.concatenate([candidate.answers, elsewhere[usable]]).astype(np.float32)
    order = np.argsort(rows)
    rows, answers = rows[order], answers[order]
    divided = branch.divided
    assert divided is not None
    assert divided.head is not None
    features = rebuilding.features(rows, divided.directions)
    fitted = fit_head(
        features, [HeadJudged(np.arange(len(rows)), answers)], correct_bias=rebuilding.divider.options.correct_bias
    )
    head = Head.joined([fitted.head])
    denotations = head.denote(rebuilding.features(branch.rows, divided.directions))
    held = branch.rows[denotations[:, 0] >= HOLDS]
    if len(np.intersect1d(held, unexplained)) == 0:
        return Missing(name, inside, outside, False, "its head finds none of the unexplained texts")
    positions = np.searchsorted(branch.rows, rows)
    considered = Considered(candidate.predicate, denotations[:, 0].astype(np.float32), positions, answers)
    agreement = float(np.mean((fitted.left_out[0] > 0.5) == (fitted.corrected[0] > 0.5)))
    branch.divided = dataclasses.replace(
        divided,
        predicates=[*divided.predicates, name],
        judged_as=[*divided.judged_as, candidate.predicate],
        denotations=np.concatenate([divided.denotations, denotations], axis=1),
        agreement=[*divided.agreement, agreement],
        considered=[*(one for one in divided.considered if one.predicate != candidate.predicate), considered],
        head=Head.joined([divided.head, head]),
    )
    child = Branch((*branch.path, name), held)
    rebuilding.end(child, ())
    branch.children.append(child)
    return Missing(name, inside, outside, True)
