"""What the cascade costs and whether its certificate holds, on recorded judgments.

`recorded/NAME.safetensors` holds `probabilities`, `(n_rows, n_predicates)` answers of a language model (`nan` where it
gave none), `rows`, the texts of the data set that they are of (all, if it is absent), and in its metadata the
`predicates` as a JSON list. Texts and predicates are embedded here.

A training draw runs the cascade up to its audit and counts all it asked. The audit is then drawn many times for the
same head, which is what the certificate speaks of: "with probability 0.9 over the draw of the audit".
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.commands import kmeans
from benchmarks.experiments import data as data_sets
from nlparam.numerics.heads.cascade import CascadeSteps, Target
from nlparam.numerics.heads.certify import EVERYTHING, certify
from nlparam.numerics.heads.head import bias, correct, log_odds_of
from nlparam.numerics.heads.joint_head import fit_joint_head


def least_fraction(
    features: np.ndarray,
    predicates: np.ndarray,
    probabilities: np.ndarray,
    target: Target,
    *,
    n_training: Sequence[int] = (200, 400, 800),
    seed: int = 0,
) -> float:
    """The least share of pairs asked, over some sizes of the training.

    The head is trained on so many pairs of random texts; then the pairs of which it is least certain are asked one by
    one, until recall and precision, computed from all answers, are what the target says.
    """
    thresholds = np.asarray([bias(log_odds_of(column[np.isfinite(column)])) for column in probabilities.T])
    answered = np.isfinite(probabilities)
    corrected = [correct(column, threshold) for column, threshold in zip(probabilities.T, thresholds, strict=True)]
    yes = (np.stack(corrected, axis=1) > 0.5)[answered]
    order = np.random.default_rng(seed).permutation(len(features))
    fractions = []
    for n_pairs in n_training:
        asked = np.zeros_like(answered)
        asked[order[: n_pairs // probabilities.shape[1]]] = True
        asked &= answered
        pairs = np.argwhere(asked)
        fitted = fit_joint_head(
            features,
            predicates,
            pairs,
            probabilities[asked],
            thresholds=thresholds,
            typical=np.ones(len(pairs)),
            seed=seed,
        )
        fractions.append(_fraction(fitted.head.denote(features)[answered], yes, asked[answered], target))
    return min(fractions)


def _fraction(denoted: np.ndarray, yes: np.ndarray, asked: np.ndarray, target: Target) -> float:
    """The share of pairs asked once recall and precision are reached, the least certain first."""
    said = denoted > 0.5
    order = np.argsort(-np.minimum(denoted, 1 - denoted), kind="stable")
    order = np.concatenate([np.flatnonzero(asked), order[~asked[order]]])
    # What is asked is right from then on: after the first `n` of the order, these are still wrong.
    missed = np.sum(yes & ~said) - np.cumsum((yes & ~said)[order])
    false = np.sum(~yes & said) - np.cumsum((~yes & said)[order])
    found = yes.sum() - missed
    reached = (found >= target.recall * yes.sum()) & (found >= target.precision * (found + false))
    first = int(np.argmax(reached)) + 1
    return max(first, int(asked.sum())) / len(yes)


RECORDED = Path(__file__).parent / "recorded"


class Recording(NamedTuple):
    """Recorded judgments and what the head sees of the texts."""

    features: np.ndarray
    predicates: np.ndarray
    probabilities: np.ndarray


def measure(
    names: Sequence[str] = ("agnews", "bbc"),
    *,
    data: Path,
    folder: Path = RECORDED,
    target: Target | None = None,
    n_audits: int = 500,
    n_draws: int = 10,
) -> dict[str, Any]:
    """Runs the cascade on every recorded set.

    **Arguments:** `data`, the folder of the evaluation sets; `folder`, that of the recorded judgments; `n_audits`
    simulated audits per set, shared among `n_draws` draws of the training judgments, each with a head of its own.

    **Returns:** `cascade_call_fraction`, the mean share of calls of the worst set, training and audit included;
    `cascade_least_fraction`, what a cascade that knows all answers would ask with such a head, worst set;
    `cascade_bound_held`, the share of audits after which true recall and precision reached the targets, worst set;
    `cascade_sets`, the same per set and more.
    """
    target = Target() if target is None else target
    if missing := [name for name in names if not (folder / f"{name}.safetensors").exists()]:
        raise FileNotFoundError(f"no recorded judgments of {', '.join(missing)} in {folder}: record them first")
    sets = {name: simulate(load(name, data, folder), target, n_audits=n_audits, n_draws=n_draws) for name in names}
    return {
        "cascade_call_fraction": max(found["call_fraction"] for found in sets.values()),
        "cascade_least_fraction": max(found["least_fraction"] for found in sets.values()),
        "cascade_bound_held": min(found["bound_held"] for found in sets.values()),
        "cascade_sets": sets,
    }


def simulate(recording: Recording, target: Target, *, n_audits: int, n_draws: int, seed: int = 0) -> dict[str, Any]:
    """`n_audits` audits of one recorded set; the first audit of each draw is the one that the cascade itself draws."""
    features, predicates, probabilities = recording
    audits: list[tuple[float, bool, bool]] = []  # the share asked, whether the bound held, whether everything was asked
    planned, truths = [], []
    for number in range(n_draws):
        cascade = CascadeSteps(features, predicates, target, seed=seed + number)
        while len(pairs := cascade.ask()) and cascade.stage == "training":
            cascade.tell(pairs, probabilities[pairs[:, 0], pairs[:, 1]])
        yes = _yes(probabilities, cascade.thresholds)
        truths.append(np.mean(yes == 1))
        audit, rng = next(iter(cascade.audits), None), np.random.default_rng([seed, number, 1])
        planned.append(1.0 if audit is None else np.mean(audit.level == -1))
        for _ in range(n_audits // n_draws + (number < n_audits % n_draws)):
            if audit is None or cascade.stage != "audit":  # it asked everything without an audit
                audits.append((1.0, True, True))
                continue
            drawn = audit.draw(rng)
            level = certify(drawn, yes, target).level
            asked = (audit.level <= level) | drawn.drawn
            said = np.where(asked, yes == 1, audit.yes)
            # Pairs without an answer have no truth: they count on neither side.
            right, positive, claimed = np.sum(said & (yes == 1)), np.sum(yes == 1), np.sum(said & (yes >= 0))
            enough = right >= target.recall * positive - 1e-9 and right >= target.precision * claimed - 1e-9
            audits.append((float(np.mean(asked)), bool(enough), level == EVERYTHING))
    fractions, held, everything = np.asarray(audits, float).T
    return {
        "n_pairs": int(probabilities.size),
        "positive_share": float(np.mean(truths)),
        "call_fraction": float(fractions.mean()),
        "call_fraction_worst": float(fractions.max()),
        "training_fraction": float(np.mean(planned)),
        "least_fraction": least_fraction(features, predicates, probabilities, target),
        "bound_held": float(held.mean()),
        "asked_everything": float(everything.mean()),
        "n_audits": len(audits),
        "n_training_draws": n_draws,
    }


def load(name: str, data: Path, folder: Path = RECORDED) -> Recording:
    """The recorded judgments of a set and the features of its texts, as in a fit."""
    import safetensors

    from nlparam.denotation.denoter import TextFeatures
    from nlparam.language.embed import SentenceTransformerEmbedder
    from nlparam.language.features import NgramFeatures

    with safetensors.safe_open(folder / f"{name}.safetensors", "np") as file:
        predicates = json.loads(file.metadata()["predicates"])
        probabilities = file.get_tensor("probabilities").astype(np.float64)
        rows = file.get_tensor("rows") if "rows" in file.keys() else np.arange(len(probabilities))  # noqa: SIM118
    every = texts_of(name, data)
    texts = [every[row] for row in rows.tolist()]
    embedder = SentenceTransformerEmbedder()
    embeddings = embedder.embed(texts)
    # k-means stands for the relaxation of a clustering, whose directions are the centres of its groups.
    centres = kmeans(embeddings, len(predicates), seed=0, n_init=1).cluster_centers_
    directions = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(embeddings.dtype)
    ngrams, ngram_features = NgramFeatures.fit_transform(texts)
    features = TextFeatures(ngrams, directions).of(embeddings, ngram_features)
    return Recording(features, embedder.embed(predicates), probabilities)


def texts_of(name: str, data: Path) -> list[str]:
    """All texts of a set, in their order."""
    return data_sets.load(name, folder=data).texts


def _yes(probabilities, thresholds):
    """1 yes, 0 no, -1 no answer, flat over the pairs."""
    columns = zip(probabilities.T, thresholds, strict=True)
    yes = np.stack([correct(column, threshold) > 0.5 for column, threshold in columns], axis=1)
    return np.where(np.isfinite(probabilities), yes, -1).ravel()
