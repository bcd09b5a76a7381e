"""The main job, measured: five readable predicates for 2,225 BBC news articles, on this machine, from an empty store.

`python -m benchmarks.main_job [--seeds 0,1,2] [--lm embedded]`. Gold topics are used for scoring only. Each seed starts
with a store of its own, so its time holds the embedding, the loading of the language model and every judgment; then the
same fit is repeated to measure what a repeated command costs.
"""

import json
import resource
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import nlparam
from benchmarks.commands import command, embedded, kmeans, n_judgments, timed
from nlparam.corpus.datasets import load_dataset
from nlparam.models import Clustering
from nlparam.numerics.statistics.metrics import matched_f1, one_hot

GOAL = "what the story is about"


def measure(
    seeds: Annotated[list[int], "comma-separated, one fit each"] = [0, 1, 2],  # noqa: B006
    lm: str = "embedded",
    k: int = 5,
) -> dict[str, Any]:
    """The main job, measured."""
    corpus = load_dataset("bbc")
    names, labels = np.unique(corpus.columns["label"], return_inverse=True)
    gold = one_hot(labels, len(names))
    runs = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store.sqlite"
            run = fit_once(corpus.texts, gold, k, lm, seed, store)
            run["kmeans_f1"] = kmeans_f1(corpus.texts, gold, len(names), seed, store)
            again = fit_once(corpus.texts, gold, k, lm, seed, store)
            run |= {"again_seconds": again["seconds"], "again_calls": again["calls"]}
            run["again_embedded"] = again["embedded"]
        runs.append(run)
        print(json.dumps(run), flush=True)
    means = ("f1_hungarian", "judgments", "seconds", "assigned", "kmeans_f1", "again_seconds")
    return {name: float(np.mean([run[name] for run in runs])) for name in means} | {
        "most_judgments": max(run["judgments"] for run in runs),
        "most_seconds": max(run["seconds"] for run in runs),
        "most_again_seconds": max(run["again_seconds"] for run in runs),
        "again_calls": sum(run["again_calls"] for run in runs),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "seeds": seeds,
        "lm": lm,
        "runs": runs,
    }


def fit_once(texts, gold, k, lm, seed, store) -> dict:
    options = {"goal": GOAL, "lm": lm, "store": store, "seed": seed}
    fit, seconds = timed(nlparam.fit, Clustering(n_predicates=k), texts, **options)
    score = matched_f1(one_hot(fit.predictions, len(fit.predicates)), gold)
    return {
        "seed": seed,
        "f1_hungarian": score.macro,
        "f1_per_topic": score.per_reference.tolist(),
        "predicates": fit.predicates,
        "sizes": np.bincount(fit.predictions, minlength=len(fit.predicates)).tolist(),
        "assigned": int(np.sum(fit.predictions >= 0)),
        "judgments": n_judgments(fit.costs),
        "calls": fit.costs.calls,
        "embedded": fit.costs.embeddings_computed,
        "prompt_tokens": fit.costs.prompt_tokens,
        "completion_tokens": fit.costs.completion_tokens,
        "seconds": seconds,
        "stages": fit.costs.seconds,
        "head_agreement": float(np.mean([agreement.agreement for agreement in fit.agreement])),
        "loss": fit.loss,
        "result": fit.result.name,
    }


def kmeans_f1(texts, gold, n_clusters, seed, store) -> float:
    """k-means on the same embeddings: a partition that cannot be read."""
    clusters = kmeans(embedded(texts, store), n_clusters, seed=seed).labels_
    return matched_f1(one_hot(clusters, n_clusters), gold).macro


if __name__ == "__main__":
    command(measure)
