"""BERTopic on a job: `python run_bertopic.py FOLDER`, in the environment of the peers."""

import json
import sys
from pathlib import Path

import numpy as np
import openai  # pyright: ignore[reportMissingImports]
from bertopic import BERTopic  # pyright: ignore[reportMissingImports]
from bertopic.representation import OpenAI  # pyright: ignore[reportMissingImports]
from sklearn.cluster import KMeans
from umap import UMAP  # pyright: ignore[reportMissingImports]

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
texts, embeddings = job["texts"][: job["n_fitted"]], np.load(folder / "embeddings.npy")[: job["n_fitted"]]
model = BERTopic(
    # BERTopic's own settings, but for the seed: its default UMAP has none.
    umap_model=UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=job["seed"]),
    hdbscan_model=KMeans(job["k"], n_init=10, random_state=job["seed"]),  # pyright: ignore[reportArgumentType]
    representation_model=OpenAI(openai.OpenAI(), model="local", doc_length=120, tokenizer="whitespace"),
)
topics, _ = model.fit_transform(texts, embeddings=embeddings)
found = [model.get_topic(number) for number in range(job["k"])]
predicates = [words[0][0] if words else "" for words in found]
result = {"predicates": predicates, "assignments": [int(topic) for topic in topics]}
(folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
