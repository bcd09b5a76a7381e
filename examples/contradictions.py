"""Scientific understanding: on which texts does a language model contradict itself?

A model that knows what an article is about answers "is about business" and "is not about business" differently. The
articles for which it does not are compared with the others.
"""

import numpy as np

import nlparam
from examples.common import FEW, ask, run, show
from nlparam.corpus.datasets import load_dataset
from nlparam.errors import CorpusError
from nlparam.lm.base import AbstractLanguageModel


def main(
    lm: str | AbstractLanguageModel = "embedded",
    out: str | None = None,
    *,
    predicate: str = "is about business",
    negation: str = "is not about business",
    n_texts: int = 160,
) -> nlparam.Comparison | None:
    """Asks both questions, and finds what tells the contradictions from the rest (`None` if there are too few)."""
    articles = load_dataset("bbc").texts
    drawn = np.random.default_rng(0).choice(len(articles), n_texts, replace=False).tolist()
    texts = list(dict.fromkeys(articles[number] for number in drawn))

    questions = [predicate] * len(texts) + [negation] * len(texts)
    holds, holds_not = ask(lm, texts * 2, questions).reshape(2, -1)
    both, neither = holds & holds_not, ~holds & ~holds_not
    print(f"{len(texts)} articles, contradictions: {both.sum()} times yes to both, {neither.sum()} times no to both")

    groups: dict[str, list[str]] = {"contradictions": [], "others": []}
    for text, contradicts in zip(texts, both | neither, strict=True):
        groups["contradictions" if contradicts else "others"].append(text)
    goal = "what the news is about"
    try:
        found = nlparam.compare(
            groups, goal=goal, lm=lm, options=FEW, ratings=False, timeout=900, out=out, overwrite=True
        )
    except CorpusError as error:
        print(f"too few to be compared: {error}")
        return None
    show(found)
    return found


if __name__ == "__main__":
    run(main, __doc__)
