"""Children that a node lacks: proposed for texts that none of its children explains, and added beside these."""

import dataclasses

import numpy as np

from nlparam.numerics.heads.head import Head, Judged, fit_head
from nlparam.taxonomies.divided import Divided, agreement
from nlparam.taxonomies.drift import Addition
from nlparam.taxonomies.rebuilding import Rebuilding
from nlparam.taxonomies.records import HOLDS, ROOT, Candidate
from nlparam.taxonomies.tree import Branch

# At most so many children are added to a node at once.
_MOST_ADDED = 4
# On how many texts that are explained it is seen whether a candidate holds for these too.
_CONTRASTED = 60
# What holds for more than half as many of the explained texts is not what is missing.
_MOST_ELSEWHERE = 0.5
_LEAST_SHARE = 0.1


def add_missing(
    rebuilding: Rebuilding, branch: Branch, node: str, unexplained: np.ndarray
) -> tuple[list[Addition], list[str]]:
    """Seeks children for the rows of a branch that are `unexplained`, and adds those that are missing to it.

    The children that are there, their denotations and heads stay as they are.

    **Arguments:** `node`, the id of the branch.

    **Returns:** what was added, and why other candidates were not, in words.
    """
    divider = rebuilding.divider
    options = dataclasses.replace(divider.options, least_share=_LEAST_SHARE, most_share=1.0)
    seeking = dataclasses.replace(divider, options=options, children=(1, _MOST_ADDED), n_slots=divider.children[1])
    there = [*branch.divided.judged_as, *branch.divided.predicates, *rebuilding.forbidden]
    found = seeking.divide(unexplained, branch.path, excluded=list(dict.fromkeys(there)))
    explained = np.setdiff1d(branch.rows, unexplained)
    sample = np.sort(np.random.default_rng(len(explained)).permutation(explained)[:_CONTRASTED])
    added, reasons = [], []
    for name, candidate in _promising(found):
        elsewhere = _judged(rebuilding, candidate.predicate, sample)
        usable = np.isfinite(elsewhere)
        inside = float(np.mean(candidate.answers >= HOLDS))
        outside = float(np.mean(elsewhere[usable] >= HOLDS)) if usable.any() else 0.0
        if inside < _LEAST_SHARE:
            reasons.append(f"{name}: holds for {inside:.0%} of the unexplained texts only")
        elif outside > _MOST_ELSEWHERE * inside:
            reasons.append(f"{name}: holds for {outside:.0%} of the explained texts too")
        elif not _added(rebuilding, branch, name, candidate, unexplained, Judged(sample[usable], elsewhere[usable])):
            reasons.append(f"{name}: its head finds none of the unexplained texts")
        else:
            number = f"{'' if node == ROOT else f'{node}.'}{len(branch.children)}"
            added.append(Addition(number, node, name, inside, outside))
    return added, reasons


def _promising(found: Divided) -> list[tuple[str, Candidate]]:
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
        return run.judge.judge_all(texts, [predicate])[:, 0]


def _added(
    rebuilding: Rebuilding, branch: Branch, name: str, candidate: Candidate, unexplained: np.ndarray, others: Judged
) -> bool:
    """Adds a candidate to the branch if its head holds for some unexplained texts.

    `others` are the answers for some rows that are explained.
    """
    divider, divided = rebuilding.divider, branch.divided
    rows = np.concatenate([unexplained[candidate.judged], others.rows])
    answers = np.concatenate([candidate.answers, others.probabilities]).astype(np.float32)
    order = np.argsort(rows)
    answered = Judged(np.searchsorted(branch.rows, rows[order]), answers[order])
    features = divider.features(branch.rows, divided.directions)
    fitted = fit_head(features, [answered], correct_bias=divider.options.correct_bias)
    head = Head.joined([fitted.head])
    denotations = head.denote(features)
    held = branch.rows[denotations[:, 0] >= HOLDS]
    if len(np.intersect1d(held, unexplained)) == 0:
        return False
    assert divided.head is not None
    considered = Candidate(candidate.predicate, denotations[:, 0].astype(np.float32), *answered)
    branch.divided = dataclasses.replace(
        divided,
        predicates=[*divided.predicates, name],
        judged_as=[*divided.judged_as, candidate.predicate],
        denotations=np.concatenate([divided.denotations, denotations], axis=1),
        agreement=[*divided.agreement, *agreement(fitted)],
        considered=[*(one for one in divided.considered if one.predicate != candidate.predicate), considered],
        head=Head.joined([divided.head, head]),
    )
    child = Branch((*branch.path, name), held)
    rebuilding.end(child, ())
    branch.children.append(child)
    return True
