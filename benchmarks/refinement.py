"""What the refinement brings, beside the same judgments spent in the first round, with a simulated language model.

    python -m benchmarks.refinement --out outputs/refinement.jsonl

A text is said to be what is nearest to it, by embeddings and chance, among the frequent words of its corpus; a
predicate holds for the texts near to it, with noise. So a whole fit takes seconds and no language model, while
proposals are as narrow and judgments as uncertain as those of a small one. Texts and classes are those of
`benchmarks.goals`.
"""

import argparse
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.commands import read_rows
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.language.phrasing import what_it_says
from nlparam.lm.base import Request
from nlparam.lm.scripted import Answer, ScriptedModel

Embed = Callable[[Sequence[str]], np.ndarray]

ARMS: dict[str, dict[str, Any]] = {
    "full": {},
    "reserved": {"reserved": 0.35},
    "no_refinement": {"n_rounds": 0},
    "more_at_once": {"n_rounds": 0, "n_ahead": 2},
}
# Corpora of the goals, and which of their classes.
SETS = {
    "cookies": ("english-cookies", "love food computers politics law art medicine education"),
    "sections": ("sections", "editors hamradio video mail fonts games sound science"),
    "fields": ("fields", "mathematics geography biology finance linguistics electronics arts astronomy"),
    # Not looked at while the refinement was made.
    "agnews": ("agnews", "sports business technology politics"),
    "kinds": ("kinds-of-data", "mail archive db audio image dictionary font video"),
}
N_TEXTS, N_WORDS, N_PHRASES = 480, 40, 250
# Spread of what is said of a text, of what a judge answers (log-odds), and how sharply a predicate is bounded.
_SAYING, _JUDGING, _SHARP = 0.03, 0.8, 2.5
# A predicate holds for texts that are so many standard deviations nearer to it than the mean text, give or take.
_BOUND, _BOUND_SPREAD = 1.2, 0.4
_CATEGORY = re.compile(r"Category: ([^\n]*)\.\nProperty:\Z")
_JUDGED = re.compile(r"Text: (.*?)\n\nProperty: (.*)\. Yes or no\?\Z", re.DOTALL)
_STATED = re.compile(r"Text: (.*?)\n\n", re.DOTALL)


class Simulated:
    """A language model that knows of texts and phrases only where they lie. Texts have at most `N_WORDS` words."""

    def __init__(self, texts: Sequence[str], phrases: Sequence[str], embed: Embed):
        self.row = {text: number for number, text in enumerate(texts)}
        self.phrases, self.embed, self.texts = list(phrases), embed, embed(texts)
        self.vectors = embed(self.phrases)
        near = self.texts @ self.vectors.T
        self.near = near - near.mean(axis=0)
        self.known: dict[str, np.ndarray] = {}

    def holds(self, predicate: str) -> np.ndarray:
        """`(n_texts,)` probabilities that a predicate holds."""
        if predicate not in self.known:
            said = what_it_says(predicate)
            rng, near = _random("holds", said), self.texts @ self.embed([said])[0]
            standard = (near - near.mean()) / max(near.std(), 1e-9)
            log_odds = _SHARP * (standard - rng.normal(_BOUND, _BOUND_SPREAD)) + rng.normal(0, _JUDGING, len(near))
            self.known[predicate] = 1 / (1 + np.exp(-log_odds))
        return self.known[predicate]

    def answer(self, request: Request) -> Answer:
        prompt = request.messages[-1].content
        if request.labels is not None:
            asked = _JUDGED.search(prompt)
            # What else is asked with labels: whether the goal can be followed.
            chance = 0.9 if asked is None else float(self.holds(asked[2])[self.row[asked[1]]])
            rest = (1 - chance) / max(len(request.labels) - 1, 1)
            return {label: chance if label.strip().casefold() == "yes" else rest for label in request.labels}
        if (category := _CATEGORY.search(prompt)) is not None:
            return f"is about {category[1].strip()}"
        if (stated := _STATED.search(prompt)) is not None and stated[1] in self.row:
            return self._nearest(self.near[self.row[stated[1]]], "says", stated[1])
        if statements := [line[2:] for line in prompt.splitlines() if line.startswith("- ")]:
            return self._nearest(self.vectors @ self.embed(statements).mean(axis=0), "general", *statements)
        return ""

    def _nearest(self, near: np.ndarray, *what: str) -> str:
        return self.phrases[int(np.argmax(near + _SAYING * _random(*what).gumbel(size=len(near))))]


def _random(*what: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256("\0".join(what).encode()).digest()[:16]))


def frequent_phrases(texts: Sequence[str], number: int = N_PHRASES) -> list[str]:
    """The most frequent words and pairs of words that stand in few of the texts each."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    counting = TfidfVectorizer(
        ngram_range=(1, 2), stop_words="english", min_df=4, max_df=0.25, token_pattern=r"[A-Za-z]{3,}"
    )
    weights = np.asarray(counting.fit_transform(texts).sum(axis=0)).ravel()
    return counting.get_feature_names_out()[np.argsort(-weights, kind="stable")[:number]].tolist()


def texts_of(name: str) -> tuple[list[str], list[str]]:
    """The texts of a set, cut to the words that a statement and a judgment are shown, and their classes."""
    from benchmarks.goals.corpora import load

    corpus_name, classes = SETS[name]
    corpus = load(corpus_name)
    (labels,) = corpus.axes.values()
    # "has a topic of sports." is the class "sports".
    named = [str(label).rstrip(".").split()[-1] for label in labels]
    of = dict(zip((" ".join(text.split()[:N_WORDS]) for text in corpus.texts), named, strict=True))
    rng, each = np.random.default_rng(5), N_TEXTS // len(classes.split())
    rows = [rng.permutation([text for text in of if of[text] == one])[:each] for one in classes.split()]
    texts = rng.permutation(np.concatenate(rows)).tolist()
    return texts, [of[text] for text in texts]


@functools.cache
def _simulated(name: str) -> tuple[list[str], list[str], Simulated]:
    texts, labels = texts_of(name)
    return texts, labels, Simulated(texts, frequent_phrases(texts), SentenceTransformerEmbedder().embed)


def fitted(name: str, arm: str, seed: int, store: Path | None) -> dict[str, Any]:
    """What a fit of a set reaches: its F1, and the loss with what the judge says of all texts."""
    import jax.numpy as jnp

    import nlparam
    from benchmarks.commands import n_judgments
    from benchmarks.goals.scoring import axis_f1
    from nlparam.models import Clustering

    texts, labels, simulated = _simulated(name)
    fit = nlparam.fit(
        Clustering(n_predicates=len(set(labels))),
        texts,
        goal="what it is about",
        lm=ScriptedModel(simulated.answer, identity=f"simulated {name}", strong=False),
        options=ARMS[arm],
        store=store,
        seed=seed,
        held_out=0.0,
        inference=False,
    )
    held = jnp.asarray(np.stack([simulated.holds(predicate) for predicate in fit.predicates], axis=1))
    return {
        "set": name,
        "arm": arm,
        "seed": seed,
        "f1": axis_f1(fit.predictions, len(fit.predicates), labels),
        "loss": float(fit.model.loss(fit.model.fit_weights(held), held)),
        "judgments": n_judgments(fit.costs),
        "predicates": fit.predicates,
    }


def summarise(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The gain in F1 and the fall of the loss of the full search over each other arm, in the mean over sets and seeds
    that both have."""
    of = {(row["arm"], row["set"], row["seed"]): row for row in rows}
    figures: dict[str, Any] = {}
    for arm in ARMS:
        both = [(of["full", *key], row) for (other, *key), row in of.items() if other == arm and ("full", *key) in of]
        if arm == "full" or not both:
            continue
        gains = [full["f1"] - row["f1"] for full, row in both]
        figures[f"f1_over_{arm}"] = float(np.mean(gains))
        figures[f"f1_over_{arm}_se"] = float(np.std(gains, ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
        figures[f"loss_below_{arm}"] = float(np.mean([row["loss"] - full["loss"] for full, row in both]))
        figures[f"n_over_{arm}"] = len(both)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinement", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a JSON Lines file; what is there is not fitted again")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    parser.add_argument("--store", type=Path, help="by default the store in the user's cache")
    given = parser.parse_args()
    rows = read_rows(given.out) if given.out.exists() else []
    known = {(row["set"], row["arm"], row["seed"]) for row in rows}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    for name in given.sets:
        for seed in map(int, given.seeds.split(",")):
            for arm in given.arms:
                if (name, arm, seed) in known:
                    continue
                rows.append(fitted(name, arm, seed, given.store))
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    print(json.dumps(summarise(rows)))


if __name__ == "__main__":
    main()
