"""Cascades: a predicate that the head is blind to."""

import functools

import numpy as np

from benchmarks.inference.scenarios import CLAIMED_AT, Found, scenario
from nlparam.numerics.heads.cascade import CascadeSteps, Target

_PREVALENCES = np.array([0.3, 0.2, 0.2, 0.01])


def _texts(rng: np.random.Generator, n_texts: int) -> tuple[np.ndarray, np.ndarray]:
    """Features, and what the judge says: the features tell of all predicates but the rare one."""
    yes = rng.random((n_texts, len(_PREVALENCES))) < _PREVALENCES
    signal = 2.5 * yes[:, :3] + rng.normal(size=(n_texts, 3))
    return np.hstack([signal, rng.normal(size=(n_texts, 8))]).astype(np.float32), yes


@functools.cache
def _head():
    """A head of other texts; that of the rare predicate has nothing to go by."""
    from nlparam.numerics.heads.joint_head import fit_joint_head

    features, yes = _texts(np.random.default_rng(0), 400)
    pairs = np.argwhere(np.ones(yes.shape, dtype=bool))
    answers = np.where(yes, 0.97, 0.03).astype(np.float64).ravel()
    return fit_joint_head(features, np.eye(4, 8), pairs, answers, thresholds=np.zeros(4), seed=0).head


@scenario("cascade", "a predicate of 1% that the head is blind to, targets pooled", name="cascade-pooled", each=False)
@scenario("cascade", "a predicate of 1% that the head is blind to, targets for each", name="cascade-each", each=True)
def cascade(rng, each):
    """Claimed is a bound that the truth does not keep."""
    features, yes = _texts(rng, 2000)
    target = Target(failure_probability=CLAIMED_AT, each=each)
    steps = CascadeSteps(features, np.eye(4, 8), target, head=_head(), seed=int(rng.integers(2**31)))
    answers = np.where(yes, 0.97, 0.03)
    while len(pairs := steps.ask()):
        steps.tell(pairs, answers[tuple(pairs.T)])
    said, certificate = steps.denotations() > 0.5, steps.certificate
    assert certificate is not None
    right = (said & yes).sum(axis=0)
    recall, precision = right / np.maximum(yes.sum(axis=0), 1), right / np.maximum(said.sum(axis=0), 1)
    # Of nothing that holds everything is found, and of nothing said all is right.
    recall, precision = np.where(yes.any(axis=0), recall, 1.0), np.where(said.any(axis=0), precision, 1.0)
    pooled = right.sum() / yes.sum(), right.sum() / said.sum()
    proved = [*certificate.predicate_recall, *certificate.predicate_precision]
    true = [*recall, *precision]
    if not each:
        proved, true = [*proved, certificate.recall, certificate.precision], [*true, *pooled]
    return Found(
        claimed=bool(np.any(np.asarray(proved) > np.asarray(true) + 1e-9)),
        figures={
            "calls": certificate.n_asked / certificate.n_pairs,
            "worst_recall": float(recall.min()),
            "worst_recall_proved": min(certificate.predicate_recall),
        },
    )
