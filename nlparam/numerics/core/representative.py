"""Texts that are typical of a direction, and unlike one another in everything else."""

import warnings

import numpy as np


def typical_texts(
    scores: np.ndarray, embeddings: np.ndarray, n_shown: int, *, share: float, rng: np.random.Generator
) -> np.ndarray:
    """The indices of `n_shown` texts of the highest-scoring `share`, the highest first.

    Along the direction they are high; across it they are spread: what is left of the embeddings without the scores is
    clustered, and each cluster is shown by the text in its middle. The highest alone would be near-duplicates of one
    story, and a proposer would name the story.

    **Arguments:** `scores`, `(n_texts,)`; `embeddings`, `(n_texts, embed_dim)`, unit vectors; `share`, in (0, 1]. Where
    the share is fewer than `n_shown` texts, the highest `n_shown` are taken.
    """
    from sklearn.cluster import KMeans

    order = np.argsort(-scores, kind="stable")
    top = order[: max(n_shown, round(share * len(order)))]
    if len(top) <= n_shown:
        return top
    # A large corpus is clustered by a sample of it.
    top = top if len(top) <= 40 * n_shown else np.sort(rng.choice(top, 40 * n_shown, replace=False))
    rest = across(embeddings[top], scores[top])
    with warnings.catch_warnings():
        # Fewer different vectors than clusters: some clusters are empty, and fewer texts are shown.
        warnings.filterwarnings("ignore", message="Number of distinct clusters", module="sklearn")
        means = KMeans(n_shown, n_init="auto", random_state=int(rng.integers(2**31)))
        labels = means.fit_predict(rest)
    distances = ((rest - means.cluster_centers_[labels]) ** 2).sum(axis=1)
    nearest = np.lexsort([distances, labels])
    _, first = np.unique(labels[nearest], return_index=True)
    middles = top[nearest[first]]
    return middles[np.argsort(-scores[middles], kind="stable")]


def across(embeddings: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What is left of embeddings once what varies with the scores is taken out, `(n_texts, embed_dim)`."""
    centred = embeddings - embeddings.mean(axis=0)
    along = scores - scores.mean()
    total = float(along @ along)
    return centred if total == 0.0 else centred - np.outer(along, along @ centred) / total
