"""LLooM on a job: `python run_text_lloom.py FOLDER`, in the environment of the peers."""

import asyncio
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from text_lloom.llm import OpenAIEmbedModel, OpenAIModel  # pyright: ignore[reportMissingImports]
from text_lloom.workbench import lloom  # pyright: ignore[reportMissingImports]

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
texts, k, max_calls = job["texts"], job["k"], job["max_calls"]
rng = np.random.default_rng(job["seed"])


def frame(rows) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": [str(row) for row in rows], "text": [" ".join(texts[row].split()[:256]) for row in rows]}
    )


def new(kind):
    model = kind(name="local", api_key="none", cost=(0, 0), **({} if kind is OpenAIEmbedModel else _CHAT))
    # Counting tokens as OpenAI does would fetch a vocabulary; texts are cut to their first words instead.
    model.count_tokens_fn = lambda _, text: len(text) // 4
    model.truncate_fn = lambda _, text, **__: text
    return model


_CHAT = {"context_window": 8192, "rate_limit": (1_000_000, 0)}


async def run() -> dict:
    n_induced = len(texts[: job["n_fitted"]])
    if max_calls is not None:
        n_induced = min(n_induced, max(int(max_calls * job["options"]["induced_share"]), 3))
    chat = new(OpenAIModel)
    workbench = lloom(
        df=frame(np.sort(rng.permutation(job["n_fitted"])[:n_induced])),
        text_col="text",
        id_col="id",
        distill_model=chat,
        cluster_model=new(OpenAIEmbedModel),
        synth_model=chat,
        score_model=chat,
    )
    # Without the first step, which quotes long texts, and with more concepts than are kept.
    params = {"filter_n_quotes": 1, "summ_n_bullets": 1, "synth_n_concepts": max(2 * k // 3, 2)}
    await workbench.gen(seed=job["goal"], params=params, debug=False)
    concepts = workbench.concepts
    if len(concepts) > k:
        await workbench.select_auto(k)
    kept = [number for number, concept in concepts.items() if concept.active] or list(concepts)
    kept = (kept + [number for number in concepts if number not in kept])[:k]
    for number in kept:
        concepts[number].active = True
    per_call = 1
    if max_calls is not None and kept:
        per_call = math.ceil(len(kept) * len(texts) / max(max_calls - n_induced - 10, 1))
    denotations = np.zeros((len(texts), len(kept)))
    if kept:
        await workbench.score(
            c_ids=kept, batch_size=per_call, get_highlights=False, df=frame(range(len(texts))), debug=False
        )
    for column, number in enumerate(kept):
        scores = workbench.results[number]
        for row, score in zip(scores["doc_id"], scores["score"], strict=True):
            denotations[int(row), column] = float(score) >= 1.0
    return {"predicates": [concepts[number].prompt for number in kept], "denotations": denotations.tolist()}


(folder / "result.json").write_text(json.dumps(asyncio.run(run())), encoding="utf-8")
