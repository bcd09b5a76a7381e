"""Real texts and a real language model: `python -m benchmarks.inference real --lm LM --store STORE [--texts N]`.

The language model is asked about each text and predicate once. Its answers are kept in the store, so that the command
can be interrupted and goes on from there; everything else is drawn from the stored answers.

| part | texts | people |
| --- | --- | --- |
| `agnews`, `bbc` | news, judged for each topic | the gold topics, of which 150 texts are known in each draw |
| `sotu` | paragraphs of the State of the Union | nobody: "speaks of war" from a sample, against all that was judged |
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inference.coefficients import corrected
from benchmarks.inference.scenarios import LEVEL, Found, covering
from benchmarks.inference.shares import as_they_are, estimated
from benchmarks.simulated import some
from nlparam.lm.base import AbstractLanguageModel

# Words whose presence stands for an answer where no language model is asked.
WORDS = ("war", "peace", "tax", "school", "health", "jobs", "energy", "freedom")
_N_LABELS, _N_STEPS = 150, 6
_MOST, _MOST_PARAGRAPHS = 1500, 2000
_SUBJECTS = {
    "agnews": {"sports": "sports", "business": "business", "technology": "technology", "politics": "politics"},
    "bbc": {
        "business": "business",
        "entertainment": "entertainment",
        "politics": "politics",
        "sports": "sports",
        "tech": "technology",
    },
}
_WAR = "speaks of war"


def measure(
    *, lm: str | AbstractLanguageModel, store: Path | None, n_texts: int | None, n_draws: int, only: Sequence[str] = ()
) -> dict[str, Any]:
    """The figures of each part: coverage over the draws, and how often the language model is right."""
    figures: dict[str, Any] = {"lm": lm if isinstance(lm, str) else lm.identity}
    for name in _SUBJECTS:
        if not only or name in only:
            figures[name] = _news(name, lm, store, min(n_texts or _MOST, _MOST), n_draws)
    if not only or "sotu" in only:
        figures["sotu"] = _speeches(lm, store, min(n_texts or _MOST_PARAGRAPHS, _MOST_PARAGRAPHS), n_draws)
    return figures


def answers(
    lm: str | AbstractLanguageModel, store: Path | None, texts: Sequence[str], predicates: Sequence[str]
) -> np.ndarray:
    """`(n_texts, n_predicates)`: whether the language model says that they hold, its bias corrected; no where it gave
    no answer. What the store has is not asked again."""
    from nlparam.denotation.session import Session
    from nlparam.numerics.heads.head import bias, correct, log_odds_of

    with Session(lm=lm, store=store) as session:
        said = session.judge().judge_all(texts, predicates)
    columns = []
    for column in said.T:
        known = column[np.isfinite(column)]
        threshold = bias(log_odds_of(known)) if len(known) > 1 else 0.0
        columns.append(correct(np.nan_to_num(column, nan=0.0), threshold) >= 0.5)
    return np.stack(columns, axis=1)


def _news(name: str, lm: str | AbstractLanguageModel, store: Path | None, n_texts: int, n_draws: int) -> dict[str, Any]:
    """Shares, a curve over a made-up time, and coefficients of a made-up number, as gold topics would give them."""
    from benchmarks.goals.corpora import load

    corpus = load(name)
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(corpus.texts))[:n_texts]
    named = [str(corpus.axes["topic"][row]) for row in rows.tolist()]
    topics = [topic.removeprefix("has a topic of ").rstrip(".") for topic in named]
    subjects = _SUBJECTS[name]
    if unknown := set(topics) - set(subjects):
        raise ValueError(f"got the topics {unknown} in {name!r}, expected {', '.join(subjects)}")
    gold = np.asarray([[topic == subject for subject in subjects] for topic in topics])
    predicates = [f"is about {subject}" for subject in subjects.values()]
    judge = answers(lm, store, [corpus.texts[row] for row in rows.tolist()], predicates)
    found = [_drawn(np.random.default_rng([1, draw]), gold, judge) for draw in range(n_draws)]
    right = (gold == judge).mean(axis=0)
    return {
        "n_texts": len(rows),
        "right": dict(zip(predicates, right.round(4).tolist(), strict=True)),
        "n_draws": n_draws,
    } | {part: _mean([one[part] for one in found]) for part in found[0]}


def _drawn(rng: np.random.Generator, gold: np.ndarray, judge: np.ndarray) -> dict[str, Found]:
    """One draw of the labels, of the time and of the number.

    Texts are drawn with replacement from those that are there: these are the population, whose shares are known.
    """
    from nlparam.models import Regression
    from nlparam.numerics.statistics.curves import curves

    n_texts, n_predicates = gold.shape
    rows = rng.integers(n_texts, size=n_texts)
    people, said = gold[rows], judge[rows].astype(float)
    labels = some(rng, people, _N_LABELS)
    layers = [said, labels]
    # Over the made-up time the first topic becomes rarer: a text of it is early, with a known chance.
    weights = np.where(gold[:, :1], np.linspace(1.5, 0.5, _N_STEPS), 1.0)
    chances = weights / weights.sum(axis=1, keepdims=True)
    step = (rng.random((n_texts, 1)) > np.cumsum(chances, axis=1)[rows]).sum(axis=1).clip(0, _N_STEPS - 1)
    shares = chances.T @ gold / chances.sum(axis=0)[:, None]
    curve = curves(layers, step, _N_STEPS, confidence=LEVEL)
    # Topics exclude one another, so that with all of them the intercept is one of them too: the last is left out.
    truth = np.linspace(1.0, -0.5, n_predicates - 1)
    number = people[:, :-1] @ truth + rng.normal(size=n_texts)
    model, kept = Regression(n_predicates - 1), slice(n_predicates - 1)
    low, high, _, unsaid = corrected(model, judge[rows][:, kept], labels[:, kept], number, np.eye(n_predicates))
    return {
        "shares": estimated(layers, gold.mean(axis=0)),
        "uncorrected_shares": as_they_are(said, gold.mean(axis=0)),
        "curve": covering(shares, curve.low, curve.high),
        "coefficients": covering(truth, low, high, unsaid=unsaid),
    }


def _mean(found: Sequence[Found]) -> dict[str, float]:
    """Coverage and width over the draws; the standard error is that of the draws."""
    shares = np.asarray([np.mean(one.covered) for one in found])
    widths = [one.width for one in found if one.width is not None]
    figures = {"value": round(float(shares.mean()), 4), "n": len(found)}
    figures["se"] = round(float(shares.std() / np.sqrt(len(found))), 4)
    if widths:
        figures["width"] = round(float(np.mean(widths)), 4)
    if unsaid := sum(one.unsaid for one in found):
        figures["unsaid"] = unsaid
    return figures


@functools.cache
def paragraphs() -> tuple[list[str], np.ndarray]:
    """The distinct paragraphs of the State of the Union addresses, and the year of each."""
    from nlparam.corpus.datasets import load_dataset

    table = load_dataset("sotu")
    years: dict[str, int] = {}
    for text, year in zip(table.texts, table.columns["year"], strict=True):
        years.setdefault(text, year)
    return list(years), np.asarray(list(years.values()))


def _speeches(lm: str | AbstractLanguageModel, store: Path | None, n_texts: int, n_draws: int) -> dict[str, Any]:
    """The curve of "speaks of war" by twelve spans of time: 300 answers and a head, against all answers."""
    from nlparam.denotation.denoter import TextFeatures
    from nlparam.denotation.session import Session
    from nlparam.language.features import NgramFeatures
    from nlparam.numerics.heads.head import Judged, fit_head
    from nlparam.numerics.statistics.curves import curves

    texts, years = paragraphs()
    rows = np.sort(np.random.default_rng(0).permutation(len(texts))[:n_texts])
    texts, years = [texts[row] for row in rows.tolist()], years[rows]
    said = answers(lm, store, texts, [_WAR])
    with Session(lm=lm, store=store) as session:
        embeddings = session.embed(texts)
    ngrams, ngram_features = NgramFeatures.fit_transform(texts)
    features = TextFeatures(ngrams, np.zeros((0, embeddings.shape[1]), embeddings.dtype)).of(embeddings, ngram_features)
    n_steps = 12
    span = np.searchsorted(np.quantile(years, np.linspace(0, 1, n_steps + 1)[1:-1]), years, side="right")
    truth = np.asarray([said[span == step].mean() for step in range(n_steps)])[:, None]
    n_trained, n_round = min(150, n_texts // 5), min(300, n_texts // 3)
    covered = []
    for draw in range(n_draws):
        rng = np.random.default_rng([2, draw])
        trained = rng.permutation(n_texts)[:n_trained]
        fitted = fit_head(features, [Judged(trained, np.where(said[trained, 0], 0.97, 0.03))], correct_bias=False)
        head = fitted.head.denote(features).astype(np.float64)
        head[trained, 0] = fitted.left_out[0]
        curve = curves([head, some(rng, said, n_round)], span, n_steps, confidence=LEVEL)
        covered.append(covering(truth, curve.low, curve.high))
    shares = dict(zip(range(n_steps), truth[:, 0].round(4).tolist(), strict=True))
    return {"n_texts": n_texts, "n_answers": n_round + n_trained, "shares": shares, "curve": _mean(covered)}
