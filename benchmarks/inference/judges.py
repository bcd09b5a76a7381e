"""Heads and cascades: a predicate that the head is blind to, and recorded answers of a real language model."""

import functools
from typing import NamedTuple

import numpy as np

from benchmarks.commands import DATA
from benchmarks.inference.scenarios import CLAIMED_AT, Found, scenario
from benchmarks.inference.shares import as_they_are, estimated
from benchmarks.inference.worlds import some
from nlparam.numerics.heads.cascade import CascadeSteps, Target
from nlparam.numerics.heads.head import Judged, bias, correct, fit_head, log_odds_of

_PREVALENCES = np.array([0.3, 0.2, 0.2, 0.01])
_SUBJECTS = {"business": 0, "entertainment": 1, "politics": 2, "sports": 3, "tech": 4}
_N_TEXTS, _N_TRAINED, _N_ROUND, _N_LABELS = 900, 100, 150, 150


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


class _News(NamedTuple):
    """BBC News: features, the answers of the 1.5B as probabilities and as yes or no, and the gold topics."""

    features: np.ndarray
    probabilities: np.ndarray
    said: np.ndarray
    gold: np.ndarray


@functools.cache
def _news() -> _News:
    import safetensors.numpy

    from benchmarks.judging.cascade import RECORDED, load
    from nlparam.corpus.datasets import load_dataset

    recorded = load("bbc", DATA)
    rows = safetensors.numpy.load_file(RECORDED / "bbc.safetensors")["rows"]
    labels = [load_dataset("bbc").columns["label"][row] for row in rows.tolist()]
    gold = np.zeros((len(labels), len(_SUBJECTS)), dtype=bool)
    gold[np.arange(len(labels)), [_SUBJECTS[label] for label in labels]] = True
    usable = np.isfinite(recorded.probabilities).all(axis=1)
    probabilities = recorded.probabilities[usable]
    columns = [correct(column, bias(log_odds_of(column))) >= 0.5 for column in probabilities.T]
    return _News(recorded.features[usable], probabilities, np.stack(columns, axis=1), gold[usable])


@scenario("news", "BBC, recorded answers of the 1.5B: the model's own shares", name="news-judge", people=False)
@scenario("news", "BBC, recorded answers of the 1.5B: the gold shares, 150 labels", name="news-people", people=True)
def news(rng, people, *, naive=False):
    """A head is trained on some answers; others are drawn at random to correct it."""
    news = _news()
    rows = rng.permutation(len(news.gold))[:_N_TEXTS]
    truth = (news.gold if people else news.said).mean(axis=0)
    trained = [Judged(np.arange(_N_TRAINED), column[rows[:_N_TRAINED]]) for column in news.probabilities.T]
    fitted = fit_head(news.features[rows], trained, correct_bias=True)
    head = fitted.head.denote(news.features[rows]).astype(np.float64)
    if naive:
        return as_they_are(head >= 0.5, truth)
    # Answers that trained the head are no random sample of what it gets wrong.
    head[:_N_TRAINED] = np.stack(fitted.left_out, axis=1)
    judged = some(rng, news.said[rows], _N_ROUND)
    if not people:
        return estimated([head, judged], truth)
    labels = some(rng, news.gold[rows], _N_LABELS)
    judged = np.where(np.isfinite(labels), news.said[rows], judged)
    return estimated([head, judged, labels], truth)
