"""Development and deployment: can a language model be trusted to evaluate, and what fools it?

Two systems say what articles are about. Each is right about every second one. Where it is wrong, the first names the
topic that is least like the article, the second the one that is most like it. The language model evaluates both.
"""

import numpy as np

from examples.common import FEW, ask, run, show
from nlparam.corpus.datasets import load_dataset
from nlparam.evals.audit import Audit, Evaluations, audit
from nlparam.language.embed import SentenceTransformerEmbedder
from nlparam.lm.base import AbstractLanguageModel
from nlparam.numerics.statistics.rates import Rate

TOPICS = ("business", "entertainment", "politics", "sports", "technology")


def main(lm: str | AbstractLanguageModel = "embedded", out: str | None = None, *, n_texts: int = 160) -> Audit:
    """Has two systems answer and the language model evaluate them, and audits its verdicts."""
    articles = load_dataset("bbc")
    drawn = np.random.default_rng(0).choice(len(articles.texts), n_texts, replace=False).tolist()
    texts = [articles.texts[number] for number in drawn]
    labels = [articles.columns["label"][number].replace("tech", "technology") for number in drawn]

    embed = SentenceTransformerEmbedder().embed
    likeness = embed(texts) @ embed([f"is about {topic}" for topic in TOPICS]).T
    truth = np.asarray([TOPICS.index(label) for label in labels])
    is_true, right = truth[:, None] == np.arange(len(TOPICS)), np.arange(n_texts) % 2 == 0
    absurd = np.where(right, truth, np.where(is_true, np.inf, likeness).argmin(axis=1))
    plausible = np.where(right, truth, np.where(is_true, -np.inf, likeness).argmax(axis=1))

    answers = [TOPICS[topic] for topic in [*absurd, *plausible]]
    evaluations = Evaluations(
        task=[str(number) for number in drawn] * 2,
        output=[f"The topic is {answer}: {text}" for answer, text in zip(answers, texts * 2, strict=True)],
        verdict=ask(lm, texts * 2, [f"is about {answer}" for answer in answers]),
        correct=np.tile(right, 2),
        system=["absurd"] * n_texts + ["plausible"] * n_texts,
    )
    found = audit(
        evaluations,
        baseline="absurd",
        goal="the topic",
        lm=lm,
        options=FEW,
        ratings=False,
        timeout=900,
        out=out,
        overwrite=True,
    )
    for rates in found.rates:
        print(f"{rates.system:10} wrong and accepted {_of(rates.false_positives)}", end=", ")
        print(f"right and rejected {_of(rates.false_negatives)}, accepted {_of(rates.approval)}")
    for change in found.changes:
        interval = f"({change.low:+.2f} to {change.high:+.2f})"
        print(f"{change.kind:16} {change.difference:+.2f} {interval}, p = {change.p_adjusted:.2g} ({change.test})")
    for note in found.notes:
        print(note)
    if found.comparison is not None:
        show(found.comparison)
    return found


def _of(rate: Rate) -> str:
    return f"{rate.hits} of {rate.n}"


if __name__ == "__main__":
    run(main, __doc__)
