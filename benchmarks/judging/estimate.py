"""How far the estimate of a fit is from what the fit then used: calls, tokens and seconds."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nlparam
from benchmarks.commands import timed
from nlparam.corpus.datasets import load_dataset
from nlparam.models import Clustering

GOAL = "what the story is about"


def measure(seeds: Sequence[int] = (0,), *, lm: str = "embedded", k: int = 5, n_texts: int | None = None) -> dict:
    """Estimates, then fits, the main job (BBC news) from an empty store for each seed.

    **Returns:** `estimate_error`, the largest relative error of calls, tokens and seconds over the seeds; `estimates`,
    for each seed what was expected and what was used. The calls of the estimate belong to the fit, which does not
    repeat them, and so does their time.
    """
    texts = load_dataset("bbc").texts[:n_texts]
    runs = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            options = {"goal": GOAL, "lm": lm, "seed": seed, "store": Path(folder) / "store.sqlite"}
            expected, tried_seconds = timed(nlparam.estimate, Clustering(k), texts, **options)
            fit = nlparam.fit(Clustering(k), texts, **options)
        calls, tokens, tried = fit.costs.calls, fit.costs.tokens, expected.n_tried
        used: dict[str, float] = {"calls": calls + tried, "tokens": tokens * (1 + tried / max(calls, 1))}
        used["seconds"] = fit.costs.total_seconds + tried_seconds
        said: dict[str, float] = {
            "calls": expected.calls,
            "tokens": expected.prompt_tokens + expected.completion_tokens,
        }
        said["seconds"] = expected.seconds
        errors = {name: said[name] / used[name] - 1 for name in used}
        runs.append({"seed": seed, "expected": said, "used": used, "errors": errors, "tried_seconds": tried_seconds})
        print(json.dumps(runs[-1]), flush=True)
    worst = max(abs(error) for run in runs for error in run["errors"].values())
    return {"estimate_error": worst, "estimates": runs}
