"""Shares: how often a predicate holds, as the judge sees it and as people see it, from a few of their answers."""

from typing import Any

import numpy as np
import scipy.stats

from benchmarks.inference.scenarios import LEVEL, Found, counted, covering, scenario
from benchmarks.simulated import answered, correlated, some
from nlparam.numerics.statistics.correction import corrected_means

ROW = "share"
_HALF = float(scipy.stats.norm.ppf((1 + LEVEL) / 2))


def alone(known: np.ndarray) -> np.ndarray:
    """The widths of the usual intervals of shares from the known answers alone, `(n, n_predicates)` without `nan`."""
    return 2 * _HALF * known.std(axis=0, ddof=1) / np.sqrt(len(known))


def estimated(layers: list[np.ndarray], truth: np.ndarray, *, clusters: np.ndarray | None = None) -> Found:
    """The corrected shares of some layers, against the true ones, `(n_predicates,)`."""
    found = corrected_means(layers, clusters=clusters, confidence=LEVEL)
    best = layers[-1][np.isfinite(layers[-1]).all(axis=1)]
    unsaid = int(np.sum((found.low <= 0) & (found.high >= 1)))
    # The usual interval is no measure with few that hold, nor where texts belong together.
    enough = (best.sum(axis=0) >= 10) & (clusters is None)
    ratios = (found.high - found.low)[enough] / alone(best)[enough]
    figures = {"width_ratio": float(np.mean(ratios))} if len(ratios) else {}
    return covering(truth, found.low, found.high, unsaid=unsaid, figures=figures)


def as_judged(rng, n_texts, n_judged, prevalence, wrong, *, naive=False) -> Found:
    """A head is wrong for a share of the texts, whatever the judge says; of some the judge is asked."""
    judge = rng.random((n_texts, 4)) < prevalence
    head = answered(rng, judge, 1 - wrong, 1 - wrong)
    if naive:
        return as_they_are(head, np.full(4, prevalence))
    return estimated([head.astype(float), some(rng, judge, n_judged)], np.full(4, prevalence))


def as_people_see_it(rng, n_texts, n_labels, prevalence, right, *, n_judged=None, naive=False) -> Found:
    """A judge errs, and people have labelled some texts; it was asked about all, or a head stands for most of it."""
    people = rng.random((n_texts, 4)) < prevalence
    judge = answered(rng, people, *right)
    if naive:
        return as_they_are(judge, np.full(4, prevalence))
    labels = some(rng, people, n_labels)
    if n_judged is None:
        return estimated([judge.astype(float), labels], np.full(4, prevalence))
    head = answered(rng, judge, 0.85, 0.85)
    judged = np.where(np.isfinite(labels), judge, some(rng, judge, n_judged))
    return estimated([head.astype(float), judged, labels], np.full(4, prevalence))


def as_they_are(answers: np.ndarray, truth: np.ndarray) -> Found:
    """The shares of answers that are taken for the truth, with Wilson's intervals."""
    return counted(truth, answers.sum(axis=0), len(answers))


def _register() -> None:
    for prevalence in (0.03, 0.1, 0.5):
        for n_judged in (100, 400):
            world: dict[str, Any] = {"n_texts": 3000, "n_judged": n_judged, "prevalence": prevalence, "wrong": 0.2}
            name = f"share-judge-p{prevalence}-n{n_judged}"
            scenario(ROW, f"a head wrong for 20%, {n_judged} judged, prevalence {prevalence}", name=name, **world)(
                as_judged
            )
    for wrong in (0.1, 0.3):
        world = {"n_texts": 3000, "n_judged": 200, "prevalence": 0.2, "wrong": wrong}
        about = f"a head wrong for {wrong:.0%}, 200 judged, prevalence 0.2"
        scenario(ROW, about, name=f"share-judge-wrong{wrong}", **world)(as_judged)
    for n_texts, n_labels, prevalence, right, n_judged in (
        (600, 150, 0.5, (0.85, 0.85), None),
        (600, 150, 0.1, (0.85, 0.85), None),
        (300, 100, 0.3, (0.95, 0.95), None),
        (3000, 150, 0.1, (0.8, 0.95), None),
        (3000, 400, 0.03, (0.9, 0.9), None),
        (3000, 100, 0.03, (0.8, 0.95), None),
        (100_000, 150, 0.3, (0.85, 0.95), 1000),
        (3000, 200, 0.2, (0.9, 0.9), 600),
    ):
        asked = "all judged" if n_judged is None else f"{n_judged} judged and a head wrong for 15%"
        about = f"{n_labels} labels of {n_texts:,} texts, the judge right for {right[0]} / {right[1]}, {asked}"
        name = f"share-people-p{prevalence}-n{n_labels}-N{n_texts}"
        world = {"n_texts": n_texts, "n_labels": n_labels, "prevalence": prevalence, "right": right}
        scenario(ROW, f"{about}, prevalence {prevalence}", name=name, n_judged=n_judged, **world)(as_people_see_it)


_register()


@scenario(
    ROW, "40 threads of unequal size, intraclass correlation .2, a head wrong for 20%, every thread judged in part"
)
def share_clusters(rng, *, naive=False):
    threads = np.sort(np.concatenate([np.arange(40), rng.choice(40, 1160, p=rng.dirichlet(np.full(40, 3.0)))]))
    judge = np.stack([correlated(rng, threads, 0.3, 0.2) for _ in range(4)], axis=1)
    head = answered(rng, judge, 0.8, 0.8).astype(float)
    layers = [head, some(rng, judge, 300)]
    return estimated(layers, np.full(4, 0.3), clusters=None if naive else threads)


def agrees_with_ppi_py(n_draws: int = 50) -> bool | None:
    """Whether corrected shares of two layers are those of `ppi_py`, to 1e-8; `None` where it is not installed."""
    try:
        from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
    except ImportError:
        return None
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        n_texts, n = int(rng.integers(300, 3000)), int(rng.integers(100, 200))
        truth = rng.random(n_texts) < rng.uniform(0.2, 0.8)
        judge = answered(rng, truth, 0.9, 0.8).astype(float)
        labels = some(rng, truth, n)
        known = np.isfinite(labels)
        given = labels[known], judge[known], judge[~known]
        found = corrected_means([judge[:, None], labels[:, None]], confidence=LEVEL, prior=0.0)
        value = float(np.squeeze(ppi_mean_pointestimate(*given)))
        low, high = (float(np.squeeze(end)) for end in ppi_mean_ci(*given, alpha=1 - LEVEL))
        ours = float(found.value[0]), float(found.low[0]), float(found.high[0])
        if not np.allclose(ours, (value, low, high), rtol=0, atol=1e-8):
            return False
    return True
