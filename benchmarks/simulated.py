"""Worlds with a known truth, and what stands for a language model in them. No estimator of the library is used here."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nlparam.denotation.judge import AbstractJudge
from nlparam.errors import FitWarning
from nlparam.language.prompting import cut_words
from nlparam.lm.base import Request
from nlparam.testing import ScriptedEmbedder, ScriptedModel, judgment_of


def answered(rng: np.random.Generator, truth: np.ndarray, right_yes: Any, right_no: Any) -> np.ndarray:
    """Answers of a judge (or a head) that is right for a share of the cases that hold, and of those that do not.

    The shares may be arrays that broadcast with the truth.
    """
    right = np.where(truth, right_yes, right_no)
    return np.where(rng.random(np.shape(truth)) < right, truth, ~truth)


def some(rng: np.random.Generator, values: np.ndarray, n_known: int) -> np.ndarray:
    """The values as floats, known for a random `n_known` rows and `nan` for the others."""
    known = np.zeros(len(values), dtype=bool)
    known[rng.permutation(len(values))[:n_known]] = True
    return np.where(known.reshape(-1, *[1] * (values.ndim - 1)), values.astype(np.float64), np.nan)


def correlated(rng: np.random.Generator, clusters: np.ndarray, prevalence: float, correlation: float) -> np.ndarray:
    """`(n_texts,)` booleans of a given intraclass correlation: each cluster has a rate of its own, by a beta law."""
    total = 1 / correlation - 1
    rates = rng.beta(prevalence * total, (1 - prevalence) * total, size=int(clusters.max()) + 1)
    return rng.random(len(clusters)) < rates[clusters]


def texts_of(n_texts: int, n_words: Sequence[int] | None = None) -> list[str]:
    """Distinct texts that mean nothing, of so many words each."""
    lengths = [6] * n_texts if n_words is None else n_words
    return [
        " ".join([f"text{number}", *(f"word{number * k % 97}" for k in range(1, int(n)))])
        for number, n in enumerate(lengths)
    ]


class TableJudge(AbstractJudge):
    """Looks answers up in a table, `(n_texts, n_predicates)` of booleans or probabilities; `asked` are its pairs."""

    identity = "table"

    def __init__(self, texts: Sequence[str], answers: Mapping[str, np.ndarray]):
        self.row = {text: number for number, text in enumerate(texts)}
        self.answers = {name: np.asarray(column, np.float64) for name, column in answers.items()}
        self.asked: set[tuple[int, str]] = set()

    def judge(self, texts: Sequence[str], predicates: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        listed: list[list[int]] = np.asarray(pairs).tolist()
        asked = [(self.row[texts[text]], predicates[predicate]) for text, predicate in listed]
        self.asked.update(asked)
        return np.asarray([self.answers[predicate][row] for row, predicate in asked], np.float64)


def table_embedder(texts: Sequence[str], vectors: np.ndarray) -> ScriptedEmbedder:
    """Gives each text a vector from a table, and any other string one of its digest."""
    row = {text: number for number, text in enumerate(texts)}

    def vector(text: str) -> list[float]:
        if text in row:
            return vectors[row[text]].tolist()
        return np.random.default_rng(int(share(text) * 2**32)).normal(size=vectors.shape[1]).tolist()

    return ScriptedEmbedder(vector, identity=f"table {vectors.shape[1]}")


def share(*parts: str) -> float:
    """A number in [0, 1) that looks random and depends on nothing but the parts."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:4], "big") / 2**32


def yes_or_no(says: bool, chance: float) -> dict[str, float]:
    """Label probabilities of an answer that is given with this chance."""
    return {"yes": chance, "no": 1 - chance} if says else {"yes": 1 - chance, "no": chance}


def erring(
    texts: Sequence[str],
    held: Mapping[str, np.ndarray],
    *,
    errors: float,
    distractors: Sequence[str] = (),
    n_proposed: int | None = None,
    identity: str,
    write: Callable[[str], str | None] = lambda _: None,
) -> ScriptedModel:
    """A language model that proposes what holds for the texts among distractors, and errs in a share of its judgments.

    **Arguments:** `held`, `(n_texts,)` booleans by predicate; a distractor holds for a third of the texts. `write` says
    what is answered to a prompt that asks for something else.
    """
    row = {cut_words(text, 400): number for number, text in enumerate(texts)}

    def answer(request: Request) -> str | dict[str, float]:
        asked = request.messages[-1].content
        if (question := judgment_of(request)) is not None:
            column, text = held.get(question.predicate), question.text
            says = share("distractor", asked) < 0.35 if column is None else bool(column[row[text]])
            return yes_or_no(says != (share(asked) < errors), 0.95)
        order = np.random.default_rng(int(share(asked) * 2**32)).permutation([*held, *distractors])
        return write(asked) or json.dumps(order.tolist()[:n_proposed])

    return ScriptedModel(answer, identity=identity)


def with_phrases(rng: np.random.Generator, words: Sequence[str], n_words: int, said: Iterable[Sequence[str]]) -> str:
    """So many random words, and among them at random places one of the ways to say each thing."""
    text = rng.choice(words, n_words).tolist()
    for ways in said:
        text.insert(int(rng.integers(len(text) + 1)), str(rng.choice(ways)))
    return " ".join(text)


def silent() -> ScriptedModel:
    """A language model that nobody asks."""
    return ScriptedModel([], strong=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings for readers of one result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        yield
