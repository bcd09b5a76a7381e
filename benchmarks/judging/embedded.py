"""Judgments a second of the ways to run the embedded weights: the wheel of llama.cpp, and a build for the processor."""

import importlib.util
import json
import time
from typing import Any

import numpy as np

from nlparam.corpus.datasets import load_dataset
from nlparam.denotation.session import Session
from nlparam.lm import DEFAULT_WEIGHTS

PREDICATES = tuple(f"is about {topic}" for topic in ("business", "entertainment", "politics", "sports", "technology"))


def measure(n_texts: int = 12, *, weights: str = DEFAULT_WEIGHTS, n_words: int = 60) -> dict[str, Any]:
    """Judges BBC articles for five predicates with each way that is installed, after one judgment to load the model.

    **Returns:** `embedded_judgments_per_second` and, where llama-cpp-python is installed,
    `native_judgments_per_second`, and `native_difference`, the mean difference of their probabilities.
    """
    texts = load_dataset("bbc").texts[: n_texts + 1]
    found: dict[str, Any] = {}
    said = {}
    for way in ("embedded", "native"):
        if way == "native" and importlib.util.find_spec("llama_cpp") is None:
            continue
        with Session(lm=f"{way}:{weights}", store=":memory:") as session:
            judge = session.judge(n_words=n_words)
            judge.judge_all(texts[:1], PREDICATES[:1])  # the first text loads
            start = time.perf_counter()
            said[way] = judge.judge_all(texts[1:], PREDICATES)
            found[f"{way}_judgments_per_second"] = said[way].size / (time.perf_counter() - start)
        print(json.dumps(found), flush=True)
    if len(said) == 2:
        found["native_difference"] = float(np.nanmean(np.abs(said["embedded"] - said["native"])))
    return found
